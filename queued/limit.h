/*
 * A limit: a named object with a fill level, of which a queue must take a unit before it may go on. A queue that
 * is refused waits in the limit's line and is woken, first come first served, when a unit comes back; so a queue
 * that does not move can always say which limit holds it. The unit that came back is kept for the one that was
 * woken, so nobody overtakes the line; what it does not use goes to the next.
 */
#ifndef PH_QUEUED_LIMIT_H
#define PH_QUEUED_LIMIT_H

#include <sys/queue.h>

#include "lib/conf/conf.h"

struct queue;
TAILQ_HEAD(queue_line, queue);

struct limit {
	const char
	    *what; /* for explain: "max-smtp-out of VirtualMTA x" is built from it and `name` */
	struct str name; /* borrowed, may be empty */
	uint64_t used;
	uint64_t max;
	const struct conf_set *set; /* where the value comes from: conf_origin(set, key) */
	enum conf_key key;
	bool
	    is_shared; /* not taken unit by unit: those who wait are only told that there is room */
	struct queue_line line;
};

void limit_init(struct limit *l, const char *what, struct str name);
bool limit_has_room(const struct limit *l);
/* The same for a queue that may have a unit kept for it. */
bool limit_has_room_for(const struct limit *l, const struct queue *q);
void limit_take(struct limit *l);
/* The same for a queue: the unit kept for it is used first. */
void limit_take_for(struct limit *l, struct queue *q);
/* Gives a unit back and wakes the first in line. */
void limit_give(struct limit *l);
/* Wakes as many as there is room for (the limit was raised or lifted); of a shared one all. */
void limit_wake_all(struct limit *l);
/* Puts the queue in the line (it may stand in one only; moving is done here). */
void limit_wait(struct limit *l, struct queue *q);
/* Takes the queue out of whatever line it stands in. */
void limit_leave(struct queue *q);
/* The queue had its turn: what was kept for it and not used goes to the next in line. */
void limit_settle(struct queue *q);
/* Does a queue other than this one wait? */
bool limit_has_others(const struct limit *l, const struct queue *q);

#endif
