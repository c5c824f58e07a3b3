#include "queued/conn.h"

#include "lib/base/xalloc.h"
#include "queued/end/first.h"
#include "queued/spool/orphan.h"
#include "queued/end/outcome.h"
#include "queued/way/route.h"
#include "queued/way/source.h"
#include "queued/state.h"
#include "queued/end/suppress.h"
#include "queued/control/tail.h"
#include "queued/control/trace.h"
#include "queued/vmta.h"
#include "queued/way/way.h"

/* mail that comes a moment later finds the connection still open */
#define LINGER_MS 100
/* with other connections to be had, one is given no more than it does in this time */
#define AHEAD_MS 200
/* messages of a connection after which others that wait for one have their turn */
#define FAIR_SHARE 200

/* connections by number; free numbers are chained by the slab */
static struct slab numbers;

static struct conn **
slot(uint32_t number)
{
	if (numbers.item == 0)
		slab_init(&numbers, sizeof(struct conn *));
	return slab_at(&numbers, number);
}

struct conn *
conn_find(uint32_t number)
{
	struct conn *c;

	if (number == 0 || number >= slab_end(&numbers))
		return NULL;
	c = *slot(number);
	/* a free slot holds the next free number */
	return (uintptr_t)c > UINT32_MAX && c->number == number ? c : NULL;
}

static struct peer *
least_loaded(uint32_t *instance)
{
	struct peer *best = NULL;

	for (uint32_t i = 0; i < MAX_PEERS; i++) {
		struct peer *p = &qd.deliverers[i];
		if (p->chan == NULL || p->is_slow || (best != NULL && p->n_conns >= best->n_conns))
			continue;
		best = p;
		*instance = i;
	}
	return best;
}

static void
on_idle(struct ev_timer *t)
{
	conn_close(ph_container_of(t, struct conn, idle), CONN_QUIT);
}

/* every limit that counts connections */
static void
take_limits(struct conn *c)
{
	struct queue *q = c->queue;

	limit_take_for(limit_of_all(c->type), q, 1);
	limit_take_for(&q->vmta->out, q, 1);
	for (size_t i = 0; i < c->pools.n; i++)
		limit_take_for(&c->pools.list[i]->out, q, 1);
	if (c->to_host != NULL)
		limit_take_for(c->to_host, q, 1);
	if (c->to_address != NULL)
		limit_take_for(c->to_address, q, 1);
	rate_opened(c);
}

static void
give_limits(struct conn *c)
{
	limit_give(limit_of_all(c->type));
	limit_give(&c->queue->vmta->out);
	for (size_t i = 0; i < c->pools.n; i++)
		limit_give(&c->pools.list[i]->out);
	if (c->to_host != NULL)
		limit_give(c->to_host);
	if (c->to_address != NULL)
		limit_give(c->to_address);
	rate_closed(c);
}

static struct conn *
make(struct queue *q, const struct way *w, uint32_t deliverer)
{
	struct conn *c = xcalloc(1, sizeof *c);

	if (numbers.item == 0)
		slab_init(&numbers, sizeof(struct conn *));
	c->number = slab_new(&numbers);
	*slot(c->number) = c;
	c->queue = q;
	c->deliverer = deliverer;
	c->dst = w->host->addr;
	c->src = c->src_asked = w->src.addr;
	c->source = w->source;
	c->pools = q->vmta->pools;
	c->type = q->policy->delivery;
	c->to_host = w->to_host;
	c->to_address = w->to_address;
	c->opened = ev_now();
	c->host = xstrdup(w->host->name);
	c->ehlo = xstrdup_str(w->src.host);
	STAILQ_INIT(&c->txns);
	ev_timer_init(&c->idle, on_idle);
	TAILQ_INSERT_TAIL(&q->conns, c, link);
	q->n_conns++;
	preempt_note(q);
	return c;
}

static void
unmake(struct conn *c)
{
	TAILQ_REMOVE(&c->queue->conns, c, link);
	c->queue->n_conns--;
	c->queue->n_interrupted -= c->is_interrupted;
	preempt_busy(c);
	preempt_note(c->queue);
	if (c->up)
		c->queue->n_up--;
	ev_timer_stop(&c->idle);
	give_limits(c);
	slab_free(&numbers, c->number);
	free(c->host);
	free(c->ehlo);
	free(c->tls_protocol);
	free(c->tls_cipher);
	free(c);
}

/* from here, or through a proxy which then comes from there */
static void
order_source(struct conn *c, const struct conf_source_host *src, struct ipc_conn_open *msg)
{
	net_to_ipc(src->proxy.family == 0 ? &src->addr : &src->local, &msg->src);
	if (src->proxy.family == 0)
		return;
	net_to_ipc(&src->proxy, &msg->proxy);
	net_to_ipc(&src->addr, &msg->client);
	msg->proxy_version = src->proxy_version;
	c->proxy = src->proxy;
}

bool
conn_open(struct queue *q, const struct way *w)
{
	struct ipc_conn_open msg = {.window = CONN_WINDOW};
	uint32_t instance = 0;
	struct peer *p = orphan_is_awaited() ? NULL : least_loaded(&instance);
	struct conn *c;
	struct str texts[5];

	if (p == NULL)
		return false;
	c = make(q, w, instance);
	p->n_conns++;
	take_limits(c);
	msg.conn = c->number;
	msg.type = c->type;
	msg.talk = trace_conn(q, c);
	msg.verify = w->host->is_verified;
	net_to_ipc(&w->host->addr, &msg.dst);
	order_source(c, &w->src, &msg);
	texts[0] = str_of(c->host);
	texts[1] = w->src.host;
	texts[2] = queue_domain(q);
	texts[3] = queue_vmta_name(q);
	texts[4] = str_from(w->host->tlsa, w->host->tlsa_len);
	ipc_send(p->chan, IPC_CONN_OPEN, &msg, texts, -1);
	return true;
}

static uint32_t
window(const struct conn *c)
{
	const struct queue *q = c->queue;

	/* it is all there is: keep the pipe full */
	if (q->n_conns >= queue_max_out(q) || !limit_has_room(&q->vmta->out) ||
	    !limit_has_room(limit_of_all(c->type)))
		return CONN_WINDOW;
	if (c->txn_ms <= 0)
		return c->n_delivered > 0 ? CONN_WINDOW / 2 : 2;
	return (uint32_t)PH_MAX(PH_MIN(AHEAD_MS / c->txn_ms, CONN_WINDOW / 2), 1);
}

static uint32_t
left_of(uint32_t max, uint32_t used)
{
	return max == 0 ? UINT32_MAX : max - PH_MIN(used, max);
}

/* how many more messages it may ever be given */
static uint32_t
share(const struct conn *c)
{
	const struct queue *q = c->queue;
	uint32_t n = left_of(q->policy->max_msg_per_conn, c->n_given);

	/* a reload may have made it a queue of another type */
	if (c->spent || c->type != q->policy->delivery || source_is_off(q, &c->src_asked))
		return 0;
	/* what is under way may fail as well */
	n = PH_MIN(n, left_of(q->policy->max_errors_per_conn, c->n_errors + c->n_txns));
	if (c->n_given >= FAIR_SHARE &&
	    (limit_has_others(&q->vmta->out, q) || limit_has_others(limit_of_all(c->type), q)))
		return 0;
	return n;
}

uint32_t
conn_room(const struct conn *c)
{
	uint32_t w;

	if (!c->up || c->closing || qd.deliverers[c->deliverer].is_slow)
		return 0;
	w = window(c);
	return PH_MIN(share(c), w - PH_MIN(c->n_txns, w));
}

static void
fly(struct conn *c, struct txn *t, uint32_t rcpt)
{
	struct queue *q = c->queue;

	queue_take(q, rcpt);
	rcpt_at(rcpt)->at = c->number;
	rcpt_at(rcpt)->state = RCPT_FLIGHT;
	rcpt_at(rcpt)->cleared = 0; /* for this attempt only */
	first_begins(rcpt);
	rlist_push_back(&t->rcpts, rcpt);
	q->n_flight++;
	message_at(t->message)->n_busy++;
}

/* recipients of one message stand next to each other in the queue */
static size_t
gather(struct conn *c, struct txn *t, uint32_t *indices, size_t max)
{
	struct queue *q = c->queue;
	size_t n = 0;
	uint32_t rcpt;

	/* a sender of its own for each of them */
	if (q->policy->is_alone || (message_at(t->message)->flags & MSG_VERP) != 0)
		max = 1;
	while (n < max && (rcpt = order_first(&q->ready)) != 0) {
		if (rcpt_at(rcpt)->message != t->message)
			break;
		if (suppress_stops(q, rcpt))
			continue;
		indices[n++] = rcpt_at(rcpt)->index;
		fly(c, t, rcpt);
	}
	return n;
}

static int
by_value(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void
conn_give(struct conn *c, uint32_t max)
{
	static uint32_t indices[4000];
	struct queue *q = c->queue;
	struct txn *t = xcalloc(1, sizeof *t);
	struct ipc_txn msg = {.conn = c->number};
	struct str text;
	uint32_t lane = order_lane(&q->ready);
	size_t n;

	t->number = c->next_txn++;
	t->message = rcpt_at(order_first(&q->ready))->message;
	max = PH_MIN(max, q->policy->max_rcpt_per_txn);
	n = gather(c, t, indices, PH_MIN(countof(indices), (size_t)max));
	rate_granted(c, t, (uint32_t)n);
	order_turn(&q->ready, lane);
	qsort(indices, n, sizeof *indices, by_value);
	STAILQ_INSERT_TAIL(&c->txns, t, link);
	if (c->n_txns++ == 0)
		c->last_done = ev_now();
	c->n_given++;
	preempt_busy(c);
	ev_timer_stop(&c->idle);
	msg.place = message_place(message_at(t->message));
	msg.txn = t->number;
	text = str_from((const char *)indices, n * sizeof *indices);
	ipc_send(qd.deliverers[c->deliverer].chan, IPC_TXN, &msg, &text, -1);
}

/* does another queue wait for it? */
static bool
is_wanted(const struct conn *c)
{
	const struct queue *q = c->queue;

	for (size_t i = 0; i < c->pools.n; i++) {
		if (limit_has_others(&c->pools.list[i]->out, q))
			return true;
	}
	return limit_has_others(&q->vmta->out, q) || limit_has_others(limit_of_all(c->type), q);
}

void
conn_set_idle(struct conn *c)
{
	if (!c->up || c->closing || c->n_txns > 0)
		return;
	if (share(c) == 0 || is_wanted(c)) {
		conn_close(c, CONN_QUIT);
		return;
	}
	preempt_idle(c);
	if (ev_timer_is_armed(&c->idle))
		return;
	ev_timer_in_ms(&c->idle, PH_MAX(c->queue->policy->idle_ms, (int64_t)LINGER_MS));
}

void
conn_close(struct conn *c, enum conn_close how)
{
	struct ipc_conn_close msg = {.conn = c->number, .how = (uint32_t)how};

	ev_timer_stop(&c->idle);
	preempt_busy(c);
	c->closing = true;
	if (!c->is_interrupted && (how == CONN_LEAVE || how == CONN_INTERRUPT)) {
		c->is_interrupted = true;
		c->queue->n_interrupted++;
		preempt_note(c->queue);
	}
	ipc_send(qd.deliverers[c->deliverer].chan, IPC_CONN_CLOSE, &msg, NULL, -1);
}

/* the connection a message speaks of, if it belongs to that deliverd: anything else is stale */
static struct conn *
conn_of(const struct peer *p, uint32_t number)
{
	struct conn *c = conn_find(number);

	return c != NULL && &qd.deliverers[c->deliverer] == p ? c : NULL;
}

/* for who follows the events */
static void
tell(enum tail_kind kind, const struct conn *c, struct str text)
{
	char source[NET_ADDR_TEXT], dst[NET_ADDR_TEXT], host[400];
	struct tail_event e = {.kind = kind, .queue = str_of(c->queue->name), .text = text};

	if (!tail_is_wanted(kind))
		return;
	snprintf(host, sizeof host, "[%.255s] (%s)", c->host, net_addr_text(&c->dst, dst));
	e.host = str_of(host);
	e.source = str_of(net_addr_text(&c->src, source));
	tail_tell(&e);
}

void
conn_came_up(struct peer *p, const struct ipc_msg *m)
{
	const struct ipc_conn_up *up = m->head;
	struct conn *c = conn_of(p, up->conn);

	if (c == NULL || c->up)
		return;
	c->up = true;
	stat_took(HIST_CONNECT, mono_diff_ms(c->opened, ev_now()));
	rate_open_answered(c, true);
	c->queue->n_up++;
	c->extensions = up->extensions;
	net_from_ipc(&up->src, &c->src);
	if (m->text[0].len > 0) {
		c->tls_protocol = xstrdup_str(m->text[0]);
		c->tls_cipher = xstrdup_str(m->text[1]);
	}
	tell(TAIL_CONNECT, c, m->text[0]);
	queue_kick(c->queue);
}

static struct txn *
txn_find(struct conn *c, uint32_t number)
{
	struct txn *t;

	STAILQ_FOREACH(t, &c->txns, link)
	{
		if (t->number == number)
			return t;
	}
	return NULL;
}

static uint32_t
rcpt_find(const struct txn *t, uint32_t index)
{
	for (uint32_t h = t->rcpts.head; h != 0; h = rcpt_at(h)->next) {
		if (rcpt_at(h)->index == index)
			return h;
	}
	return 0;
}

void
conn_result(struct peer *p, const struct ipc_msg *m)
{
	const struct ipc_result *r = m->head;
	struct conn *c = conn_of(p, r->conn);
	struct txn *t = c == NULL ? NULL : txn_find(c, r->txn);
	uint32_t rcpt = t == NULL ? 0 : rcpt_find(t, r->rcpt);

	if (rcpt == 0 || message_at(t->message)->id != r->id)
		return;
	rlist_remove(&t->rcpts, rcpt);
	rate_answered(c, r->outcome != OUT_UNTRIED);
	if (r->outcome == OUT_DELIVERED) {
		t->delivered = true;
		rate_delivered(c, t, r->bytes);
	} else if (r->outcome != OUT_UNTRIED)
		c->n_errors++;
	outcome_rcpt(c, rcpt, r, m->text[0]);
}

/* those without a result go back to where they came from: no attempt was made, though the receiver may have seen one */
static void
give_back(struct conn *c, struct txn *t, bool may_be_seen)
{
	while (t->rcpts.tail != 0) {
		uint32_t rcpt = t->rcpts.tail;
		rlist_remove(&t->rcpts, rcpt);
		rate_answered(c, may_be_seen);
		outcome_untried(c->queue, rcpt);
	}
	rate_txn_over(c, t);
}

static void
txn_end(struct conn *c, struct txn *t)
{
	int64_t took = mono_diff_ms(c->last_done, ev_now());

	stat_took(HIST_TRANSACTION, took);
	/* deliverd wants nothing more on it */
	if (t->rcpts.n > 0)
		c->spent = true;
	give_back(c, t, false);
	STAILQ_REMOVE(&c->txns, t, txn, link);
	c->n_txns--;
	c->txn_ms = (c->txn_ms * 3 + took) / 4;
	c->last_done = ev_now();
	if (t->delivered)
		c->n_delivered++;
	free(t);
}

void
conn_txn_done(struct peer *p, const struct ipc_msg *m)
{
	const struct ipc_txn_done *d = m->head;
	struct conn *c = conn_of(p, d->conn);
	struct txn *t = c == NULL ? NULL : txn_find(c, d->txn);

	if (t == NULL)
		return;
	txn_end(c, t);
	queue_kick(c->queue);
}

static void
give_back_all(struct conn *c, bool may_be_seen)
{
	/* the latest first, so that the order in the queue is kept */
	while (!STAILQ_EMPTY(&c->txns)) {
		struct txn *t = STAILQ_LAST(&c->txns, txn, link);
		/* what the checker does not follow is STAILQ_REMOVE: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		give_back(c, t, may_be_seen);
		STAILQ_REMOVE(&c->txns, t, txn, link);
		free(t);
	}
	c->n_txns = 0;
}

void
conn_went_down(struct peer *p, const struct ipc_msg *m)
{
	const struct ipc_conn_down *d = m->head;
	struct conn *c = conn_of(p, d->conn);
	struct queue *q;

	if (c == NULL)
		return;
	q = c->queue;
	if (d->src.family != 0)
		net_from_ipc(&d->src, &c->src);
	give_back_all(c, d->end != END_CLOSED || c->is_interrupted);
	rate_open_answered(c, d->end != END_LOCAL);
	trace_conn_gone(c->number, STR(""));
	tell(TAIL_DISCONNECT, c, m->text[0]);
	outcome_conn(c, d, m->text[0]);
	p->n_conns--;
	unmake(c);
	queue_kick(q);
}

void
conn_deliverer_ready(uint32_t instance)
{
	for (uint32_t n = 1; n < slab_end(&numbers); n++) {
		struct conn *c = conn_find(n);
		if (c != NULL && c->deliverer == instance)
			queue_kick(c->queue);
	}
	limit_wake_all(&qd.no_deliverd);
}

void
conn_deliverer_gone(uint32_t instance)
{
	for (uint32_t n = 1; n < slab_end(&numbers); n++) {
		struct conn *c = conn_find(n);
		struct queue *q;
		if (c == NULL || c->deliverer != instance)
			continue;
		q = c->queue;
		give_back_all(c, true);
		rate_open_answered(c, true);
		trace_conn_gone(c->number, STR("the delivery process died"));
		unmake(c);
		queue_kick(q);
	}
	qd.deliverers[instance].n_conns = 0;
}
