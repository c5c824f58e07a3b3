/*
 * bounce-after: each queue knows when its oldest recipient may run out, looks at its recipients then, and ends
 * those whose time is over, whether or not an attempt was made. Looking costs the length of the queue, so in a
 * long queue it happens at most so often that its cost stays below a hundredth of the time. Senders who want to be told
 * of a delay are told in the same pass.
 */
#ifndef PH_QUEUED_END_EXPIRE_H
#define PH_QUEUED_END_EXPIRE_H

#include "queued/queue.h"

/* A recipient came into the queue: its end may be the next. */
void expire_note(struct queue *q, const struct rcpt *r);
/* The settings changed: everything is looked at anew. */
void expire_again(struct queue *q);
/* Ends what is over. */
void expire_run(struct queue *q);
/* Notices of delay that were due until now count as sent: it was queued before a restart. */
void expire_skip_notices(const struct queue *q, struct rcpt *r);
bool expire_is_over(const struct queue *q, const struct rcpt *r);

#endif
