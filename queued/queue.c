#include "queued/queue.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/control/events.h"
#include "queued/control/happen.h"
#include "queued/control/memo.h"
#include "queued/end/expire.h"
#include "queued/domain.h"
#include "queued/job.h"
#include "queued/move.h"
#include "queued/control/pause.h"
#include "queued/end/process.h"
#include "queued/react/react.h"
#include "queued/react/retry.h"
#include "queued/way/rollup.h"
#include "queued/way/route.h"
#include "queued/run.h"
#include "queued/way/source.h"
#include "queued/state.h"
#include "queued/vmta.h"
#include "queued/window.h"

#define AGAIN_MS      1000
#define CLOSES_A_TURN 4096

static const char *const hold_names[] = {
#define X(name, text, wakes) #name,
    QUEUE_HOLDS(X)
#undef X
};
static const char *const hold_texts[] = {
#define X(name, text, wakes) text,
    QUEUE_HOLDS(X)
#undef X
};
static const char *const hold_wakers[] = {
#define X(name, text, wakes) wakes,
    QUEUE_HOLDS(X)
#undef X
};

const char *
hold_name(enum queue_hold h)
{
	return h < HOLD_MAX ? hold_names[h] : "?";
}

const char *
hold_text(enum queue_hold h)
{
	return h < HOLD_MAX ? hold_texts[h] : "?";
}

const char *
hold_wakes(enum queue_hold h)
{
	return h < HOLD_MAX ? hold_wakers[h] : "?";
}

/* the slab keeps what walks need, and a pointer to the rest */
static struct queue_brief *
slot(uint32_t handle)
{
	return slab_at(&qd.queues, handle);
}

struct queue *
queue_at(uint32_t handle)
{
	return slot(handle)->q;
}

const struct queue_brief *
queue_brief(uint32_t handle)
{
	const struct queue_brief *b;

	if (handle == 0 || handle >= slab_end(&qd.queues))
		return NULL;
	b = slot(handle);
	/* a free slot holds a small number, never an object's address */
	return (uintptr_t)b->q > UINT32_MAX ? b : NULL;
}

struct queue *
queue_try(uint32_t handle)
{
	const struct queue_brief *b = queue_brief(handle);

	return b == NULL ? NULL : b->q;
}

uint32_t
queue_next(uint32_t handle)
{
	for (handle++; handle < slab_end(&qd.queues); handle++) {
		if (queue_try(handle) != NULL)
			return handle;
	}
	return 0;
}

struct str
queue_domain(const struct queue *q)
{
	return str_from(q->name, q->domain_len);
}

struct str
queue_vmta_name(const struct queue *q)
{
	return q->vmta->name;
}

uint32_t
queue_n_rcpts(const struct queue *q)
{
	return q->ready.n + q->deferred.n + q->held.n + q->n_flight + q->n_ending;
}

uint32_t
queue_max_out(const struct queue *q)
{
	return retry_max_out(q, q->backoff ? q->policy->backoff_max_out : q->policy->max_out);
}

static bool
is_queue(const void *key, uint32_t handle)
{
	const struct str *name = key;

	return str_ieq(*name, str_of(queue_at(handle)->name));
}

static struct queue *
find(struct str name, uint64_t hash)
{
	uint32_t h = hmap_find(&qd.queue_map, hash, is_queue, &name);

	return h == 0 ? NULL : queue_at(h);
}

struct queue *
queue_find(struct str name)
{
	return find(name, str_ihash(name));
}

static void
on_timer(struct ev_timer *t)
{
	queue_kick(ph_container_of(t, struct queue, timer));
}

static void
configure(struct queue *q)
{
	q->policy = policy_of(conf_queue(daemon_conf(), queue_domain(q), q->vmta->name));
	q->loop_said = false;
	q->bound = (struct bound){.kind = BOUND_NONE};
	rate_configure(q);
	preempt_note(q);
}

static struct queue *
make(struct str domain, struct str vmta, struct str name, uint64_t hash)
{
	struct queue *q = xcalloc(1, sizeof *q + name.len + 1);

	memcpy(q->name, name.p, name.len);
	q->domain_len = (uint16_t)domain.len;
	q->vmta = vmta_get(vmta);
	q->processor = (uint8_t)process_of_domain(domain);
	q->is_grouped = rollup_has(domain);
	q->handle = slab_new(&qd.queues);
	*slot(q->handle) = (struct queue_brief){.q = q,
	    .name_begin = str_begin(name),
	    .domain = domain_add_rcpt(domain),
	    .vmta = q->vmta->index};
	TAILQ_INIT(&q->conns);
	q->open_after = tick_now();
	ev_timer_init(&q->timer, on_timer);
	q->hold = HOLD_EMPTY;
	qd.n_queues_empty++;
	q->hold_since = q->keep_until = tick_now();
	q->paused = pause_covers(str_of(q->name));
	configure(q);
	q->hash = (uint32_t)hash;
	hmap_add(&qd.queue_map, hash, q->handle);
	stat_set(STAT_Q_QUEUES, qd.queues.n_used);
	return q;
}

struct queue *
queue_get(struct str domain, struct str vmta)
{
	char text[600];
	struct str shown = vmta.len == 0 ? STR("{default}") : str_sub(vmta, 0, 255), name;
	struct queue *q;
	uint64_t hash;

	domain = str_sub(domain, 0, 255);
	if (domain.len > 0)
		memcpy(text, domain.p, domain.len);
	text[domain.len] = '/';
	memcpy(text + domain.len + 1, shown.p, shown.len);
	name = str_from(text, domain.len + 1 + shown.len);
	hash = str_ihash(name);
	q = find(name, hash);
	return q != NULL ? q : make(domain, vmta, name, hash);
}

void
queue_maybe_free(struct queue *q)
{
	if (queue_n_rcpts(q) > 0 || q->n_conns > 0 || q->n_judging > 0 || q->retrying ||
	    q->in_run_line || !tick_is_due(q->keep_until) || mode_remembers(q) ||
	    source_remembers(q) || mono_is_before(ev_now(), rate_over(q)))
		return;
	limit_leave(q);
	limit_hope_no_more(q);
	rate_free(q);
	ev_timer_stop(&q->timer);
	route_drop(q);
	move_stop(q);
	events_free(q);
	happen_free(q);
	due_clear(&q->deferred);
	mode_free(q);
	source_free(q);
	retry_free(q);
	react_purge_free(q);
	if (q->hold == HOLD_EMPTY)
		qd.n_queues_empty--;
	hmap_remove(&qd.queue_map, q->hash, q->handle);
	domain_drop_rcpt(slot(q->handle)->domain);
	memo_forget(MEMO_QUEUES, q->handle);
	slab_free(&qd.queues, q->handle);
	free(q);
	stat_set(STAT_Q_QUEUES, qd.queues.n_used);
}

static void
came_in(struct queue *q, struct rcpt *r, enum rcpt_state state)
{
	r->queue = q->handle;
	r->state = (uint8_t)state;
	expire_note(q, r);
}

void
queue_add_ready(struct queue *q, uint32_t rcpt, bool in_front)
{
	struct rcpt *r = rcpt_at(rcpt);
	const struct message *m = message_at(r->message);

	if (job_is_paused(m->job)) {
		queue_add_held(q, rcpt);
		return;
	}
	if (m->windows != 0 && !window_is_open(m->windows)) {
		queue_add_deferred(q, rcpt, tick_now());
		return;
	}
	came_in(q, r, RCPT_READY);
	order_add(&q->ready, rcpt, in_front);
}

/* after the last window it only waits for its end, which is under way or held up by accounting */
static struct tick
due_in_window(uint32_t windows, struct tick due)
{
	struct tick from = window_from(windows, due);

	return tick_is_due(from) ? tick_in_ms(AGAIN_MS) : from;
}

void
queue_add_deferred(struct queue *q, uint32_t rcpt, struct tick due)
{
	struct rcpt *r = rcpt_at(rcpt);
	uint32_t windows = message_at(r->message)->windows;

	came_in(q, r, RCPT_DEFERRED);
	r->due = windows == 0 ? due : due_in_window(windows, due);
	due_add(&q->deferred, rcpt);
}

void
queue_add_held(struct queue *q, uint32_t rcpt)
{
	came_in(q, rcpt_at(rcpt), RCPT_HELD);
	rlist_push_back(&q->held, rcpt);
}

bool
queue_close_windows(struct queue *q)
{
	uint32_t rcpt;

	for (int n = 0; (rcpt = order_first(&q->ready)) != 0; n++) {
		uint32_t windows = message_at(rcpt_at(rcpt)->message)->windows;
		if (windows == 0 || window_is_open(windows))
			return true;
		if (n == CLOSES_A_TURN) {
			queue_kick(q);
			return false;
		}
		queue_take(q, rcpt);
		queue_add_deferred(q, rcpt, tick_now());
	}
	return true;
}

void
queue_take(struct queue *q, uint32_t rcpt)
{
	struct rcpt *r = rcpt_at(rcpt);

	if (r->state == RCPT_READY)
		order_remove(&q->ready, rcpt);
	else if (r->state == RCPT_DEFERRED)
		due_remove(&q->deferred, rcpt);
	else if (r->state == RCPT_HELD)
		rlist_remove(&q->held, rcpt);
	else
		panic("queue %s: recipient taken in state %d", q->name, r->state);
}

uint32_t
queue_first(const struct queue *q, enum rcpt_state s)
{
	if (s == RCPT_READY)
		return order_first(&q->ready);
	return s == RCPT_DEFERRED ? q->deferred.all.head : q->held.head;
}

uint32_t
queue_after(const struct queue *q, uint32_t rcpt)
{
	const struct rcpt *r = rcpt_at(rcpt);

	return r->state == RCPT_READY ? order_after(&q->ready, rcpt) : r->next;
}

void
queue_note(struct queue *q)
{
	struct queue_brief *b = slot(q->handle);
	const struct event *e = q->events == NULL ? NULL : events_last(q, 0);

	b->bytes = q->bytes;
	b->n_rcpts = queue_n_rcpts(q);
	b->n_conns = q->n_conns;
	b->paused = q->paused;
	b->backoff = q->backoff;
	b->n_delivered = q->n_delivered;
	b->n_bounced = q->n_bounced;
	b->n_deferred = q->n_deferred;
	b->last_error_ns = e == NULL ? 0 : e->when.ns;
}

void
queue_kick(struct queue *q)
{
	queue_note(q);
	if (q->in_run_line)
		return;
	q->in_run_line = true;
	TAILQ_INSERT_TAIL(&qd.run_line, q, run_link);
	ev_defer_queue(&qd.run);
}

void
queue_kick_all(void)
{
	for (uint32_t h = 0; (h = queue_next(h)) != 0;)
		queue_kick(queue_at(h));
}

void
queue_set_hold(struct queue *q, enum queue_hold hold)
{
	if (q->hold == hold)
		return;
	if (q->hold == HOLD_EMPTY)
		qd.n_queues_empty--;
	else if (hold == HOLD_EMPTY)
		qd.n_queues_empty++;
	q->hold = (uint8_t)hold;
	q->hold_since = tick_now();
}

/* all are taken out first: those whose window is closed go back to where they were */
static void
wake_deferred_all(struct queue *q)
{
	struct rlist all = {0};
	uint32_t rcpt;

	while ((rcpt = due_first(&q->deferred)) != 0) {
		due_remove(&q->deferred, rcpt);
		rlist_push_back(&all, rcpt);
	}
	while ((rcpt = all.head) != 0) {
		rlist_remove(&all, rcpt);
		queue_add_ready(q, rcpt, false);
	}
}

void
queue_schedule(struct queue *q, bool rcpts)
{
	q->retrying = false;
	retry_forget_wait(q);
	q->open_after = tick_now();
	route_forgive(q);
	if (rcpts)
		wake_deferred_all(q);
	queue_kick(q);
}

void
queue_reconfigure_all(void)
{
	policy_forget_all();
	for (uint32_t h = 0; (h = queue_next(h)) != 0;) {
		configure(queue_at(h));
		route_drop(queue_at(h)); /* hosts, ports and addresses may be others now */
		expire_again(queue_at(h));
		queue_kick(queue_at(h));
	}
}
