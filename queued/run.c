#include "queued/run.h"

#include "queued/conn.h"
#include "queued/expire.h"
#include "queued/outcome.h"
#include "queued/route.h"
#include "queued/state.h"
#include "queued/vmta.h"

#define QUEUES_A_TURN 256
#define WAKES_A_TURN  4096
#define TXNS_A_TURN   256

static void
wake_deferred(struct queue *q)
{
	for (int n = 0; n < WAKES_A_TURN && q->deferred.head != 0; n++) {
		uint32_t rcpt = q->deferred.head;
		if (!tick_is_due(rcpt_at(rcpt)->due))
			return;
		rlist_remove(&q->deferred, rcpt);
		queue_add_ready(q, rcpt, false);
	}
}

/* what stops the queue as a whole, or HOLD_MAX */
static enum queue_hold
stopped_by(struct queue *q)
{
	if (!q->vmta->exists)
		return HOLD_NO_VMTA;
	if (q->paused)
		return HOLD_PAUSED;
	if (q->policy->hold)
		return HOLD_HELD_DOMAIN;
	if (q->vmta->is_held)
		return HOLD_HELD_VMTA;
	if (q->retrying && !tick_is_due(q->retry_at))
		return HOLD_RETRY;
	q->retrying = false;
	if (q->ready.n > 0)
		return HOLD_MAX;
	if (q->n_flight + q->n_ending > 0)
		return HOLD_DELIVERING;
	if (q->deferred.n > 0)
		return HOLD_RCPT_WAIT;
	return q->held.n > 0 ? HOLD_HELD_JOBS : HOLD_EMPTY;
}

/* the connection with the most room first would starve the others: each gets its share in turn */
static bool
feed_round(struct queue *q, int *left)
{
	struct conn *c;
	bool	     gave = false;

	TAILQ_FOREACH(c, &q->conns, link)
	{
		if (q->ready.n == 0 || *left == 0 || !limit_has_room(&qd.accounting))
			return false;
		if (conn_room(c) == 0)
			continue;
		conn_give(c);
		(*left)--;
		gave = true;
	}
	return gave;
}

static void
feed(struct queue *q)
{
	int left = TXNS_A_TURN;

	while (feed_round(q, &left))
		;
	if (left == 0)
		queue_kick(q);
}

static void
let_idle(struct queue *q)
{
	struct conn *c;

	TAILQ_FOREACH(c, &q->conns, link)
		conn_set_idle(c);
}

/* a full limit on the way to one more connection, or NULL */
static struct limit *
full_limit(struct queue *q)
{
	if (!limit_has_room(&qd.accounting))
		return &qd.accounting;
	if (!limit_has_room(&q->vmta->out))
		return &q->vmta->out;
	if (!limit_has_room(&qd.total_out))
		return &qd.total_out;
	return NULL;
}

static enum queue_hold
hold_of_route(struct queue *q, enum route_state state)
{
	if (state == ROUTE_WAIT)
		return HOLD_RESOLVING;
	outcome_no_route(q);
	return HOLD_RETRY;
}

/* every host failed while others still delivered; when those have ended too, the queue failed as a whole */
static enum queue_hold
no_host_left(struct queue *q)
{
	if (q->n_conns > 0)
		return HOLD_DELIVERING;
	route_forgive(q);
	queue_retry_later(q, -1);
	return HOLD_RETRY;
}

/* one more connection, or why not */
static enum queue_hold
open_one(struct queue *q)
{
	struct limit	       *full = full_limit(q);
	enum route_state	state;
	struct route_host      *host;
	struct conf_source_host src;

	if (q->n_conns >= q->policy->max_out)
		return HOLD_LIMIT;
	if (full != NULL) {
		limit_wait(full, q);
		return full == &qd.accounting ? HOLD_ACCOUNTING : HOLD_LIMIT;
	}
	state = route_ensure(q);
	if (state != ROUTE_READY)
		return hold_of_route(q, state);
	host = route_next(q);
	if (host == NULL)
		return no_host_left(q);
	if (!vmta_next_source(q->vmta, host->addr.family, &src)) {
		route_host_failed(q, &host->addr);
		return HOLD_NO_SOURCE;
	}
	if (conn_open(q, host, &src))
		return HOLD_MAX;
	limit_wait(&qd.no_deliverd, q);
	return HOLD_NO_DELIVERD;
}

/* recipients that the connections being opened will take */
static bool
has_unclaimed_mail(const struct queue *q)
{
	return q->ready.n > q->n_conns - q->n_up;
}

static enum queue_hold
open_more(struct queue *q)
{
	enum queue_hold h = q->n_up < q->n_conns ? HOLD_CONNECTING : HOLD_DELIVERING;
	int		n;

	for (n = 0; n < 64 && has_unclaimed_mail(q); n++) {
		h = open_one(q);
		if (h != HOLD_MAX)
			break;
		h = HOLD_CONNECTING;
	}
	if (n > 0 && q->n_conns > 0 && h != HOLD_LIMIT && h != HOLD_CONNECTING)
		h = HOLD_DELIVERING;
	return h;
}

static void
arm(struct queue *q)
{
	struct tick next = {.t = INT32_MAX};

	if (q->retrying)
		next = q->retry_at;
	else if (q->deferred.head != 0)
		next = rcpt_at(q->deferred.head)->due;
	if (q->hold == HOLD_NO_SOURCE || (q->hold == HOLD_RETRY && !q->retrying))
		next = tick_in_ms(1000);
	if (q->expiry_known && q->next_expiry.t < next.t && queue_n_rcpts(q) > 0)
		next = q->next_expiry;
	if (next.t == INT32_MAX || queue_n_rcpts(q) == 0) {
		ev_timer_stop(&q->timer);
		return;
	}
	ev_timer_at(&q->timer, tick_to_mono(next));
}

static void
run_queue(struct queue *q)
{
	enum queue_hold h;

	wake_deferred(q);
	expire_run(q);
	h = stopped_by(q);
	if (h == HOLD_MAX) {
		feed(q);
		h = q->ready.n > 0 ? open_more(q) : HOLD_DELIVERING;
	}
	if (q->ready.n == 0 || h == HOLD_PAUSED || h == HOLD_HELD_DOMAIN || h == HOLD_HELD_VMTA)
		let_idle(q);
	if (q->waits_for != NULL && h != HOLD_LIMIT && h != HOLD_ACCOUNTING && h != HOLD_NO_DELIVERD)
		limit_leave(q);
	queue_set_hold(q, h);
	arm(q);
	if (h == HOLD_EMPTY)
		queue_maybe_free(q);
}

void
run_turn(struct ev_defer *d)
{
	for (int n = 0; n < QUEUES_A_TURN; n++) {
		struct queue *q = TAILQ_FIRST(&qd.run_line);
		if (q == NULL)
			return;
		TAILQ_REMOVE(&qd.run_line, q, run_link);
		q->in_run_line = false;
		run_queue(q);
	}
	ev_defer_queue(d);
}
