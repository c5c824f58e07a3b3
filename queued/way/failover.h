/*
 * Which member of a pool takes a recipient: by weight among those that can deliver to its domain now. A member that is
 * held, paused for that domain or without a usable source is passed over as long as another can; mail that already
 * waits at a member without a usable source goes to another one. It never leaves the pool that was asked for.
 */
#ifndef PH_QUEUED_WAY_FAILOVER_H
#define PH_QUEUED_WAY_FAILOVER_H

#include "queued/queue.h"

/* The member's name; empty: there is no such pool. */
struct str pool_choose_for(struct str pool, struct str domain);
/* Of what waits in q, some of those that asked for a pool go to a member that can deliver; true: some went. */
bool pool_fail_over(struct queue *q);

#endif
