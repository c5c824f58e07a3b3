#include "deliverd/session.h"

#include "deliverd/session_int.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define BIT(name) (1u << SESSION_##name)
#define WORK                                                                                       \
	(BIT(IDLE) | BIT(RSET) | BIT(MAIL) | BIT(RCPT) | BIT(DATA) | BIT(SEND) | BIT(DOT) |        \
	    BIT(BDAT))
#define WORK_NEXT (WORK | BIT(QUIT) | BIT(DEAD))

static const struct state_row {
	const char *name;
	const char *doing;
	enum smtp_stage stage;
	size_t ms; /* offset of its time in struct session_conf */
} rows[SESSION_STATE_MAX] = {
#define S(name, stage, ms, doing)                                                                  \
	[SESSION_##name] = {#name, doing, stage, offsetof(struct session_conf, ms)},
    SESSION_STATES(S)
#undef S
};

/* the states that may follow; what is not here is our own fault */
static const uint32_t next_states[SESSION_STATE_MAX] = {
    [SESSION_CONNECT] = BIT(GREETING) | BIT(DEAD),
    [SESSION_GREETING] = BIT(SEND) | BIT(EHLO) | BIT(DEAD),
    [SESSION_EHLO] = BIT(HELO) | BIT(STARTTLS) | BIT(AUTH) | WORK_NEXT,
    [SESSION_HELO] = WORK_NEXT,
    [SESSION_STARTTLS] = BIT(TLS) | BIT(AUTH) | WORK_NEXT,
    [SESSION_TLS] = BIT(SEND) | BIT(EHLO) | BIT(DEAD),
    [SESSION_AUTH] = WORK_NEXT,
    [SESSION_IDLE] = WORK_NEXT,
    [SESSION_RSET] = WORK_NEXT,
    [SESSION_MAIL] = WORK_NEXT,
    [SESSION_RCPT] = WORK_NEXT,
    [SESSION_DATA] = WORK_NEXT,
    /* a command that the socket has not taken yet may be any */
    [SESSION_SEND] = BIT(EHLO) | BIT(HELO) | BIT(STARTTLS) | BIT(AUTH) | WORK_NEXT,
    [SESSION_DOT] = WORK_NEXT,
    [SESSION_BDAT] = WORK_NEXT,
    [SESSION_QUIT] = BIT(SEND) | BIT(DEAD),
    [SESSION_DEAD] = 0,
};

/* ---- the replies that must come ---- */

const struct expect *
session_first(const struct session *s)
{
	const struct expects *e = &s->expects;

	return e->count == 0 ? NULL : &e->ring[e->head];
}

static void
grow(struct expects *e)
{
	uint32_t size = e->size == 0 ? 8 : e->size * 2;
	struct expect *ring = xcalloc(size, sizeof *ring);

	for (uint32_t i = 0; i < e->count; i++)
		ring[i] = e->ring[(e->head + i) & (e->size - 1)];
	free(e->ring);
	e->ring = ring;
	e->size = size;
	e->head = 0;
}

/* what follows the mechanism, and every answer to a challenge, may be a password */
static struct str
without_secret(struct str line, char text[64])
{
	struct str rest = line, verb, mechanism;
	int n;

	if (!str_next_word(&rest, &verb) || !str_ieq(verb, STR("AUTH")) ||
	    !str_next_word(&rest, &mechanism))
		return STR("(not shown)");
	n = snprintf(text, 64, "AUTH %.*s (not shown)", STR_ARG(str_sub(mechanism, 0, 20)));
	return str_from(text, (size_t)n);
}

/* the command that was just queued, which `state` is the reply to */
static void
tell_said(struct session *s, enum session_state state)
{
	struct str all = buf_str(&s->out.text), line;
	uint64_t n = s->out.queued - s->told;
	char text[64];

	s->told = s->out.queued;
	if (state == SESSION_GREETING)
		return;
	if (state == SESSION_DOT || state == SESSION_BDAT) {
		snprintf(text, sizeof text, "(%s, %llu bytes)",
		    state == SESSION_DOT ? "content and final dot" : "BDAT LAST and content",
		    (unsigned long long)n);
		s->ops->spoken(s->ctx, false, str_of(text));
		return;
	}
	line = n > all.len ? STR("") : str_trim(str_skip(all, all.len - (size_t)n));
	if (state == SESSION_AUTH)
		line = without_secret(line, text);
	s->ops->spoken(s->ctx, false, line);
}

void
session_expect(struct session *s, enum session_state state, struct txn *t, uint32_t rcpt)
{
	struct expects *e = &s->expects;

	if (s->conf.is_told)
		tell_said(s, state);

	if (e->count == e->size)
		grow(e);
	e->ring[(e->head + e->count++) & (e->size - 1)] =
	    (struct expect){.txn = t, .rcpt = rcpt, .state = (uint8_t)state, .end = s->out.queued};
	if (t != NULL)
		t->n_awaited++;
}

struct expect
session_pop(struct session *s)
{
	struct expects *e = &s->expects;
	struct expect first;

	ph_assert(e->count > 0);
	first = e->ring[e->head];
	e->head = (e->head + 1) & (e->size - 1);
	e->count--;
	e->popped++;
	if (first.txn != NULL)
		first.txn->n_awaited--;
	return first;
}

/* ---- states ---- */

static int64_t
time_of(const struct session *s, enum session_state state)
{
	int64_t ms;

	memcpy(&ms, (const char *)&s->conf + rows[state].ms, sizeof ms);
	return ms;
}

/* an idle connection keeps no buffers: there may be thousands */
static void
shrink(struct session *s)
{
	if (outq_unsent(&s->out) == 0)
		outq_clear(&s->out);
	xfree(&s->expects.ring);
	s->expects.size = s->expects.head = 0;
}

void
session_enter(struct session *s, enum session_state state)
{
	int64_t ms = time_of(s, state);

	if (state != s->state && (next_states[s->state] & 1u << state) == 0)
		panic("session: %s after %s", rows[state].name, rows[s->state].name);
	s->state = state;
	s->armed_for = s->expects.popped;
	s->armed_sent = s->out.sent;
	s->line_armed = false;
	s->deadline = ms == 0 ? MONO_NEVER : mono_add_ms(s->now, ms);
	if (state == SESSION_IDLE)
		shrink(s);
}

static enum session_state
wanted_state(const struct session *s)
{
	const struct expect *first = session_first(s);

	if (first == NULL)
		return s->is_up ? SESSION_IDLE : s->state;
	return first->end > s->out.sent ? SESSION_SEND : (enum session_state)first->state;
}

/* Enters the state that follows from what is expected; renews the deadline when the first expected reply changed. */
static void
session_settle(struct session *s)
{
	enum session_state want;

	if (s->state == SESSION_DEAD)
		return;
	want = wanted_state(s);
	if (want != s->state || (want != SESSION_IDLE && s->armed_for != s->expects.popped) ||
	    (want == SESSION_SEND && s->out.sent - s->armed_sent >= SESSION_SEND_STEP))
		session_enter(s, want);
}

static void
try_quit(struct session *s)
{
	if (!s->is_quitting || s->first != NULL || s->expects.count > 0 || s->state == SESSION_DEAD)
		return;
	if (!s->is_up) {
		session_die(s, (struct session_end){
				   .end = END_CLOSED, .text = STR("closed before it was of use")});
		return;
	}
	outq_add(&s->out, STR("QUIT\r\n"));
	session_expect(s, SESSION_QUIT, NULL, 0);
}

/* Feeds, quits and settles: at the end of everything that went in. */
static void
session_pump(struct session *s)
{
	if (s->state == SESSION_DEAD)
		return;
	session_feed(s);
	try_quit(s);
	session_settle(s);
}

/* ---- in ---- */

struct session *
session_new(
    const struct session_conf *conf, const struct session_ops *ops, void *ctx, struct mono now)
{
	struct session *s = xcalloc(1, sizeof *s);

	s->ops = ops;
	s->ctx = ctx;
	s->conf = *conf;
	s->auth = session_auth_new(conf);
	s->conf.auth_user = s->conf.auth_password = STR_NULL;
	s->now = now;
	s->tail = &s->first;
	s->parser.on_line = session_on_line;
	s->parser.arg = s;
	reply_init(&s->parser);
	outq_init(&s->out);
	session_enter(s, SESSION_CONNECT);
	return s;
}

void
session_free(struct session **sp)
{
	struct session *s = *sp;

	if (s == NULL)
		return;
	session_free_txns(s);
	outq_clear(&s->out);
	free(s->expects.ring);
	free(s->bye);
	session_doubt_free(&s->doubt);
	session_auth_free(&s->auth);
	free(s);
	*sp = NULL;
}

void
session_connected(struct session *s, struct mono now)
{
	s->now = now;
	if (s->state != SESSION_CONNECT)
		return;
	session_expect(s, SESSION_GREETING, NULL, 0);
	session_enter(s, SESSION_GREETING);
}

/* Bytes that answer nothing. A 421 says that the peer leaves; anything else may be an answer
 * planted for later. */
static void
unsolicited(struct session *s, struct str bytes)
{
	struct session_end e = {.end = END_LOST, .stage = session_stage(s)};

	if (s->state == SESSION_IDLE && reply_feed(&s->parser, bytes, NULL) > 0 &&
	    s->parser.reply.code == 421) {
		e.code = 421;
		memcpy(e.enh, s->parser.reply.enh, sizeof e.enh);
		e.text = str_from(s->parser.reply.text, s->parser.reply.len);
		session_die(s, e);
		return;
	}
	session_die_of_protocol(s, "protocol error: the peer spoke out of turn");
}

/* One deadline for the whole of a reply; a long one gets its own time once, from its first line on.
 */
static void
arm_multiline(struct session *s)
{
	if (s->line_armed || !reply_is_multiline(&s->parser) || s->state == SESSION_SEND)
		return;
	s->line_armed = true;
	s->deadline = mono_add_ms(s->now, s->conf.multiline_ms);
}

void
session_input(struct session *s, struct mono now, struct str bytes)
{
	struct why why;
	int n;

	s->now = now;
	while (bytes.len > 0 && s->state != SESSION_DEAD) {
		if (s->expects.count == 0) {
			unsolicited(s, bytes);
			return;
		}
		n = reply_feed(&s->parser, bytes, &why);
		if (n < 0 && session_doubt_begin(s, why.text)) {
			bytes = str_skip(bytes, s->parser.bad_end);
			reply_init(&s->parser);
			continue;
		}
		if (n < 0) {
			session_die_of_protocol(s, why.text);
			return;
		}
		if (n == 0)
			break;
		bytes = str_skip(bytes, (size_t)n);
		session_on_reply(s);
		if (s->expects.count > 0)
			session_settle(s);
	}
	session_pump(s);
	if (s->state != SESSION_DEAD)
		arm_multiline(s);
}

/* the farewell is under way: however it ends, it ended in order */
static bool
is_leaving(const struct session *s)
{
	const struct expect *first = session_first(s);

	return first != NULL && first->state == SESSION_QUIT;
}

/* what a connection's own failures mean to us: enhanced status by stage and kind (RFC 3463 3.5) */
static struct session_end
own_end(const struct session *s, enum conn_end end, struct str text)
{
	struct session_end e = {
	    .end = end, .stage = session_stage(s), .text = text, .enh = {4, 4, 2}};

	if (s->state == SESSION_CONNECT)
		e.enh[2] = 1;
	if (end == END_LOCAL)
		memcpy(e.enh, (uint8_t[3]){4, 3, 0}, sizeof e.enh);
	return e;
}

void
session_lost(struct session *s, struct mono now, enum conn_end end, const char *what)
{
	char text[256];

	s->now = now;
	if (s->state == SESSION_DEAD)
		return;
	if (s->state == SESSION_TLS) {
		session_tls_failed(s, now, what);
		return;
	}
	if (is_leaving(s)) {
		session_die(s, (struct session_end){
				   .end = END_CLOSED, .stage = STAGE_QUIT, .text = STR("closed")});
		return;
	}
	if (s->bye != NULL && end == END_LOST) {
		session_die(s, (struct session_end){.end = END_REPLY,
				   .stage = session_stage(s),
				   .code = s->bye->code,
				   .text = str_from(s->bye->text, s->bye->len),
				   .enh = {s->bye->enh[0], s->bye->enh[1], s->bye->enh[2]}});
		return;
	}
	if (s->state == SESSION_CONNECT)
		snprintf(text, sizeof text, "%s", what);
	else
		snprintf(text, sizeof text, "%s while %s", what, session_doing(s));
	session_die(s, own_end(s, end, str_of(text)));
}

void
session_sent(struct session *s, struct mono now, uint64_t n)
{
	bool was_full = outq_unsent(&s->out) > SESSION_MAX_UNSENT;

	s->now = now;
	outq_sent(&s->out, n);
	if (was_full)
		session_pump(s);
	else
		session_settle(s);
}

void
session_sealed(struct session *s, struct mono now)
{
	s->now = now;
	session_pump(s);
}

/* The content went out whole and the operator prefers a lost message to a second copy. */
static void
assume_delivered(struct session *s)
{
	struct txn *t = session_first(s)->txn;
	struct verdict v = {.outcome = OUT_DELIVERED,
	    .stage = STAGE_BODY,
	    .enh = {2, 0, 0},
	    .text = STR("no reply to the end of data in time, delivery is assumed")};

	session_decide_all(s, t, RCPT_ACCEPTED, &v);
}

void
session_tick(struct session *s, struct mono now)
{
	s->now = now;
	if (s->state == SESSION_DEAD || mono_is_before(now, s->deadline))
		return;
	if (s->conf.assume_delivered && (s->state == SESSION_DOT || s->state == SESSION_BDAT))
		assume_delivered(s);
	session_lost(s, now, END_TIMEOUT,
	    s->state == SESSION_CONNECT ? "connection timed out" : "timed out");
}

void
session_tls_up(struct session *s, struct mono now)
{
	s->now = now;
	if (s->state != SESSION_TLS)
		return;
	s->is_tls = true;
	session_say_ehlo(s);
	session_settle(s);
}

void
session_tls_failed(struct session *s, struct mono now, const char *what)
{
	char text[256];

	s->now = now;
	if (s->state != SESSION_TLS)
		return;
	snprintf(text, sizeof text, "TLS negotiation failed: %s", what);
	session_die(s,
	    (struct session_end){
		.end = END_PROTOCOL, .stage = STAGE_TLS, .enh = {4, 7, 5}, .text = str_of(text)});
}

bool
session_txn(
    struct session *s, struct mono now, const struct ipc_txn *head, const uint32_t *idx, uint32_t n)
{
	struct txn *t;

	s->now = now;
	if (s->n_txns >= s->conf.window || n == 0)
		return false;
	/* crossed our end or its own CONN_CLOSE on the way: stays unreported, so it is given back
	 */
	if (s->state == SESSION_DEAD || s->is_quitting)
		return true;
	t = xcalloc(1, sizeof *t + n * sizeof t->rcpts[0]);
	t->place = head->place;
	t->number = head->txn;
	t->n_rcpts = t->n_undecided = n;
	for (uint32_t i = 0; i < n; i++)
		t->rcpts[i].index = idx[i];
	*s->tail = t;
	s->tail = &t->next;
	s->n_txns++;
	if (s->feeding == NULL)
		s->feeding = t;
	session_pump(s);
	return true;
}

void
session_quit(struct session *s, struct mono now)
{
	s->now = now;
	s->is_quitting = true;
	session_pump(s);
}

void
session_drain(struct session *s, struct mono now)
{
	session_drop_waiting(s);
	session_quit(s, now);
}

void
session_leave(struct session *s, struct mono now)
{
	if (s->is_up)
		session_drain(s, now);
	else
		session_abort(s, now, "nobody waits for it");
}

void
session_abort(struct session *s, struct mono now, const char *what)
{
	s->now = now;
	if (s->state != SESSION_DEAD)
		session_die(
		    s, (struct session_end){
			   .end = END_CLOSED, .stage = session_stage(s), .text = str_of(what)});
}

/* ---- out ---- */

struct outq *
session_out(struct session *s)
{
	return &s->out;
}

struct mono
session_deadline(const struct session *s)
{
	return s->deadline;
}

bool
session_is_dead(const struct session *s)
{
	return s->state == SESSION_DEAD;
}

bool
session_is_in_auth(const struct session *s)
{
	const struct expect *first = session_first(s);

	return first != NULL && first->state == SESSION_AUTH;
}

enum smtp_stage
session_stage(const struct session *s)
{
	const struct expect *first = session_first(s);

	/* what cannot be sent is told by the reply that it would have brought */
	if (s->state == SESSION_SEND && first != NULL)
		return rows[first->state].stage;
	return rows[s->state].stage;
}

const char *
session_doing(const struct session *s)
{
	return rows[s->state].doing;
}
