#include "queued/react/retry.h"

#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "queued/react/pattern.h"
#include "queued/queue.h"

/* of an interval that grows, so many parts of 100 are drawn: not all come back at the same instant */
#define JITTER_PERCENT 20

/* the same for a queue and its nth failure, different between queues */
static int64_t
jitter(int64_t ms, uint64_t seed)
{
	uint64_t x = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);

	x ^= x >> 31;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 29;
	return ms - ms / 100 * (int64_t)(x % (JITTER_PERCENT + 1));
}

/* FNV-1a: the same in every process */
static uint64_t
hash_of(const char *name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	return h;
}

/* base × (multiplier / 1000)^times, no more than the longest */
static int64_t
grow(const struct policy *p, int64_t ms, uint32_t times, uint64_t seed)
{
	if (p->retry_multiplier <= 1000 || times == 0)
		return ms;
	/* a longer wait than the longest was written: it stays */
	if (ms >= p->retry_max_ms)
		return ms;
	for (; times > 0 && ms < p->retry_max_ms; times--) {
		if (__builtin_mul_overflow(ms, (int64_t)p->retry_multiplier, &ms))
			return jitter(p->retry_max_ms, seed);
		ms /= 1000;
	}
	return jitter(PH_MIN(ms, p->retry_max_ms), seed);
}

/* How long to wait after the nth failure in a row, from 0. */
static int64_t
retry_queue_ms(const struct queue *q, uint32_t nth)
{
	const struct policy *p = q->policy;
	const int64_t *list = q->backoff ? p->backoff_retry_ms : p->retry_after_ms;
	uint32_t n = q->backoff ? p->n_backoff_retry : p->n_retry_after;

	return grow(p, list[PH_MIN(nth, n - 1)], nth < n ? 0 : nth - n + 1, hash_of(q->name) + nth);
}

int64_t
retry_rcpt_ms(const struct queue *q, uint32_t nth, uint64_t seed)
{
	return grow(q->policy, q->policy->retry_rcpts_ms, nth > 0 ? nth - 1 : 0, seed + nth);
}

/* ---- the queue's own wait ---- */

void
queue_retry_later(struct queue *q, int64_t ms)
{
	if (ms < 0)
		ms = retry_queue_ms(q, q->retry_nth++);
	retry_forget_wait(q);
	q->retrying = true;
	q->retry_hold = HOLD_RETRY;
	q->retry_since = tick_now();
	q->retry_at = tick_in_ms(ms);
	q->n_failed = 0;
	queue_kick(q);
}

void
queue_succeeded(struct queue *q)
{
	q->retry_nth = 0;
	q->n_failed = 0;
	q->n_greetings_5xx = 0;
	retry_delivered(q);
	mode_delivered(q);
	/* what was under way when the remote said "later" does not mean that it changed its mind */
	if (q->ordered == NULL)
		q->retrying = false;
}

bool
retry_order(struct queue *q, int64_t ms, const struct cause *c)
{
	struct tick at = q->retry_at;

	/* the replies of one burst are one failure */
	if (q->retrying && (ms < 0 || tick_in_ms(ms).t <= at.t))
		return false;
	queue_retry_later(q, ms);
	q->ordered = xcalloc(1, sizeof *q->ordered);
	cause_keep(q->ordered, c);
	return true;
}

void
retry_set(struct queue *q, int64_t ms, const struct cause *c)
{
	if (!q->retrying || q->ordered != NULL || q->retry_hold != HOLD_RETRY)
		return;
	q->retry_at = tick_add_ms(q->retry_since, ms);
	q->ordered = xcalloc(1, sizeof *q->ordered);
	cause_keep(q->ordered, c);
	queue_kick(q);
}

void
retry_forget_wait(struct queue *q)
{
	if (q->ordered == NULL)
		return;
	cause_forget(q->ordered);
	xfree(&q->ordered);
}

void
retry_mode_changed(struct queue *q)
{
	struct tick other;

	if (!q->retrying || q->backoff || q->ordered != NULL || q->retry_hold != HOLD_RETRY)
		return;
	other =
	    tick_add_ms(q->retry_since, retry_queue_ms(q, q->retry_nth > 0 ? q->retry_nth - 1 : 0));
	if (other.t < q->retry_at.t)
		q->retry_at = other;
}

/* ---- concurrency ---- */

void
retry_halve(struct queue *q, uint32_t full, int64_t ms, const struct cause *c)
{
	struct throttle *t = q->throttle;

	if (t == NULL) {
		q->throttle = t = xcalloc(1, sizeof *t);
		t->cap = t->full = PH_MAX(full, 1u);
	}
	t->cap = PH_MAX(t->cap / 2, 1u);
	t->allowed = 1;
	t->step_ms = ms;
	t->step_at = tick_in_ms(2 * ms);
	cause_keep(&t->by, c);
}

uint32_t
retry_max_out(const struct queue *q, uint32_t max)
{
	return q->throttle == NULL ? max : PH_MIN(max, q->throttle->allowed);
}

void
retry_delivered(struct queue *q)
{
	struct throttle *t = q->throttle;

	if (t == NULL || q->retrying)
		return;
	if (t->allowed < t->cap) {
		t->allowed = PH_MIN(t->cap, t->allowed * 2);
	} else if (tick_is_due(t->step_at)) {
		t->cap += PH_MAX(t->full / 10, 1u);
		t->allowed = t->cap;
		t->step_at = tick_in_ms(t->step_ms);
	} else
		return;
	queue_kick(q);
	if (t->cap >= t->full)
		retry_free(q);
}

void
retry_free(struct queue *q)
{
	retry_forget_wait(q);
	if (q->throttle == NULL)
		return;
	cause_forget(&q->throttle->by);
	xfree(&q->throttle);
}
