#include "queued/limit/rate.h"

#include "lib/base/xalloc.h"
#include "queued/conn.h"
#include "queued/limit/keep.h"
#include "queued/state.h"
#include "queued/vmta.h"

/* content bytes that the delivery adds to what is stored (signatures): the most that was seen */
static uint64_t added;

struct meter *
rate_meter(const struct queue *q, enum rate_kind kind)
{
	if (q->rates == NULL || q->rates->at[kind] == 0)
		return NULL;
	return &q->rates->of[q->rates->at[kind] - 1];
}

static enum rate_kind
as_mode_has_it(const struct queue *q, enum rate_kind kind)
{
	enum rate_kind b = (enum rate_kind)(kind + RATE_TO_BACKOFF);

	return q->backoff && rate_meter(q, b) != NULL ? b : kind;
}

/* ---- making ---- */

/* what a connection has of what is not answered yet, for a limit that is new */
static uint64_t
flying_on(const struct conn *c, enum rate_kind kind)
{
	uint64_t n = 0;
	struct txn *t;

	if (kind == RATE_CONNECT || kind == RATE_BACKOFF_CONNECT || kind == RATE_RAMPUP)
		return c->is_connecting;
	STAILQ_FOREACH(t, &c->txns, link)
	n += t->volume_known ? 0 : t->volume;
	return n;
}

static uint64_t
flying(const struct queue *q, enum rate_kind kind)
{
	uint64_t n = 0;
	struct conn *c;

	if (kind == RATE_MSG || kind == RATE_BACKOFF_MSG)
		return q->n_flight;
	TAILQ_FOREACH(c, &q->conns, link)
	n += flying_on(c, kind);
	return n;
}

static void
clear_rates(struct rates *r)
{
	for (uint32_t i = 0; r != NULL && i < r->n; i++)
		meter_clear(&r->of[i]);
	free(r);
}

/* what was counted stays, of those that are limited still */
static void
make_rates(struct queue *q)
{
	const struct rate_conf *c = &q->policy->rates;
	struct rates *old = q->rates, *r;

	if (old == NULL && c->n_meters == 0)
		return;
	r = xcalloc(1, sizeof *r + c->n_meters * sizeof r->of[0]);
	r->n = c->n_meters;
	memcpy(r->at, c->at, sizeof r->at);
	for (int k = 0; k < RATE_MAX; k++) {
		struct meter *m = r->at[k] == 0 ? NULL : &r->of[r->at[k] - 1],
			     *was = rate_meter(q, (enum rate_kind)k);
		if (m != NULL && was != NULL) {
			*m = *was;
			*was = (struct meter){0};
		} else if (m != NULL)
			m->flying = flying(q, (enum rate_kind)k);
	}
	clear_rates(old);
	q->rates = r;
}

static void
set_own(struct queue *q, enum rate_kind kind)
{
	const struct conf_rate *r = &q->policy->rates.of[kind];
	struct keep_name name = {.what = conf_key_name(rate_key(kind)), .of = str_of(q->name)};
	struct meter *m = rate_meter(q, kind);

	if (m == NULL)
		return;
	meter_set(m, r->count, r->period_ms);
	keep_attach(m, &name);
}

static void
set_source(const struct queue *q, struct source *s)
{
	char text[NET_ADDR_TEXT];
	struct keep_name name = {
	    .of = str_of(net_addr_text(&s->addr, text)), .in = str_of(q->name)};

	for (int k = 0; k < SOURCE_OUT; k++) {
		const struct source_row *row =
		    rate_conf_source(&q->policy->rates, (enum source_kind)k, &s->addr);
		if (row == NULL)
			meter_set(&s->of[k], METER_NO_LIMIT, 0);
		else
			meter_set(&s->of[k], row->rate.count, row->rate.period_ms);
		name.what = conf_key_name(source_key((enum source_kind)k));
		keep_attach(&s->of[k], &name);
	}
}

void
rate_configure(struct queue *q)
{
	make_rates(q);
	for (int k = 0; k < RATE_MAX; k++)
		set_own(q, (enum rate_kind)k);
	for (uint32_t i = 0; q->from != NULL && i < q->from->n; i++)
		set_source(q, q->from->list[i]);
}

void
rate_free(struct queue *q)
{
	clear_rates(q->rates);
	for (uint32_t i = 0; q->from != NULL && i < q->from->n; i++) {
		for (int k = 0; k < SOURCE_OUT; k++)
			meter_clear(&q->from->list[i]->of[k]);
		free(q->from->list[i]);
	}
	if (q->from != NULL)
		free(q->from->list);
	q->rates = NULL;
	xfree(&q->from);
}

static void
later(struct mono *at, const struct meter *m)
{
	if (meter_is_on(m))
		at->ns = PH_MAX(at->ns, meter_over(m).ns);
}

struct mono
rate_over(const struct queue *q)
{
	struct mono at = {.ns = 0};

	for (uint32_t i = 0; q->rates != NULL && i < q->rates->n; i++)
		later(&at, &q->rates->of[i]);
	for (uint32_t i = 0; q->from != NULL && i < q->from->n; i++) {
		for (int k = 0; k < SOURCE_OUT; k++)
			later(&at, &q->from->list[i]->of[k]);
	}
	return at;
}

uint32_t
rate_source(struct queue *q, const struct net_addr *a)
{
	struct source *s;
	uint32_t n = q->from == NULL ? 0 : q->from->n;

	for (uint32_t i = 0; i < n; i++) {
		if (net_addr_eq(&q->from->list[i]->addr, a))
			return i + 1;
	}
	if (q->policy->rates.n_sources == 0)
		return 0;
	s = xcalloc(1, sizeof *s);
	s->addr = *a;
	set_source(q, s);
	if (q->from == NULL)
		q->from = xcalloc(1, sizeof *q->from);
	q->from->list = xreallocarray(q->from->list, n + 1, sizeof(struct source *));
	q->from->list[q->from->n++] = s;
	return n + 1;
}

static struct source *
source_of(const struct queue *q, uint32_t index)
{
	return index == 0 ? NULL : q->from->list[index - 1];
}

/* ---- may it? ---- */

static bool
hold_by(struct queue *q, enum bound_kind kind, int rate, struct mono until)
{
	q->bound = (struct bound){.kind = (uint8_t)kind, .rate = (uint8_t)rate, .until = until};
	return false;
}

/* room for `need` units, at most *n afterwards */
static bool
own_allows(struct queue *q, enum rate_kind kind, uint64_t need, uint64_t *n)
{
	struct meter *m;

	kind = as_mode_has_it(q, kind);
	m = rate_meter(q, kind);
	if (m == NULL)
		return true;
	if (!meter_fits(m, need, ev_now()))
		return hold_by(q, BOUND_RATE, (int)kind, meter_due(m, need));
	*n = PH_MIN(*n, meter_room(m, ev_now()));
	return true;
}

static bool
source_allows(struct queue *q, uint32_t index, enum source_kind kind, uint64_t need, uint64_t *n)
{
	struct source *s = source_of(q, index);
	struct meter *m;

	if (s == NULL || !meter_is_on(&s->of[kind]))
		return true;
	m = &s->of[kind];
	if (!meter_fits(m, need, ev_now())) {
		hold_by(q, BOUND_SOURCE, (int)kind, meter_due(m, need));
		q->bound.source = index;
		return false;
	}
	*n = PH_MIN(*n, meter_room(m, ev_now()));
	return true;
}

static bool
shared_allows(struct queue *q, struct limit *l, uint64_t need, uint64_t *n)
{
	if (!limit_is_on(l))
		return true;
	if (!limit_has_room_for(l, q, need)) {
		limit_wait(l, q, need);
		return false;
	}
	*n = PH_MIN(*n, limit_room_for(l, q));
	return true;
}

/* of the message at the head */
static uint64_t
head_bytes(const struct queue *q)
{
	uint32_t head = order_first(&q->ready);
	const struct message *m;

	if (head == 0)
		return 1;
	m = message_at(rcpt_at(head)->message);
	return m->len - PH_MIN(m->env_len, m->len) + added;
}

static bool
shared_allow(struct queue *q, const struct pools *pools, uint64_t bytes, uint64_t *n)
{
	struct vmta *v = q->vmta;
	uint64_t any = UINT64_MAX;

	if (!shared_allows(q, &v->msg, 1, n) || !shared_allows(q, &v->volume, bytes, &any))
		return false;
	for (size_t i = 0; i < pools->n; i++) {
		if (!shared_allows(q, &pools->list[i]->msg, 1, n) ||
		    !shared_allows(q, &pools->list[i]->volume, bytes, &any))
			return false;
	}
	return true;
}

uint32_t
rate_rcpts(struct queue *q, const struct conn *c)
{
	uint64_t n = UINT32_MAX, any = UINT64_MAX, bytes = head_bytes(q);
	uint32_t source = c == NULL ? 0 : c->source;
	const struct pools *pools = c == NULL ? &q->vmta->pools : &c->pools;

	if (!own_allows(q, RATE_MSG, 1, &n) || !own_allows(q, RATE_VOLUME, bytes, &any) ||
	    !source_allows(q, source, SOURCE_MSG, 1, &n) ||
	    !source_allows(q, source, SOURCE_VOLUME, bytes, &any) ||
	    !shared_allow(q, pools, bytes, &n))
		return 0;
	/* what is larger than the limit itself goes alone */
	return (uint32_t)PH_MAX(n, 1);
}

bool
rate_is_of_source(const struct queue *q)
{
	return q->bound.kind == BOUND_SOURCE;
}

bool
rate_may_open(struct queue *q)
{
	uint64_t any = UINT64_MAX;

	struct meter *m = rate_meter(q, RATE_RAMPUP);

	if (!own_allows(q, RATE_CONNECT, 1, &any))
		return false;
	if (m == NULL || meter_fits(m, 1, ev_now()))
		return true;
	return hold_by(q, BOUND_RATE, RATE_RAMPUP, meter_due(m, 1));
}

bool
rate_source_may_open(struct queue *q, uint32_t index)
{
	const struct source *s = source_of(q, index);
	const struct source_row *row;
	uint64_t any = UINT64_MAX;

	if (s == NULL)
		return true;
	row = rate_conf_source(&q->policy->rates, SOURCE_OUT, &s->addr);
	if (row != NULL && s->n_conns >= row->rate.count) {
		hold_by(q, BOUND_SOURCE, SOURCE_OUT, MONO_NEVER);
		q->bound.source = index;
		return false;
	}
	return source_allows(q, index, SOURCE_CONNECT, 1, &any) &&
	       source_allows(q, index, SOURCE_MSG, 1, &any) &&
	       source_allows(q, index, SOURCE_VOLUME, head_bytes(q), &any);
}

/* ---- counting ---- */

static bool
is_counted(const struct conn *c)
{
	const struct queue *q = c->queue;

	return q->rates != NULL || q->from != NULL || limit_is_on(&q->vmta->msg) ||
	       limit_is_on(&q->vmta->volume) || c->pools.n > 0;
}

/* what counts from before the answer came would count too short, and let too much through */
static void
read_clock(const struct conn *c)
{
	if (is_counted(c))
		ev_update_time();
}

static void
take(struct queue *q, enum rate_kind kind, uint64_t n)
{
	struct meter *m = rate_meter(q, kind);

	if (m != NULL)
		meter_take(m, n);
}

static void
answer(struct queue *q, enum rate_kind kind, uint64_t taken, uint64_t seen)
{
	struct meter *m = rate_meter(q, kind);

	if (m != NULL)
		meter_answer(m, taken, seen, ev_now());
}

static void
take_own(const struct conn *c, enum rate_kind kind, enum source_kind of_source, uint64_t n)
{
	struct queue *q = c->queue;
	struct source *s = source_of(q, c->source);

	take(q, kind, n);
	take(q, (enum rate_kind)(kind + RATE_TO_BACKOFF), n);
	if (s != NULL)
		meter_take(&s->of[of_source], n);
}

static void
answer_own(const struct conn *c, enum rate_kind kind, enum source_kind of_source, uint64_t taken,
    uint64_t seen)
{
	struct queue *q = c->queue;
	struct source *s = source_of(q, c->source);

	read_clock(c);
	answer(q, kind, taken, seen);
	answer(q, (enum rate_kind)(kind + RATE_TO_BACKOFF), taken, seen);
	if (s != NULL)
		meter_answer(&s->of[of_source], taken, seen, ev_now());
}

void
rate_granted(struct conn *c, struct txn *t, uint32_t n)
{
	struct queue *q = c->queue;
	struct vmta *v = q->vmta;
	const struct message *m = message_at(t->message);

	t->volume = m->len - PH_MIN(m->env_len, m->len) + added;
	take_own(c, RATE_MSG, SOURCE_MSG, n);
	take_own(c, RATE_VOLUME, SOURCE_VOLUME, t->volume);
	limit_take_for(&v->msg, q, n);
	limit_take_for(&v->volume, q, t->volume);
	for (size_t i = 0; i < c->pools.n; i++) {
		limit_take_for(&c->pools.list[i]->msg, q, n);
		limit_take_for(&c->pools.list[i]->volume, q, t->volume);
	}
}

void
rate_answered(const struct conn *c, bool seen)
{
	struct vmta *v = c->queue->vmta;

	answer_own(c, RATE_MSG, SOURCE_MSG, 1, seen);
	limit_answer(&v->msg, 1, seen);
	for (size_t i = 0; i < c->pools.n; i++)
		limit_answer(&c->pools.list[i]->msg, 1, seen);
}

static void
answer_volume(const struct conn *c, struct txn *t, uint64_t bytes)
{
	struct vmta *v = c->queue->vmta;

	answer_own(c, RATE_VOLUME, SOURCE_VOLUME, t->volume, bytes);
	limit_answer(&v->volume, t->volume, bytes);
	for (size_t i = 0; i < c->pools.n; i++)
		limit_answer(&c->pools.list[i]->volume, t->volume, bytes);
	t->volume_known = true;
}

void
rate_delivered(const struct conn *c, struct txn *t, uint64_t bytes)
{
	uint64_t stored = t->volume - PH_MIN(added, t->volume);

	if (t->volume_known)
		return;
	answer_volume(c, t, bytes);
	if (bytes > stored + added)
		added = bytes - stored;
}

void
rate_txn_over(const struct conn *c, struct txn *t)
{
	if (!t->volume_known)
		answer_volume(c, t, 0);
}

void
rate_opened(struct conn *c)
{
	struct queue *q = c->queue;
	struct source *s = source_of(q, c->source);

	take_own(c, RATE_CONNECT, SOURCE_CONNECT, 1);
	take(q, RATE_RAMPUP, 1);
	if (s != NULL)
		s->n_conns++;
	c->is_connecting = true;
}

void
rate_open_answered(struct conn *c, bool seen)
{
	if (!c->is_connecting)
		return;
	c->is_connecting = false;
	answer_own(c, RATE_CONNECT, SOURCE_CONNECT, 1, seen);
	answer(c->queue, RATE_RAMPUP, 1, seen);
}

void
rate_closed(const struct conn *c)
{
	struct source *s = source_of(c->queue, c->source);

	if (s != NULL)
		s->n_conns--;
}
