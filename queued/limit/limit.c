#include "queued/limit/limit.h"

#include "queued/limit/keep.h"
#include "queued/queue.h"

static int
in_order(const struct queue *a, const struct queue *b)
{
	if (a->line_priority != b->line_priority)
		return a->line_priority > b->line_priority ? -1 : 1;
	return (a->line_serial > b->line_serial) - (a->line_serial < b->line_serial);
}

/* clang-format off */
RB_GENERATE_INTERNAL(queue_line, queue, line_link, in_order, __attribute__((unused)) static)
/* clang-format on */

static void on_due(struct ev_timer *t);

void
limit_init(struct limit *l, const char *what, struct str name)
{
	*l = (struct limit){.what = what, .name = name, .max = UINT64_MAX};
	RB_INIT(&l->line);
	ev_timer_init(&l->timer, on_due);
}

void
limit_init_rate(struct limit *l, const char *what, struct str name)
{
	limit_init(l, what, name);
	l->is_rate = true;
}

void
limit_set_rate(struct limit *l, const struct conf_set *set, enum conf_key key)
{
	struct conf_rate r = {.count = CONF_UNLIMITED, .period_ms = 1000};
	struct keep_name name = {.what = l->what, .of = l->name};

	if (set != NULL)
		r = conf_rate(set, key);
	l->set = set;
	l->key = set == NULL ? CONF_NONE : key;
	meter_set(&l->meter, r.count, r.period_ms);
	keep_attach(&l->meter, &name);
}

bool
limit_is_on(const struct limit *l)
{
	return l->is_rate ? meter_is_on(&l->meter) : l->max != UINT64_MAX;
}

static uint64_t
room(struct limit *l)
{
	if (l->is_rate)
		return meter_room(&l->meter, ev_now());
	return l->max - PH_MIN(l->used, l->max);
}

bool
limit_has_room(const struct limit *l)
{
	return l->used < l->max;
}

uint64_t
limit_room_for(struct limit *l, const struct queue *q)
{
	uint64_t kept = q->kept == l ? q->kept_n : 0, left = room(l);
	uint64_t own = q->hopes_for == l ? q->hopes_n : 0, others = l->hoped - own;

	if (l->n_waiting > 0 && !l->is_shared)
		return kept + PH_MIN(own, left);
	left -= PH_MIN(others, left);
	return kept + PH_MIN(left, UINT64_MAX - kept);
}

bool
limit_has_room_for(struct limit *l, const struct queue *q, uint64_t need)
{
	if (!limit_is_on(l))
		return true;
	if (limit_room_for(l, q) >= need)
		return true;
	/* larger than the whole limit: it goes alone */
	return l->is_rate && need > l->meter.max && l->n_waiting == 0 && q->kept != l &&
	       meter_fits(&l->meter, need, ev_now());
}

static void
take(struct limit *l, uint64_t n)
{
	if (l->is_rate)
		meter_take(&l->meter, n);
	else
		l->used += n;
}

void
limit_take(struct limit *l)
{
	take(l, 1);
}

static void
hope(struct limit *l, struct queue *q, uint64_t n)
{
	q->hopes_for = l;
	q->hopes_n = n;
	l->hoped += n;
}

static void
hope_no_more(struct queue *q)
{
	if (q->hopes_for == NULL)
		return;
	q->hopes_for->hoped -= q->hopes_n;
	q->hopes_for = NULL;
}

void
limit_take_for(struct limit *l, struct queue *q, uint64_t n)
{
	uint64_t kept = q->kept == l ? PH_MIN(q->kept_n, n) : 0;

	if (q->hopes_for == l)
		hope_no_more(q);
	take(l, n - kept);
	q->kept_n -= kept;
	if (q->kept_n == 0)
		q->kept = NULL;
}

void
limit_hope_no_more(struct queue *q)
{
	struct limit *l = q->hopes_for;

	hope_no_more(q);
	if (l != NULL && l->n_waiting > 0)
		limit_wake_all(l);
}

void
limit_leave(struct queue *q)
{
	struct limit *l = q->waits_for;

	if (l == NULL)
		return;
	RB_REMOVE(queue_line, &l->line, q);
	l->n_waiting--;
	q->waits_for = NULL;
	q->preempts = false;
}

/* what the first in line gets of the room: it shares with those behind it */
static uint64_t
share_of(struct limit *l, const struct queue *first)
{
	if (!l->is_rate)
		return 1;
	return PH_MAX(first->line_need, (room(l) - PH_MIN(l->hoped, room(l))) / l->n_waiting);
}

static void
wake_first(struct limit *l)
{
	struct queue *q = RB_MIN(queue_line, &l->line);
	uint64_t n;

	if (q == NULL)
		return;
	n = share_of(l, q);
	limit_leave(q);
	q->woken_by = l;
	if (!l->is_shared && limit_is_on(l)) {
		take(l, n);
		q->kept = l;
		q->kept_n = n;
	}
	queue_kick(q);
}

struct mono
limit_due(const struct limit *l)
{
	return ev_timer_is_armed(&l->timer) ? l->timer.at : MONO_NEVER;
}

static void
arm(struct limit *l)
{
	const struct queue *first = RB_MIN(queue_line, &l->line);
	struct mono due =
	    first == NULL ? MONO_NEVER : meter_due(&l->meter, first->line_need + l->hoped);

	if (due.ns == INT64_MAX)
		ev_timer_stop(&l->timer);
	else
		ev_timer_at(&l->timer, due);
}

static bool
can_wake(struct limit *l)
{
	const struct queue *first = RB_MIN(queue_line, &l->line);

	if (first == NULL)
		return false;
	if (l->is_rate)
		return meter_fits(&l->meter, first->line_need + l->hoped, ev_now());
	return l->is_shared || limit_has_room(l);
}

void
limit_wake_all(struct limit *l)
{
	while (can_wake(l))
		wake_first(l);
	if (l->is_rate)
		arm(l);
}

static void
on_due(struct ev_timer *t)
{
	limit_wake_all(ph_container_of(t, struct limit, timer));
}

void
limit_give(struct limit *l)
{
	if (l->used > 0)
		l->used--;
	if (limit_has_room(l))
		wake_first(l);
}

void
limit_answer(struct limit *l, uint64_t taken, uint64_t seen)
{
	meter_answer(&l->meter, taken, seen, ev_now());
	if (l->n_waiting > 0)
		limit_wake_all(l);
}

void
limit_wait(struct limit *l, struct queue *q, uint64_t need)
{
	bool stays = q->waits_for == l, preempts = stays && q->preempts;

	if (stays && q->line_priority == q->policy->priority && q->line_need == need)
		return;
	limit_leave(q);
	q->waits_for = l;
	q->preempts = preempts;
	q->line_priority = q->policy->priority;
	q->line_serial = stays ? q->line_serial : l->serial++;
	q->line_need = need;
	RB_INSERT(queue_line, &l->line, q);
	l->n_waiting++;
	if (l->is_rate)
		arm(l);
}

void
limit_settle(struct queue *q, bool connects)
{
	struct limit *kept = q->kept, *l = q->woken_by;
	uint64_t n = q->kept_n;

	q->kept = NULL;
	q->kept_n = 0;
	q->woken_by = NULL;
	if (kept != NULL && kept->is_rate) {
		hope_no_more(q);
		if (connects)
			hope(kept, q, PH_MIN(n, q->line_need));
		limit_answer(kept, n, 0);
	} else if (kept != NULL)
		limit_give(kept);
	else if (l != NULL && l->is_shared && limit_has_room(l))
		wake_first(l);
}

bool
limit_has_others(const struct limit *l, const struct queue *q)
{
	return l->n_waiting > (q->waits_for == l ? 1u : 0u);
}
