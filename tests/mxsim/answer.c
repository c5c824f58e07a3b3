#include "tests/mxsim/answer.h"

#include "tests/mxsim/rule.h"

static void
add_line(struct conn *c, struct str code, char mark, struct str line)
{
	if (str_has_prefix(line, code))
		line = str_skip(line, 4);
	(void)buf_addf(&c->out, "%.*s%c%.*s\r\n", STR_ARG(code), mark, STR_ARG(line));
}

/* One reply; a newline in the text makes another line of it. The first three characters are the code. */
void
reply(struct conn *c, const char *text)
{
	static const enum count classes[] = {
	    COUNT_replies_2xx, COUNT_replies_3xx, COUNT_replies_4xx, COUNT_replies_5xx};
	struct str rest = str_of(text), line;
	struct str code = str_sub(rest, 0, 3);

	if (text[0] >= '2' && text[0] <= '5')
		provider_count(c->provider, classes[text[0] - '2'], 1);
	while (str_next(&rest, '\n', &line))
		add_line(c, code, rest.p == NULL ? ' ' : '-', line);
	if (str_eq(code, STR("421")))
		conn_close_soon(c);
}

/* ---- what is wrong with a malformed reply; true: a client may take it for the good reply it stands for ---- */

struct malformation {
	const char *name;
	const char *text; /* %s: the good reply's code; %c: a NUL; %x: 8,000 digits */
	size_t repeat;
	bool is_good;
};
static const struct malformation malformations[] = {
    {"no-code", "what now\r\n", 1, false},
    {"short-code", "25\r\n", 1, false},
    {"unknown-code", "999 what now\r\n", 1, false},
    {"mixed-codes", "%s-first\r\n550 second\r\n", 1, false},
    {"long-line", "%s %x\r\n", 1, true},
    {"bare-lf", "%s ok\n", 1, true},
    {"nul", "%s o%ck\r\n", 1, true},
    {"eight-bit", "%s \xff\xfe\x80\r\n", 1, true},
    {"endless", "%s-and so on\r\n", 100000, false},
    {"double", "%s ok\r\n%s ok\r\n", 1, true},
    {"no-text", "%s\r\n", 1, true},
    {"empty", "\r\n", 1, false},
};

static void
add_escape(struct conn *c, char escape, struct str code)
{
	if (escape == 's')
		(void)buf_add_str(&c->out, code);
	else if (escape == 'c')
		(void)buf_add_char(&c->out, '\0');
	else
		(void)buf_addf(&c->out, "%08000d", 0);
}

static void
add_malformed(struct conn *c, const struct malformation *m, struct str code)
{
	for (size_t n = 0; n < m->repeat; n++) {
		for (const char *p = m->text; *p != '\0'; p++) {
			if (*p == '%')
				add_escape(c, *++p, code);
			else
				(void)buf_add_char(&c->out, *p);
		}
	}
}

static bool
reply_malformed(struct conn *c, struct str kind, const char *text)
{
	provider_count(c->provider, COUNT_malformed, 1);
	if (str_eq(kind, STR("split"))) {
		c->trickle = true;
		reply(c, text);
		return true;
	}
	for (size_t i = 0; i < countof(malformations); i++) {
		if (str_eq(kind, str_of(malformations[i].name))) {
			add_malformed(c, &malformations[i], str_sub(str_of(text), 0, 3));
			return malformations[i].is_good;
		}
	}
	reply(c, "451 4.3.5 the policy names no such malformation");
	return false;
}

/* ---- the one way to answer ---- */

bool
obey_rule(struct conn *c, const struct rule *r, const char *text)
{
	switch (r->act) {
	case ACT_REPLY:
		reply(c, r->text);
		return r->text[0] == '2' || r->text[0] == '3';
	case ACT_MALFORMED:
		return reply_malformed(c, str_of(r->text), text);
	case ACT_STALL:
		provider_count(c->provider, COUNT_stalled, 1);
		c->state = CONN_STALLED;
		return false;
	default:
		provider_count(c->provider, COUNT_dropped, 1);
		c->reset = r->act == ACT_RESET;
		conn_close_soon(c);
		return false;
	}
}

/* The first rule for the event that is not a delay; delays are noted on the way. */
const struct rule *
find_rule(struct conn *c, enum step step, struct str key)
{
	const struct rule *first = c->provider->policy->rules;
	const struct rule *r;
	size_t from = 0;

	while ((r = rule_pick(c->provider, from, step, key, c->sim->policy->seed)) != NULL) {
		if (r->act != ACT_DELAY)
			return r;
		c->hold_ms += (int)r->ms;
		from = (size_t)(r - first) + 1;
	}
	return NULL;
}

/* Gives `text`, or what a rule for the step says instead. True when the client was told yes. */
bool
answer(struct conn *c, enum step step, struct str key, const char *text)
{
	const struct rule *r = find_rule(c, step, key);

	if (r != NULL)
		return obey_rule(c, r, text);
	reply(c, text);
	return true;
}
