/*
 * Whether a daemon still answers: master asks each one at every tick and counts the ticks of its own life that
 * pass without an answer. So neither a master nor a machine that was itself stopped for a while takes that time for
 * the daemons' silence. Decides only; it sends, reads and kills nothing.
 */
#ifndef PH_MASTER_WATCH_H
#define PH_MASTER_WATCH_H

#include "lib/base/base.h"

#define WATCH_TICK_MS 5000
/* ticks without an answer: at most 25 s after it stopped */
#define WATCH_SILENT_TICKS 4
/* a start reads and compiles, and answers nothing before it is ready */
#define WATCH_START_TICKS 24

enum watch_verdict {
	WATCH_FINE,
	WATCH_ASK,  /* send it a question now */
	WATCH_HUNG, /* it had its time */
};

struct watch {
	uint32_t silent; /* ticks since the question that was not answered, or since its start */
	bool is_asked;
};

/* A tick passed for a daemon that runs. */
enum watch_verdict watch_tick(struct watch *w, bool is_starting);
/* It answered, or became ready. */
void watch_heard(struct watch *w);

#endif
