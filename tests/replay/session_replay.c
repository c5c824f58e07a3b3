/*
 * Replays one SMTP session of deliverd against a scripted server with a clock that the script turns: the real state
 * machine, no socket, no waiting. Prints the script with what really happened put in; a replay is right when that
 * is the file itself.
 *
 * usage: session_replay FILE [FOLDER]      (FOLDER is not used)
 *
 *   # …                          a comment
 *   conf NAME VALUE              before `start`: window, tls (no, may, must), ehlo, any time in seconds by its name
 *                                (greeting, command, data, dot, send, connect, multiline, tls-time, quit), and the
 *                                switches ignore-pipelining ignore-chunking break-on-421 assume-delivered
 *                                auth-in-clear pix-workaround; user and password for AUTH
 *   mail N SENDER RCPT[,RCPT…] [TEXT]   message N; TEXT: its one body line
 *   start | connect | quit | abort | tls-up | tls-failed
 *   txn T N                      transaction T carries all recipients of message N
 *   lost | refused               the connection ends
 *   stall yes|no                 the server takes no bytes
 *   < TEXT                       the server says TEXT and CRLF;  <. TEXT without CRLF
 *   +TIME                        time passes: 4m59s, 1s
 *   > TEXT                       (expected) what the client sends, line by line
 *   ! TEXT                       (expected) what the session reports, with the time since `start`
 */
#include "deliverd/session.h"

#include <stdarg.h>

#include "lib/base/num.h"
#include "lib/base/xalloc.h"

#define MAX_MAILS 16

struct script_mail {
	char *sender, *content;
	char *rcpt[64];
	size_t n_rcpts;
};

static struct {
	struct session_conf conf;
	struct session *session;
	struct mono start, now;
	struct script_mail mails[MAX_MAILS];
	uint32_t line;
	bool stalled;
	bool mid_line; /* the client's line has no end yet */
} replay;

static void
die(const char *what)
{
	fprintf(stderr, "line %u: %s\n", replay.line, what);
	exit(2);
}

/* ---- what comes out ---- */

static void PH_PRINTF(1, 2) event(const char *fmt, ...);
static void
event(const char *fmt, ...)
{
	int64_t ms = mono_diff_ms(replay.start, replay.now);
	va_list ap;

	printf("! %lld.%03lld ", (long long)(ms / 1000), (long long)(ms % 1000));
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

static const char *
stage_name(enum smtp_stage stage)
{
	static const char *const names[STAGE_MAX] = {"connect", "greeting", "ehlo", "tls", "auth",
	    "mail", "rcpt", "data", "body", "idle", "quit"};

	return (unsigned)stage < STAGE_MAX && names[stage] != NULL ? names[stage] : "?";
}

static struct mail *
on_load(
    void *ctx, const struct spool_place *place, const uint32_t *idx, uint32_t n, struct why *why)
{
	const struct script_mail *from = &replay.mails[place->id % MAX_MAILS];
	struct mail *m = xcalloc(1, sizeof *m);

	m->fd = -1;
	m->sender = str_of(from->sender);
	m->rcpts = xcalloc(n, sizeof *m->rcpts);
	m->n_rcpts = n;
	for (uint32_t i = 0; i < n; i++)
		m->rcpts[i].address = str_of(from->rcpt[idx[i] % countof(from->rcpt)]);
	m->content = str_of(from->content);
	m->stored_len = m->content.len;
	m->ends_in_crlf = true;
	buf_init(&m->record, 1024);
	buf_init(&m->scratch, 1024);
	return m;
}

static void
on_up(void *ctx, uint32_t offered)
{
	char names[SMTP_EXT_NAMES_MAX];

	smtp_ext_names(offered, names, sizeof names);
	event("up %s", names);
}

static void
on_result(void *ctx, const struct session_result *r)
{
	static const char *const outcomes[] = {"?", "delivered", "failed", "deferred", "untried"};

	event("result txn=%u rcpt=%u %s code=%u %u.%u.%u stage=%s \"%.*s\"", r->txn, r->rcpt,
	    outcomes[r->outcome % countof(outcomes)], r->code, r->enh[0], r->enh[1], r->enh[2],
	    stage_name(r->stage), STR_ARG(r->text));
}

static void
on_txn_done(void *ctx, uint32_t txn)
{
	event("done txn=%u", txn);
}

static void
on_down(void *ctx, const struct session_end *e)
{
	static const char *const ends[] = {
	    "?", "closed", "lost", "timeout", "refused", "reply", "protocol", "local"};

	event("down %s %scode=%u %u.%u.%u stage=%s \"%.*s\"", ends[e->end % countof(ends)],
	    e->was_up ? "up " : "", e->code, e->enh[0], e->enh[1], e->enh[2], stage_name(e->stage),
	    STR_ARG(e->text));
}

static void
on_start_tls(void *ctx)
{
	event("start-tls");
}

static void
print_sent(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!replay.mid_line)
			printf("> ");
		replay.mid_line = s.p[i] != '\n';
		if (s.p[i] != '\r')
			putchar(s.p[i]);
	}
}

/* the server takes what the session wants to send */
static void
take_output(void)
{
	struct out_view v;

	if (replay.session == NULL || replay.stalled)
		return;
	while (!session_is_dead(replay.session) && outq_next(session_out(replay.session), &v)) {
		print_sent(v.text);
		if (!v.more && v.text.len < outq_unsent(session_out(replay.session)))
			event("packet"); /* what follows has one of its own */
		session_sent(replay.session, replay.now, v.text.len);
	}
}

/* ---- what goes in ---- */

static void
do_start(struct str arg)
{
	static const struct session_ops ops = {.load = on_load,
	    .up = on_up,
	    .result = on_result,
	    .txn_done = on_txn_done,
	    .down = on_down,
	    .start_tls = on_start_tls};

	replay.start = replay.now;
	replay.session = session_new(&replay.conf, &ops, NULL, replay.now);
}

static int64_t
parse_time_ms(struct str s)
{
	int64_t total = 0;
	uint32_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (ascii_is_digit(s.p[i])) {
			n = n * 10 + (uint32_t)(s.p[i] - '0');
			continue;
		}
		total += n * (s.p[i] == 'h' ? INT64_C(3600000) : s.p[i] == 'm' ? 60000 : 1000);
		n = 0;
	}
	return total;
}

/* from deadline to deadline, as a loop's timer would */
static void
do_advance(struct str arg)
{
	struct mono target = mono_add_ms(replay.now, parse_time_ms(arg));

	while (replay.session != NULL && !session_is_dead(replay.session) &&
	       !mono_is_before(target, session_deadline(replay.session))) {
		if (mono_is_before(replay.now, session_deadline(replay.session)))
			replay.now = session_deadline(replay.session);
		session_tick(replay.session, replay.now);
		take_output();
	}
	replay.now = target;
}

static const struct {
	const char *name;
	size_t at;
} times[] = {
#define T(name, field)                                                                             \
	{                                                                                          \
		name, offsetof(struct session_conf, field)                                         \
	}
    T("connect", connect_ms),
    T("greeting", greeting_ms),
    T("command", command_ms),
    T("data", data_ms),
    T("send", send_ms),
    T("dot", dot_ms),
    T("multiline", multiline_ms),
    T("tls-time", tls_ms),
    T("quit", quit_ms),
#undef T
};
static const struct {
	const char *name;
	size_t at;
} switches[] = {
#define W(name, field)                                                                             \
	{                                                                                          \
		name, offsetof(struct session_conf, field)                                         \
	}
    W("ignore-pipelining", ignore_pipelining),
    W("ignore-chunking", ignore_chunking),
    W("ignore-8bitmime", ignore_8bitmime),
    W("break-on-421", break_on_421),
    W("assume-delivered", assume_delivered),
    W("detect-loop", detect_loop),
    W("auth-in-clear", auth_in_clear),
    W("pix-workaround", pix_workaround),
    W("bounce-broken", bounce_broken),
#undef W
};

static void
do_conf(struct str arg)
{
	struct str name;
	uint32_t n = 0;

	str_next_word(&arg, &name);
	arg = str_trim(arg);
	for (size_t i = 0; i < countof(times); i++)
		if (str_eq(name, str_of(times[i].name)))
			*(int64_t *)(void *)((char *)&replay.conf + times[i].at) =
			    parse_time_ms(arg);
	for (size_t i = 0; i < countof(switches); i++)
		if (str_eq(name, str_of(switches[i].name)))
			*(bool *)((char *)&replay.conf + switches[i].at) = true;
	if (str_eq(name, STR("window")) && parse_u32(arg, 1, 1000, &n))
		replay.conf.window = n;
	if (str_eq(name, STR("ehlo")))
		str_copy(replay.conf.ehlo, sizeof replay.conf.ehlo, arg);
	if (str_eq(name, STR("user")))
		replay.conf.auth_user = str_of(xstrdup_str(arg));
	if (str_eq(name, STR("password")))
		replay.conf.auth_password = str_of(xstrdup_str(arg));
	if (str_eq(name, STR("tls")))
		replay.conf.tls = str_eq(arg, STR("must"))  ? SESSION_TLS_MUST
				  : str_eq(arg, STR("may")) ? SESSION_TLS_MAY
							    : SESSION_TLS_NO;
}

static struct script_mail *
mail_numbered(struct str word)
{
	uint32_t n;

	if (!parse_u32(word, 0, MAX_MAILS - 1, &n))
		die("no such message");
	return &replay.mails[n];
}

static void
do_mail(struct str arg)
{
	struct script_mail *m;
	struct str word, rcpts, one;

	if (!str_next_word(&arg, &word))
		die("mail N SENDER RCPTS");
	m = mail_numbered(word);
	str_next_word(&arg, &word);
	m->sender = str_eq(word, STR("<>")) ? xstrdup("") : xstrdup_str(word);
	str_next_word(&arg, &rcpts);
	while (m->n_rcpts < countof(m->rcpt) && str_next(&rcpts, ',', &one))
		m->rcpt[m->n_rcpts++] = xstrdup_str(one);
	arg = str_trim(arg);
	m->content =
	    xasprintf("Subject: s\r\n\r\n%.*s\r\n", STR_ARG(str_is_empty(arg) ? STR("text") : arg));
}

static void
do_txn(struct str arg)
{
	struct ipc_txn t = {.txn = 0};
	struct str word;
	struct script_mail *m;
	uint32_t idx[64];

	str_next_word(&arg, &word);
	if (!parse_u32(word, 0, UINT32_MAX, &t.txn))
		die("txn T N");
	m = mail_numbered(str_trim(arg));
	t.place.id = (uint64_t)(m - replay.mails);
	for (uint32_t i = 0; i < m->n_rcpts; i++)
		idx[i] = i;
	if (!session_txn(replay.session, replay.now, &t, idx, (uint32_t)m->n_rcpts))
		event("window full");
}

static void
do_say(struct str arg)
{
	char line[4096];
	int n = snprintf(line, sizeof line, "%.*s\r\n", STR_ARG(arg));

	session_input(replay.session, replay.now, str_from(line, (size_t)n));
}
static void
do_say_part(struct str arg)
{
	session_input(replay.session, replay.now, arg);
}
static void
do_connect(struct str arg)
{
	session_connected(replay.session, replay.now);
}
static void
do_quit(struct str arg)
{
	session_quit(replay.session, replay.now);
}
static void
do_abort(struct str arg)
{
	session_abort(replay.session, replay.now, "aborted");
}
static void
do_lost(struct str arg)
{
	session_lost(replay.session, replay.now, END_LOST, "connection lost");
}
static void
do_refused(struct str arg)
{
	session_lost(replay.session, replay.now, END_REFUSED, "connection refused");
}
static void
do_tls_up(struct str arg)
{
	session_tls_up(replay.session, replay.now);
}
static void
do_tls_failed(struct str arg)
{
	session_tls_failed(replay.session, replay.now, "handshake failure");
}
static void
do_stall(struct str arg)
{
	replay.stalled = str_eq(arg, STR("yes"));
}

static const struct {
	const char *word;
	void (*run)(struct str arg);
} words[] = {
    {"conf", do_conf},
    {"mail", do_mail},
    {"start", do_start},
    {"connect", do_connect},
    {"txn", do_txn},
    {"<", do_say},
    {"<.", do_say_part},
    {"quit", do_quit},
    {"abort", do_abort},
    {"lost", do_lost},
    {"refused", do_refused},
    {"tls-up", do_tls_up},
    {"tls-failed", do_tls_failed},
    {"stall", do_stall},
};

static void
run_line(struct str line)
{
	struct str word = line, arg;
	size_t blank = str_find(line, ' ');

	if (blank != STR_NPOS)
		word = str_sub(line, 0, blank);
	arg = blank == STR_NPOS ? STR("") : str_skip(line, blank + 1);
	if (line.p[0] == '+') {
		do_advance(str_skip(line, 1));
		return;
	}
	for (size_t i = 0; i < countof(words); i++) {
		if (str_eq(word, str_of(words[i].word))) {
			words[i].run(arg);
			return;
		}
	}
	die("unknown word");
}

int
main(int argc, char **argv)
{
	char text[4096];
	FILE *f = argc >= 2 ? fopen(argv[1], "r") : NULL;

	if (f == NULL)
		die("usage: session_replay FILE");
	/* RFC 5321 4.5.3.2 */
	replay.conf = (struct session_conf){.connect_ms = 120000,
	    .greeting_ms = 300000,
	    .command_ms = 300000,
	    .data_ms = 120000,
	    .send_ms = 180000,
	    .dot_ms = 600000,
	    .multiline_ms = 300000,
	    .tls_ms = 60000,
	    .quit_ms = 10000,
	    .window = 8,
	    .ehlo = "client.test"};
	replay.now.ns = 1000 * NS_PER_SEC;
	while (fgets(text, sizeof text, f) != NULL) {
		struct str line = str_of(text);
		if (line.len > 0 && line.p[line.len - 1] == '\n')
			line.len--;
		replay.line++;
		if (line.len > 0 && (line.p[0] == '>' || line.p[0] == '!'))
			continue;
		printf("%.*s\n", STR_ARG(line));
		if (line.len == 0 || line.p[0] == '#')
			continue;
		run_line(line);
		take_output();
	}
	fclose(f);
	session_free(&replay.session);
	return 0;
}
