/* One line of what replies cause: what it means, what it matches, and what it is refused for. */
#include "queued/react/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct {
	const char *line;
	unsigned actions;
	int64_t backoff_ms, reenable_ms;
} replies[] = {
    {"/421/ mode=backoff", ACT_BACKOFF, -1, -1},
    {"/421/ MODE=normal", ACT_NORMAL, -1, -1},
    {"// skip-mx", ACT_SKIP_MX, -1, -1},
    {"/a\\/b/ bounce-queue, bounce-rcpt", ACT_BOUNCE_QUEUE | ACT_BOUNCE_RCPT, -1, -1},
    {"/x/ defer-queue,mode=backoff,backoff-to-normal-after=1h", ACT_DEFER_QUEUE | ACT_BACKOFF,
	3600000, -1},
    {"/x/ disable-source-ip,reenable-after=10m", ACT_DISABLE_SOURCE, -1, 600000},
};

static void
a_reply_line_says_its_actions(void **state)
{
	struct rule r;
	struct str regex;

	for (size_t i = 0; i < countof(replies); i++) {
		assert_int_equal(rule_parse_reply(str_of(replies[i].line), &r, &regex, NULL), 0);
		assert_int_equal(r.actions, replies[i].actions);
		assert_int_equal(r.backoff_ms, replies[i].backoff_ms);
		assert_int_equal(r.reenable_ms, replies[i].reenable_ms);
		rule_clear(&r);
	}
	assert_int_equal(rule_parse_reply(STR("/a\\/b/ skip-mx"), &r, &regex, NULL), 0);
	assert_true(str_eq(regex, STR("a\\/b")));
}

static void
what_contradicts_itself_is_refused(void **state)
{
	static const char *const bad[] = {"", "x", "/x", "/x/", "/x/ ", "/x/ sing",
	    "/x/ mode=backoff,mode=normal", "/x/ skip-mx,bounce-queue", "/x/ bounce-queue,skip-mx",
	    "/x/ reenable-after=1m", "/x/ disable-source-ip,reenable-after=1m,reenable-after=2m",
	    "/x/ disable-source-ip,reenable-after=soon", "/x/ backoff-to-normal-after=1m",
	    "/x/ mode=backoff,"};
	struct rule r;
	struct str regex;

	for (size_t i = 0; i < countof(bad); i++)
		if (rule_parse_reply(str_of(bad[i]), &r, &regex, NULL) != -1)
			fail_msg("\"%s\" was taken", bad[i]);
}

static const struct {
	int (*parse)(struct str text, struct rule *r, struct why *why);
	const char *line, *reply;
	bool matches;
} lines[] = {
    {rule_parse_glob, "response=421* action=defer period=60s", "421 4.7.0 wait", true},
    {rule_parse_glob, "response=\"421 4.7*\" action=defer", "421 4.7.0 wait", true},
    {rule_parse_glob, "response=\"421 4.7*\" action=defer", "421 4.3.2 wait", false},
    {rule_parse_glob, "response=*SPAM* action=skip-mx", "554 looks like spam", true},
    {rule_parse_glob, "action=backoff response=5?4*", "554 no", true},
    {rule_parse_prefix, "name \"421 4.7.0\"", "421 4.7.0 wait", true},
    {rule_parse_prefix, "name \"421 4.7.0\"", "451 421 4.7.0", false},
    {rule_parse_wait, "421 10m", "421 anything", true},
    {rule_parse_wait, "421 10m", "451 anything", false},
    {rule_parse_wait, "421 4.7.0 TS01 60m", "421 4.7.0 [TS01] Messages from x deferred", true},
    {rule_parse_wait, "421 4.7.0 TS01 60m", "421 4.7.0 [TS02] Messages from x deferred", false},
    {rule_parse_wait, "421 \"service not\" 1m", "421 Service NOT available", true},
};

static void
a_line_matches_what_it_says(void **state)
{
	struct rule r;

	for (size_t i = 0; i < countof(lines); i++) {
		assert_int_equal(lines[i].parse(str_of(lines[i].line), &r, NULL), 0);
		if (rule_matches(&r, str_of(lines[i].reply)) != lines[i].matches)
			fail_msg("%s on \"%s\"", lines[i].line, lines[i].reply);
		rule_clear(&r);
	}
}

static void
other_lines_are_refused(void **state)
{
	static const struct {
		int (*parse)(struct str text, struct rule *r, struct why *why);
		const char *line;
	} bad[] = {
	    {rule_parse_glob, ""},
	    {rule_parse_glob, "response=x"},
	    {rule_parse_glob, "action=defer"},
	    {rule_parse_glob, "response=x action=sing"},
	    {rule_parse_glob, "response=x action=defer action=backoff"},
	    {rule_parse_glob, "response=x action=defer period=soon"},
	    {rule_parse_prefix, "name"},
	    {rule_parse_prefix, "name \"\""},
	    {rule_parse_wait, "421"},
	    {rule_parse_wait, "421 soon"},
	    {rule_parse_wait, "421 a b c d e 1m"},
	};
	struct rule r;

	for (size_t i = 0; i < countof(bad); i++) {
		if (bad[i].parse(str_of(bad[i].line), &r, NULL) != -1)
			fail_msg("\"%s\" was taken", bad[i].line);
		rule_clear(&r);
	}
}

static const struct {
	const char *pattern;
	const char *has[3];   /* texts that it is found in */
	const char *lacks[3]; /* texts that the quick look must already refuse */
} looks[] = {
    {"too many", {"421 Too Many connections"}, {"421 too few", "250 ok"}},
    {"\\(RTR:BL\\)", {"554 (RTR:BL) no"}, {"554 RTR BL"}},
    {"4\\.7\\.0", {"421 4.7.0 x"}, {"421 4-7-0"}},
    {"colou?r", {"color", "colour"}, {"clr"}},
    {"ab*cd", {"acd", "abbbcd"}, {"abc"}},
    {"ab+c", {"abc", "abbbc"}, {"ac"}},
    {"(spam|junk) mail", {"spam mail", "junk mail"}, {"spam"}},
    {"spam|junk", {"spam", "junk"}, {NULL}},
    {"x[]ab]y", {"x]y", "xay"}, {NULL}},
    {"a{0,3}bc", {"bc", "aabc"}, {"b c"}},
    {"\\d+ (?:no)", {"12 no"}, {NULL}},
    {"\\x41b", {"Ab"}, {NULL}},
    {"//", {"//"}, {"/ /"}},
};

static void
the_quick_look_refuses_nothing_that_matches(void **state)
{
	struct pairs needs, text;
	struct regex *r;

	for (size_t i = 0; i < countof(looks); i++) {
		r = regex_new(str_of(looks[i].pattern), NULL);
		assert_non_null(r);
		pairs_of_regex(str_of(looks[i].pattern), &needs);
		for (size_t k = 0; k < 3 && looks[i].has[k] != NULL; k++) {
			assert_true(regex_finds(r, str_of(looks[i].has[k])));
			pairs_of_text(str_of(looks[i].has[k]), &text);
			if (!pairs_have(&text, &needs))
				fail_msg("/%s/ refuses \"%s\"", looks[i].pattern, looks[i].has[k]);
		}
		for (size_t k = 0; k < 3 && looks[i].lacks[k] != NULL; k++) {
			pairs_of_text(str_of(looks[i].lacks[k]), &text);
			if (pairs_have(&text, &needs))
				fail_msg(
				    "/%s/ lets \"%s\" pass", looks[i].pattern, looks[i].lacks[k]);
		}
		regex_free(&r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_reply_line_says_its_actions),
	    cmocka_unit_test(what_contradicts_itself_is_refused),
	    cmocka_unit_test(a_line_matches_what_it_says),
	    cmocka_unit_test(other_lines_are_refused),
	    cmocka_unit_test(the_quick_look_refuses_nothing_that_matches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
