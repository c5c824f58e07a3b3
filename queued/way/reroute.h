/*
 * Mail that another VirtualMTA takes over: reroute-to-virtual-mta, and backoff-reroute-to-virtual-mta while a queue is
 * in backoff. New mail goes to the other queue at once; what waits is moved a bounded number of recipients a turn. It
 * must never move mail in a circle: queues that would are taken as not re-routed, which is said once in the log.
 */
#ifndef PH_QUEUED_WAY_REROUTE_H
#define PH_QUEUED_WAY_REROUTE_H

#include "queued/queue.h"

/* The queue for a recipient that comes in for `q`; a queue that was made for it and stays empty is let go. */
struct queue *reroute_new(struct queue *q);
/* The name that the settings give as the one to take over now; empty: none. */
struct str reroute_target(const struct queue *q, enum conf_key *key);
/* Moves some of what waits. True: there is more, and the queue was kicked. */
bool reroute_run(struct queue *q);

#endif
