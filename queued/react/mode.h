/*
 * A queue's mode, normal or backoff: what set it, since when, until when, and who is told. While q->backoff is set
 * the backoff-* settings hold. A queue that was never in another mode costs nothing here; after a restart every queue
 * is normal. Modes change by a remote's reply, by a command, by time, by a delivery, or when every source is disabled:
 * never by our own trouble.
 */
#ifndef PH_QUEUED_REACT_MODE_H
#define PH_QUEUED_REACT_MODE_H

#include "lib/conf/conf.h"
#include "queued/ticks.h"

struct queue;

/* what made a queue's state change; texts are borrowed for the call */
struct cause {
	struct str text; /* "421 4.7.0 …", "by command", … */
	struct conf_origin origin;
	const char *directive; /* NULL: none */
	bool
	    of_report; /* a reply to one of our own reports or notices: nobody is written to about it */
};
/* A copy that outlives the configuration. */
struct cause_kept {
	char *text, *file;
	const char *directive;
	uint32_t line;
};
void cause_keep(struct cause_kept *k, const struct cause *c);
void cause_forget(struct cause_kept *k);

#define MODE_EVENTS 10
struct mode_event {
	struct wall when;
	char *text;
};
struct mode {
	struct tick since, until; /* until: when it becomes normal by itself, INT32_MAX: not */
	struct cause_kept by;
	struct mode_event ring[MODE_EVENTS];
	uint32_t n; /* changes ever */
	struct tick
	    notice_after; /* the next notice goes no earlier: a mode that flaps floods nobody */
	bool notice_due;
};

/* ms: how long at most, -1: as backoff-to-normal-after says */
void mode_set_backoff(struct queue *q, int64_t ms, const struct cause *c);
void mode_set_normal(struct queue *q, const struct cause *c);
/* A delivery went through. */
void mode_delivered(struct queue *q);
/* At each look at the queue: ends what is over, sends what is due. */
void mode_run(struct queue *q);
/* When mode_run() has something to do next; INT32_MAX: never. */
struct tick mode_next(const struct queue *q);
/* Is there something to remember, so that the queue must stay? */
bool mode_remembers(const struct queue *q);
/* The i-th change from the newest, NULL: there is none. */
const struct mode_event *mode_event(const struct queue *q, uint32_t i);
void mode_free(struct queue *q);

#endif
