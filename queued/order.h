/*
 * The ready recipients of one queue in the order in which they leave it: the highest priority first; among equals the
 * jobs take turns, a transaction each, so that a campaign of a million delays nobody else; within a job as they came.
 * Everything costs the same whatever the number of recipients and jobs; there are at most 101 priorities. It knows
 * neither queues nor connections. An order does not move in memory.
 */
#ifndef PH_QUEUED_ORDER_H
#define PH_QUEUED_ORDER_H

#include "queued/message.h"

struct order;
/* the recipients of one priority; there only while it has some */
struct order_level {
	struct order_level *lower;
	struct order *owner;
	uint32_t first, last; /* lanes in the order of their turns */
	uint8_t priority;
	bool is_mapped; /* its lanes stand in the map: a single one needs none */
	bool is_used;	/* of `own` */
};
struct order {
	uint32_t n;
	struct order_level *levels; /* highest priority first; owned */
	struct order_level own;	    /* the first that is needed, mostly the only one */
};

/* The recipient's message tells its job; its priority is its own. `in_front`: it was taken and comes back untried. */
void order_add(struct order *o, uint32_t rcpt, bool in_front);
/* Takes it out, wherever it stands. */
void order_remove(struct order *o, uint32_t rcpt);
/* One of that job (handle, 0: those of none), whatever its priority; 0: there is none. */
uint32_t order_first_of(const struct order *o, uint32_t job);
/* The next to leave; 0: none. */
uint32_t order_first(const struct order *o);
/* The one behind `rcpt`, with the present turns; 0: it was the last. Good for walks that take out what they pass. */
uint32_t order_after(const struct order *o, uint32_t rcpt);
/* Whose turn it is: to be given to order_turn() once a transaction was filled from it. */
uint32_t order_lane(const struct order *o);
/* That job has had its turn, others of its priority come before it goes on. */
void order_turn(struct order *o, uint32_t lane);

#endif
