#include "injectd/choice.h"

#include "injectd/session.h"
#include "lib/base/log.h"
#include "lib/conf/choice.h"
#include "lib/mail/header.h"

/* a list that is being walked, and the rule that it has come to */
struct level {
	const struct choice_list *list;
	size_t at;
};
struct walk {
	struct txn *t;
	struct str head;
	struct level stack[CHOICE_DEPTH + 1];
	size_t depth;
};

/* the value as it stands: with the blank behind the colon and the final CRLF */
static bool
header_matches(const struct walk *w, const struct choice_rule *r)
{
	struct header_iter it;
	struct header_field f;
	uint32_t n = 0;

	header_iter_init(&it, w->head);
	while (n++ < CHOICE_MAX_FIELDS && header_next(&it, &f))
		if (str_ieq(f.name, r->header) && regex_finds(r->regex, f.value))
			return true;
	return false;
}

/* Patterns are in use that were written for the bare address, and others for the one with < and >. */
static bool
sender_matches(const struct walk *w, const struct choice_rule *r)
{
	char path[sizeof w->t->sender + 2];
	int n = snprintf(path, sizeof path, "<%s>", w->t->sender);

	return regex_finds(r->regex, str_of(w->t->sender)) ||
	       regex_finds(r->regex, str_from(path, (size_t)n));
}

static bool
rcpt_matches(const struct walk *w, const struct choice_rule *r)
{
	struct env_iter it;
	struct env_rcpt rcpt;
	uint32_t index;

	env_iter_init_lines(&it, buf_str(&w->t->rcpts));
	while (it.next_index < CHOICE_MAX_RCPTS && env_iter_next(&it, &index, &rcpt))
		if (regex_finds(r->regex, rcpt.address))
			return true;
	return false;
}

static bool
rule_applies(const struct walk *w, const struct choice_rule *r)
{
	switch (r->kind) {
	case CHOICE_HEADER:
		return header_matches(w, r);
	case CHOICE_MAIL_FROM:
		return sender_matches(w, r);
	case CHOICE_RCPT_TO:
		return rcpt_matches(w, r);
	default:
		return true;
	}
}

static bool
says_something(const struct choice_rule *r)
{
	return r->vmta.len > 0 || r->priority >= 0;
}

/* What a rule says; what it leaves open, the rules say that called its list. */
static struct choice
result(const struct walk *w, const struct choice_rule *r)
{
	struct choice c = {.vmta = r->vmta, .priority = r->priority};

	for (size_t i = w->depth; i-- > 0;) {
		const struct level *l = &w->stack[i];
		const struct choice_rule *caller = &l->list->rules[l->at];
		if (c.vmta.len == 0)
			c.vmta = caller->vmta;
		if (c.priority < 0)
			c.priority = caller->priority;
	}
	return c;
}

/* One rule. True: *c is decided. */
static bool
step(struct walk *w, struct choice *c)
{
	struct level *l = &w->stack[w->depth - 1];
	const struct choice_rule *r;

	if (l->at == l->list->n) {
		/* nothing in the inner list: what its caller said by itself, or else the rule behind it */
		if (--w->depth == 0)
			return true;
		l = &w->stack[w->depth - 1];
		r = &l->list->rules[l->at];
		if (says_something(r)) {
			*c = result(w, r);
			return true;
		}
		l->at++;
		return false;
	}
	r = &l->list->rules[l->at];
	if (!rule_applies(w, r)) {
		l->at++;
		return false;
	}
	if (r->call != NULL && w->depth < countof(w->stack)) {
		w->stack[w->depth++] = (struct level){.list = r->call};
		return false;
	}
	*c = result(w, r);
	return true;
}

struct choice
choice_make(struct txn *t, struct str head)
{
	struct choice c = {.priority = -1};
	struct str name = conf_str(session_set(t->session), CONF_SOURCE_PATTERN_LIST);
	struct walk w = {.t = t, .head = head, .depth = 1};

	if (name.len == 0)
		return c;
	w.stack[0].list = conf_choice_list(t->world->conf, name);
	if (w.stack[0].list == NULL)
		return c;
	while (!step(&w, &c))
		continue;
	return c;
}
