/*
 * A limit that several queues share: a named object with a fill level, of which a queue must take units before it
 * may go on. It counts what is there at a time (connections), or with a meter what goes through in a time. A queue
 * that is refused waits in the limit's line and is woken when units are to be had: the highest priority first,
 * among equals who came first; so a queue that does not move can always say which limit holds it. What it is woken
 * with is kept for it, so nobody overtakes the line; what it does not use goes to the next.
 */
#ifndef PH_QUEUED_LIMIT_LIMIT_H
#define PH_QUEUED_LIMIT_LIMIT_H

#include <bsd/sys/tree.h>

#include "lib/conf/conf.h"
#include "lib/ev/ev.h"
#include "queued/limit/meter.h"

struct queue;
RB_HEAD(queue_line, queue);

struct limit {
	const char
	    *what; /* for explain: "max-smtp-out of VirtualMTA x" is built from it and `name` */
	struct str name; /* borrowed, may be empty */
	uint64_t used;
	uint64_t max;
	struct meter meter;	    /* of a rate: then `used` and `max` mean nothing */
	const struct conf_set *set; /* where the value comes from: conf_origin(set, key) */
	enum conf_key key;
	uint32_t item; /* of the directive's lines, from 1; 0: it has only one */
	bool is_rate;
	bool
	    is_shared; /* not taken unit by unit: those who wait are only told that there is room */
	struct queue_line line;
	uint32_t n_waiting;
	uint64_t serial; /* of who came last into the line */
	uint64_t hoped; /* units of a rate that are left for those who were woken and now connect */
	struct ev_timer timer; /* of a rate: when the first in line can go on */
};

void limit_init(struct limit *l, const char *what, struct str name);
void limit_init_rate(struct limit *l, const char *what, struct str name);
/* Where its value comes from, and for a rate the value; who waits is not woken yet. set NULL: there is no limit. */
void limit_set_rate(struct limit *l, const struct conf_set *set, enum conf_key key);
bool limit_is_on(const struct limit *l);
bool limit_has_room(const struct limit *l);
/* The same for a queue that may have units kept for it; of a rate for `need` units. */
bool limit_has_room_for(struct limit *l, const struct queue *q, uint64_t need);
/* How many units the queue may take now. */
uint64_t limit_room_for(struct limit *l, const struct queue *q);
void limit_take(struct limit *l);
/* The same for a queue, `n` units: what is kept for it is used first. */
void limit_take_for(struct limit *l, struct queue *q, uint64_t n);
/* Gives a unit back and wakes the first in line. */
void limit_give(struct limit *l);
/* Of a rate: `taken` units are answered, of which `seen` count from now on; the rest is free again. */
void limit_answer(struct limit *l, uint64_t taken, uint64_t seen);
/* Wakes as many as there is room for (the limit was raised or lifted); of a shared one all. */
void limit_wake_all(struct limit *l);
/* Puts the queue in the line for `need` units (it may stand in one only; moving is done here). */
void limit_wait(struct limit *l, struct queue *q, uint64_t need);
/* Takes the queue out of whatever line it stands in. */
void limit_leave(struct queue *q);
/*
 * The queue had its turn: what was kept for it and not used goes to the next in line. If it connects first, as much
 * of a rate as it stood in line for is left for it.
 */
void limit_settle(struct queue *q, bool connects);
/* The queue, which was woken by a rate, does not connect for it any more: what was left for it is free. */
void limit_hope_no_more(struct queue *q);
/* Does a queue other than this one wait? */
bool limit_has_others(const struct limit *l, const struct queue *q);
/* When the line moves on; MONO_NEVER: when something else happens first. */
struct mono limit_due(const struct limit *l);

#endif
