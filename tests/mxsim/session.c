#include "lib/base/num.h"
#include "tests/mxsim/answer.h"

#define COMMAND_MAX 4096 /* longest command line taken */

typedef void command_fn(struct conn *c, struct str args);
struct command {
	const char *verb;
	command_fn *fn;
	enum step step;
};

static void
end_mail(struct conn *c)
{
	c->in_mail = c->in_chunks = c->skip_chunks = c->drop_in_body = false;
	c->n_rcpts = 0;
	c->n_rcpts_seen = 0;
	buf_reset(&c->rcpts);
}

void
session_greet(struct conn *c, const char *refusal)
{
	char text[512];

	if (refusal != NULL) {
		reply(c, refusal);
		conn_close_soon(c);
		return;
	}
	(void)snprintf(text, sizeof(text), "220 %s ESMTP", c->provider->policy->mx[c->mx].host);
	if (!answer(c, STEP_CONNECT, str_of(c->peer), text) && c->state == CONN_COMMAND)
		conn_close_soon(c);
}

/* ---- commands ---- */

static void
note_name(struct conn *c, struct str name)
{
	end_mail(c);
	(void)str_copy(c->ehlo, sizeof(c->ehlo), str_trim(name));
	c->source = provider_name_source(c->provider, c->source, str_of(c->ehlo));
}

static void
do_helo(struct conn *c, struct str args)
{
	char text[512];

	note_name(c, args);
	(void)snprintf(text, sizeof(text), "250 %s", c->provider->policy->mx[c->mx].host);
	(void)answer(c, STEP_HELO, args, text);
}

static void
add_extensions(const struct conn *c, struct buf *b)
{
	static const char *const words[] = {
	    "PIPELINING", "CHUNKING", "8BITMIME", "DSN", "SMTPUTF8", "SIZE", "ENHANCEDSTATUSCODES"};
	const struct provider_policy *p = c->provider->policy;

	for (size_t i = 0; i < countof(words); i++) {
		if ((p->ext & 1u << i) == 0)
			continue;
		(void)buf_addf(b, "\n250 %s", words[i]);
		if (1u << i == EXT_SIZE && p->size.n > 0)
			(void)buf_addf(b, " %llu", (unsigned long long)p->size.n);
	}
	auth_offer(c, b);
	if (p->tls != TLS_NO && c->ssl == NULL)
		(void)buf_add_cstr(b, "\n250 STARTTLS");
}

static void
do_ehlo(struct conn *c, struct str args)
{
	struct buf b;

	note_name(c, args);
	buf_init(&b, 2048);
	(void)buf_addf(&b, "250 %s", c->provider->policy->mx[c->mx].host);
	add_extensions(c, &b);
	(void)answer(c, STEP_EHLO, args, buf_cstr(&b));
	buf_clear(&b);
}

static void
do_starttls(struct conn *c, struct str args)
{
	if (c->provider->policy->tls == TLS_NO || c->ssl != NULL) {
		reply(c, "502 5.5.1 not available");
		return;
	}
	if (answer(c, STEP_STARTTLS, args, "220 2.0.0 go ahead"))
		c->state = CONN_HANDSHAKE;
}

/* The path between < and >, quotes minded; *rest: what follows. */
static bool
take_path(struct str s, struct str *path, struct str *rest)
{
	bool quoted = false;

	s = str_trim(s);
	if (s.len < 2 || s.p[0] != '<')
		return false;
	for (size_t i = 1; i < s.len; i++) {
		if (quoted && s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (s.p[i] == '>' && !quoted) {
			*path = str_sub(s, 1, i - 1);
			*rest = str_skip(s, i + 1);
			return true;
		}
	}
	return false;
}

static bool
is_known_param(unsigned ext, struct str word, bool *is_8bit)
{
	static const struct {
		const char *prefix;
		unsigned ext;
	} params[] = {{"SIZE=", EXT_SIZE}, {"BODY=", EXT_8BITMIME}, {"SMTPUTF8", EXT_SMTPUTF8},
	    {"RET=", EXT_DSN}, {"ENVID=", EXT_DSN}, {"NOTIFY=", EXT_DSN}, {"ORCPT=", EXT_DSN}};

	for (size_t i = 0; i < countof(params); i++) {
		if (str_has_iprefix(word, str_of(params[i].prefix)) && (ext & params[i].ext) != 0) {
			*is_8bit |= str_ieq(word, STR("BODY=8BITMIME"));
			return true;
		}
	}
	return false;
}

/* "FROM:<a@b> SIZE=1" with `what` "FROM:". False: it was answered. */
static bool
take_path_and_params(struct conn *c, struct str args, struct str what, struct str *path)
{
	struct str rest, word;
	bool is_8bit = false;

	if (!str_has_iprefix(args, what) || !take_path(str_skip(args, what.len), path, &rest)) {
		reply(c, "501 5.5.4 syntax");
		provider_count(c->provider, COUNT_violation_order, 1);
		return false;
	}
	while (str_next_word(&rest, &word)) {
		if (!is_known_param(c->provider->policy->ext, word, &is_8bit)) {
			reply(c, "555 5.5.4 parameter not known here");
			provider_count(c->provider, COUNT_violation_order, 1);
			return false;
		}
	}
	c->is_8bit |= is_8bit;
	return true;
}

static void
out_of_order(struct conn *c)
{
	provider_count(c->provider, COUNT_violation_order, 1);
	reply(c, "503 5.5.1 not now");
}

static void
do_mail(struct conn *c, struct str args)
{
	const char *refusal;
	struct str path;

	if (c->in_mail || c->ehlo[0] == '\0') {
		out_of_order(c);
		return;
	}
	c->is_8bit = false;
	if (!take_path_and_params(c, args, STR("FROM:"), &path))
		return;
	if (c->provider->policy->tls == TLS_REQUIRED && c->ssl == NULL) {
		reply(c, "530 5.7.0 Must issue a STARTTLS command first");
		return;
	}
	if (c->provider->policy->auth != NULL && !c->is_authed) {
		reply(c, "530 5.7.0 Authentication required");
		return;
	}
	refusal = provider_try_message(c->provider, c->n_messages, ev_now());
	if (refusal != NULL) {
		reply(c, refusal);
		return;
	}
	if (!answer(c, STEP_MAIL, path, "250 2.1.0 ok"))
		return;
	(void)str_copy(c->sender, sizeof(c->sender), path);
	c->in_mail = true;
}

static void
do_rcpt(struct conn *c, struct str args)
{
	const char *refusal;
	struct str path;

	if (!c->in_mail) {
		/* a pipelining client could not know that MAIL was refused */
		reply(c, "503 5.5.1 no sender");
		return;
	}
	c->n_rcpts_seen++;
	if (!take_path_and_params(c, args, STR("TO:"), &path))
		return;
	refusal = provider_try_rcpt(c->provider, str_of(c->sender), path, c->n_rcpts, ev_now());
	if (refusal != NULL) {
		reply(c, refusal);
		provider_count(c->provider, COUNT_rcpts_refused, 1);
		return;
	}
	if (!answer(c, STEP_RCPT, path, "250 2.1.5 ok")) {
		provider_count(c->provider, COUNT_rcpts_refused, 1);
		return;
	}
	if (buf_add_str(&c->rcpts, path) == 0 && buf_add_char(&c->rcpts, '\0') == 0)
		c->n_rcpts++;
}

static struct str
first_rcpt(const struct conn *c)
{
	struct str all = buf_str(&c->rcpts), one = STR_NULL;

	(void)str_next(&all, '\0', &one);
	return one;
}

static void
begin_message(struct conn *c)
{
	struct counter *n = &c->sim->counter;

	/* numbers are given at the beginning, so that those of one run are unique */
	message_begin(&c->message, ++n->n_begun, n->dump_fd);
	if (find_rule(c, STEP_BODY, first_rcpt(c)) != NULL)
		c->drop_in_body = true;
}

static void
do_data(struct conn *c, struct str args)
{
	if (!c->in_mail || c->n_rcpts == 0) {
		reply(c, c->in_mail ? "554 5.5.1 no valid recipients" : "503 5.5.1 no sender");
		return;
	}
	if (!answer(c, STEP_DATA, first_rcpt(c), "354 go ahead"))
		return;
	begin_message(c);
	c->state = CONN_DATA;
}

static void
count_message(struct conn *c)
{
	struct str all = buf_str(&c->rcpts), one;
	struct accepted a = {.provider = c->provider,
	    .peer = str_of(c->peer),
	    .ehlo = str_of(c->ehlo),
	    .sender = str_of(c->sender),
	    .id = message_id(&c->message),
	    .number = c->message.number,
	    .body_hash = message_hash(&c->message),
	    .size = c->message.size,
	    .tls = c->ssl != NULL};

	/* the loop's own reading may be from before the message came, which would look as if it was sent too early */
	ev_update_time();
	a.when = ev_wall();
	c->n_messages++;
	c->source->messages++;
	c->provider->mx[c->mx].messages++;
	peak_count(&c->provider->peak_messages, ev_now());
	counter_add_message(&c->sim->counter, &a);
	while (str_next(&all, '\0', &one) && all.p != NULL)
		counter_add(&c->sim->counter, &a, one);
}

/* After it was counted: a rule may still keep the good news from the client. */
static void
after_accepted(struct conn *c, size_t out_len)
{
	const struct rule *r = find_rule(c, STEP_ACCEPTED, first_rcpt(c));

	if (r == NULL)
		return;
	buf_truncate(&c->out, out_len);
	(void)obey_rule(c, r, "250 2.0.0 ok");
}

static void
end_of_message(struct conn *c)
{
	const struct provider_policy *pol = c->provider->policy;
	size_t out_len = buf_len(&c->out);
	char text[64];
	bool is_accepted = false;

	c->state = CONN_COMMAND;
	(void)snprintf(
	    text, sizeof(text), "250 2.0.0 ok %llu", (unsigned long long)c->message.number);
	message_count_faults(&c->message, c->provider, c->is_8bit);
	if (pol->size.n > 0 && c->message.size > pol->size.n)
		reply(c, pol->size.text != NULL ? pol->size.text : "552 5.3.4 too big");
	else
		is_accepted = answer(c, STEP_DOT, first_rcpt(c), text);
	if (is_accepted) {
		count_message(c);
		after_accepted(c, out_len);
	} else {
		provider_count(c->provider, COUNT_messages_refused, 1);
	}
	message_end(&c->message, c->sim->counter.dump_fd, is_accepted);
	end_mail(c);
}

static bool
chunk_is_good(struct conn *c, struct str args)
{
	struct str size, last;
	bool has_last;

	if (!str_next_word(&args, &size) || !parse_u64(size, 0, UINT32_MAX, &c->chunk_left))
		return false;
	has_last = str_next_word(&args, &last);
	c->last_chunk = has_last && str_ieq(last, STR("LAST"));
	return !has_last || c->last_chunk;
}

static void
end_of_chunk(struct conn *c)
{
	c->state = CONN_COMMAND;
	if (c->skip_chunks) {
		reply(c, "503 5.5.1 no valid recipients");
		if (c->last_chunk)
			end_mail(c);
		return;
	}
	if (c->last_chunk) {
		end_of_message(c);
		return;
	}
	(void)answer(c, STEP_DATA, first_rcpt(c), "250 2.0.0 more");
}

static void
do_bdat(struct conn *c, struct str args)
{
	if ((c->provider->policy->ext & EXT_CHUNKING) == 0 || !chunk_is_good(c, args)) {
		provider_count(c->provider, COUNT_violation_order, 1);
		reply(c, "501 5.5.4 BDAT");
		conn_close_soon(c); /* what follows cannot be told from commands */
		return;
	}
	provider_count(c->provider, COUNT_bdat, 1);
	if (!c->in_mail || c->n_rcpts == 0) {
		c->skip_chunks = true;
	} else if (!c->in_chunks) {
		begin_message(c);
		c->in_chunks = true;
	}
	c->state = CONN_BDAT;
	if (c->chunk_left == 0)
		end_of_chunk(c);
}

static void
do_rset(struct conn *c, struct str args)
{
	if (c->in_chunks)
		message_end(&c->message, c->sim->counter.dump_fd, false);
	end_mail(c);
	(void)answer(c, STEP_RSET, args, "250 2.0.0 ok");
}

static void
do_noop(struct conn *c, struct str args)
{
	(void)answer(c, STEP_NOOP, args, "250 2.0.0 ok");
}

static void
do_quit(struct conn *c, struct str args)
{
	(void)answer(c, STEP_QUIT, args, "221 2.0.0 bye");
	if (c->state == CONN_COMMAND)
		conn_close_soon(c);
}

static const struct command commands[] = {
    {"MAIL", do_mail, STEP_MAIL},
    {"RCPT", do_rcpt, STEP_RCPT},
    {"DATA", do_data, STEP_DATA},
    {"BDAT", do_bdat, STEP_DATA},
    {"EHLO", do_ehlo, STEP_EHLO},
    {"HELO", do_helo, STEP_HELO},
    {"RSET", do_rset, STEP_RSET},
    {"NOOP", do_noop, STEP_NOOP},
    {"STARTTLS", do_starttls, STEP_STARTTLS},
    {"QUIT", do_quit, STEP_QUIT},
    {"AUTH", auth_command, STEP_NOOP},
};

static void
do_line(struct conn *c, struct str line)
{
	struct str verb;

	(void)str_next(&line, ' ', &verb);
	for (size_t i = 0; i < countof(commands); i++) {
		if (str_ieq(verb, str_of(commands[i].verb))) {
			c->provider->commands[commands[i].step]++;
			commands[i].fn(c, line);
			return;
		}
	}
	provider_count(c->provider, COUNT_violation_order, 1);
	reply(c, "500 5.5.2 what?");
}

/* bytes used; 0: the line is not whole yet */
static size_t
input_command(struct conn *c, struct str s)
{
	size_t lf = str_find(str_sub(s, 0, COMMAND_MAX), '\n');
	struct str line;
	bool may_pipeline = (c->provider->policy->ext & EXT_PIPELINING) != 0;

	if (lf == STR_NPOS) {
		if (s.len < COMMAND_MAX)
			return 0;
		reply(c, "500 5.5.2 line too long");
		conn_close_soon(c);
		return s.len;
	}
	line = str_trim(str_sub(s, 0, lf));
	if (c->auth_step > 0)
		auth_line(c, line);
	else
		do_line(c, line);
	if (lf + 1 < s.len && c->state != CONN_BDAT && !c->closing &&
	    (!may_pipeline || c->state == CONN_HANDSHAKE || c->state == CONN_DATA)) {
		provider_count(c->provider, COUNT_violation_pipelined, 1);
		if (c->state == CONN_HANDSHAKE)
			return s.len; /* RFC 3207 4.2: what came in clear is forgotten */
	}
	return lf + 1;
}

static size_t
input_data(struct conn *c, struct str s)
{
	size_t used;

	if (message_add_stuffed(&c->message, s, &used))
		end_of_message(c);
	return used;
}

static size_t
input_chunk(struct conn *c, struct str s)
{
	size_t n = PH_MIN((size_t)c->chunk_left, s.len);

	if (!c->skip_chunks)
		message_add(&c->message, str_sub(s, 0, n));
	c->chunk_left -= n;
	if (c->chunk_left == 0)
		end_of_chunk(c);
	return n;
}

static bool
drops_in_body(struct conn *c)
{
	if (!c->drop_in_body || (c->state != CONN_DATA && c->state != CONN_BDAT))
		return false;
	provider_count(c->provider, COUNT_dropped, 1);
	conn_close_soon(c);
	return true;
}

size_t
session_input(struct conn *c, struct str s)
{
	size_t used = 0, n = 1;

	while (used < s.len && n > 0 && !c->closing && c->hold_ms == 0) {
		struct str rest = str_skip(s, used);

		if (drops_in_body(c) || c->state == CONN_STALLED || c->state == CONN_DRAIN)
			return s.len;
		if (c->state == CONN_COMMAND)
			n = input_command(c, rest);
		else if (c->state == CONN_DATA)
			n = input_data(c, rest);
		else if (c->state == CONN_BDAT)
			n = input_chunk(c, rest);
		else
			break;
		used += n;
	}
	return used;
}
