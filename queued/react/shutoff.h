/*
 * smtp-retries-after-shutoff: recipients that were being sent when their queue was paused, or shut off in another way,
 * get so many more attempts; everything else stays. While it is shut off they stand before all others.
 */
#ifndef PH_QUEUED_REACT_SHUTOFF_H
#define PH_QUEUED_REACT_SHUTOFF_H

#include "queued/queue.h"

/* Does somebody hold the queue: the operator, hold-domain, or a held VirtualMTA? */
bool shutoff_is_on(const struct queue *q);
/* At each look at the queue: who is being sent when it is shut off is noted. */
void shutoff_look(struct queue *q);
/* Is the next to leave one that may? True when nothing holds the queue. */
bool shutoff_lets_go(const struct queue *q);
/* A recipient in flight was deferred; before it goes back into the queue. */
void shutoff_failed(const struct queue *q, struct rcpt *r);

#endif
