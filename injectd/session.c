#include "injectd/session.h"

#include <stdarg.h>

#include "injectd/auth.h"
#include "injectd/commands.h"
#include "injectd/inbound.h"
#include "injectd/merge.h"
#include "injectd/suppressed.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "lib/stats/stats.h"

#define OUT_CAP	       (SESSION_OUT_PAUSE + 64u * 1024)
#define PROGRESS_BYTES (16u * 1024) /* of content that earn another smtp-data-timeout */
#define HANDSHAKE_MS   (2 * 60 * 1000)
#define IDLE_OUT       1024u /* an empty buffer larger than this is given back */

static const char *const state_names[SESSION_STATE_MAX] = {
#define STATE(name) #name,
    SESSION_STATES(STATE)
#undef STATE
};

/* ---- settings ---- */

const struct conf_set *
session_set(struct session *s)
{
	struct str names[2];
	size_t n = 0;

	if (s->set != NULL)
		return s->set;
	if (s->user != NULL)
		names[n++] = users_source(&s->world->users, str_of(s->user));
	if (s->world->door[s->door].source.len > 0)
		names[n++] = s->world->door[s->door].source;
	s->set = conf_source_of(s->world->conf, names, n, &s->client);
	return s->set;
}

bool
session_is_inner(const struct session *s)
{
	return s->door >= WORLD_MAX_DOORS;
}

void
session_forget_conf(struct session *s)
{
	s->set = NULL;
}

/* ---- states and deadlines ---- */

/* what may follow what */
static const uint16_t may_follow[SESSION_STATE_MAX] = {
    [SESSION_COMMAND] = 1 << SESSION_DATA | 1 << SESSION_CHUNK | 1 << SESSION_AUTH |
			1 << SESSION_VERIFY | 1 << SESSION_CHECK | 1 << SESSION_TLS |
			1 << SESSION_CLOSING,
    [SESSION_CHECK] = 1 << SESSION_COMMAND | 1 << SESSION_WAIT | 1 << SESSION_CLOSING,
    [SESSION_AUTH] = 1 << SESSION_COMMAND | 1 << SESSION_VERIFY | 1 << SESSION_CLOSING,
    [SESSION_VERIFY] = 1 << SESSION_COMMAND | 1 << SESSION_CLOSING,
    [SESSION_TLS] = 1 << SESSION_COMMAND | 1 << SESSION_CLOSING,
    [SESSION_DATA] =
	1 << SESSION_COMMAND | 1 << SESSION_CHECK | 1 << SESSION_WAIT | 1 << SESSION_CLOSING,
    [SESSION_CHUNK] =
	1 << SESSION_COMMAND | 1 << SESSION_CHECK | 1 << SESSION_WAIT | 1 << SESSION_CLOSING,
    [SESSION_WAIT] = 1 << SESSION_COMMAND | 1 << SESSION_CLOSING,
    [SESSION_CLOSING] = 1 << SESSION_CLOSING,
};

static void
set_deadline(struct session *s)
{
	int64_t ms = -1;

	if (s->state == SESSION_COMMAND || s->state == SESSION_AUTH || s->state == SESSION_TLS)
		ms = conf_ms(session_set(s), CONF_SOURCE_SMTP_COMMAND_TIMEOUT);
	if (s->state == SESSION_TLS)
		ms = PH_MIN(ms, (int64_t)HANDSHAKE_MS);
	else if (s->state == SESSION_DATA || s->state == SESSION_CHUNK)
		ms = conf_ms(session_set(s), CONF_SOURCE_SMTP_DATA_TIMEOUT);
	/* the disk answers in any case */
	s->deadline =
	    ms < 0 || ms > INT64_MAX / NS_PER_MS / 2 ? MONO_NEVER : mono_add_ms(ev_now(), ms);
}

void
session_enter(struct session *s, enum session_state state)
{
	if ((may_follow[s->state] & 1u << state) == 0)
		panic("session: %s cannot follow %s", state_names[state], state_names[s->state]);
	s->state = (uint8_t)state;
	s->progress = 0;
	set_deadline(s);
}

void
session_close(struct session *s)
{
	if (s->state == SESSION_CLOSING)
		return;
	session_enter(s, SESSION_CLOSING);
	auth_clear(s);
	inbound_clear(s);
	suppressed_forget(s);
	txn_free(&s->txn);
	buf_clear(&s->in);
}

/* ---- replies ---- */

static char *
put_number(char *p, unsigned n)
{
	ph_assert(n < 1000);
	if (n >= 100)
		*p++ = (char)('0' + n / 100);
	if (n >= 10)
		*p++ = (char)('0' + n / 10 % 10);
	*p++ = (char)('0' + n % 10);
	return p;
}

/* "250 2.1.5 ": there is one for every command, which is too often for formats */
static void
add_codes(struct buf *b, int code, int enh)
{
	char text[16], *p = put_number(text, (unsigned)code);

	*p++ = ' ';
	if (enh != 0) {
		p = put_number(p, (unsigned)enh / 10000);
		*p++ = '.';
		p = put_number(p, (unsigned)enh / 100 % 100);
		*p++ = '.';
		p = put_number(p, (unsigned)enh % 100);
		*p++ = ' ';
	}
	(void)buf_add(b, text, (size_t)(p - text));
}

static void PH_PRINTF(4, 0)
    add_reply(struct session *s, int code, int enh, const char *fmt, va_list ap)
{
	size_t at = buf_len(&s->out);

	add_codes(&s->out, code, enh);
	(void)buf_addvf(&s->out, fmt, ap);
	(void)buf_add_cstr(&s->out, "\r\n");
	if (conf_bool(session_set(s), CONF_SOURCE_LOG_COMMANDS))
		log_info("session=%016jx reply text=%s", (uintmax_t)s->id,
		    log_quote(str_trim(str_skip(buf_str(&s->out), at))));
}

/* XACK OFF: the first error is told when the content is to come */
static void PH_PRINTF(4, 0)
    keep_back(struct session *s, int code, int enh, const char *fmt, va_list ap)
{
	char text[400];

	if (s->txn == NULL || s->txn->hushed.smtp_code != 0)
		return;
	(void)vsnprintf(text, sizeof text, fmt, ap);
	(void)why_smtp(&s->txn->hushed, code, enh / 10000, enh / 100 % 100, enh % 100, "%s", text);
}

void
session_reply(struct session *s, int code, int enh, const char *fmt, ...)
{
	va_list ap;

	if (s->state == SESSION_CLOSING || (s->is_hushed && code < 400))
		return;
	if (code / 100 == 4)
		stat_inc(STAT_IN_TEMPFAILED);
	if (code / 100 == 4 && code != 421 &&
	    conf_bool(session_set(s), CONF_SOURCE_DISCONNECT_ON_TRANSIENT_ERROR)) {
		session_close(s);
		return;
	}
	va_start(ap, fmt);
	if (s->is_hushed && code != 421)
		keep_back(s, code, enh, fmt, ap);
	else
		add_reply(s, code, enh, fmt, ap);
	va_end(ap);
}

void
session_reply_why(struct session *s, const struct why *why)
{
	session_reply(
	    s, why->smtp_code, ENH(why->enh[0], why->enh[1], why->enh[2]), "%s", why->text);
}

void
session_error(struct session *s)
{
	if (s->state == SESSION_CLOSING || ++s->n_errors < SESSION_MAX_ERRORS)
		return;
	session_reply(
	    s, 421, ENH(4, 7, 0), "%s too many errors, closing the connection", s->world->host);
	session_close(s);
}

/* ---- beginning and end ---- */

static void
greet(struct session *s)
{
	s->is_greeted = true;
	if (!session_is_inner(s) && !conf_bool(session_set(s), CONF_SOURCE_SMTP_SERVICE)) {
		session_reply(s, 521, 0, "%s does not accept mail from you", s->world->host);
		session_close(s);
		return;
	}
	session_reply(
	    s, 220, 0, "%s (Posthaste v%s) ESMTP service ready", s->world->host, PH_VERSION);
}

void
session_start(struct session *s, struct world *w, uint16_t door, const struct net_addr *client,
    const struct net_addr *local)
{
	s->world = w;
	s->set = NULL;
	s->door = door;
	s->client = *client;
	s->local = *local;
	s->id = ++w->last_session;
	s->state = w->door[door].is_immediate_tls ? SESSION_TLS : SESSION_COMMAND;
	s->tls = (struct session_tls){0};
	s->n_behind = s->n_given = 0;
	s->preset_id = 0;
	s->n_asked = 0;
	s->asks_suppress = false;
	s->n_errors = s->n_messages = 0;
	s->is_quiet = s->is_hushed = false;
	s->is_greeted = s->is_esmtp = s->is_last_chunk = s->is_overlong = s->is_polite = false;
	s->helo = s->user = NULL;
	s->auth = NULL;
	s->inbound = NULL;
	s->has_cert_user = false;
	s->txn = NULL;
	buf_init(&s->in, SESSION_MAX_INPUT);
	buf_init(&s->out, OUT_CAP);
	s->client_text[0] = '\0';
	if (client->family != 0)
		(void)net_addr_text(client, s->client_text);
	set_deadline(s);
	if (s->state == SESSION_COMMAND)
		greet(s);
}

void
session_tls_up(struct session *s, const struct session_tls *tls)
{
	ph_assert(s->state == SESSION_TLS && buf_len(&s->in) == 0 && buf_len(&s->out) == 0);
	s->tls = *tls;
	/* RFC 3207 4.2 */
	txn_free(&s->txn);
	xfree(&s->helo);
	xfree(&s->user);
	s->set = NULL;
	s->is_esmtp = s->is_quiet = false;
	auth_by_certificate(s);
	session_enter(s, SESSION_COMMAND);
	if (!s->is_greeted)
		greet(s);
	if (s->world->is_stopping)
		session_stop(s);
}

const char *
session_protocol(const struct session *s, bool is_utf8)
{
	static const char *const names[2][2][2] = {
	    {{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}},
	    {{"UTF8SMTP", "UTF8SMTPA"}, {"UTF8SMTPS", "UTF8SMTPSA"}},
	};

	if (!s->is_esmtp && !is_utf8)
		return "SMTP";
	return names[is_utf8][s->tls.protocol != NULL][s->user != NULL];
}

void
session_clear(struct session *s)
{
	if (s->state == SESSION_WAIT)
		s->txn->session = NULL; /* the spool's now: txn_settled() frees it */
	else
		txn_free(&s->txn);
	s->txn = NULL;
	auth_clear(s);
	inbound_clear(s);
	suppressed_forget(s);
	buf_clear(&s->in);
	buf_clear(&s->out);
	xfree(&s->helo);
	xfree(&s->user);
}

void
session_timeout(struct session *s)
{
	session_reply(s, 421, ENH(4, 4, 2), "%s timed out waiting for your %s", s->world->host,
	    s->state == SESSION_DATA || s->state == SESSION_CHUNK ? "data" : "command");
	session_close(s);
}

void
session_stop(struct session *s)
{
	if ((s->state != SESSION_COMMAND && s->state != SESSION_AUTH) || s->txn != NULL)
		return;
	session_reply(s, 421, ENH(4, 3, 2), "%s service is being shut down", s->world->host);
	session_close(s);
}

/* ---- input ---- */

/* The length of the first line with its CRLF; 0: it is not complete. A lone LF or CR is part of the line. */
static size_t
line_length(struct str in)
{
	for (size_t from = 0, lf; from < in.len; from += lf + 1) {
		lf = str_find(str_skip(in, from), '\n');
		if (lf == STR_NPOS)
			return 0;
		if (from + lf > 0 && in.p[from + lf - 1] == '\r')
			return from + lf + 1;
	}
	return 0;
}

/* A line that is too long is thrown away up to its end, then answered. */
static size_t
skip_overlong(struct session *s, struct str in, size_t len)
{
	if (len == 0) {
		s->is_overlong = true;
		/* a CR at the end may be half of a CRLF */
		return in.p[in.len - 1] == '\r' ? in.len - 1 : in.len;
	}
	s->is_overlong = false;
	session_reply(s, 500, ENH(5, 5, 2), "Line too long");
	session_error(s);
	return len;
}

static size_t
step_auth(struct session *s, struct str in)
{
	size_t len = line_length(in);

	if (len > SESSION_LONG_LINE || (len == 0 && in.len >= SESSION_LONG_LINE)) {
		auth_clear(s);
		session_enter(s, SESSION_COMMAND);
		return skip_overlong(s, in, len);
	}
	if (len == 0)
		return 0;
	auth_respond(s, str_sub(in, 0, len - 2));
	if (s->state == SESSION_AUTH || s->state == SESSION_COMMAND)
		set_deadline(s);
	return len;
}

static size_t
step_command(struct session *s, struct str in)
{
	size_t len = line_length(in);

	if (s->is_overlong || len > SESSION_MAX_LINE || (len == 0 && in.len >= SESSION_MAX_LINE))
		return skip_overlong(s, in, len);
	if (len == 0)
		return 0;
	s->n_behind = in.len - len;
	command_run(s, str_sub(in, 0, len - 2));
	if (s->state == SESSION_COMMAND)
		set_deadline(s);
	return len;
}

/* content came: the deadline moves only when it was enough */
static void
count_progress(struct session *s, size_t n)
{
	s->progress += n;
	if (s->progress < PROGRESS_BYTES)
		return;
	s->progress = 0;
	set_deadline(s);
}

void
session_submit(struct session *s)
{
	struct why why = {0};
	struct txn *t = s->txn;

	/* s->txn stays, to be told if the session goes before the answer comes */
	if (txn_submit(&t, &why) == 0) {
		session_enter(s, SESSION_WAIT);
		return;
	}
	stat_inc(STAT_IN_REJECTED);
	txn_free(&s->txn);
	session_enter(s, SESSION_COMMAND);
	session_reply_why(s, &why);
}

/* The content is complete. */
static void
end_content(struct session *s)
{
	if (s->txn->merge != NULL)
		merge_end_part(s);
	else if (inbound_check_content(s))
		session_enter(s, SESSION_CHECK);
	else
		session_submit(s);
}

static size_t
step_data(struct session *s, struct str in)
{
	size_t n = data_run(&s->txn->filter, in);

	count_progress(s, n);
	if (s->txn->filter.is_over)
		end_content(s);
	return n;
}

static void
refuse_chunk(struct session *s, const struct why *why)
{
	session_enter(s, SESSION_COMMAND);
	session_reply_why(s, why);
	txn_free(&s->txn);
	session_error(s);
}

static void
end_chunk(struct session *s)
{
	if (s->chunk_why.smtp_code != 0 || s->txn == NULL) {
		refuse_chunk(s, &s->chunk_why);
	} else if (s->is_last_chunk) {
		data_end_chunks(&s->txn->filter);
		end_content(s);
	} else if (s->txn->fault.smtp_code != 0) {
		refuse_chunk(s, &s->txn->fault);
	} else {
		session_enter(s, SESSION_COMMAND);
		session_reply(
		    s, 250, ENH(2, 0, 0), "%ju octets received", (uintmax_t)s->txn->filter.n_bytes);
	}
}

static size_t
step_chunk(struct session *s, struct str in)
{
	struct str piece = str_sub(in, 0, (size_t)PH_MIN((uint64_t)in.len, s->chunk_left));

	if (s->chunk_why.smtp_code == 0)
		data_run_chunk(&s->txn->filter, piece);
	s->chunk_left -= piece.len;
	count_progress(s, piece.len);
	if (s->chunk_left == 0)
		end_chunk(s);
	return piece.len;
}

/* Consumes input in this state; 0: it needs more than there is. */
typedef size_t step_fn(struct session *s, struct str in);
static step_fn *const steps[SESSION_STATE_MAX] = {
    [SESSION_COMMAND] = step_command,
    [SESSION_AUTH] = step_auth,
    [SESSION_DATA] = step_data,
    [SESSION_CHUNK] = step_chunk,
};

/* Runs what there is. Returns the bytes that were used. */
static size_t
run(struct session *s, struct str in)
{
	size_t used = 0, n;
	uint8_t before;

	while (steps[s->state] != NULL && buf_len(&s->out) < SESSION_OUT_PAUSE) {
		/* an empty chunk ends without any input */
		if (used == in.len && !(s->state == SESSION_CHUNK && s->chunk_left == 0))
			break;
		before = s->state;
		n = steps[before](s, str_skip(in, used));
		used += n;
		if (n == 0 && s->state == before)
			break;
	}
	return s->state == SESSION_CLOSING ? in.len : used;
}

bool
session_wants_input(const struct session *s)
{
	return steps[s->state] != NULL && buf_len(&s->out) < SESSION_OUT_PAUSE &&
	       buf_len(&s->in) <= SESSION_MAX_LINE;
}

static void
keep(struct session *s, struct str rest)
{
	/* the connection asked session_wants_input() and brings at most one read */
	if (rest.len > 0 && buf_add_str(&s->in, rest) == -1)
		session_close(s);
}

void
session_input(struct session *s, struct str bytes)
{
	if (s->state == SESSION_CLOSING)
		return;
	if (buf_len(&s->in) == 0) {
		keep(s, str_skip(bytes, run(s, bytes)));
		return;
	}
	keep(s, bytes);
	session_resume(s);
}

void
session_resume(struct session *s)
{
	size_t used;

	if (buf_len(&s->in) > 0 && s->state != SESSION_CLOSING) {
		used = run(s, buf_str(&s->in));
		buf_consume(&s->in, PH_MIN(used, buf_len(&s->in)));
	}
	if (buf_len(&s->in) == 0)
		buf_clear(&s->in);
	if (buf_len(&s->out) == 0 && s->out.size > IDLE_OUT)
		buf_clear(&s->out);
}

void
session_settled(struct session *s, uint64_t id, const struct why *why)
{
	s->txn = NULL;
	session_enter(s, SESSION_COMMAND);
	if (why == NULL) {
		s->n_messages++;
		s->n_errors = 0;
		session_reply(s, 250, ENH(2, 6, 0), "%016jx message received", (uintmax_t)id);
	} else {
		session_reply_why(s, why);
	}
	if (s->world->is_stopping)
		session_stop(s);
	s->wake(s);
}
