/* Operators' patterns: first match, what they see, and what the checker tells of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/classify/categories.h"

static struct {
	size_t i[16], n;
	struct why why;
} told;

static void
tell(void *arg, size_t i, const struct why *why)
{
	if (told.n < countof(told.i))
		told.i[told.n] = i;
	told.n++;
	told.why = *why;
}

/* NULL at the end; all of the category "c1", "c2", … */
static struct categories *
make(const char *const *regexes)
{
	struct categories *c = categories_new();
	char name[8];
	struct why why;

	for (uint32_t i = 0; regexes[i] != NULL; i++) {
		snprintf(name, sizeof name, "c%u", i + 1);
		if (categories_add(c, str_of(regexes[i]), str_of(name), "f", i + 1, &why) == -1)
			fail_msg("%s", why.text);
	}
	categories_ready(c);
	told.n = 0;
	return c;
}

static void
the_first_that_is_found_decides(void **state)
{
	static const char *const regexes[] = {"^[45]\\.2\\.2;", "quota", "^5.4.7;x-pmta", NULL};
	struct categories *c = make(regexes);
	struct failure f = {.code = 452, .enh = {4, 2, 2}, .text = STR("452 4.2.2 quota")};
	struct verdict v;

	assert_true(categories_find(c, &f, &v));
	assert_string_equal(v.category, "c1");
	assert_false(v.is_hard);
	assert_string_equal(v.file, "f");
	assert_int_equal(v.line, 1);
	f.enh[2] = 1;
	f.code = 552;
	assert_true(categories_find(c, &f, &v));
	assert_string_equal(v.category, "c2");
	assert_true(v.is_hard);
	f = (struct failure){.enh = {5, 4, 7}, .is_local = true, .text = STR("expired")};
	assert_true(categories_find(c, &f, &v));
	assert_string_equal(v.category, "c3");
	f.enh[2] = 6;
	assert_false(categories_find(c, &f, &v));
	categories_free(&c);
}

static void
what_cannot_be_compiled_is_told(void **state)
{
	struct categories *c = categories_new();
	struct why why;

	assert_int_equal(categories_add(c, STR("a("), STR("x"), "f", 1, &why), -1);
	assert_non_null(strstr(why.text, "at byte 2"));
	assert_int_equal(categories_add(c, STR("a"), STR(""), "f", 1, &why), -1);
	categories_free(&c);
}

static void
hidden_and_impossible_patterns_are_told(void **state)
{
	static const struct {
		const char *regexes[4];
		size_t bad; /* 0: none */
	} cases[] = {
	    {{"spam", "virus"}, 0},
	    {{"spam filter", "spam"}, 0},
	    {{"spam", "spam filter"}, 1},
	    {{"(?:s|h)am", "spam", "qq"}, 0},
	    {{"s[px]am", "my spam|spam"}, 1},
	    {{"s[px]am", "my spam|ham"}, 0},
	    {{"", "other"}, 1},
	    {{".*", "other"}, 1},
	    {{"qq", "^$"}, 1},
	    {{"\\bspam\\b", "spamming"}, 0},
	    {{"a.b", "a.b"}, 1},
	    {{"qq", "^550 5\\.1\\.1"}, 1},
	    {{"qq", "^5\\.1\\.1;smtp;550"}, 0},
	    {{"qq", "^[45]\\.1\\.1"}, 0},
	    {{"qq", "^smtp;"}, 1},
	    {{"qq", "^.*;x-pmta"}, 0},
	    /* what can never be found */
	    {{"qq", "(?!)y"}, 1},
	    {{"qq", "$a"}, 1},
	    {{"qq", "a^b"}, 1},
	    {{"qq", "a\\bb"}, 1},
	    {{"qq", "^6\\.1"}, 1},
	    {{"qq", "[^\\s\\S]"}, 1},
	    {{"qq", "y$"}, 0},
	    {{"qq", "(?=ab)ac"}, 0}, /* not proved */
	    {{"qq", "(?:^|;)5\\.1"}, 0},
	    {{"qq", "(y)\\1"}, 0},
	    /* what is hidden */
	    {{"mailbox (?:is )?full", "the mailbox is full"}, 1},
	    {{"mailbox (?:is )?full", "mailbox\\s+full"}, 0},
	    {{"[45]\\.2\\.[0-9]", "^5\\.2\\.2;smtp"}, 1},
	    {{"^[45]\\.2\\.", "5\\.2\\.2"}, 0},
	    {{"quota|full", "over ?quota|is full"}, 1},
	    {{"quota|full", "over ?quota|is filled"}, 0},
	    {{"user.*unknown", "user [a-z]+ is unknown"}, 1},
	    {{"user [a-z]+ is unknown", "user.*unknown"}, 0},
	    {{"a{2,4}", "ba{3}"}, 1},
	    {{"a{4}", "ba{2,3}c"}, 0},
	    {{"\\bspam", "a spam|;spam"}, 1},
	    {{"(?<!no )spam", "my spam"}, 0}, /* not proved */
	    {{"SPAM", "anti-spam"}, 1},
	    {{"(?-i)SPAM", "anti-spam"}, 0},
	    {{"a++b", "aab"}, 0}, /* not proved */
	    {{"", "(?=x)y"}, 1},
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct categories *c = make(cases[i].regexes);
		bool is_good = categories_lint(c, tell, NULL);
		if (is_good != (cases[i].bad == 0) || (!is_good && told.i[0] != cases[i].bad))
			fail_msg("case %zu: %s", i, told.n > 0 ? told.why.text : "nothing told");
		categories_free(&c);
	}
}

static void
categories_are_powermtas_or_the_operators(void **state)
{
	static const char *const regexes[] = {"a", NULL};
	struct categories *c = make(regexes);

	assert_true(categories_have(c, STR("c1")));
	assert_true(categories_have(c, STR("bad-mailbox")));
	assert_false(categories_have(c, STR("bad-mailbx")));
	assert_true(category_is_known(STR("virus-related")));
	assert_false(category_is_known(STR("c1")));
	categories_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_that_is_found_decides),
	    cmocka_unit_test(what_cannot_be_compiled_is_told),
	    cmocka_unit_test(hidden_and_impossible_patterns_are_told),
	    cmocka_unit_test(categories_are_powermtas_or_the_operators),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
