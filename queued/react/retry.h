/*
 * When a queue that failed is tried again: retry-after and backoff-retry-after, retry-multiplier and retry-max, the
 * waits that a remote's reply orders (`retry-after CODE …`, defer-queue), and the concurrency that such a reply takes
 * away and deliveries give back. Nothing here counts an attempt of a recipient.
 */
#ifndef PH_QUEUED_REACT_RETRY_H
#define PH_QUEUED_REACT_RETRY_H

#include "queued/react/mode.h"

/* what a reply took away: half of the connections; deliveries give them back, a tenth of the limit every step_ms */
struct throttle {
	uint32_t
	    allowed; /* connections now: after a wait one, doubled by each delivery up to `cap` */
	uint32_t cap;
	uint32_t full; /* the limit in force when it began */
	int64_t step_ms;
	struct tick step_at; /* no rise of the cap before */
	struct cause_kept by;
};

/* How long a recipient waits that was deferred for the nth time, from 1; `seed`: spreads them. */
int64_t retry_rcpt_ms(const struct queue *q, uint32_t nth, uint64_t seed);
/*
 * A reply orders the queue to wait: ms, or PATTERN_DEFAULT as retry-after says. Deliveries that are still under way
 * do not end it. False: the queue waits at least as long already.
 */
bool retry_order(struct queue *q, int64_t ms, const struct cause *c);
/* The wait that has just begun, for no connection worked, lasts so long instead. */
void retry_set(struct queue *q, int64_t ms, const struct cause *c);
/* The reply also halves the concurrency; once a wait. `full`: the limit in force. */
void retry_halve(struct queue *q, uint32_t full, int64_t ms, const struct cause *c);
/* What is left of a limit of connections. */
uint32_t retry_max_out(const struct queue *q, uint32_t max);
/* A delivery went through. */
void retry_delivered(struct queue *q);
/* The queue waits no longer, or is gone. */
void retry_forget_wait(struct queue *q);
/* From now on other intervals hold: one that is running is cut to what it would have been. */
void retry_mode_changed(struct queue *q);
void retry_free(struct queue *q);

#endif
