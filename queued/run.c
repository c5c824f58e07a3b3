#include "queued/run.h"

#include "queued/conn.h"
#include "queued/end/expire.h"
#include "queued/way/failover.h"
#include "queued/end/final.h"
#include "queued/end/judge.h"
#include "queued/limit/keep.h"
#include "queued/move.h"
#include "queued/end/outcome.h"
#include "queued/place.h"
#include "queued/end/process.h"
#include "queued/react/mode.h"
#include "queued/end/outcome.h"
#include "queued/react/react.h"
#include "queued/way/reroute.h"
#include "queued/react/retry.h"
#include "queued/way/route.h"
#include "queued/react/shutoff.h"
#include "queued/way/source.h"
#include "queued/state.h"
#include "queued/end/suppress.h"
#include "queued/vmta.h"
#include "queued/way/spf_out.h"
#include "queued/way/way.h"

#define QUEUES_A_TURN	256
#define WAKES_A_TURN	4096
#define TXNS_A_TURN	256
#define OPENS_A_TURN	64
#define DISCARDS_A_TURN 1000
#define NO_SOURCE_MS	(60 * 1000)

static void
wake_deferred(struct queue *q)
{
	uint32_t rcpt;

	for (int n = 0; n < WAKES_A_TURN && (rcpt = due_first(&q->deferred)) != 0; n++) {
		if (!tick_is_due(rcpt_at(rcpt)->due))
			return;
		due_remove(&q->deferred, rcpt);
		queue_add_ready(q, rcpt, false);
		place_woken(q, rcpt);
	}
}

/* what stops the queue as a whole, or HOLD_MAX */
static enum queue_hold
stopped_by(struct queue *q)
{
	if (q->retrying && tick_is_due(q->retry_at)) {
		q->retrying = false;
		retry_forget_wait(q);
	}
	if (queue_n_rcpts(q) == 0)
		return HOLD_EMPTY;
	if (move_run(q) || (q->is_grouped && place_is_running()))
		return queue_n_rcpts(q) == 0 ? HOLD_EMPTY : HOLD_MOVING;
	if (!q->vmta->exists)
		return HOLD_NO_VMTA;
	if (q->policy->is_unsupported && q->processor == CONF_NO_PROCESSOR)
		return HOLD_HELD_TYPE;
	if (!shutoff_lets_go(q))
		return q->paused	 ? HOLD_PAUSED
		       : q->policy->hold ? HOLD_HELD_DOMAIN
					 : HOLD_HELD_VMTA;
	if (q->purge != NULL)
		return HOLD_BOUNCING;
	if (q->retrying)
		return (enum queue_hold)q->retry_hold;
	if (q->ready.n > 0)
		return HOLD_MAX;
	if (q->n_flight + q->n_ending > 0)
		return HOLD_DELIVERING;
	if (q->deferred.n > 0)
		return rcpt_at(due_first(&q->deferred))->tries == 0 ? HOLD_SCHEDULED
								    : HOLD_RCPT_WAIT;
	return HOLD_HELD_JOBS;
}

/* the connection with the most room first would starve the others: each gets its share in turn */
static bool
feed_round(struct queue *q, int *left)
{
	struct conn *c;
	bool gave = false;
	uint32_t n;

	TAILQ_FOREACH(c, &q->conns, link)
	{
		if (!queue_close_windows(q) || q->ready.n == 0 || *left == 0 ||
		    !shutoff_lets_go(q) || !limit_has_room(&qd.accounting))
			return false;
		if (conn_room(c) == 0)
			continue;
		while (q->ready.n > 0 && (suppress_stops(q, order_first(&q->ready)) ||
					     spf_out_stops(c, order_first(&q->ready))))
			;
		if (q->ready.n == 0)
			return false;
		n = rate_rcpts(q, c);
		if (n == 0 && rate_is_of_source(q))
			continue;
		if (n == 0)
			return false;
		conn_give(c, shutoff_is_on(q) ? 1 : n);
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
	struct pools *p = &q->vmta->pools;

	if (!limit_has_room_for(&q->vmta->out, q, 1))
		return &q->vmta->out;
	for (size_t i = 0; i < p->n; i++) {
		if (!limit_has_room_for(&p->list[i]->out, q, 1))
			return &p->list[i]->out;
	}
	return limit_has_room_for(limit_of_all(q->policy->delivery), q, 1)
		   ? NULL
		   : limit_of_all(q->policy->delivery);
}

/* no address of ours fits: looked at again when something changes, or in a minute */
static enum queue_hold
no_source(struct queue *q)
{
	if (pool_fail_over(q) && q->ready.n == 0)
		return HOLD_MOVING;
	queue_retry_later(q, NO_SOURCE_MS);
	q->retry_hold = HOLD_NO_SOURCE;
	return HOLD_NO_SOURCE;
}

static enum queue_hold
no_host(struct queue *q)
{
	if (!route_has_family(q))
		return no_source(q);
	return q->n_conns > 0 ? HOLD_DELIVERING : outcome_no_host(q);
}

/* deliverd has commands run for it: neither a host nor an address of ours */
static enum queue_hold
open_local(struct queue *q)
{
	static struct route_host nowhere = {.name = ""};
	const struct way w = {.host = &nowhere};

	if (conn_open(q, &w))
		return HOLD_MAX;
	limit_wait(&qd.no_deliverd, q, 1);
	return HOLD_NO_DELIVERD;
}

/* one more connection, or why not */
static enum queue_hold
open_one(struct queue *q)
{
	struct limit *full = full_limit(q);
	enum route_state state;
	struct way w;

	if (source_all_disabled(q))
		return HOLD_SOURCES_DISABLED;
	if (q->n_conns >= queue_max_out(q)) {
		q->bound = (struct bound){.kind = BOUND_OUT, .until = MONO_NEVER};
		return HOLD_LIMIT;
	}
	if (!tick_is_due(q->open_after))
		return q->n_conns > 0 ? HOLD_DELIVERING : HOLD_RETRY;
	if (!rate_may_open(q))
		return HOLD_LIMIT;
	if (full != NULL) {
		limit_wait(full, q, 1);
		preempt_for(q, full);
		return HOLD_LIMIT;
	}
	if (q->policy->is_local)
		return open_local(q);
	state = route_ensure(q);
	if (state == ROUTE_READY)
		state = route_by_policy(q);
	if (state == ROUTE_WAIT)
		return HOLD_RESOLVING;
	if (state == ROUTE_FAILED)
		return outcome_no_route(q);
	switch (q->n_failed >= q->policy->max_attempts ? WAY_NO_HOST : way_find(q, &w)) {
	case WAY_NO_SOURCE:
		return no_source(q);
	case WAY_NO_HOST:
		return no_host(q);
	case WAY_LIMITED:
		return HOLD_LIMIT;
	default:
		break;
	}
	if (conn_open(q, &w))
		return HOLD_MAX;
	limit_wait(&qd.no_deliverd, q, 1);
	return HOLD_NO_DELIVERD;
}

/*
 * How many connections more than those being opened would have a transaction to take: recipients of one message go
 * together, up to max-rcpt-per-transaction. Looks no further than it must; what is behind is seen when the first of
 * them has come up.
 */
static uint32_t
unclaimed_txns(const struct queue *q)
{
	uint32_t opening = q->n_conns - q->n_up, enough = opening + OPENS_A_TURN;
	uint32_t n_txns = 0, n_rcpts = 0, message = 0, look = 4 * enough,
		 h = order_first(&q->ready);

	for (; h != 0 && look > 0 && n_txns < enough; h = order_after(&q->ready, h), look--) {
		const struct rcpt *r = rcpt_at(h);
		bool is_alone =
		    q->policy->is_alone || (message_at(r->message)->flags & MSG_VERP) != 0;
		if (r->message != message || is_alone || n_rcpts >= q->policy->max_rcpt_per_txn) {
			n_txns++;
			n_rcpts = 0;
			message = r->message;
		}
		n_rcpts++;
	}
	return n_txns - PH_MIN(n_txns, opening);
}

static enum queue_hold
open_more(struct queue *q)
{
	enum queue_hold h = q->n_up < q->n_conns ? HOLD_CONNECTING : HOLD_DELIVERING;
	uint32_t n, opening = q->n_conns - q->n_up, may = rate_rcpts(q, NULL);
	uint32_t wanted = PH_MIN(unclaimed_txns(q), may - PH_MIN(opening, may));

	if (may == 0)
		return HOLD_LIMIT;
	if (shutoff_is_on(q))
		wanted = PH_MIN(wanted, q->n_conns == 0 && shutoff_lets_go(q) ? 1u : 0u);
	for (n = 0; n < wanted; n++) {
		h = open_one(q);
		if (h != HOLD_MAX)
			break;
		h = HOLD_CONNECTING;
	}
	if (n > 0 && q->n_conns > 0 && h != HOLD_LIMIT && h != HOLD_CONNECTING)
		h = HOLD_DELIVERING;
	return h;
}

/* deliveries go no faster than accounting gets to the disk */
static bool
waits_for_accounting(struct queue *q)
{
	if (limit_has_room(&qd.accounting))
		return false;
	limit_wait(&qd.accounting, q, 1);
	return true;
}

/* its exchangers may make it part of a roll-up queue, whose limits hold then instead of its own */
static enum queue_hold
learn_mx(struct queue *q)
{
	enum route_state state = route_ensure(q);

	if (state == ROUTE_WAIT)
		return HOLD_RESOLVING;
	if (state == ROUTE_FAILED && q->leaves == NULL)
		return outcome_no_route(q);
	if (q->leaves == NULL)
		return HOLD_MAX;
	queue_kick(q);
	return HOLD_MOVING;
}

/* a rate that holds the queue whatever the connection */
static bool
is_rate_limited(const struct queue *q)
{
	return q->bound.kind == BOUND_RATE || (q->waits_for != NULL && q->waits_for->is_rate);
}

/* type discard: nothing is sent, as much as accounting takes; what is left goes on with the next turn */
static enum queue_hold
discard(struct queue *q)
{
	bool bounces = q->policy->discard_as_bounce;
	struct final_facts f = {.reply = STR("discarded"),
	    .enh = {bounces ? 5 : 2, 0, 0},
	    .local = true,
	    .is_ours = true};
	uint32_t rcpt;

	for (int n = 0; n < DISCARDS_A_TURN && (rcpt = order_first(&q->ready)) != 0; n++) {
		if (waits_for_accounting(q))
			return HOLD_ACCOUNTING;
		q->n_delivered += !bounces;
		if (!bounces)
			stat_inc(STAT_Q_DELIVERED);
		final_begin(q, rcpt, bounces ? FINAL_BOUNCED : FINAL_DELIVERED, &f);
	}
	if (q->ready.n > 0)
		queue_kick(q);
	return HOLD_DELIVERING;
}

static enum queue_hold
move(struct queue *q)
{
	bool asks = !q->policy->is_local && place_waits_for_mx(q);
	enum queue_hold h = asks ? learn_mx(q) : HOLD_MAX;

	if (h != HOLD_MAX)
		return h;
	q->bound = (struct bound){.kind = BOUND_NONE};
	if (waits_for_accounting(q))
		return HOLD_ACCOUNTING;
	if (judge_holds(q) || !suppress_is_ready())
		return HOLD_JUDGING;
	feed(q);
	if (q->ready.n == 0)
		return HOLD_DELIVERING;
	if (is_rate_limited(q))
		return HOLD_LIMIT;
	if (waits_for_accounting(q))
		return HOLD_ACCOUNTING;
	h = open_more(q);
	return q->waits_for == &qd.accounting ? HOLD_ACCOUNTING : h;
}

static void
arm(struct queue *q)
{
	struct tick next = {.t = INT32_MAX};
	struct mono at;

	if (q->retrying)
		next = q->retry_at;
	else if (q->deferred.n > 0)
		next = rcpt_at(due_first(&q->deferred))->due;
	if (queue_n_rcpts(q) == 0 && !tick_is_due(q->keep_until))
		next = q->keep_until;
	if (q->ready.n > 0 && q->open_after.t < next.t && !tick_is_due(q->open_after))
		next = q->open_after;
	if (mode_next(q).t < next.t)
		next = mode_next(q);
	if (source_next_change(q).t < next.t)
		next = source_next_change(q);
	if (q->expiry_known && q->next_expiry.t < next.t && queue_n_rcpts(q) > 0)
		next = q->next_expiry;
	at = next.t == INT32_MAX ? MONO_NEVER : tick_to_mono(next);
	if (q->hold == HOLD_LIMIT && mono_is_before(q->bound.until, at) &&
	    q->bound.kind != BOUND_NONE)
		at = q->bound.until;
	if (queue_n_rcpts(q) == 0 && mono_is_before(ev_now(), rate_over(q)))
		at.ns = PH_MIN(at.ns, rate_over(q).ns);
	if (at.ns == INT64_MAX)
		ev_timer_stop(&q->timer);
	else
		ev_timer_at(&q->timer, at);
}

static void
run_queue(struct queue *q)
{
	struct bound was = q->bound;
	const struct limit *waited_for = q->waits_for;
	enum queue_hold h;
	bool connects;

	shutoff_look(q);
	mode_run(q);
	source_run(q);
	wake_deferred(q);
	expire_run(q);
	if (q->processor == CONF_NO_PROCESSOR)
		reroute_run(q);
	react_purge_run(q);
	h = queue_close_windows(q) ? stopped_by(q) : HOLD_SCHEDULED;
	if (h == HOLD_NO_VMTA)
		outcome_no_vmta(q);
	else if (h == HOLD_MAX && q->processor != CONF_NO_PROCESSOR)
		h = process_run(q);
	else if (h == HOLD_MAX)
		h = q->policy->discard ? discard(q) : move(q);
	let_idle(q);
	if (q->waits_for != NULL && h != HOLD_LIMIT && h != HOLD_ACCOUNTING && h != HOLD_JUDGING &&
	    h != HOLD_NO_DELIVERD && h != HOLD_NO_VMTA)
		limit_leave(q);
	connects = h == HOLD_RESOLVING || (q->ready.n > 0 && q->n_conns > q->n_up);
	if (!connects)
		limit_hope_no_more(q);
	limit_settle(q, connects);
	queue_set_hold(q, h);
	queue_note(q);
	if (h == HOLD_LIMIT &&
	    (q->waits_for != waited_for || q->bound.kind != was.kind || q->bound.rate != was.rate))
		q->hold_since = tick_now();
	arm(q);
	if (h == HOLD_EMPTY)
		queue_maybe_free(q);
}

static bool
run_some(void)
{
	for (int n = 0; n < QUEUES_A_TURN; n++) {
		struct queue *q = TAILQ_FIRST(&qd.run_line);
		if (q == NULL)
			return false;
		TAILQ_REMOVE(&qd.run_line, q, run_link);
		q->in_run_line = false;
		run_queue(q);
	}
	return true;
}

void
run_turn(struct ev_defer *d)
{
	if (run_some())
		ev_defer_queue(d);
	/* what was granted leaves after this, when the channels are written */
	keep_flush();
}
