#include "queued/expire.h"

#include "queued/final.h"
#include "queued/state.h"

/* recipients looked at in a millisecond, carefully low */
#define LOOKS_PER_MS 200

static struct tick
end_of(const struct queue *q, const struct rcpt *r)
{
	return tick_add_ms(message_at(r->message)->born, q->policy->bounce_after_ms);
}

bool
expire_is_over(const struct queue *q, const struct rcpt *r)
{
	return tick_is_due(end_of(q, r));
}

void
expire_note(struct queue *q, const struct rcpt *r)
{
	struct tick end = end_of(q, r);

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

static void
sweep(struct queue *q, struct rlist *l)
{
	uint32_t next;

	for (uint32_t h = l->head; h != 0; h = next) {
		struct rcpt *r = rcpt_at(h);
		next = r->next;
		if (expire_is_over(q, r))
			final_expired(q, h);
		else
			expire_note(q, r);
	}
}

void
expire_run(struct queue *q)
{
	uint32_t    n = q->ready.n + q->deferred.n + q->held.n;
	struct tick soonest;

	if (!q->expiry_known || !tick_is_due(q->next_expiry))
		return;
	q->expiry_known = false;
	sweep(q, &q->ready);
	sweep(q, &q->deferred);
	sweep(q, &q->held);
	soonest = tick_in_ms(n < 100 * LOOKS_PER_MS ? 0 : n / LOOKS_PER_MS * INT64_C(1000));
	if (q->expiry_known && q->next_expiry.t < soonest.t)
		q->next_expiry = soonest;
}
