#include "queued/end/expire.h"

#include "lib/spool/envelope.h"
#include "queued/end/final.h"
#include "queued/end/judge.h"
#include "queued/end/report.h"
#include "queued/state.h"
#include "queued/window.h"

/* recipients looked at in a millisecond, carefully low */
#define LOOKS_PER_MS 4000
/* looking may take one part in so many of the time */
#define SHARE_OF_TIME 100
/* accounting was full */
#define AGAIN_MS 1000

static struct tick
end_of(const struct queue *q, const struct rcpt *r)
{
	const struct message *m = message_at(r->message);

	if (m->windows != 0) /* bounce-after is for those without a schedule */
		return window_end(m->windows);
	return tick_add_ms(m->counts_from, q->policy->bounce_after_ms);
}

bool
expire_is_over(const struct queue *q, const struct rcpt *r)
{
	return tick_is_due(end_of(q, r));
}

/* when its sender is to be told of the delay */
static bool
wants_notice(const struct queue *q, const struct rcpt *r, struct tick *at)
{
	const struct message *m = message_at(r->message);

	if ((r->notify & NOTIFY_DELAY) == 0 || q->policy->delay_ms == CONF_NEVER ||
	    q->policy->no_dsn || r->n_delays == UINT16_MAX ||
	    (m->flags & (MSG_NULL_SENDER | MSG_REPORT | MSG_NO_DSN)) != 0)
		return false;
	*at = tick_add_ms(m->counts_from, q->policy->delay_ms * ((int64_t)r->n_delays + 1));
	return true;
}

void
expire_skip_notices(const struct queue *q, struct rcpt *r)
{
	int64_t age = tick_diff_ms(message_at(r->message)->counts_from, tick_now());

	if (age > 0 && q->policy->delay_ms != CONF_NEVER)
		r->n_delays = (uint16_t)PH_MIN(age / q->policy->delay_ms, (int64_t)UINT16_MAX);
}

static void
maybe_notify(struct queue *q, uint32_t rcpt)
{
	struct rcpt *r = rcpt_at(rcpt);
	struct tick at;

	if (!wants_notice(q, r, &at) || !tick_is_due(at))
		return;
	report_delay(q, rcpt, end_of(q, r));
	expire_skip_notices(q, r);
}

void
expire_note(struct queue *q, const struct rcpt *r)
{
	struct tick end = end_of(q, r), notice;

	if (wants_notice(q, r, &notice) && notice.t < end.t)
		end = notice;

	if (q->expiry_known && q->next_expiry.t <= end.t)
		return;
	q->expiry_known = true;
	q->next_expiry = end;
}

void
expire_again(struct queue *q)
{
	q->expiry_known = true;
	q->next_expiry = tick_now();
}

/* false: accounting takes no more now */
static bool
sweep(struct queue *q, enum rcpt_state state)
{
	uint32_t next;

	for (uint32_t h = queue_first(q, state); h != 0; h = next) {
		struct rcpt *r = rcpt_at(h);
		next = queue_after(q, h);
		if (!expire_is_over(q, r)) {
			maybe_notify(q, h);
			expire_note(q, r);
		} else if (limit_has_room(&qd.accounting) && !judge_holds(q))
			final_expired(q, h, NULL);
		else
			return false;
	}
	return true;
}

void
expire_run(struct queue *q)
{
	uint32_t n = q->ready.n + q->deferred.n + q->held.n;
	struct tick soonest;

	if (!q->expiry_known || !tick_is_due(q->next_expiry))
		return;
	q->expiry_known = false;
	if (!sweep(q, RCPT_READY) || !sweep(q, RCPT_DEFERRED) || !sweep(q, RCPT_HELD)) {
		q->expiry_known = true;
		q->next_expiry = tick_in_ms(AGAIN_MS);
		return;
	}
	report_send_new();
	soonest = tick_in_ms(n < LOOKS_PER_MS ? 0 : n / LOOKS_PER_MS * SHARE_OF_TIME);
	if (q->expiry_known && q->next_expiry.t < soonest.t)
		q->next_expiry = soonest;
}
