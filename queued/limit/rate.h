/*
 * What goes through a queue in a time: recipients tried, bytes delivered, connections opened; over the queue, over
 * each of its source addresses, over its VirtualMTA and the pools that this belongs to. All of them are asked before
 * a grant, the narrowest first, and all of them count it; what was counted at the grant counts from the answer on
 * for a period (meter.h). It is queued alone that grants, so the number of deliverds does not matter.
 */
#ifndef PH_QUEUED_LIMIT_RATE_H
#define PH_QUEUED_LIMIT_RATE_H

#include "queued/limit/meter.h"
#include "queued/limit/rate_conf.h"

struct queue;
struct conn;
struct txn;

struct rates {
	uint8_t at[RATE_MAX]; /* in `of`, from 1; as struct rate_conf has it */
	uint8_t n;
	struct meter of[];
};
/* NULL: nothing limits it. */
struct meter *rate_meter(const struct queue *q, enum rate_kind kind);

/* one of its source addresses */
struct source {
	struct net_addr addr; /* family 0: the kernel chooses */
	uint32_t n_conns;
	struct meter of[SOURCE_OUT];
};
struct sources {
	uint32_t n;
	struct source **list; /* owned */
};

/* a limit of the queue's own that holds it; one that it shares is q->waits_for */
enum bound_kind { BOUND_NONE, BOUND_OUT, BOUND_RATE, BOUND_SOURCE };
struct bound {
	uint8_t kind; /* enum bound_kind */
	uint8_t rate; /* enum rate_kind or source_kind */
	uint16_t pad;
	uint32_t source;   /* in q->from, from 1 */
	struct mono until; /* MONO_NEVER: until something else happens */
};

/* After its policy was set. */
void rate_configure(struct queue *q);
void rate_free(struct queue *q);
/* When nothing it counted matters any more: the queue may be forgotten then. MONO_NEVER: not known yet. */
struct mono rate_over(const struct queue *q);

/*
 * How many of the recipients at the head, which are of one message, may be given to this connection now. 0: q->bound
 * or q->waits_for says which limit forbids it. c NULL: to any connection that may come.
 */
uint32_t rate_rcpts(struct queue *q, const struct conn *c);
/* The same bound, is it one of the connection's source address only? */
bool rate_is_of_source(const struct queue *q);
/* `n` recipients of a message of so many bytes were given. */
void rate_granted(struct conn *c, struct txn *t, uint32_t n);
/* One recipient of it has a result; the receiver has seen the attempt, or not. */
void rate_answered(const struct conn *c, bool seen);
/* The transaction brought so many bytes to somebody; called for each recipient, counts once. */
void rate_delivered(const struct conn *c, struct txn *t, uint64_t bytes);
/* It is over. */
void rate_txn_over(const struct conn *c, struct txn *t);

/* May the queue open a connection now? false: q->bound says why not. */
bool rate_may_open(struct queue *q);
/* The same for one of its source addresses; `index` as in struct conn. */
bool rate_source_may_open(struct queue *q, uint32_t index);
/* One is being opened; it came up or failed, or was never tried at all. */
void rate_opened(struct conn *c);
void rate_open_answered(struct conn *c, bool seen);
void rate_closed(const struct conn *c);

/* The number of a source address in q->from, made if need be; 0: nothing limits it. */
uint32_t rate_source(struct queue *q, const struct net_addr *a);

#endif
