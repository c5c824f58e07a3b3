/*
 * The scheduler's turn: each queue that something happened to is looked at once; it feeds its connections, opens
 * another where its limits allow, or learns what it waits for. The cost is that of the queue's own change, never
 * of the number of queues.
 */
#ifndef PH_QUEUED_RUN_H
#define PH_QUEUED_RUN_H

#include "lib/ev/ev.h"

/* Looks at the queues in the run line, a bounded number a turn. */
void run_turn(struct ev_defer *d);

#endif
