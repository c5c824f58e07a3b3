/*
 * queue-priority where connections are scarce: a queue that finds no free connection takes one that idles, or one
 * from the queue with the lowest priority below its own that allows it. The connection ends after the message under
 * way, or at once where allow-priority-interruption-during-transfer is set; what was not sent comes back untried.
 * It only asks for the end: the unit that comes back goes to the first in line, as always.
 */
#ifndef PH_QUEUED_WAY_PREEMPT_H
#define PH_QUEUED_WAY_PREEMPT_H

#include <sys/queue.h>

#include "queued/limit/limit.h"

struct conn;
struct vmta;
TAILQ_HEAD(idle_conns, conn);
TAILQ_HEAD(using_queues, queue);
#define PREEMPT_LEVELS 101
/* the connections of one VirtualMTA, as far as somebody may want them */
struct preempt {
	struct idle_conns idle;
	struct using_queues
	    *by_priority; /* PREEMPT_LEVELS, of those that may be interrupted; NULL: none yet */
};

void preempt_init(struct preempt *p);
/* The queue waits for a unit of that limit, which counts connections: makes one free if it may. */
void preempt_for(struct queue *q, const struct limit *l);
/* The number of the queue's connections, or its settings, have changed. */
void preempt_note(struct queue *q);
/* The connection has nothing to do; it has again, or ends. */
void preempt_idle(struct conn *c);
void preempt_busy(struct conn *c);

#endif
