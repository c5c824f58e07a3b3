#include <sodium.h>
#include <stdlib.h>

#include "injectd/dummy.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/stats/stats.h"

#define OUT_CAP 4096u

/* ---- the blacklist ---- */

static int
by_text(const void *a, const void *b)
{
	return str_icmp(*(const struct str *)a, *(const struct str *)b);
}

void
dummy_list_make(struct dummy_list *l, struct str text)
{
	struct str rest, line;
	size_t lines = 1;

	dummy_list_clear(l);
	l->text = xstrdup_str(text);
	for (size_t i = 0; i < text.len; i++)
		lines += text.p[i] == '\n';
	l->addresses = xcalloc(lines, sizeof *l->addresses);
	rest = str_from(l->text, text.len);
	while (rest.p != NULL && str_next(&rest, '\n', &line)) {
		line = str_trim(line);
		if (line.len > 0 && line.p[0] != '#')
			l->addresses[l->n++] = line;
	}
	qsort(l->addresses, l->n, sizeof *l->addresses, by_text);
}

void
dummy_list_clear(struct dummy_list *l)
{
	free(l->text);
	free(l->addresses);
	*l = (struct dummy_list){0};
}

bool
dummy_list_has(const struct dummy_list *l, struct str address)
{
	return l->n > 0 && bsearch(&address, l->addresses, l->n, sizeof address, by_text) != NULL;
}

/* ---- replies ---- */

static void
reply(struct dummy *d, const char *text)
{
	(void)buf_addf(&d->out, "%s\r\n", text);
}

static bool
is_on(const struct dummy *d, enum conf_key k)
{
	return conf_bool(d->rules->global, k);
}

static bool
counts(const struct dummy *d)
{
	return is_on(d, CONF_GLOBAL_DUMMY_SMTP_UPDATE_STATS);
}

/* ---- commands ---- */

static void
forget(struct dummy *d)
{
	d->has_sender = d->has_more_parts = false;
	d->n_rcpts = 0;
}

static void
run_hello(struct dummy *d, struct str arg)
{
	forget(d);
	(void)buf_addf(&d->out, "250 %s\r\n", d->rules->host);
}

static void
run_ehlo(struct dummy *d, struct str arg)
{
	static const struct {
		enum conf_key key;
		const char *text;
	} more[] = {
	    {CONF_GLOBAL_DUMMY_SMTP_HAS_PIPELINING, "PIPELINING"},
	    {CONF_GLOBAL_DUMMY_SMTP_HAS_CHUNKING, "CHUNKING"},
	    {CONF_GLOBAL_DUMMY_SMTP_HAS_VERP, "VERP"},
	    {CONF_GLOBAL_DUMMY_SMTP_HAS_MAILMERGE, "XACK\r\n250-XMRG"},
	};

	forget(d);
	(void)buf_addf(&d->out, "250-%s\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n",
	    d->rules->host);
	for (size_t i = 0; i < countof(more); i++)
		if (is_on(d, more[i].key))
			(void)buf_addf(&d->out, "250-%s\r\n", more[i].text);
	reply(d, "250 SIZE 0");
}

static void
run_mail(struct dummy *d, struct str arg)
{
	if (d->has_sender) {
		reply(d, "503 5.5.1 A transaction is open already");
		return;
	}
	d->has_sender = true;
	reply(d, "250 2.1.0 Sender ok");
}

/* what stands between < and >, or nothing */
static struct str
address_of(struct str arg)
{
	size_t from = str_find(arg, '<'), to = str_find(arg, '>');

	return from == STR_NPOS || to == STR_NPOS || to < from
		   ? STR_NULL
		   : str_sub(arg, from + 1, to - from - 1);
}

static bool
is_refused(const struct dummy *d, struct str address)
{
	uint64_t percent =
	    conf_u64(d->rules->global, CONF_GLOBAL_DUMMY_SMTP_BLACKLIST_BOUNCE_PERCENT);

	/* dummy-smtp-blacklist-bounce-method has but this one */
	if (conf_enum(d->rules->global, CONF_GLOBAL_DUMMY_SMTP_BLACKLIST_BOUNCE_METHOD) != 0)
		return false;
	return dummy_list_has(&d->rules->blacklist, address) && randombytes_uniform(100) < percent;
}

static void
run_rcpt(struct dummy *d, struct str arg)
{
	struct str address = address_of(arg);

	if (!d->has_sender) {
		reply(d, "503 5.5.1 MAIL comes first");
	} else if (is_refused(d, address)) {
		if (is_on(d, CONF_GLOBAL_DUMMY_SMTP_LOG_BLACKLIST))
			log_info("event=dummy-refused rcpt=%s", log_quote(address));
		reply(d, "550 5.1.1 The recipient is on the blacklist");
	} else {
		d->n_rcpts++;
		reply(d, "250 2.1.5 Recipient ok");
	}
}

static void
nothing(void *arg, struct str piece)
{
}

static void
begin_data(struct dummy *d, const char *text)
{
	if (d->n_rcpts == 0) {
		reply(d, "503 5.5.1 RCPT comes first");
		return;
	}
	data_init(&d->filter, nothing, d);
	d->state = DUMMY_DATA;
	reply(d, text);
}

static void
run_data(struct dummy *d, struct str arg)
{
	d->has_more_parts = false;
	begin_data(d, "354 Send the message, end with a line of a single dot");
}

static bool
is_last(struct str arg)
{
	struct str number, last;

	return str_next_word(&arg, &number) && str_next_word(&arg, &last) &&
	       str_ieq(last, STR("LAST"));
}

/* XPRT number [LAST]: a part of a mail merge */
static void
run_part(struct dummy *d, struct str arg)
{
	d->has_more_parts = !is_last(arg);
	begin_data(d, "354 send part");
}

static void
run_chunk(struct dummy *d, struct str arg)
{
	struct str number = STR_NULL, rest = arg;

	d->has_more_parts = !is_last(arg);
	if (!str_next_word(&rest, &number) ||
	    !parse_u64(number, 0, UINT64_C(1) << 40, &d->chunk_left)) {
		reply(d, "501 5.5.4 BDAT needs the number of octets");
		d->state = DUMMY_CLOSING;
		return;
	}
	d->filter.n_bytes = d->chunk_left;
	d->state = DUMMY_CHUNK;
}

static void
run_ok(struct dummy *d, struct str arg)
{
	reply(d, "250 2.0.0 Ok");
}

static void
run_rset(struct dummy *d, struct str arg)
{
	forget(d);
	reply(d, "250 2.0.0 Reset");
}

static void
run_quit(struct dummy *d, struct str arg)
{
	reply(d, "221 2.0.0 Bye");
	d->state = DUMMY_CLOSING;
}

static const struct {
	const char *name;
	void (*run)(struct dummy *d, struct str arg);
	enum conf_key needs; /* CONF_NONE: always there */
} commands[] = {
    {"EHLO", run_ehlo, CONF_NONE},
    {"HELO", run_hello, CONF_NONE},
    {"MAIL", run_mail, CONF_NONE},
    {"RCPT", run_rcpt, CONF_NONE},
    {"DATA", run_data, CONF_NONE},
    {"BDAT", run_chunk, CONF_GLOBAL_DUMMY_SMTP_HAS_CHUNKING},
    {"RSET", run_rset, CONF_NONE},
    {"NOOP", run_ok, CONF_NONE},
    {"QUIT", run_quit, CONF_NONE},
    {"XMRG", run_mail, CONF_GLOBAL_DUMMY_SMTP_HAS_MAILMERGE},
    {"XDFN", run_ok, CONF_GLOBAL_DUMMY_SMTP_HAS_MAILMERGE},
    {"XACK", run_ok, CONF_GLOBAL_DUMMY_SMTP_HAS_MAILMERGE},
    {"XPRT", run_part, CONF_GLOBAL_DUMMY_SMTP_HAS_MAILMERGE},
};

static void
run_command(struct dummy *d, struct str line)
{
	size_t sp = str_find(line, ' ');
	struct str verb = str_sub(line, 0, sp);
	struct str arg = sp == STR_NPOS ? STR_NULL : str_trim(str_skip(line, sp));

	for (size_t i = 0; i < countof(commands); i++) {
		if (!str_ieq(verb, str_of(commands[i].name)))
			continue;
		if (commands[i].needs != CONF_NONE && !is_on(d, commands[i].needs))
			break;
		commands[i].run(d, arg);
		return;
	}
	reply(d, "500 5.5.2 The command is unknown");
}

/* ---- the rest ---- */

void
dummy_init(struct dummy *d, const struct dummy_rules *rules)
{
	*d = (struct dummy){.rules = rules};
	buf_init(&d->in, DUMMY_MAX_INPUT);
	buf_init(&d->out, OUT_CAP);
	(void)buf_addf(&d->out, "220 %s ESMTP takes all and keeps nothing\r\n", rules->host);
}

void
dummy_clear(struct dummy *d)
{
	buf_clear(&d->in);
	buf_clear(&d->out);
}

static void
end_content(struct dummy *d)
{
	if (counts(d))
		stat_add(STAT_IN_BYTES, d->filter.n_bytes);
	d->state = DUMMY_COMMAND;
	if (d->has_more_parts) {
		reply(d, "250 2.6.0 part ok");
		return;
	}
	if (counts(d)) {
		stat_inc(STAT_IN_MSGS);
		stat_add(STAT_IN_RCPTS, d->n_rcpts);
	}
	forget(d);
	reply(d, "250 2.6.0 message received");
}

static size_t
step_data(struct dummy *d, struct str in)
{
	size_t n = data_run(&d->filter, in);

	if (d->filter.is_over)
		end_content(d);
	return n;
}

static size_t
step_chunk(struct dummy *d, struct str in)
{
	size_t n = (size_t)PH_MIN((uint64_t)in.len, d->chunk_left);

	d->chunk_left -= n;
	if (d->chunk_left > 0)
		return n;
	if (d->n_rcpts > 0) {
		end_content(d);
		return n;
	}
	d->state = DUMMY_COMMAND;
	reply(d, "503 5.5.1 RCPT comes first");
	return n;
}

static size_t
step_command(struct dummy *d, struct str in)
{
	size_t lf = str_find(in, '\n');

	if (lf == STR_NPOS && in.len < DUMMY_MAX_LINE)
		return 0;
	if (lf == STR_NPOS || lf >= DUMMY_MAX_LINE) {
		reply(d, "500 5.5.2 Line too long");
		d->state = DUMMY_CLOSING;
		return in.len;
	}
	run_command(d, str_trim(str_sub(in, 0, lf)));
	return lf + 1;
}

bool
dummy_step(struct dummy *d)
{
	static size_t (*const steps[])(struct dummy *, struct str) = {
	    [DUMMY_COMMAND] = step_command, [DUMMY_DATA] = step_data, [DUMMY_CHUNK] = step_chunk};
	struct str in = buf_str(&d->in);
	bool ends_by_itself = d->state == DUMMY_CHUNK && d->chunk_left == 0;
	size_t n;

	if (d->state == DUMMY_CLOSING || (in.len == 0 && !ends_by_itself))
		return false;
	n = steps[d->state](d, in);
	buf_consume(&d->in, n);
	if (buf_len(&d->in) == 0)
		buf_clear(&d->in);
	return n > 0 || ends_by_itself;
}
