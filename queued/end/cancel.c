#include "queued/end/cancel.h"

#include "queued/conn.h"
#include "queued/end/final.h"
#include "queued/state.h"

static void
end(struct queue *q, uint32_t rcpt, unsigned bits)
{
	struct final_facts f = {.reply = STR("deleted by administrator"),
	    .enh = {5, 0, 0},
	    .local = true,
	    .quiet = (bits & CANCEL_QUIETLY) != 0,
	    .no_report = (bits & CANCEL_TELL) == 0};

	stat_inc(STAT_Q_DELETED);
	final_begin(q, rcpt, FINAL_DELETED, &f);
	queue_kick(q);
}

void
cancel_now(uint32_t rcpt, unsigned bits)
{
	end(queue_at(rcpt_at(rcpt)->queue), rcpt, bits);
}

bool
cancel_is_allowed(uint32_t rcpt)
{
	return queue_at(rcpt_at(rcpt)->queue)->policy->may_cancel_transfer;
}

/* deliverd alone knows which of them it has begun: of one that is not the first, CONN_LEAVE gives back what it has not */
static bool
is_first(const struct conn *c, const struct rcpt *r)
{
	const struct txn *t = STAILQ_FIRST(&c->txns);

	return t != NULL && t->message == r->message;
}

void
cancel_ask(uint32_t rcpt, unsigned bits)
{
	struct rcpt *r = rcpt_at(rcpt);
	struct conn *c = conn_find(r->at);

	r->cancel = (uint8_t)(bits | CANCEL_ASKED);
	if (c == NULL || c->is_cancelled)
		return;
	if (cancel_is_allowed(rcpt)) {
		c->is_cancelled = true;
		conn_close(c, CONN_INTERRUPT);
	} else if (!c->closing && !is_first(c, r))
		conn_close(c, CONN_LEAVE);
}

bool
cancel_ends(struct queue *q, uint32_t rcpt)
{
	unsigned bits = rcpt_at(rcpt)->cancel;

	if (bits == 0)
		return false;
	end(q, rcpt, bits);
	return true;
}
