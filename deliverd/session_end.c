/* How transactions and the session end, and what is said about it. */
#include "deliverd/session_int.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"

struct verdict
verdict_of_reply(const struct smtp_reply *r, enum smtp_stage stage)
{
	static const enum rcpt_outcome by_class[6] = {
	    [2] = OUT_DELIVERED, [4] = OUT_DEFERRED, [5] = OUT_FAILED};

	return (struct verdict){.outcome = by_class[r->code / 100],
	    .stage = stage,
	    .code = r->code,
	    .enh = {r->enh[0], r->enh[1], r->enh[2]},
	    .text = str_from(r->text, r->len)};
}

void
session_decide(struct session *s, struct txn *t, uint32_t rcpt, const struct verdict *v)
{
	struct session_result r = {.id = t->place.id,
	    .txn = t->number,
	    .rcpt = t->rcpts[rcpt].index,
	    .outcome = v->outcome,
	    .stage = v->stage,
	    .code = v->code,
	    .enh = {v->enh[0], v->enh[1], v->enh[2]},
	    .text = v->text};

	ph_assert(t->rcpts[rcpt].state != RCPT_DECIDED);
	if (t->doubted && r.outcome == OUT_FAILED) {
		r.outcome = OUT_DEFERRED;
		r.enh[0] = 4;
	}
	if (v->outcome == OUT_DELIVERED) {
		r.bytes = t->bytes;
		r.dsn_relayed = (s->ext & SMTP_EXT_DSN) == 0;
	}
	t->rcpts[rcpt].state = RCPT_DECIDED;
	t->n_undecided--;
	s->ops->result(s->ctx, &r);
}

void
session_decide_all(struct session *s, struct txn *t, enum rcpt_state state, const struct verdict *v)
{
	for (uint32_t i = 0; i < t->n_rcpts && t->n_undecided > 0; i++)
		if (t->rcpts[i].state == state)
			session_decide(s, t, i, v);
}

static void
unlink_txn(struct session *s, struct txn *t)
{
	struct txn **p = &s->first;

	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	if (s->tail == &t->next)
		s->tail = p;
	if (s->feeding == t)
		s->feeding = t->next;
	if (s->last_begun == t)
		s->last_begun = NULL;
	s->n_txns--;
	mail_free(&t->mail);
	free(t);
}

static void
finish(struct session *s, struct txn *t)
{
	/* the peer's transaction is open where MAIL was accepted and no end of content closed it */
	if (t == s->last_begun)
		s->need_rset = t->mail_ok && !t->ended;
	s->n_decided++;
	s->ops->txn_done(s->ctx, t->number);
	unlink_txn(s, t);
}

void
session_try_finish(struct session *s, struct txn *t)
{
	if (t->phase != TXN_CLOSED || t->n_awaited > 0)
		return;
	ph_assert(t->n_undecided == 0);
	finish(s, t);
}

/* the connection broke in the data, and the operator prefers a bounce to what may be a second copy */
static bool
is_broken_transfer(const struct session *s, const struct session_end *e)
{
	if (e->stage != STAGE_BODY || (e->end != END_LOST && e->end != END_TIMEOUT))
		return false;
	return s->conf.bounce_broken || (s->is_pix && s->conf.bounce_broken_pix);
}

/*
 * What was under way is the oldest transaction with anything undecided: replies come in order, so
 * of those behind it nothing was answered, and they are given back untried by staying unreported.
 * So is it, too, when the peer took messages before and then went away without a word about this
 * one: that was an idle connection's end. Our own ends never count as an attempt.
 */
static void
report_under_way(struct session *s, const struct session_end *e)
{
	struct verdict v = {.outcome = OUT_DEFERRED,
	    .stage = e->stage,
	    .code = e->code,
	    .text = e->text,
	    .enh = {e->enh[0], e->enh[1], e->enh[2]}};
	struct txn *t;
	bool was_other = false;

	while ((t = s->first) != NULL && t->n_undecided == 0) {
		finish(s, t);
		was_other = true;
	}
	if (t == NULL || !t->begun || e->end == END_CLOSED || e->end == END_LOCAL)
		return;
	if (!t->answered && was_other)
		return;
	if (!t->answered && s->n_decided > 0 && (e->end == END_LOST || e->end == END_REPLY))
		return;
	if (is_broken_transfer(s, e)) {
		v.outcome = OUT_FAILED;
		v.enh[0] = 5;
	}
	session_decide_all(s, t, RCPT_OPEN, &v);
	session_decide_all(s, t, RCPT_ACCEPTED, &v);
	finish(s, t);
}

static bool
is_amid_content(const struct session *s)
{
	const struct expects *e = &s->expects;

	if (outq_unsent(&s->out) > 0)
		return true;
	for (uint32_t i = 0; i < e->count; i++) {
		uint8_t state = e->ring[(e->head + i) & (e->size - 1)].state;
		if (state == SESSION_DOT || state == SESSION_BDAT)
			return true;
	}
	return false;
}

void
session_die(struct session *s, struct session_end e)
{
	if (s->state == SESSION_DEAD)
		return;
	e.was_up = s->is_up;
	e.is_amid_content = is_amid_content(s);
	/* STAGE_TLS says that another connection, in clear, would do better */
	if (e.stage == STAGE_TLS && s->conf.tls == SESSION_TLS_MUST)
		e.stage = STAGE_EHLO;
	report_under_way(s, &e);
	s->expects.count = 0;
	outq_clear(&s->out);
	session_enter(s, SESSION_DEAD);
	s->ops->down(s->ctx, &e);
}

void
session_die_of_reply(struct session *s, enum smtp_stage stage)
{
	/* a copy: the parser's text is also what the verdicts of the transactions point to */
	struct smtp_reply r = s->parser.reply;
	struct session_end e = {.end = END_REPLY,
	    .stage = stage,
	    .code = r.code,
	    .enh = {r.enh[0], r.enh[1], r.enh[2]},
	    .text = str_from(r.text, r.len)};

	session_die(s, e);
}

void
session_die_of_protocol(struct session *s, const char *what)
{
	session_die(s, (struct session_end){.end = END_PROTOCOL,
			   .stage = session_stage(s),
			   .enh = {4, 5, 0},
			   .text = str_of(what)});
}

void
session_free_txns(struct session *s)
{
	while (s->first != NULL)
		unlink_txn(s, s->first);
}

void
session_each_undecided(
    const struct session *s, void (*fn)(void *ctx, uint64_t id, uint32_t rcpt), void *ctx)
{
	for (const struct txn *t = s->first; t != NULL; t = t->next)
		for (uint32_t i = 0; i < t->n_rcpts; i++)
			if (t->rcpts[i].state != RCPT_DECIDED)
				fn(ctx, t->place.id, t->rcpts[i].index);
}

void
session_drop_waiting(struct session *s)
{
	struct txn *t = s->first, *next;

	for (; t != NULL; t = next) {
		next = t->next;
		if (!t->begun)
			unlink_txn(s, t);
	}
}

/* The whole of some content is with the kernel, so the peer may take the message, or has. What is only queued here, or
 * sent in part, it never will. */
static bool
session_awaits_verdict(const struct session *s)
{
	for (uint32_t i = 0; i < s->expects.count; i++) {
		const struct expect *e =
		    &s->expects.ring[(s->expects.head + i) & (s->expects.size - 1)];

		if ((e->state == SESSION_DOT || e->state == SESSION_BDAT) && e->end <= s->out.sent)
			return true;
	}
	return false;
}

void
session_interrupt(struct session *s, struct mono now)
{
	if (session_awaits_verdict(s))
		session_leave(s, now);
	else
		session_abort(s, now, "interrupted by order");
}
