/*
 * A writer's segments as its flush thread sees them: which are spare, which one is open, where its
 * durable end is, and what to do when the disk fails. Everything here may block; it is called
 * before the thread's first job and then only from the thread.
 */
#ifndef PH_SPOOL_SEGMENT_INT_H
#define PH_SPOOL_SEGMENT_INT_H

#include "lib/base/clock.h"
#include "lib/ipc/structs.h"
#include "lib/spool/files_int.h"
#include "lib/spool/idfile_int.h"
#include "lib/spool/journal.h"
#include "lib/spool/scan_int.h"

#define SEGMENT_SPARES 64 /* more free segments than this are removed */
/* with less room than this on the file system only so many are kept: the done log and the queue files need it */
#define SEGMENT_LOW_ROOM   (UINT64_C(8) * JOURNAL_SEGMENT_BYTES)
#define SEGMENT_LOW_SPARES 2
/* the last place where a record may end: the end line must still fit */
#define SEGMENT_ROOM (JOURNAL_SEGMENT_BYTES - SPOOL_HEADER_LEN)

struct segment_used {
	uint32_t segment, generation;
	bool abandoned;
};
struct segments {
	int dirfd;	/* the spool, borrowed */
	int journal_fd; /* owned */
	unsigned writer;
	struct idfile ids;

	/* the open one; fd -1: none */
	int fd;
	uint32_t told;		    /* generation of the last one that was told to have begun */
	uint64_t pos;		    /* durable up to here, and next write */
	struct segment_end in;	    /* what is in it so far */
	struct segment_header head; /* of the open one; its counts and marks go on into the next */

	uint32_t next_number;
	uint32_t *spare;
	size_t n_spare, cap_spare;
	struct segment_used *used; /* full or abandoned, waiting to be freed */
	size_t n_used, cap_used;

	uint64_t first_ms; /* ids begin here: above all that may have been given before */
	bool has_failed;   /* the last attempt to open one */
	struct mono failed_at;
	struct why why;
};

/*
 * Opens directory and id file, finds out what is there, closes the newest segment in order. now_ms:
 * of ids. -1 with `why`; segments_close() is due in any case.
 */
int segments_open(
    struct segments *s, int dirfd, unsigned writer, uint64_t now_ms, struct why *why) PH_MUST_CHECK;
/* last_ms: the last id given; 0: leave what was lent. */
void segments_close(struct segments *s, uint64_t last_ms);
/* One more spare segment. `zero`: written through, so that later flushes need no metadata. */
int segments_add_spare(struct segments *s, bool zero, struct why *why) PH_MUST_CHECK;
/* Makes a segment be open with room for `len` bytes (a full one is ended first: *sealed says so and
 * how far). */
int segments_need_room(struct segments *s, uint64_t len, struct mono now,
    struct ipc_segment *sealed, struct why *why) PH_MUST_CHECK;
/*
 * Writes the pieces (used up) at pos and makes it durable. 0: pos and counts have moved; -1: the segment is abandoned,
 * *sealed says up to where it counts, `why` has the reply.
 */
int segments_write(struct segments *s, struct iovec *piece, size_t n,
    const struct segment_end *adds, struct ipc_segment *sealed, struct why *why) PH_MUST_CHECK;
/* Ends the open segment in order, if there is one. */
void segments_seal(struct segments *s, struct ipc_segment *sealed);
void segments_freed(struct segments *s, uint32_t segment, uint32_t generation);
/* Lends ids up to `ms` and some more, if they are not lent yet; durable when it returns 0. */
int segments_lend(struct segments *s, uint64_t ms) PH_MUST_CHECK;
/* Writes the id file with the present counts. -1 with errno: it may have this text or the one before. */
int segments_write_ids(struct segments *s) PH_MUST_CHECK;
/* What the writer has accepted, all segments. */
void segments_accepted(const struct segments *s, uint64_t *n_msgs, uint64_t *n_rcpts);

#endif
