/*
 * Plays a script against a session: what the peer says, what must be sent, what must be reported, and the passing of
 * time. One line a step:
 *
 *   S:220 x|250 y     the peer says these lines in one piece ("|" is CRLF; one more is added at the end)
 *   R:bytes           the peer says exactly these bytes
 *   C:EHLO me         the next line sent is this
 *   D:3               the next so many bytes sent are skipped
 *   E:done 0          the next event is this
 *   M:NAME R,R,...    a transaction with this message, to these recipients
 *   T:300000          so many milliseconds pass
 *   X: / Q: / A:      the connection is lost, is to be closed, is given up
 *   H:up / H:fail     the TLS handshake's end
 *   B:n               from now on only so many bytes are taken ("-": all)
 *   N:                nothing was sent and nothing reported that was not asked for yet
 *
 * At the end nothing may be left over.
 */
#ifndef PH_TESTS_DELIVERD_SCRIPT_H
#define PH_TESTS_DELIVERD_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "deliverd/session.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/spool/envelope.h"

struct message {
	const char *name;
	const char *sender;
	const char *content;
	uint64_t n_dots;
	const char *envid;
	uint8_t body, ret, notify;
	bool smtputf8;
	bool broken; /* cannot be loaded */
};

static const struct message messages[] = {
    {.name = "a", .sender = "s@x", .content = "A\r\n"},
    {.name = "b", .sender = "s@x", .content = "B\r\n"},
    {.name = "dots", .sender = "s@x", .content = "..a\r\nb\r\n...\r\n", .n_dots = 2},
    {.name = "empty", .sender = "", .content = ""},
    {.name = "noeol", .sender = "s@x", .content = "N"},
    {.name = "8bit", .sender = "s@x", .content = "\xc3\xa9\r\n", .body = ENV_8BITMIME},
    {.name = "8asc", .sender = "s@x", .content = "e\r\n", .body = ENV_8BITMIME},
    {.name = "utf8", .sender = "\xc3\xa9@x", .content = "A\r\n", .smtputf8 = true},
    {.name = "utf8asc", .sender = "s@x", .content = "A\r\n", .smtputf8 = true},
    {.name = "dsn",
	.sender = "s@x",
	.content = "A\r\n",
	.envid = "q+1 =",
	.ret = ENV_RET_HDRS,
	.notify = NOTIFY_SUCCESS | NOTIFY_DELAY},
    {.name = "never",
	.sender = "s@x",
	.content = "A\r\n",
	.ret = ENV_RET_FULL,
	.notify = NOTIFY_NEVER},
    {.name = "broken", .broken = true},
};

#define MAX_EVENTS 256
struct play {
	struct session *s;
	struct session_conf conf;
	struct mono now;
	struct buf sent;
	char events[MAX_EVENTS][256];
	size_t n_events, next_event;
	uint64_t budget; /* bytes that the socket takes */
	size_t piece;	 /* size of the pieces in which the peer's bytes come */
	uint32_t next_txn;
	bool wants_tls, is_down;
	const char *name;
	const char *line;
};

static const char *const outcomes[OUT_MAX] = {"?", "delivered", "failed", "deferred", "untried"};
static const char *const stages[STAGE_MAX] = {
    "CONNECT", "GREETING", "EHLO", "TLS", "AUTH", "MAIL", "RCPT", "DATA", "BODY", "IDLE", "QUIT"};
static const char *const ends[END_MAX] = {
    "?", "closed", "lost", "timeout", "refused", "reply", "protocol", "local"};

PH_PRINTF(2, 3) static void event(struct play *p, const char *fmt, ...)
{
	va_list ap;

	assert_true(p->n_events < MAX_EVENTS);
	va_start(ap, fmt);
	vsnprintf(p->events[p->n_events++], sizeof p->events[0], fmt, ap);
	va_end(ap);
}

static struct mail *
play_load(
    void *ctx, const struct spool_place *place, const uint32_t *idx, uint32_t n, struct why *why)
{
	static const char *const addresses[] = {"r0@y", "r1@y", "r2@y", "r3@y"};
	const struct message *m = &messages[place->offset];
	struct mail *mail;

	(void)ctx;
	if (m->broken) {
		why_set(why, "no such record");
		return NULL;
	}
	mail = xcalloc(1, sizeof *mail);
	mail->fd = -1;
	mail->sender = str_of(m->sender);
	mail->envid = str_of(m->envid);
	mail->content = str_of(m->content);
	mail->stored_len = mail->content.len;
	mail->n_dots = m->n_dots;
	mail->body = m->body;
	mail->ret = m->ret;
	mail->smtputf8 = m->smtputf8;
	mail->ends_in_crlf = mail->content.len == 0 || str_has_suffix(mail->content, STR("\r\n"));
	mail->rcpts = xcalloc(n, sizeof *mail->rcpts);
	mail->n_rcpts = n;
	for (uint32_t i = 0; i < n; i++)
		mail->rcpts[i] = (struct mail_rcpt){.address = str_of(addresses[idx[i]]),
		    .notify = m->notify,
		    .orcpt = m->notify == 0 ? STR_NULL : STR("rfc822;o+p@y")};
	return mail;
}

static void
play_up(void *ctx, uint32_t offered)
{
	char names[SMTP_EXT_NAMES_MAX];

	smtp_ext_names(offered, names, sizeof names);
	event(ctx, "up %s", names);
}

static void
play_result(void *ctx, const struct session_result *r)
{
	event(ctx, "result %u/%u %s %s %u %u.%u.%u %.*s", r->txn, r->rcpt, outcomes[r->outcome],
	    stages[r->stage], r->code, r->enh[0], r->enh[1], r->enh[2], STR_ARG(r->text));
}

static void
play_txn_done(void *ctx, uint32_t txn)
{
	event(ctx, "done %u", txn);
}

static void
play_down(void *ctx, const struct session_end *e)
{
	struct play *p = ctx;

	assert_false(p->is_down);
	p->is_down = true;
	/* of an end in order it is told whether something must be taken back all the same */
	event(p, "down %s %s %u %u.%u.%u %s%s %.*s", ends[e->end], stages[e->stage], e->code,
	    e->enh[0], e->enh[1], e->enh[2], e->was_up ? "up" : "never",
	    e->is_amid_content && (e->end == END_CLOSED || e->end == END_REPLY) ? " amid content"
										: "",
	    STR_ARG(e->text));
}

static void
play_start_tls(void *ctx)
{
	struct play *p = ctx;

	p->wants_tls = true;
	event(p, "tls");
}

static const struct session_ops play_ops = {
    play_load, play_up, play_result, play_txn_done, play_down, play_start_tls};

/* takes what the session sends, as far as the budget goes */
static void
play_drain(struct play *p)
{
	struct out_view v;

	while (p->budget > 0 && outq_next(session_out(p->s), &v)) {
		uint64_t n = PH_MIN(v.len, p->budget);

		assert_int_equal(v.fd, -1);
		assert_int_equal(buf_add(&p->sent, v.text.p, (size_t)n), 0);
		if (p->budget != UINT64_MAX)
			p->budget -= n;
		session_sent(p->s, p->now, n);
	}
}

static void
play_hear(struct play *p, struct str bytes)
{
	for (size_t at = 0; at < bytes.len; at += p->piece) {
		session_input(p->s, p->now, str_sub(bytes, at, p->piece));
		play_drain(p);
	}
}

static void
do_says(struct play *p, struct str arg)
{
	struct buf b;

	buf_init(&b, 65536);
	for (size_t i = 0; i < arg.len; i++)
		assert_int_equal(
		    arg.p[i] == '|' ? buf_add(&b, "\r\n", 2) : buf_add_char(&b, arg.p[i]), 0);
	assert_int_equal(buf_add(&b, "\r\n", 2), 0);
	play_hear(p, buf_str(&b));
	buf_clear(&b);
}

static void
do_sends(struct play *p, struct str arg)
{
	struct str sent = buf_str(&p->sent);
	size_t end = str_find_str(sent, STR("\r\n"));
	struct str line = str_sub(sent, 0, end == STR_NPOS ? sent.len : end);

	if (!str_eq(line, arg) || end == STR_NPOS)
		fail_msg("%s: at \"%s\": sent \"%.*s\"", p->name, p->line, STR_ARG(line));
	buf_consume(&p->sent, end + 2);
}

static void
do_skips(struct play *p, struct str arg)
{
	uint32_t n;

	assert_true(parse_u32(arg, 0, UINT32_MAX, &n));
	if (buf_len(&p->sent) < n)
		fail_msg("%s: at \"%s\": only %zu bytes", p->name, p->line, buf_len(&p->sent));
	buf_consume(&p->sent, n);
}

static void
do_event(struct play *p, struct str arg)
{
	const char *got = p->next_event < p->n_events ? p->events[p->next_event++] : "nothing";

	if (!str_eq(str_of(got), arg))
		fail_msg("%s: at \"%s\": event \"%s\"", p->name, p->line, got);
}

static void
do_message(struct play *p, struct str arg)
{
	struct ipc_txn t = {.txn = p->next_txn++};
	struct str name, list, piece;
	uint32_t idx[8], n = 0;

	assert_true(str_next(&arg, ' ', &name));
	list = arg;
	while (n < countof(idx) && str_next(&list, ',', &piece))
		assert_true(parse_u32(piece, 0, 3, &idx[n++]));
	for (uint64_t i = 0; i < countof(messages); i++)
		if (str_eq(name, str_of(messages[i].name))) {
			t.place.offset = i;
			assert_true(session_txn(p->s, p->now, &t, idx, n));
			return;
		}
	fail_msg("%s: no message %.*s", p->name, STR_ARG(name));
}

static void
do_time(struct play *p, struct str arg)
{
	uint32_t ms;

	assert_true(parse_u32(arg, 0, UINT32_MAX, &ms));
	p->now = mono_add_ms(p->now, ms);
	session_tick(p->s, p->now);
}

static void
do_handshake(struct play *p, struct str arg)
{
	assert_true(p->wants_tls);
	p->wants_tls = false;
	if (str_eq(arg, STR("up")))
		session_tls_up(p->s, p->now);
	else
		session_tls_failed(p->s, p->now, "no common cipher");
}

static void
do_budget(struct play *p, struct str arg)
{
	if (str_eq(arg, STR("-")))
		p->budget = UINT64_MAX;
	else
		assert_true(parse_u64(arg, 0, UINT64_MAX, &p->budget));
}

static void
do_nothing_left(struct play *p, struct str arg)
{
	(void)arg;
	if (p->next_event < p->n_events)
		fail_msg("%s: at \"%s\": event \"%s\"", p->name, p->line, p->events[p->next_event]);
	if (buf_len(&p->sent) > 0)
		fail_msg(
		    "%s: at \"%s\": sent \"%.*s\"", p->name, p->line, STR_ARG(buf_str(&p->sent)));
}

static void
do_lost(struct play *p, struct str arg)
{
	(void)arg;
	session_lost(p->s, p->now, END_LOST, "connection lost");
}

static void
do_quit(struct play *p, struct str arg)
{
	(void)arg;
	session_quit(p->s, p->now);
}

static void
do_abort(struct play *p, struct str arg)
{
	(void)arg;
	session_abort(p->s, p->now, "given up");
}

static void
play_step(struct play *p, struct str line)
{
	static const struct {
		char letter;
		void (*act)(struct play *, struct str);
	} verbs[] = {{'S', do_says}, {'R', play_hear}, {'C', do_sends}, {'D', do_skips},
	    {'E', do_event}, {'M', do_message}, {'T', do_time}, {'X', do_lost}, {'Q', do_quit},
	    {'A', do_abort}, {'H', do_handshake}, {'B', do_budget}, {'N', do_nothing_left}};

	for (size_t i = 0; i < countof(verbs); i++) {
		if (line.p[0] != verbs[i].letter)
			continue;
		verbs[i].act(p, str_skip(line, 2));
		play_drain(p);
		return;
	}
	fail_msg("%s: no verb %c", p->name, line.p[0]);
}

static struct session_conf
play_conf(void)
{
	return (struct session_conf){.connect_ms = 120000,
	    .greeting_ms = 300000,
	    .command_ms = 300000,
	    .data_ms = 120000,
	    .send_ms = 180000,
	    .dot_ms = 600000,
	    .multiline_ms = 300000,
	    .tls_ms = 60000,
	    .quit_ms = 5000,
	    .window = 20,
	    .detect_loop = true,
	    .ehlo = "me"};
}

/* `prefix` (may be NULL) is played before `script`; lines end with '\n' */
static void
play(const char *name, const struct session_conf *conf, const char *prefix, const char *script,
    size_t piece)
{
	struct play p = {.name = name, .now = {.ns = 1}, .budget = UINT64_MAX, .piece = piece};
	const char *parts[] = {prefix, script};
	struct str rest, line;
	char *copy;

	buf_init(&p.sent, 1u << 20);
	p.s = session_new(conf, &play_ops, &p, p.now);
	session_connected(p.s, p.now);
	for (size_t i = 0; i < countof(parts); i++) {
		rest = str_of(parts[i]);
		while (rest.len > 0 && str_next(&rest, '\n', &line)) {
			if (line.len == 0)
				continue;
			copy = xstrdup_str(line);
			p.line = copy;
			play_step(&p, line);
			free(copy);
		}
	}
	p.line = "the end";
	do_nothing_left(&p, STR_NULL);
	session_free(&p.s);
	buf_clear(&p.sent);
}

#endif
