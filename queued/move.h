/*
 * Recipients that go from one queue to another: one at a time, or all of a queue's, a bounded number a turn. Those in
 * flight stay where they are until they come back. The state of a recipient, and the time that it waits for, go along.
 * It decides nothing: who calls says where to.
 */
#ifndef PH_QUEUED_MOVE_H
#define PH_QUEUED_MOVE_H

#include "queued/queue.h"

/* Moves one that waits (ready, deferred, held), now. */
void move_rcpt(struct queue *from, uint32_t rcpt, struct queue *to);
/*
 * Until then, all that waits in `from` and all that comes into it goes to queue domain/VirtualMTA; domain empty: the same
 * domain. It must not be `from` itself. The texts are borrowed for the call.
 */
void move_all(struct queue *from, struct str domain, struct str vmta, struct tick until);
/* What has not gone yet stays. */
void move_stop(struct queue *from);
/* The domain part of the queue where its mail goes; empty: it stays. */
struct str move_where(const struct queue *from);
/* For the scheduler: moves some; true: the queue is being left, there is nothing else to do for it. */
bool move_run(struct queue *from);

#endif
