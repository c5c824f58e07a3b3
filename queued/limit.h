/*
 * A limit: a named object with a fill level, of which a queue must take a unit before it may go on. A queue that
 * is refused waits in the limit's line and is woken, first come first served, when a unit comes back; so a queue
 * that does not move can always say which limit holds it.
 */
#ifndef PH_QUEUED_LIMIT_H
#define PH_QUEUED_LIMIT_H

#include <sys/queue.h>

#include "lib/conf/conf.h"

struct queue;
TAILQ_HEAD(queue_line, queue);

struct limit {
	const char	     *what; /* for explain: "max-smtp-out of VirtualMTA x" is built from it and `name` */
	struct str	      name; /* borrowed, may be empty */
	uint64_t	      used;
	uint64_t	      max;
	const struct conf_set *set; /* where the value comes from: conf_origin(set, key) */
	enum conf_key	      key;
	struct queue_line     line;
};

void limit_init(struct limit *l, const char *what, struct str name);
bool limit_has_room(const struct limit *l);
void limit_take(struct limit *l);
/* Gives a unit back and wakes the first in line. */
void limit_give(struct limit *l);
/* Wakes all that wait (the limit was raised or lifted). */
void limit_wake_all(struct limit *l);
/* Puts the queue in the line (it may stand in one only; moving is done here). */
void limit_wait(struct limit *l, struct queue *q);
/* Takes the queue out of whatever line it stands in. */
void limit_leave(struct queue *q);

#endif
