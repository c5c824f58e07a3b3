#include "injectd/commands.h"

#include "injectd/auth.h"
#include "injectd/merge.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/smtp/command.h"
#include "lib/stats/stats.h"

static void
bad_sequence(struct session *s, const char *text)
{
	session_reply(s, 503, ENH(5, 5, 1), "%s", text);
	session_error(s);
}

static void
bad_syntax(struct session *s, const char *text)
{
	session_reply(s, 501, ENH(5, 5, 4), "%s", text);
	session_error(s);
}

/* ---- EHLO, HELO ---- */

/* What may stand in a Received field and an accounting record; names in use are not always RFC 5321's Domain. */
static bool
helo_is_valid(struct str name)
{
	if (name.len == 0 || name.len > SESSION_MAX_HELO)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.p[i]) &&
		    (name.p[i] == '\0' || strchr(".-_:[]", name.p[i]) == NULL))
			return false;
	return true;
}

static bool
take_helo(struct session *s, struct str name, bool is_esmtp)
{
	if (!helo_is_valid(name)) {
		bad_syntax(s, "The command needs your host name");
		return false;
	}
	txn_free(&s->txn);
	xfree(&s->helo);
	s->helo = xstrdup_str(name);
	s->is_esmtp = is_esmtp;
	return true;
}

static void
run_helo(struct session *s, struct str arg)
{
	if (take_helo(s, arg, false))
		session_reply(s, 250, 0, "%s", s->world->host);
}

static bool
offers_starttls(struct session *s)
{
	return s->world->door[s->door].has_tls && s->tls.protocol == NULL &&
	       conf_bool(session_set(s), CONF_SOURCE_ALLOW_STARTTLS);
}

static void
add_auth(struct session *s, struct buf *b)
{
	const char *offer = auth_offer(s);

	if (offer[0] == '\0')
		return;
	(void)buf_addf(b, "250-%s\r\n", offer);
	/* a form of before RFC 2554 was finished */
	if (conf_bool(session_set(s), CONF_SOURCE_BROKEN_AUTH_CLIENTS))
		(void)buf_addf(b, "250-AUTH=%s\r\n", strchr(offer, ' ') + 1);
}

static void
run_ehlo(struct session *s, struct str arg)
{
	const struct conf_set *set = session_set(s);
	uint64_t limit = conf_u64(set, CONF_SOURCE_MAX_MESSAGE_SIZE);
	struct buf *b = &s->out;

	if (!take_helo(s, arg, true))
		return;
	(void)buf_addf(b, "250-%s says hello\r\n250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n",
	    s->world->host);
	if (conf_bool(set, CONF_SOURCE_ALLOW_CHUNKING))
		(void)buf_add_cstr(b, "250-CHUNKING\r\n");
	if (conf_bool(set, CONF_SOURCE_ALLOW_SMTPUTF8))
		(void)buf_add_cstr(b, "250-SMTPUTF8\r\n");
	if (offers_starttls(s))
		(void)buf_add_cstr(b, "250-STARTTLS\r\n");
	add_auth(s, b);
	if (merge_is_offered(s))
		(void)buf_add_cstr(b, "250-XACK\r\n250-XMRG\r\n");
	(void)buf_add_cstr(b, "250-8BITMIME\r\n250-DSN\r\n250-VERP\r\n");
	session_reply(s, 250, 0, "SIZE %ju", (uintmax_t)(limit == CONF_UNLIMITED ? 0 : limit));
}

/* ---- the content ---- */

bool
command_may_take_content(struct session *s, struct why *why)
{
	if (s->txn == NULL)
		return why_smtp(why, 503, 5, 5, 1, "MAIL comes first") == 0;
	if (s->txn->hushed.smtp_code != 0) {
		*why = s->txn->hushed;
		txn_free(&s->txn);
		return false;
	}
	if (s->txn->env.n_rcpts > 0)
		return true;
	if (s->txn->n_refused > 0)
		return why_smtp(why, 554, 5, 5, 1, "No recipient was accepted") == 0;
	return why_smtp(why, 503, 5, 5, 1, "RCPT comes first") == 0;
}

bool
command_has_too_many(struct session *s)
{
	if (!s->txn->is_too_many)
		return false;
	stat_inc(STAT_IN_REJECTED);
	session_reply(s, 554, ENH(5, 5, 3), "Too many recipients: the message is not accepted");
	txn_free(&s->txn);
	return true;
}

/* what DATA and BDAT ask first */
static bool
may_take_message(struct session *s, struct why *why)
{
	if (!command_may_take_content(s, why))
		return false;
	return s->txn->merge == NULL ||
	       why_smtp(why, 503, 5, 5, 1, "XPRT is what follows XMRG") == 0;
}

static void
run_data(struct session *s, struct str arg)
{
	struct why why = {0};

	if (arg.len > 0) {
		bad_syntax(s, "DATA has no parameter");
		return;
	}
	if (!may_take_message(s, &why)) {
		session_reply_why(s, &why);
		session_error(s);
		return;
	}
	if (s->txn->is_chunked) {
		bad_sequence(s, "DATA cannot follow BDAT");
		return;
	}
	if (command_has_too_many(s))
		return;
	txn_begin_content(s->txn);
	session_reply(s, 354, 0, "Send the message, end with a line of a single dot");
	session_enter(s, SESSION_DATA);
}

/* bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CR LF; > 0 good, 0 too large a number, < 0 wrong */
static int
parse_bdat(struct str arg, uint64_t *size, bool *is_last)
{
	struct str word = STR_NULL, more;

	if (!str_next_word(&arg, &word) || word.len == 0)
		return -1;
	for (size_t i = 0; i < word.len; i++)
		if (!ascii_is_digit(word.p[i]))
			return -1;
	*is_last = str_next_word(&arg, &more);
	if (*is_last && (!str_ieq(more, STR("LAST")) || str_next_word(&arg, &more)))
		return -1;
	return parse_u64(word, 0, TXN_MAX_BYTES, size) ? 1 : 0;
}

static void
run_bdat(struct session *s, struct str arg)
{
	int r = parse_bdat(arg, &s->chunk_left, &s->is_last_chunk);

	if (r < 0) {
		bad_syntax(s, "BDAT needs the number of octets, and may have LAST");
		return;
	}
	if (r == 0) {
		/* whoever announces so much sends something, which must not be read as commands */
		session_reply(s, 552, ENH(5, 3, 4), "The chunk is too large");
		session_close(s);
		return;
	}
	s->chunk_why = (struct why){0};
	/* refused or not, the chunk is read to its end first (RFC 3030 2) */
	if (!conf_bool(session_set(s), CONF_SOURCE_ALLOW_CHUNKING))
		(void)why_smtp(&s->chunk_why, 502, 5, 5, 1, "BDAT is not offered");
	else if (may_take_message(s, &s->chunk_why) && !s->txn->is_chunked)
		txn_begin_content(s->txn);
	if (s->chunk_why.smtp_code == 0)
		s->txn->is_chunked = true;
	session_enter(s, SESSION_CHUNK);
}

/* ---- the small ones ---- */

static void
run_rset(struct session *s, struct str arg)
{
	txn_free(&s->txn);
	session_reply(s, 250, ENH(2, 0, 0), "Reset");
}

static void
run_noop(struct session *s, struct str arg)
{
	session_reply(s, 250, ENH(2, 0, 0), "Ok");
}

static void
run_quit(struct session *s, struct str arg)
{
	session_reply(s, 221, ENH(2, 0, 0), "%s closing the connection", s->world->host);
	s->is_polite = true;
	session_close(s);
}

static void
run_vrfy(struct session *s, struct str arg)
{
	if (arg.len == 0)
		bad_syntax(s, "VRFY needs an address");
	else
		session_reply(s, 252, ENH(2, 5, 0), "Send some mail, it will be tried");
}

static void
run_help(struct session *s, struct str arg)
{
	session_reply(
	    s, 214, ENH(2, 0, 0), "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT");
}

static void
run_not_offered(struct session *s, struct str arg)
{
	session_reply(s, 502, ENH(5, 5, 1), "The command is not offered");
	session_error(s);
}

static void
run_unknown(struct session *s, struct str arg)
{
	session_reply(s, 500, ENH(5, 5, 2), "The command is unknown");
	session_error(s);
}

static void
run_starttls(struct session *s, struct str arg)
{
	if (s->tls.protocol != NULL) {
		bad_sequence(s, "TLS is in use already");
	} else if (!offers_starttls(s)) {
		run_not_offered(s, arg);
	} else if (arg.len > 0) {
		bad_syntax(s, "STARTTLS has no parameter");
	} else if (s->n_behind > 0) {
		/* said in clear, to be taken as if it had come through TLS: nobody honest does that */
		session_reply(s, 554, ENH(5, 5, 1), "Nothing may follow STARTTLS in one flight");
		session_close(s);
	} else {
		session_reply(s, 220, ENH(2, 0, 0), "Ready to start TLS");
		session_enter(s, SESSION_TLS);
	}
}

static void
run_auth(struct session *s, struct str arg)
{
	if (s->world->users.n == 0 || !conf_bool(session_set(s), CONF_SOURCE_ALLOW_AUTH))
		run_not_offered(s, arg);
	else
		auth_run(s, arg);
}

static void
run_mail(struct session *s, struct str arg)
{
	if (!auth_is_missing(s))
		command_mail(s, arg);
}

/* a browser that was led here: nothing of what it sends may be taken for mail */
static void
run_http(struct session *s, struct str arg)
{
	session_reply(s, 421, ENH(4, 7, 0), "%s is a mail server", s->world->host);
	session_close(s);
}

static const struct command {
	void (*run)(struct session *s, struct str arg);
	bool after_helo;   /* only then */
	uint16_t max_line; /* octets with CRLF; 0: SESSION_SHORT_LINE */
} commands[SMTP_VERB_MAX] = {
    [SMTP_VERB_UNKNOWN] = {run_unknown, false, 0},
    [SMTP_VERB_EHLO] = {run_ehlo, false, 0},
    [SMTP_VERB_HELO] = {run_helo, false, 0},
    [SMTP_VERB_MAIL] = {run_mail, true, SESSION_LONG_LINE},
    [SMTP_VERB_RCPT] = {command_rcpt, true, SESSION_LONG_LINE},
    [SMTP_VERB_DATA] = {run_data, true, 0},
    [SMTP_VERB_BDAT] = {run_bdat, false, 0},
    [SMTP_VERB_RSET] = {run_rset, false, 0},
    [SMTP_VERB_NOOP] = {run_noop, false, 0},
    [SMTP_VERB_QUIT] = {run_quit, false, 0},
    [SMTP_VERB_VRFY] = {run_vrfy, false, 0},
    [SMTP_VERB_EXPN] = {run_not_offered, false, 0},
    [SMTP_VERB_HELP] = {run_help, false, 0},
    [SMTP_VERB_AUTH] = {run_auth, true, SESSION_LONG_LINE},
    [SMTP_VERB_STARTTLS] = {run_starttls, true, 0},
    [SMTP_VERB_XMRG] = {merge_xmrg, true, SESSION_LONG_LINE},
    [SMTP_VERB_XDFN] = {merge_xdfn, true, SESSION_MAX_LINE},
    [SMTP_VERB_XPRT] = {merge_xprt, true, 0},
    [SMTP_VERB_XACK] = {merge_xack, true, 0},
    [SMTP_VERB_HTTP] = {run_http, false, SESSION_MAX_LINE},
};

/* Printable ASCII and UTF-8 only: no tab, bare CR, bare LF or NUL. */
static bool
line_is_clean(struct str line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 127)
			return false;
	return true;
}

void
command_run(struct session *s, struct str line)
{
	struct smtp_command c;
	const struct command *how;

	smtp_command_parse(line, &c);
	/* what follows AUTH may be a password */
	if (conf_bool(session_set(s), CONF_SOURCE_LOG_COMMANDS))
		log_info("session=%016jx command text=%s", (uintmax_t)s->id,
		    log_quote(c.verb == SMTP_VERB_AUTH ? STR("AUTH (not shown)") : line));
	how = &commands[c.verb];
	if (!line_is_clean(line)) {
		session_reply(s, 500, ENH(5, 5, 2), "Control characters in a command");
		session_error(s);
	} else if (line.len + 2 > (how->max_line > 0 ? how->max_line : SESSION_SHORT_LINE)) {
		session_reply(s, 500, ENH(5, 5, 2), "Line too long");
		session_error(s);
	} else if (how->after_helo && s->helo == NULL) {
		bad_sequence(s, "EHLO comes first");
	} else {
		s->is_hushed =
		    s->is_quiet && (c.verb == SMTP_VERB_RCPT || c.verb == SMTP_VERB_XDFN);
		how->run(s, c.arg);
		s->is_hushed = false;
	}
}
