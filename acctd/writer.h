/*
 * The thread that writes: one batch at a time, all files of it, so that the loop never waits for a disk. While a
 * batch is under way its files and their `writing` buffers are the thread's; at all other times the loop's.
 */
#ifndef PH_ACCTD_WRITER_H
#define PH_ACCTD_WRITER_H

#include "acctd/sink.h"
#include "lib/ev/ev.h"

#define ACCTD_MAX_FILES 64

struct slot {
	struct sink *sink;
	struct buf pending; /* lines that wait for the next batch */
	struct buf writing; /* lines of the batch that are not durable yet */
	bool wants_rotate;  /* the loop's: begin a new file in the next batch */
	bool rotate;	    /* the batch's */
	bool failed;	    /* in the last batch: `why` */
	struct why why;
};

struct batch {
	struct slot *slots;
	size_t n;
	struct wall now;
};

struct writer;
typedef void writer_done_cb(void *ctx);

/* `done` comes from the loop. Returns owned. */
struct writer *writer_new(writer_done_cb *done, void *ctx);
/* Waits for the batch under way, if any, its `done` too, and ends the thread. */
void writer_free(struct writer **w);
/* Hands over a batch; not while one is under way. */
void writer_start(struct writer *w, const struct batch *b);
bool writer_is_busy(const struct writer *w);

#endif
