/*
 * Reading the spool: a record by its place (deliverd, acctd, bounced), and the walk over everything that is
 * there (queued at its start, the audit). Reads only; never trusts: a record that breaks its contract is
 * reported by name and skipped.
 */
#ifndef PH_SPOOL_READER_H
#define PH_SPOOL_READER_H

#include "lib/base/buf.h"
#include "lib/ipc/structs.h"
#include "lib/spool/envelope.h"

/* Keeps a small cache of open segment descriptors. dirfd: the spool directory, borrowed. */
struct spool_reader;
struct spool_reader *spool_reader_new(int dirfd);
void spool_reader_free(struct spool_reader **r);

/*
 * Reads the first `want` bytes of the record (all of it if want >= len) into *b (reset first) and checks header,
 * id and generation; the checksum when the whole was read. `fd` and `offset`, if not NULL, tell where the message
 * itself begins (env_len bytes into the record) for sendfile; the descriptor belongs to the reader's cache and
 * lives until the next call. 0, or -1 with `why` and errno: EBADMSG where what is there is not that record.
 */
int spool_read(struct spool_reader *r, const struct spool_place *place, size_t want, struct buf *b,
    int *fd, uint64_t *offset, struct why *why) PH_MUST_CHECK;

/* Below spool/queue: "hh/iiiiiiiiiiiiiiii". */
#define SPOOL_FILE_NAME 20
const char *spool_file_name(uint64_t id, char name[SPOOL_FILE_NAME]);

/* ---- the walk ---- */

struct spool_walk;
enum walk_event {
	WALK_RECORD,  /* a live-or-done record: place, envelope (header + env bytes) */
	WALK_SEGMENT, /* a segment was finished: its number, generation, bytes in use */
	WALK_MOVED, /* a record whose message a good queue file has (a crash while it was moved): spool_record_moved() */
	WALK_TORN, /* what the power left of the last group, which nobody was told of: where, and `why` */
	WALK_BAD,   /* something cannot be believed or read: `why` */
	WALK_AGAIN, /* the time slice is over: call again */
	WALK_END
};
struct walk_item {
	struct spool_place place;
	struct str
	    env; /* behind the header line, to the end of the empty line; borrowed until the next call */
	struct ipc_segment segment;
	struct why why;
	bool
	    is_unreadable; /* WALK_BAD: the system did not give it, which may pass: not to be set aside */
};
/*
 * First the queue files, then each segment of each writer, oldest first. What the done log says is gone or was moved
 * out is left out (a segment that is gone comes as WALK_SEGMENT without records: its writer may have it back), and no
 * id comes twice. The newest segment of each writer is synced before it is read, and so is the directory of a large
 * message that its writer was just about to accept: what was told must not vanish with the power.
 */
struct spool_walk *spool_walk_new(int dirfd);
/*
 * Only what `writer` has: its queue files (also those already known: tell by id), and its journal from `offset` of the
 * segment with this generation on. For queued after that writer died: acknowledged, but ACCEPTED did not arrive.
 */
struct spool_walk *spool_walk_new_writer(
    int dirfd, uint16_t writer, uint32_t generation, uint64_t offset);
/*
 * The next item. WALK_AGAIN when `slice_ms` have passed since the first call or the last WALK_AGAIN: call again in a
 * later turn. slice_ms < 0: never (for tools without a loop). WALK_BAD: `why`, and where (place.kind 0: nowhere).
 */
enum walk_event spool_walk_next(struct spool_walk *w, int slice_ms, struct walk_item *item);
void spool_walk_free(struct spool_walk **w);
/* For the walk of a running spool: the segments that a writer has open end here (SEGMENT_OPEN's or later ACCEPTED's
 * place tells what comes by message); call before the walk reaches them. */
void spool_walk_stop_at(struct spool_walk *w, uint16_t writer, uint32_t segment, uint64_t offset);

#endif
