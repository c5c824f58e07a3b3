/* What a session says: commands and content, as much ahead of the replies as the peer's extensions
 * allow. */
#include <unistd.h>

#include "deliverd/session_int.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/spool/envelope.h"

#define LOAD_AHEAD 3 /* messages that wait for their signatures behind the first that does */

void
session_say_ehlo(struct session *s)
{
	s->caps = (struct smtp_caps){0};
	s->is_loop = false;
	outq_addf(&s->out, "EHLO %s\r\n", s->conf.ehlo);
	session_expect(s, SESSION_EHLO, NULL, 0);
}

void
session_say_helo(struct session *s)
{
	s->caps = (struct smtp_caps){0};
	outq_addf(&s->out, "HELO %s\r\n", s->conf.ehlo);
	session_expect(s, SESSION_HELO, NULL, 0);
}

static bool
has(const struct session *s, uint32_t ext)
{
	return (s->ext & ext) == ext;
}

/* Commands ahead of their replies need PIPELINING (RFC 2920); without it one at a time. */
static bool
may_send(const struct session *s)
{
	if (outq_unsent(&s->out) > SESSION_MAX_UNSENT)
		return false;
	return s->expects.count < (has(s, SMTP_EXT_PIPELINING) ? SESSION_MAX_FLIGHT : 1);
}

void
session_close_txn(struct session *s, struct txn *t)
{
	t->phase = TXN_CLOSED;
	mail_free(&t->mail);
	if (s->feeding == t)
		s->feeding = t->next;
}

/* t may be gone after this */
static void
close_and_finish(struct session *s, struct txn *t)
{
	session_close_txn(s, t);
	session_try_finish(s, t);
}

/* ---- MAIL ---- */

static void
fail_here(struct session *s, struct txn *t, const struct verdict *v)
{
	session_decide_all(s, t, RCPT_OPEN, v);
	close_and_finish(s, t);
}

/* what this peer cannot take is refused here, before a word is said (RFC 1870 6, 6152 3, 6531 3.5)
 */
static bool
fits_peer(const struct session *s, const struct mail *m, struct why *why)
{
	uint64_t limit = s->caps.size_limit;

	if (has(s, SMTP_EXT_SIZE) && limit > 0 && mail_size(m) > limit) {
		why_smtp(why, 0, 5, 3, 4, "message of %llu bytes is above the peer's limit of %llu",
		    (unsigned long long)mail_size(m), (unsigned long long)limit);
		return false;
	}
	if (m->smtputf8 && !has(s, SMTP_EXT_SMTPUTF8) && mail_needs_utf8(m)) {
		why_smtp(why, 0, 5, 6, 7, "message needs SMTPUTF8, which the peer does not offer");
		return false;
	}
	if (m->body == ENV_8BITMIME && (s->caps.ext & SMTP_EXT_EIGHTBITMIME) == 0 &&
	    !s->conf.ignore_8bitmime && mail_is_8bit(m)) {
		why_smtp(why, 0, 5, 6, 3, "message needs 8BITMIME, which the peer does not offer");
		return false;
	}
	return true;
}

/* xtext (RFC 3461 4): what is not "!" to "~", and "+" and "=", as +HH */
static void
add_xtext(struct outq *q, const char *before, struct str s)
{
	char text[2 * 1024];
	size_t n = 0;

	for (size_t i = 0; i < s.len && n + 4 < sizeof text; i++) {
		char c = s.p[i];

		if (c > ' ' && c <= '~' && c != '+' && c != '=')
			text[n++] = c;
		else
			n += (size_t)snprintf(text + n, 4, "+%02X", (unsigned char)c);
	}
	outq_addf(q, "%s%.*s", before, (int)n, text);
}

static void
say_path(struct outq *q, struct str command, struct str address)
{
	outq_add(q, command);
	outq_add(q, address);
	outq_add(q, STR(">"));
}

static void
say_mail(struct session *s, const struct mail *m)
{
	struct outq *q = &s->out;

	say_path(q, STR("MAIL FROM:<"), m->sender);
	if (has(s, SMTP_EXT_SIZE))
		outq_addf(q, " SIZE=%llu", (unsigned long long)mail_size(m));
	if (m->body == ENV_8BITMIME && has(s, SMTP_EXT_EIGHTBITMIME))
		outq_add(q, STR(" BODY=8BITMIME"));
	if (m->smtputf8 && has(s, SMTP_EXT_SMTPUTF8))
		outq_add(q, STR(" SMTPUTF8"));
	if (has(s, SMTP_EXT_DSN) && m->ret != ENV_RET_NONE)
		outq_addf(q, " RET=%s", m->ret == ENV_RET_FULL ? "FULL" : "HDRS");
	if (has(s, SMTP_EXT_DSN) && m->envid.len > 0)
		add_xtext(q, " ENVID=", m->envid);
	outq_add(q, STR("\r\n"));
}

/*
 * A BDAT whose recipients may all be refused does not end the peer's transaction (some servers then
 * answer the next MAIL with 503 and would take its recipients under the old sender), so RSET goes
 * in front of the next MAIL unless a recipient is known to have been accepted. After DATA the final
 * dot ends it in any case.
 */
static bool
needs_rset(const struct session *s)
{
	const struct txn *before = s->last_begun;

	if (s->need_rset)
		return true;
	return before != NULL && before->bdat && before->n_accepted == 0 && !before->mail_refused;
}

static bool
load(struct session *s, struct txn *t, struct why *why)
{
	uint32_t *idx = xcalloc(t->n_rcpts, sizeof *idx);

	for (uint32_t i = 0; i < t->n_rcpts; i++)
		idx[i] = t->rcpts[i].index;
	t->mail = s->ops->load(s->ctx, &t->place, idx, t->n_rcpts, why);
	free(idx);
	return t->mail != NULL;
}

/*
 * While one message waits for its signature the next ones ask for theirs; what cannot be loaded is said when its turn
 * comes. Without one the connection ends, but not under a message that the peer has not answered yet.
 */
static void
wait_for_seal(struct session *s, struct txn *t)
{
	struct txn *next = t->next;
	struct why why;

	if (t->mail->seal == MAIL_FAILED) {
		if (s->first == t)
			session_lost(s, s->now, END_LOCAL, t->mail->why_not);
		return;
	}
	for (int n = 0; n < LOAD_AHEAD && next != NULL; n++, next = next->next)
		if (next->mail == NULL && !load(s, next, &why))
			return;
}

static bool
step_begin(struct session *s, struct txn *t)
{
	struct why why;
	struct verdict v = {.outcome = OUT_DEFERRED, .stage = STAGE_IDLE, .enh = {4, 3, 0}};

	if (t->mail == NULL && !load(s, t, &why)) {
		v.text = str_of(why.text);
		fail_here(s, t, &v);
		return true;
	}
	if (t->mail->seal != MAIL_SEALED) {
		wait_for_seal(s, t);
		return false;
	}
	if (!fits_peer(s, t->mail, &why)) {
		v = (struct verdict){.outcome = OUT_FAILED,
		    .stage = STAGE_MAIL,
		    .text = str_of(why.text),
		    .enh = {why.enh[0], why.enh[1], why.enh[2]}};
		fail_here(s, t, &v);
		return true;
	}
	if (needs_rset(s)) {
		outq_add(&s->out, STR("RSET\r\n"));
		session_expect(s, SESSION_RSET, NULL, 0);
		s->need_rset = false;
		s->last_begun = NULL;
		return true;
	}
	/* content with added dots streams as BDAT only from memory; from a file the stuffed form
	 * goes out by DATA */
	t->bdat = has(s, SMTP_EXT_CHUNKING) && (t->mail->fd == -1 || t->mail->n_dots == 0);
	t->bytes = mail_size(t->mail);
	t->begun = true;
	s->last_begun = t;
	say_mail(s, t->mail);
	session_expect(s, SESSION_MAIL, t, 0);
	t->phase = TXN_RCPT;
	return true;
}

/* ---- RCPT ---- */

static void
say_notify(struct outq *q, uint8_t notify)
{
	static const struct {
		uint8_t bit;
		const char *word;
	} words[] = {
	    {NOTIFY_SUCCESS, "SUCCESS"}, {NOTIFY_FAILURE, "FAILURE"}, {NOTIFY_DELAY, "DELAY"}};
	const char *before = " NOTIFY=";

	if (notify & NOTIFY_NEVER) {
		outq_add(q, STR(" NOTIFY=NEVER"));
		return;
	}
	for (size_t i = 0; i < countof(words); i++) {
		if ((notify & words[i].bit) == 0)
			continue;
		outq_addf(q, "%s%s", before, words[i].word);
		before = ",";
	}
}

/* ORCPT=addr-type;xtext (RFC 3461 4.2); the type is an atom and goes as it is */
static void
say_orcpt(struct outq *q, struct str orcpt)
{
	size_t semi = str_find(orcpt, ';');
	char before[64];

	if (semi == STR_NPOS || semi == 0 || semi > 32)
		return;
	for (size_t i = 0; i < semi; i++)
		if (!ascii_is_alnum(orcpt.p[i]) && orcpt.p[i] != '-')
			return;
	snprintf(before, sizeof before, " ORCPT=%.*s;", (int)semi, orcpt.p);
	add_xtext(q, before, str_skip(orcpt, semi + 1));
}

static bool
step_rcpt(struct session *s, struct txn *t)
{
	const struct mail_rcpt *r;

	if (t->mail_refused) {
		close_and_finish(s, t);
		return true;
	}
	if (t->n_fed == t->n_rcpts) {
		t->phase = TXN_DATA;
		return true;
	}
	r = &t->mail->rcpts[t->n_fed];
	say_path(&s->out, STR("RCPT TO:<"), r->address);
	if (has(s, SMTP_EXT_DSN)) {
		say_notify(&s->out, r->notify);
		say_orcpt(&s->out, r->orcpt);
	}
	outq_add(&s->out, STR("\r\n"));
	session_expect(s, SESSION_RCPT, t, t->n_fed++);
	return true;
}

/* ---- content ---- */

/* The stored form without the dots that stuffing added: whole pieces between "CRLF ." and the next.
 */
static uint64_t
unstuff(struct outq *q, struct str s)
{
	uint64_t n = 0;
	size_t at;

	if (s.len > 0 && s.p[0] == '.')
		s = str_skip(s, 1);
	while ((at = str_find_str(s, STR("\r\n."))) != STR_NPOS) {
		if (q != NULL)
			outq_add(q, str_sub(s, 0, at + 2));
		n += at + 2;
		s = str_skip(s, at + 3);
	}
	if (q != NULL)
		outq_add(q, s);
	return n + s.len;
}

static void
say_file(struct session *s, struct mail *m)
{
	uint64_t in_file = m->stored_len - buf_len(&m->lead);

	outq_add(&s->out, buf_str(&m->lead));
	if (in_file == 0)
		return;
	outq_add_file(&s->out, m->fd, m->offset, in_file);
	m->fd = -1;
}

static void
say_bdat(struct session *s, struct txn *t)
{
	struct mail *m = t->mail;

	if (m->fd == -1 && m->n_dots > 0)
		t->bytes = unstuff(NULL, m->content) + buf_len(&m->head);
	outq_addf(&s->out, "BDAT %llu LAST\r\n", (unsigned long long)t->bytes);
	outq_add(&s->out, buf_str(&m->head));
	if (m->fd != -1)
		say_file(s, m);
	else if (m->n_dots > 0)
		unstuff(&s->out, m->content);
	else
		outq_add(&s->out, m->content);
	session_expect(s, SESSION_BDAT, t, 0);
	close_and_finish(s, t);
}

static bool
step_data(struct session *s, struct txn *t)
{
	/* all was refused already: no content; the peer still has a transaction open */
	if (t->mail_refused || (t->n_awaited == 0 && t->n_accepted == 0)) {
		close_and_finish(s, t);
		return true;
	}
	if (t->bdat) {
		say_bdat(s, t);
		return true;
	}
	outq_add(&s->out, STR("DATA\r\n"));
	session_expect(s, SESSION_DATA, t, 0);
	t->phase = TXN_GO;
	return true;
}

static bool
step_go(struct session *s, struct txn *t)
{
	(void)s;
	(void)t;
	return false;
}

static bool
step_body(struct session *s, struct txn *t)
{
	struct mail *m = t->mail;

	/* 354 although nobody was accepted: a lone dot (RFC 2920 3.1) */
	if (t->n_accepted > 0 && !t->mail_refused) {
		outq_add(&s->out, buf_str(&m->head));
		if (m->fd != -1)
			say_file(s, m);
		else
			outq_add(&s->out, m->content);
		if (!m->ends_in_crlf)
			outq_add(&s->out, STR("\r\n"));
	}
	if (s->is_pix && s->conf.pix_workaround)
		outq_set_apart(&s->out);
	outq_add(&s->out, STR(".\r\n"));
	session_expect(s, SESSION_DOT, t, 0);
	close_and_finish(s, t);
	return true;
}

void
session_feed(struct session *s)
{
	static bool (*const steps[TXN_PHASE_MAX])(struct session *, struct txn *) = {
	    [TXN_WAITING] = step_begin,
	    [TXN_RCPT] = step_rcpt,
	    [TXN_DATA] = step_data,
	    [TXN_GO] = step_go,
	    [TXN_BODY] = step_body,
	};

	/* ends: each step moves a phase or a recipient on, or says no; what may be in flight is
	 * bounded */
	while (s->is_up && s->state != SESSION_DEAD && s->doubt == NULL && s->feeding != NULL &&
	       may_send(s))
		if (!steps[s->feeding->phase](s, s->feeding))
			return;
}
