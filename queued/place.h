/*
 * Which queue a recipient belongs to: its domain's, or the one that queue-to or an MX roll-up gives instead. The domain
 * in its address stays what it is. After a reload those who wait are placed again.
 */
#ifndef PH_QUEUED_PLACE_H
#define PH_QUEUED_PLACE_H

#include "queued/queue.h"

/* The queue for that domain's mail over that VirtualMTA (empty: the default) as far as is known now; made if need be. */
struct queue *place_queue(struct str domain, struct str vmta);
/* The domain part of that queue's name; borrowed until the configuration changes or mail of that domain ends. */
struct str place_name(struct str domain, struct str vmta, char lower[256]);
/* A recipient has just come back to this queue, where it waits: the rules may have changed while it was away. */
void place_landed(struct queue *q, uint32_t rcpt);
/* A deferred recipient is ready now: in a roll-up queue it goes by a new answer, when the old one is over. */
void place_woken(struct queue *q, uint32_t rcpt);

/* Is the answer about its exchangers needed before the queue's mail may go? */
bool place_waits_for_mx(const struct queue *q);
/*
 * The answer came: when the exchangers make a roll-up queue, all goes there; not where the domain's own policy of MTA-STS
 * is to be enforced, which the queue's other domains do not have. False: that is still being found out.
 */
bool place_mx_known(struct queue *q, const struct route *r);

/* Is mail still being placed again? Queues that are grouped wait so long. */
bool place_is_running(void);
/* The configuration in force is new; at the start, and after a reload (then who waits is placed again). */
void place_configure(void);

#endif
