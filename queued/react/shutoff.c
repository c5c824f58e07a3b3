#include "queued/react/shutoff.h"

#include "queued/conn.h"
#include "queued/vmta.h"

/* above all priorities that mail can have */
#define FIRST_OF_ALL 255

bool
shutoff_is_on(const struct queue *q)
{
	return q->paused || q->policy->hold || q->vmta->is_held;
}

static uint32_t
n_retries(const struct queue *q)
{
	const struct conf_vmta *v = q->vmta->conf;

	if (v == NULL || v->set == NULL)
		return 0;
	return (uint32_t)PH_MIN(
	    conf_u64(v->set, CONF_VMTA_SMTP_RETRIES_AFTER_SHUTOFF), UINT64_C(254));
}

static void
note_conn(struct conn *c, uint8_t left)
{
	struct txn *t;

	STAILQ_FOREACH(t, &c->txns, link)
	{
		for (uint32_t h = t->rcpts.head; h != 0; h = rcpt_at(h)->next) {
			rcpt_at(h)->shutoff = left;
			rcpt_at(h)->priority = FIRST_OF_ALL;
		}
	}
}

void
shutoff_look(struct queue *q)
{
	bool was = q->was_shut;
	uint32_t n;
	struct conn *c;

	q->was_shut = shutoff_is_on(q);
	if (was || !q->was_shut)
		return;
	n = n_retries(q);
	if (n == 0)
		return;
	/* the attempt under way is one more */
	TAILQ_FOREACH(c, &q->conns, link)
	note_conn(c, (uint8_t)(n + 1));
}

bool
shutoff_lets_go(const struct queue *q)
{
	uint32_t first;

	if (!shutoff_is_on(q))
		return true;
	first = order_first(&q->ready);
	return first != 0 && rcpt_at(first)->shutoff > 0;
}

void
shutoff_failed(const struct queue *q, struct rcpt *r)
{
	if (r->shutoff == 0)
		return;
	r->shutoff = shutoff_is_on(q) ? (uint8_t)(r->shutoff - 1) : 0;
	if (r->shutoff == 0)
		r->priority = message_at(r->message)->priority;
}
