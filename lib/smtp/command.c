#include "lib/smtp/command.h"

static const struct str verbs[SMTP_VERB_MAX] = {
#define VERB(name) [SMTP_VERB_##name] = {#name, sizeof #name - 1},
    SMTP_VERBS(VERB)
#undef VERB
};

/* browsers that were led here (cross-protocol attacks) begin with one of these */
static const char *const http_verbs[] = {
    "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "CONNECT", "PATCH", "TRACE", "PRI"};

static enum smtp_verb
find_verb(struct str name)
{
	for (int v = SMTP_VERB_UNKNOWN + 1; v < SMTP_VERB_HTTP; v++)
		if (str_ieq(name, verbs[v]))
			return (enum smtp_verb)v;
	for (size_t i = 0; i < countof(http_verbs); i++)
		if (str_ieq(name, str_of(http_verbs[i])))
			return SMTP_VERB_HTTP;
	return SMTP_VERB_UNKNOWN;
}

void
smtp_command_parse(struct str line, struct smtp_command *c)
{
	size_t n = str_find(line, ' ');

	c->name = str_sub(line, 0, n == STR_NPOS ? line.len : n);
	c->arg = n == STR_NPOS ? STR_NULL : str_trim(str_skip(line, n));
	c->verb = find_verb(c->name);
}

const char *
smtp_verb_name(enum smtp_verb verb)
{
	return verb > SMTP_VERB_UNKNOWN && verb < SMTP_VERB_HTTP ? verbs[verb].p : "?";
}
