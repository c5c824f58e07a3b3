/*
 * Lines of <smtp-pattern-list> and their kin, and a reply of a stranger held against them: the first line of the input
 * is the rule, the rest the reply. What is taken has an action and times in range; what a rule owns is freed.
 */
#include <assert.h>

#include "queued/react/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct rule *r, struct str reply)
{
	struct pairs pairs;

	assert(r->actions != 0);
	assert(r->backoff_ms >= PATTERN_DEFAULT && r->reenable_ms >= PATTERN_DEFAULT);
	assert((r->actions & (ACT_BACKOFF | ACT_NORMAL)) != (ACT_BACKOFF | ACT_NORMAL));
	assert((r->actions & (ACT_SKIP_MX | ACT_BOUNCE_QUEUE)) != (ACT_SKIP_MX | ACT_BOUNCE_QUEUE));
	/* what the quick look refuses does not match */
	pairs_of_text(reply, &pairs);
	if (rule_matches(r, reply))
		assert(pairs_have(&pairs, &r->needs));
}

static void
try_reply(struct str line, struct str reply)
{
	struct regex *re;
	struct rule r;
	struct str text;
	struct why why;

	if (rule_parse_reply(line, &r, &text, &why) == -1)
		return;
	re = regex_new(text, &why);
	if (re != NULL) {
		r.regex = re;
		pairs_of_regex(text, &r.needs);
		check(&r, reply);
	}
	regex_free(&re);
	rule_clear(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int (*const parsers[])(struct str, struct rule *, struct why *) = {
	    rule_parse_glob, rule_parse_prefix, rule_parse_wait};
	struct str rest = str_from((const char *)data, size), line;
	struct rule r;
	struct why why;

	if (!str_next(&rest, '\n', &line))
		return 0;
	try_reply(line, rest);
	for (size_t i = 0; i < countof(parsers); i++) {
		if (parsers[i](line, &r, &why) == 0)
			check(&r, rest);
		rule_clear(&r);
	}
	return 0;
}
