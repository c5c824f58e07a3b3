/*
 * A reply that cannot be read, with others behind it on their way (BDAT streams). Is it the answer to one command, or
 * noise beside the answers? QUIT is sent behind all that was begun: if its 221 comes exactly in its turn, each of the
 * others has answered its own command, and only the one is in doubt. Otherwise nothing is known of any of them.
 */
#include "deliverd/session_int.h"
#include "lib/base/xalloc.h"

#define MAX_REPLIES 256u

struct session_doubt {
	uint32_t n, n_got; /* replies awaited, without the unreadable one; those that came */
	char what[256];
	struct smtp_reply replies[]; /* code 0: unreadable, too */
};

static const struct expect *
nth(const struct session *s, uint32_t i)
{
	return &s->expects.ring[(s->expects.head + i) & (s->expects.size - 1)];
}

/* Only where a message may have been accepted behind it, and the peer waits for no content of a DATA. */
static bool
is_worth_it(const struct session *s)
{
	bool has_bdat = false;

	for (uint32_t i = 0; i < s->expects.count; i++) {
		uint8_t state = nth(s, i)->state;

		if (state == SESSION_DATA || state == SESSION_DOT || state == SESSION_QUIT)
			return false;
		has_bdat = has_bdat || (i > 0 && state == SESSION_BDAT);
	}
	return has_bdat;
}

/* one more that cannot be read: as long as the number is right in the end, it is in doubt alone */
static bool
add_another(struct session *s)
{
	const struct expect *e = nth(s, s->doubt->n_got + 1);

	if (s->parser.bad_end == 0 || e->end > s->out.sent || e->state == SESSION_QUIT)
		return false;
	s->doubt->replies[s->doubt->n_got++].code = 0;
	return true;
}

bool
session_doubt_begin(struct session *s, const char *what)
{
	struct session_doubt *d;

	if (s->doubt != NULL)
		return add_another(s);
	if (!s->is_up || s->parser.bad_end == 0 || s->expects.count > MAX_REPLIES ||
	    nth(s, 0)->end > s->out.sent || !is_worth_it(s))
		return false;
	d = xcalloc(1, sizeof *d + s->expects.count * sizeof d->replies[0]);
	outq_add(&s->out, STR("QUIT\r\n"));
	session_expect(s, SESSION_QUIT, NULL, 0);
	d->n = s->expects.count - 1;
	str_copy(d->what, sizeof d->what, str_of(what));
	s->doubt = d;
	return true;
}

void
session_doubt_free(struct session_doubt **d)
{
	xfree(d);
}

/* What the unreadable one would have said: the reply to BDAT stands for those before it, if there is one recipient. */
static void
pass_over(struct session *s, const struct expect *e, const struct verdict *v)
{
	struct txn *t = e->txn;

	if (t == NULL) /* RSET */
		return;
	t->doubted = true;
	if (e->state == SESSION_MAIL)
		t->mail_ok = true;
	else if (e->state == SESSION_RCPT && t->n_rcpts > 1)
		session_decide(s, t, e->rcpt, v);
	else if (e->state == SESSION_RCPT) {
		t->rcpts[e->rcpt].state = RCPT_ACCEPTED;
		t->n_accepted++;
	} else if (e->state == SESSION_BDAT)
		session_decide_all(s, t, RCPT_ACCEPTED, v);
}

static void
after(struct session *s, const struct expect *e)
{
	if (s->state == SESSION_DEAD || e->txn == NULL)
		return;
	e->txn->answered = true;
	session_try_finish(s, e->txn);
}

/* The 221 came in its turn: each of the others is what it seems. */
static void
resolve(struct session *s)
{
	struct session_doubt *d = s->doubt;
	struct verdict v = {.outcome = OUT_DEFERRED,
	    .stage = session_stage(s),
	    .enh = {4, 5, 0},
	    .text = str_of(d->what)};
	struct expect e = session_pop(s);

	pass_over(s, &e, &v);
	after(s, &e);
	for (uint32_t i = 0; i + 1 < d->n && s->state != SESSION_DEAD; i++) {
		s->parser.reply = d->replies[i];
		e = session_pop(s);
		if (d->replies[i].code == 0)
			pass_over(s, &e, &v);
		else
			session_handle(s, &e);
		after(s, &e);
	}
	session_die_of_protocol(s, d->what);
}

void
session_doubt_reply(struct session *s)
{
	struct session_doubt *d = s->doubt;
	const struct expect *e = nth(s, d->n_got + 1);
	const struct smtp_reply *r = &s->parser.reply;
	bool is_last = e->state == SESSION_QUIT;

	if (e->end > s->out.sent || r->code / 100 == 3 || is_last != (r->code == 221)) {
		session_die_of_protocol(s, d->what);
		return;
	}
	if (is_last)
		resolve(s);
	else
		d->replies[d->n_got++] = *r;
}
