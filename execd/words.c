#include "execd/execd.h"
#include "lib/base/log.h"

/* a program of our own with what it needs to know as words; the configuration's and the asker's never mix in one */
static bool
own_program(
    struct command_words *w, const char *name, const struct str *words, size_t n, struct why *why)
{
	char path[512];
	size_t at = 0;

	snprintf(path, sizeof path, "%s/%s", execd.libexec, name);

	w->n = 0;
	for (size_t i = 0; i <= n; i++) {
		struct str s = i == 0 ? str_of(path) : words[i - 1];
		if (at + s.len + 1 > sizeof w->bytes || w->n == COMMAND_MAX_WORDS ||
		    (s.len > 0 && memchr(s.p, '\0', s.len) != NULL)) {
			(void)why_set(why, "A value is too long, or no text.");
			return false;
		}
		w->word[w->n++] = w->bytes + at;
		if (s.len > 0)
			memcpy(w->bytes + at, s.p, s.len);
		at += s.len;
		w->bytes[at++] = '\0';
	}
	w->word[w->n] = NULL;
	return true;
}

/* putfile FORMAT PATH VALUE... */
static bool
file_program(const struct command *c, const struct ipc_exec_run *run, const struct str *values,
    struct command_words *w, struct why *why)
{
	static const struct str formats[] = {
	    STR("newfile-plain"), STR("newfile-pickup"), STR("append-mbox")};
	struct str words[2 + COMMAND_VALUES];

	if (run->option >= countof(formats)) {
		(void)why_set(why, "There is no file-format %u.", run->option);
		return false;
	}
	words[0] = formats[run->option];
	words[1] = c->text;
	for (size_t i = 0; i < COMMAND_VALUES; i++)
		words[2 + i] = values[i];
	return own_program(w, "putfile", words, countof(words), why);
}

static struct str
number(int64_t n, char text[24])
{
	snprintf(text, 24, "%lld", (long long)n);
	return str_of(text);
}

/* posthttp hook URL FORMAT ENCODING CONNECT-MS IO-MS VERBOSE HEADERS CERTIFICATE CA */
static bool
hook_program(const struct command *c, struct command_words *w, struct why *why)
{
	char connect_ms[24], io_ms[24];
	const struct conf_set *s = c->set;
	struct str words[] = {STR("hook"), c->text,
	    str_has_isuffix(str_trim(c->name), STR(".json")) ? STR("json") : STR("csv"),
	    conf_str(s, CONF_ACCT_HTTP_WEBHOOK_TRANSFER_ENCODING),
	    number(conf_ms(s, CONF_ACCT_HTTP_WEBHOOK_CONNECT_TIMEOUT), connect_ms),
	    number(conf_ms(s, CONF_ACCT_HTTP_WEBHOOK_IO_TIMEOUT), io_ms),
	    conf_bool(s, CONF_ACCT_HTTP_WEBHOOK_LOG_VERBOSE) ? STR("yes") : STR("no"),
	    conf_str(s, CONF_ACCT_HTTP_WEBHOOK_EXTRA_HEADERS),
	    conf_str(s, CONF_ACCT_HTTP_WEBHOOK_CERTIFICATE),
	    conf_str(s, CONF_ACCT_HTTP_WEBHOOK_CA_FILE)};

	return own_program(w, "posthttp", words, countof(words), why);
}

/* posthttp mail URL HEADERS FROM TO */
static bool
post_program(
    const struct command *c, const struct str *values, struct command_words *w, struct why *why)
{
	struct str words[] = {STR("mail"), c->text,
	    c->kind == COMMAND_HTTP ? conf_str(c->set, CONF_DOMAIN_HTTP_DELIVERY_EXTRA_HEADERS)
				    : STR_NULL,
	    values[VALUE_FROM], values[VALUE_TO]};

	if (c->kind == COMMAND_POST)
		return hook_program(c, w, why);
	return own_program(w, "posthttp", words, countof(words), why);
}

/* posthttp sts DOMAIN ADDRESSES CA */
static bool
sts_program(
    const struct command *c, const struct str *values, struct command_words *w, struct why *why)
{
	struct str words[] = {STR("sts"), values[VALUE_DOMAIN], values[VALUE_TO], c->text};

	return own_program(w, "posthttp", words, countof(words), why);
}

bool
words_make(const struct command *c, const struct ipc_exec_run *run, const struct str *values,
    struct command_words *w, struct why *why)
{
	switch (c->kind) {
	case COMMAND_FILE:
		return file_program(c, run, values, w, why);
	case COMMAND_POST:
	case COMMAND_HTTP:
		return post_program(c, values, w, why);
	case COMMAND_STS:
		return sts_program(c, values, w, why);
	case COMMAND_ACCT:
	case COMMAND_ALERT:
	case COMMAND_HANDLER:
	case COMMAND_PIPE:
		return command_split(c->text, values, w, why);
	default:
		panic("a command of kind %d", (int)c->kind);
	}
}
