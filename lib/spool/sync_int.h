/*
 * A flush of the done log on its way: what the loop gives to the thread, and what comes back. The thread writes and
 * flushes; it knows nothing of who waits.
 */
#ifndef PH_SPOOL_SYNC_INT_H
#define PH_SPOOL_SYNC_INT_H

#include "lib/spool/store_int.h"

struct sync_job {
	struct ev_work work;
	struct spool_store *s;
	struct line_list lines;
	int fd; /* in: the file to go on in, -1: begin a new one; out: the file, -1: there is none */
	size_t at, capacity;	 /* line number in it, lines that it may have */
	struct done_header head; /* of a new one */
	struct line_list table;
	bool failed; /* why */
	struct why why;
};

/*
 * In the thread: job->failed with job->why where nothing of it may be taken for done. A new file that came to nothing
 * is removed again: out fd is then -1, or, where that may not last, still the file, and its number counts as used.
 */
void sync_job_run(struct ev_work *work);

#endif
