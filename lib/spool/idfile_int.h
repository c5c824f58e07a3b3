/*
 * The writer's file journal/W.id: who holds the writer's number (flock), the ids and generations lent to it, what it
 * has accepted, and large messages whose rename is under way. Two blocks, written in turn, so that a torn one leaves
 * the other. Only the writer writes it.
 */
#ifndef PH_SPOOL_IDFILE_INT_H
#define PH_SPOOL_IDFILE_INT_H

#include "lib/base/why.h"
#include "lib/spool/record_int.h"

#define IDFILE_LARGE 80 /* large messages between their tmp file and their acknowledgement */

struct idfile_large {
	uint64_t id;
	uint32_t n_rcpts;
};
struct idfile_text {
	uint64_t	    turn;	/* rises by one a write */
	uint64_t	    lease_ms;	/* ids up to this millisecond may have been given */
	uint32_t	    generation; /* generations up to this may have been used */
	uint32_t	    n_large;
	uint64_t	    n_msgs, n_rcpts; /* accepted into the journal: at least so many */
	uint64_t	    large_msgs, large_rcpts;
	struct idfile_large large[IDFILE_LARGE];
};
struct idfile {
	struct idfile_text t;
	int		   fd;
};

/* The newest good block. False when there is none (a new file, or both broken). */
bool idfile_read(int fd, struct idfile_text *t);
/* Opens or makes the file and locks it. -1 with `why`: another process holds it. */
int idfile_open(struct idfile *f, int journal_fd, unsigned writer, struct why *why) PH_MUST_CHECK;
/* Writes and syncs the text. -1 with errno; the file then still has the text before. */
int  idfile_write(struct idfile *f) PH_MUST_CHECK;
void idfile_close(struct idfile *f);

#endif
