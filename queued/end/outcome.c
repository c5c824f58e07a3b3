#include "queued/end/outcome.h"

#include "lib/daemon/daemon.h"
#include "queued/control/events.h"
#include "queued/end/cancel.h"
#include "queued/end/expire.h"
#include "queued/end/final.h"
#include "queued/end/first.h"
#include "queued/control/happen.h"
#include "queued/end/judge.h"
#include "queued/place.h"
#include "queued/react/react.h"
#include "queued/react/retry.h"
#include "queued/way/proxy.h"
#include "queued/way/route.h"
#include "queued/react/shutoff.h"
#include "queued/state.h"

#define LOCAL_TROUBLE_MS (60 * 1000)
#define LOCAL_PAUSE_MS	 2000
/* greetings of 5xx in a row that bounce one message each at once; then the queue waits between two of them */
#define GREETINGS_MAX  20
#define BOUNCES_A_TURN 2000

static void
land(struct queue *q, uint32_t rcpt)
{
	q->n_flight--;
	message_at(rcpt_at(rcpt)->message)->n_busy--;
}

void
outcome_untried(struct queue *q, uint32_t rcpt)
{
	if (cancel_ends(q, rcpt))
		return;
	land(q, rcpt);
	first_untried(rcpt);
	queue_add_ready(q, rcpt, true);
	place_landed(q, rcpt);
}

static struct final_facts
facts_of(const struct conn *c, const struct ipc_result *r, struct str reply)
{
	return (struct final_facts){.conn = c,
	    .reply = reply,
	    .code = r->code,
	    .enh = {r->enh[0], r->enh[1], r->enh[2]},
	    .bytes = r->bytes,
	    .dsn_relayed = r->dsn_relayed != 0,
	    .of_rcpt = r->stage >= STAGE_RCPT && r->stage <= STAGE_BODY,
	    .local = r->code == 0};
}

static void
delivered(struct conn *c, uint32_t rcpt, const struct ipc_result *r, struct str reply)
{
	struct final_facts f = facts_of(c, r, reply);

	c->queue->n_delivered++;
	stat_inc(STAT_Q_DELIVERED);
	stat_took(HIST_DELIVERY,
	    tick_diff_ms(message_at(rcpt_at(rcpt)->message)->counts_from, tick_now()));
	queue_succeeded(c->queue);
	route_host_worked(c->queue, &c->dst);
	f.local = c->type != DELIVERY_SMTP;
	final_begin(c->queue, rcpt, FINAL_DELIVERED, &f);
}

static void
failed(struct conn *c, uint32_t rcpt, const struct ipc_result *r, struct str reply)
{
	struct final_facts f = facts_of(c, r, reply);

	/* a pattern makes it final, not the remote */
	f.is_ours = r->code < 500;
	/* a bare 553 at RCPT speaks of the mailbox */
	if (r->code == 553 && r->enh[1] == 0 && r->enh[2] == 0 &&
	    c->queue->policy->means_invalid_553)
		f.enh[1] = f.enh[2] = 1;
	final_begin(c->queue, rcpt, FINAL_BOUNCED, &f);
}

static void
deferred(struct conn *c, uint32_t rcpt, const struct ipc_result *r, struct str reply)
{
	struct queue *q = c->queue;
	struct rcpt *rc = rcpt_at(rcpt);
	struct final_facts f = facts_of(c, r, reply);

	q->n_deferred++;
	stat_inc(STAT_Q_DEFERRED);
	events_add(q, reply);
	happen_deferred(q, rcpt, &f);
	rc->tries = (uint16_t)PH_MIN(rc->tries + 1, UINT16_MAX);
	final_transient(q, rcpt, &f);
	if (cancel_ends(q, rcpt))
		return;
	if (q->policy->max_retries != UINT32_MAX && rc->tries > q->policy->max_retries) {
		f.enh[0] = 5; /* it was temporary, we give up */
		f.is_ours = true;
		final_begin(q, rcpt, FINAL_BOUNCED, &f);
		return;
	}
	if (expire_is_over(q, rc)) {
		final_expired(q, rcpt, &f);
		return;
	}
	land(q, rcpt);
	shutoff_failed(q, rc);
	queue_add_deferred(q, rcpt, tick_in_ms(retry_rcpt_ms(q, rc->tries, r->id ^ r->rcpt)));
	place_landed(q, rcpt);
}

/* skip-mx: another host is tried at once, and that is no attempt; with none left it is a temporary failure */
static void
skipped(struct conn *c, uint32_t rcpt, const struct ipc_result *r, struct str reply)
{
	struct queue *q = c->queue;
	struct ipc_result later = *r;
	struct final_facts f;

	later.enh[0] = 4;
	f = facts_of(c, &later, reply);
	if (q->route == NULL || q->n_failed >= q->policy->max_attempts || route_next(q) == NULL) {
		deferred(c, rcpt, &later, reply);
		return;
	}
	final_transient(q, rcpt, &f);
	outcome_untried(q, rcpt);
}

/* what the reply causes; true: it has decided about the recipient, too */
static bool
reacted(struct conn *c, uint32_t rcpt, const struct ipc_result *r, struct str reply)
{
	struct final_facts f = facts_of(c, r, reply);
	unsigned bits = react_to_reply(c, rcpt, r->stage, &f);

	if (r->outcome != OUT_FAILED && r->outcome != OUT_DEFERRED)
		return false;
	if ((bits & REACT_BOUNCE) != 0 && r->outcome == OUT_DEFERRED) {
		struct ipc_result final = *r;
		final.enh[0] = 5;
		failed(c, rcpt, &final, reply);
		return true;
	}
	if ((bits & REACT_SKIP_MX) != 0) {
		skipped(c, rcpt, r, reply);
		return true;
	}
	return false;
}

void
outcome_rcpt(struct conn *c, uint32_t rcpt, const struct ipc_result *r, struct str reply)
{
	if (r->outcome != OUT_UNTRIED && reacted(c, rcpt, r, reply)) {
		queue_kick(c->queue);
		return;
	}
	switch (r->outcome) {
	case OUT_DELIVERED:
		delivered(c, rcpt, r, reply);
		break;
	case OUT_FAILED:
		failed(c, rcpt, r, reply);
		break;
	case OUT_DEFERRED:
		deferred(c, rcpt, r, reply);
		break;
	default:
		outcome_untried(c->queue, rcpt);
	}
	queue_kick(c->queue);
}

static struct final_facts
facts_of_down(const struct conn *c, const struct ipc_conn_down *d, struct str text)
{
	return (struct final_facts){.conn = c,
	    .reply = text,
	    .code = d->code,
	    .enh = {d->enh[0], d->enh[1], d->enh[2]},
	    .local = d->code == 0};
}

/* one transaction's worth: the next connection may meet another host or another mood */
static void
bounce_one(struct queue *q, const struct final_facts *f)
{
	uint32_t rcpt = order_first(&q->ready);
	uint32_t message = rcpt == 0 ? 0 : rcpt_at(rcpt)->message;

	for (; rcpt != 0 && rcpt_at(rcpt)->message == message; rcpt = order_first(&q->ready)) {
		final_begin(q, rcpt, FINAL_BOUNCED, f);
	}
}

/* every host failed: the queue waits as a whole */
static void
all_failed(struct queue *q, const struct final_facts *f)
{
	route_forgive(q);
	queue_retry_later(q, -1);
	final_queue_failed(q, f);
}

/* bounce-upon-5xx-greeting, and no more than so many messages a moment */
static void
bounce_head(struct queue *q, const struct final_facts *f)
{
	bool many = q->n_greetings_5xx >= GREETINGS_MAX;

	if (many && q->retrying)
		return;
	bounce_one(q, f);
	if (many)
		all_failed(q, f);
	else
		q->n_greetings_5xx++;
}

static void
host_failed(struct conn *c, const struct final_facts *f)
{
	struct queue *q = c->queue;
	struct route_host *h = route_find(q, &c->dst);

	if (q->retrying)
		return;
	/* several connections met the same failure: it counts once */
	if (h == NULL || tick_is_due(h->bad_until))
		q->n_failed++;
	route_host_failed(q, &c->dst);
	if (q->n_conns > 1)
		return; /* others still deliver, or may yet come up: the last one decides */
	if (q->route != NULL && route_next(q) != NULL && q->n_failed < q->policy->max_attempts)
		return;
	all_failed(q, f);
}

enum queue_hold
outcome_no_host(struct queue *q)
{
	const struct event *e = events_last(q, 0);
	struct final_facts f = {
	    .reply = e == NULL ? STR("no host can be reached") : str_of(e->text),
	    .enh = {4, 4, 1},
	    .local = true};

	all_failed(q, &f);
	return HOLD_RETRY;
}

/* deliverd goes on in clear where that is allowed: one more try for those who did not know */
static bool
was_first_tls_failure(const struct conn *c)
{
	struct route_host *h = route_find(c->queue, &c->dst);

	if (h == NULL)
		return false;
	if (h->tls_failed.ns != 0 && mono_is_before(h->tls_failed, c->opened))
		return false;
	if (h->tls_failed.ns == 0)
		h->tls_failed = ev_now();
	return true;
}

/* it says nothing of the host behind: the next proxy takes its place, and without one the queue waits */
static void
at_proxy(struct conn *c, const struct final_facts *f)
{
	proxy_failed(&c->proxy);
	if (!proxy_is_left(c->queue->vmta, c->dst.family) && c->queue->n_conns <= 1)
		all_failed(c->queue, f);
}

static bool
is_in_order(const struct conn *c, const struct ipc_conn_down *d)
{
	if (d->end == END_CLOSED || (d->stage == STAGE_IDLE && d->up && d->code != 421) ||
	    d->stage == STAGE_QUIT)
		return true;
	if (d->code == 421 && c->queue->policy->mx_gone_by_421)
		return false;
	/* many hosts end a connection after some messages, with 421 or without a word */
	return c->n_delivered > 0;
}

void
outcome_conn(struct conn *c, const struct ipc_conn_down *d, struct str text)
{
	struct queue *q = c->queue;
	struct final_facts f = facts_of_down(c, d, text);
	unsigned bits = react_to_reply(c, 0, d->stage, &f);

	if (is_in_order(c, d) && (bits & REACT_SKIP_MX) == 0)
		return;
	events_add(q, text);
	if ((bits & REACT_SOURCE) != 0)
		return;
	if (d->end == END_LOCAL) {
		/* one of several source addresses may be missing: the others go on */
		q->open_after = tick_in_ms(LOCAL_PAUSE_MS);
		if (q->n_conns == 1)
			queue_retry_later(q, LOCAL_TROUBLE_MS);
		return;
	}
	if (d->at_proxy) {
		at_proxy(c, &f);
		return;
	}
	if (d->stage == STAGE_TLS && was_first_tls_failure(c))
		return;
	if (d->stage == STAGE_GREETING && d->code >= 500 && q->policy->bounce_5xx_greeting &&
	    (bits & REACT_SKIP_MX) == 0) {
		bounce_head(q, &f);
		return;
	}
	host_failed(c, &f);
}

/* which of those that wait */
struct which {
	int64_t min_age_ms;
	struct tick born_until;
};
static const struct which everyone = {.min_age_ms = INT64_MIN, .born_until = {.t = INT32_MAX}};

static bool
is_one_of(const struct rcpt *r, const struct which *w)
{
	const struct message *m = message_at(r->message);

	return m->born.t <= w->born_until.t &&
	       tick_diff_ms(m->counts_from, tick_now()) >= w->min_age_ms;
}

/* A bounded number, as many as accounting takes now; false: it goes on when the queue is woken again. */
static bool
bounce_list(
    struct queue *q, enum rcpt_state state, const struct final_facts *f, const struct which *w)
{
	uint32_t next;
	int left = BOUNCES_A_TURN;

	for (uint32_t h = queue_first(q, state); h != 0; h = next) {
		next = queue_after(q, h);
		if (!is_one_of(rcpt_at(h), w))
			continue;
		if (left-- == 0) {
			queue_kick(q);
			return false;
		}
		if (!limit_has_room(&qd.accounting)) {
			limit_wait(&qd.accounting, q, 1);
			return false;
		}
		if (judge_holds(q))
			return false;
		final_begin(q, h, FINAL_BOUNCED, f);
	}
	return true;
}

static bool
bounce_all(struct queue *q, const struct final_facts *f, const struct which *w)
{
	return bounce_list(q, RCPT_READY, f, w) && bounce_list(q, RCPT_DEFERRED, f, w) &&
	       bounce_list(q, RCPT_HELD, f, w);
}

bool
outcome_bounce_all(struct queue *q, const struct final_facts *f, struct tick born_until)
{
	struct which w = {.min_age_ms = INT64_MIN, .born_until = born_until};

	return bounce_all(q, f, &w);
}

void
outcome_no_vmta(struct queue *q)
{
	struct final_facts f = {.reply = STR("specified VirtualMTA does not exist"),
	    .enh = {5, 3, 5},
	    .local = true,
	    .is_ours = true};

	bounce_all(q, &f, &everyone);
}

/* rows: enum dns_status, ROUTE_TO_SELF → enhanced status, and may it be bounced at once */
static const struct {
	uint8_t enh[3];
	bool is_final;
	bool by_no_mx; /* final only as bounce-upon-no-mx says */
} route_rows[ROUTE_BARRED + 1] = {
    [DNS_NXDOMAIN] = {{5, 1, 2}, true, false},
    [DNS_NODATA] = {{4, 4, 4}, false, true},
    [DNS_NULL_MX] = {{5, 1, 10}, true, false},
    [DNS_SERVFAIL] = {{4, 4, 3}, false, false},
    [DNS_TIMEOUT] = {{4, 4, 3}, false, false},
    [DNS_NO_ADDR] = {{4, 4, 4}, false, true},
    [DNS_BAD_NAME] = {{5, 1, 2}, true, false},
    [ROUTE_TO_SELF] = {{5, 4, 6}, true, false},
    [ROUTE_BARRED] = {{4, 7, 0}, false, false},
};

enum queue_hold
outcome_no_route(struct queue *q)
{
	uint8_t status = q->route->status > ROUTE_BARRED ? DNS_SERVFAIL : q->route->status;
	bool by_no_mx = route_rows[status].by_no_mx;
	int64_t age = by_no_mx ? q->policy->bounce_no_mx_ms : INT64_MIN;
	struct which w = {.min_age_ms = age, .born_until = {.t = INT32_MAX}};
	struct final_facts f = {.reply = str_of(q->route->why.text), .local = true};

	memcpy(f.enh, route_rows[status].enh, 3);
	events_add(q, f.reply);
	if (route_rows[status].is_final || (by_no_mx && age != CONF_NEVER)) {
		f.enh[0] = 5;
		f.of_rcpt = status != ROUTE_TO_SELF;
		if (!bounce_list(q, RCPT_READY, &f, &w) || !bounce_list(q, RCPT_DEFERRED, &f, &w))
			return HOLD_ACCOUNTING; /* the route is kept, so that it goes on with the same answer */
	}
	if (q->ready.n + q->deferred.n > 0) {
		f.enh[0] = 4;
		queue_retry_later(q, q->policy->retry_dns_ms);
		final_queue_failed(q, &f);
	}
	route_drop(q);
	return q->retrying ? HOLD_RETRY : HOLD_DELIVERING;
}
