/*
 * Limits of where connections go to: mx-connection-limit (a mail exchanger, from one source address) and
 * ip-connection-limit (a destination address), over all queues. An object is made with the first connection that it
 * counts, and forgotten when nothing uses it.
 */
#ifndef PH_QUEUED_WAY_TARGET_H
#define PH_QUEUED_WAY_TARGET_H

#include "lib/net/addr.h"
#include "queued/limit/limit.h"

struct way;

/* Reads the directives; at the start and after a reload, when all queues are configured. */
void target_configure(void);
/* Puts the limits that hold for that way into it; they are made if they must be. */
void target_look(const struct queue *q, struct way *w);
/* Which of them lets no connection of the queue go that way now; NULL: none. */
struct limit *target_full(const struct queue *q, const struct way *w);
/* Forgets those that nothing uses, some at each call. No pointer to one may be kept over it without a unit taken. */
void target_sweep(void);

#endif
