/* What a session makes of the replies: one handler for each kind that it may expect. */
#include "deliverd/session_int.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"

/* what a PIX puts in place of the greeting's text */
#define PIX_MASK STR("**********")

static const struct smtp_reply *
reply(const struct session *s)
{
	return &s->parser.reply;
}

static unsigned
class_of(const struct session *s)
{
	return reply(s)->code / 100u;
}

static void
out_of_place(struct session *s)
{
	char text[128];

	snprintf(
	    text, sizeof text, "protocol error: %u while %s", reply(s)->code, session_doing(s));
	session_die_of_protocol(s, text);
}

/* ---- before the first message ---- */

void
session_on_line(void *arg, uint32_t line, struct str text)
{
	struct session *s = arg;
	const struct expect *first = session_first(s);
	struct str word;

	if (first == NULL || first->state != SESSION_EHLO)
		return;
	if (line > 0)
		smtp_caps_add(&s->caps, text);
	else if (s->conf.detect_loop && str_next_word(&text, &word))
		s->is_loop = str_ieq(word, str_of(s->conf.ehlo));
}

void
session_come_up(struct session *s)
{
	s->ext = s->caps.ext;
	if (s->conf.ignore_8bitmime)
		s->ext &= ~(uint32_t)SMTP_EXT_EIGHTBITMIME;
	if (s->conf.ignore_chunking)
		s->ext &= ~(uint32_t)SMTP_EXT_CHUNKING;
	if (s->conf.ignore_pipelining)
		s->ext &= ~(uint32_t)SMTP_EXT_PIPELINING;
	if (s->conf.ignore_dsn)
		s->ext &= ~(uint32_t)SMTP_EXT_DSN;
	s->is_up = true;
	s->ops->up(s->ctx, s->caps.ext);
}

/* with TLS or without, as far as it goes here */
static void
go_on(struct session *s)
{
	if (s->auth != NULL)
		session_auth_begin(s);
	else
		session_come_up(s);
}

static void
on_greeting(struct session *s, const struct expect *e)
{
	(void)e;
	s->is_pix = str_find_str(str_from(reply(s)->text, reply(s)->len), PIX_MASK) != STR_NPOS;
	if (class_of(s) == 2)
		session_say_ehlo(s);
	else if (class_of(s) == 3)
		out_of_place(s);
	else
		session_die_of_reply(s, STAGE_GREETING);
}

/* In clear although TLS was to be: allowed, unless it is required; then no other connection here
 * will do better. */
static void
go_on_in_clear(struct session *s, const char *why_not)
{
	if (s->conf.tls == SESSION_TLS_MUST)
		session_die(s, (struct session_end){.end = END_PROTOCOL,
				   .stage = STAGE_EHLO,
				   .enh = {4, 7, 0},
				   .text = str_of(why_not)});
	else
		go_on(s);
}

static void
on_ehlo(struct session *s, const struct expect *e)
{
	(void)e;
	switch (class_of(s)) {
	case 5: /* RFC 5321 3.2: a server without extensions */
		session_say_helo(s);
		return;
	case 4:
		session_die_of_reply(s, STAGE_EHLO);
		return;
	case 3:
		out_of_place(s);
		return;
	default:
		break;
	}
	if (s->is_loop) {
		session_die(s,
		    (struct session_end){.end = END_PROTOCOL,
			.stage = STAGE_EHLO,
			.enh = {4, 4, 6},
			.text =
			    STR("mail loops back to myself: the peer greets with our own name")});
		return;
	}
	if (s->is_tls || s->conf.tls == SESSION_TLS_NO) {
		go_on(s);
		return;
	}
	if ((s->caps.ext & SMTP_EXT_STARTTLS) == 0) {
		go_on_in_clear(s, "TLS is required, but the peer does not offer STARTTLS");
		return;
	}
	outq_add(&s->out, STR("STARTTLS\r\n"));
	session_expect(s, SESSION_STARTTLS, NULL, 0);
}

static void
on_helo(struct session *s, const struct expect *e)
{
	(void)e;
	if (class_of(s) == 3)
		out_of_place(s);
	else if (class_of(s) != 2)
		session_die_of_reply(s, STAGE_EHLO);
	else if (s->is_tls)
		go_on(s);
	else
		go_on_in_clear(s, "TLS is required, but the peer does not offer STARTTLS");
}

static void
on_starttls(struct session *s, const struct expect *e)
{
	(void)e;
	if (reply(s)->code == 220) {
		session_enter(s, SESSION_TLS);
		s->ops->start_tls(s->ctx);
	} else if (class_of(s) < 4)
		out_of_place(s);
	else if (s->conf.tls == SESSION_TLS_MUST)
		session_die_of_reply(s, STAGE_EHLO);
	else
		go_on(s);
}

/* ---- transactions ---- */

static void
on_rset(struct session *s, const struct expect *e)
{
	(void)e;
	/* without a clean state nothing may follow */
	if (class_of(s) == 3)
		out_of_place(s);
	else if (class_of(s) != 2)
		session_die_of_reply(s, STAGE_MAIL);
}

static void
on_mail(struct session *s, const struct expect *e)
{
	struct verdict v = verdict_of_reply(reply(s), STAGE_MAIL);

	if (class_of(s) == 3) {
		out_of_place(s);
		return;
	}
	if (class_of(s) == 2) {
		e->txn->mail_ok = true;
		return;
	}
	e->txn->mail_refused = true;
	session_decide_all(s, e->txn, RCPT_OPEN, &v);
}

/*
 * Is it the transaction that is full, and not the recipient that is refused? "Too many recipients" is 452, and came as
 * 552 once (RFC 5321 4.5.3.1.10); the same codes tell of a mailbox or a disk that is full.
 */
static bool
is_full(const struct session *s, const struct verdict *v)
{
	if (reply(s)->code != 452 && reply(s)->code != 552)
		return false;
	if (v->enh[1] != 0 || v->enh[2] != 0)
		return v->enh[1] == 5 && v->enh[2] == 3;
	for (size_t i = 0; i < v->text.len; i++) {
		if (str_has_iprefix(str_skip(v->text, i), STR("too many recipients")))
			return true;
	}
	return false;
}

static void
on_rcpt(struct session *s, const struct expect *e)
{
	struct txn_rcpt *r = &e->txn->rcpts[e->rcpt];
	struct verdict v = verdict_of_reply(reply(s), STAGE_RCPT);

	if (class_of(s) == 3) {
		out_of_place(s);
		return;
	}
	if (r->state != RCPT_OPEN)
		return;
	if (class_of(s) == 2) {
		r->state = RCPT_ACCEPTED;
		e->txn->n_accepted++;
		return;
	}
	/* "too many recipients" came as 552 once (RFC 5321 4.5.3.1.10) */
	if (reply(s)->code == 552)
		v.outcome = OUT_DEFERRED;
	/* the rest goes with the next transaction; that this one takes somebody ends the repetition */
	if (is_full(s, &v) && e->txn->n_accepted > 0)
		v.outcome = OUT_UNTRIED;
	session_decide(s, e->txn, e->rcpt, &v);
}

static void
on_data(struct session *s, const struct expect *e)
{
	struct verdict v = verdict_of_reply(reply(s), STAGE_DATA);

	if (reply(s)->code == 354) {
		e->txn->phase = TXN_BODY;
		return;
	}
	if (class_of(s) < 4) {
		out_of_place(s);
		return;
	}
	session_decide_all(s, e->txn, RCPT_ACCEPTED, &v);
	session_close_txn(s, e->txn);
}

/* the reply to the final dot or to BDAT LAST: of all that were accepted */
static void
on_content(struct session *s, const struct expect *e)
{
	struct verdict v = verdict_of_reply(reply(s), STAGE_BODY);

	if (class_of(s) == 3) {
		out_of_place(s);
		return;
	}
	e->txn->ended = e->state == SESSION_DOT || e->txn->n_accepted > 0;
	session_decide_all(s, e->txn, RCPT_ACCEPTED, &v);
}

static void
on_quit(struct session *s, const struct expect *e)
{
	(void)e;
	session_die(
	    s, (struct session_end){.end = END_CLOSED, .stage = STAGE_QUIT, .text = STR("closed")});
}

static void (*const handlers[SESSION_STATE_MAX])(struct session *, const struct expect *) = {
    [SESSION_GREETING] = on_greeting,
    [SESSION_EHLO] = on_ehlo,
    [SESSION_HELO] = on_helo,
    [SESSION_STARTTLS] = on_starttls,
    [SESSION_AUTH] = session_on_auth,
    [SESSION_RSET] = on_rset,
    [SESSION_MAIL] = on_mail,
    [SESSION_RCPT] = on_rcpt,
    [SESSION_DATA] = on_data,
    [SESSION_DOT] = on_content,
    [SESSION_BDAT] = on_content,
    [SESSION_QUIT] = on_quit,
};

static void
remember_421(struct session *s)
{
	if (reply(s)->code != 421) {
		xfree(&s->bye);
		return;
	}
	if (s->bye == NULL)
		s->bye = xmalloc(sizeof *s->bye);
	*s->bye = *reply(s);
}

/*
 * A reply that is here before its command was wholly sent: a refusal (in the middle of the content,
 * say) is heard, and then the connection cannot go on; a consent was not meant for this command.
 */
static bool
is_planted(const struct session *s, bool early)
{
	return early && class_of(s) < 4;
}

void
session_handle(struct session *s, const struct expect *e)
{
	handlers[e->state](s, e);
}

void
session_on_reply(struct session *s)
{
	bool early = session_first(s)->end > s->out.sent;
	struct expect e;

	if (s->conf.is_told)
		s->ops->spoken(s->ctx, true, str_from(s->parser.reply.text, s->parser.reply.len));
	if (s->doubt != NULL) {
		session_doubt_reply(s);
		return;
	}
	if (is_planted(s, early)) {
		session_die_of_protocol(
		    s, "protocol error: a reply came before the command was sent");
		return;
	}
	remember_421(s);
	e = session_pop(s);
	if (e.txn != NULL)
		e.txn->answered = true;
	session_handle(s, &e);
	if (s->state == SESSION_DEAD)
		return;
	if (early || (s->bye != NULL && s->conf.break_on_421)) {
		session_die_of_reply(s, session_stage(s));
		return;
	}
	if (e.txn != NULL)
		session_try_finish(s, e.txn);
}
