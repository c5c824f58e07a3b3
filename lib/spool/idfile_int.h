/*
 * The writer's file journal/W.id: who holds the writer's number (flock), the ids and generations lent to it, what it
 * has accepted, and large messages whose rename is under way. Two halves, written in turn, so that a torn one leaves
 * the other; each has its block twice, so that a turned bit loses nothing. Only the writer writes it.
 */
#ifndef PH_SPOOL_IDFILE_INT_H
#define PH_SPOOL_IDFILE_INT_H

#include "lib/base/why.h"
#include "lib/spool/record_int.h"

#define IDFILE_BLOCKS 4	 /* of the file: in each half the same twice */
#define IDFILE_LARGE  80 /* large messages between their tmp file and their acknowledgement */

struct idfile_large {
	uint64_t id;
	uint32_t n_rcpts;
};
struct idfile_text {
	uint64_t turn;	     /* rises by one a write */
	uint64_t lease_ms;   /* ids up to this millisecond may have been given */
	uint32_t generation; /* generations up to this may have been used */
	uint32_t n_large;
	uint64_t n_msgs, n_rcpts; /* accepted into the journal: at least so many */
	uint64_t large_msgs, large_rcpts;
	struct idfile_large large[IDFILE_LARGE];
};
struct idfile {
	struct idfile_text t;
	int fd;
	bool
	    is_dirty; /* the file may name refused ones that `t` does not: a write failed, or is due */
	/* Refused large messages whose tmp file must stay as long as the file may name them. One that is still named in
	 * `t`: whether it was renamed the disk would not say. */
	uint64_t *refused; /* owned */
	size_t n_refused, cap_refused;
	uint64_t settled
	    [IDFILE_LARGE]; /* under way in an earlier process, found accepted at the start */
	size_t n_settled;
};

/* The newest good block. False when there is none (a new file, or both broken). */
bool idfile_read(int fd, struct idfile_text *t);
/* Opens or makes the file, locks it, and syncs what a killed process left in it. A file without a good block is copied
 * into `bad` and begun anew. -1 with `why`: another process holds it. */
int idfile_open(
    struct idfile *f, int dirfd, int journal_fd, unsigned writer, struct why *why) PH_MUST_CHECK;
/* Writes and syncs the text. -1 with errno; the file then has this text or the one before. */
int idfile_write(struct idfile *f) PH_MUST_CHECK;
void idfile_close(struct idfile *f);

#endif
