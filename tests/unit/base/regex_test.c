#include "lib/base/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static const struct {
	const char *pattern, *text;
	bool finds;
} rows[] = {
    {"", "anything", true},
    {"", "", true},
    {"421 .*too many", "421 4.7.0 Too Many connections", true},
    {"(?-i)too many", "421 Too Many", false},
    {"^5", "421 5.7.1", false},
    {"\\(RTR:BL\\)", "421 (RTR:BL)", true},
    {"a|b$", "x b", true},
    {"caf\xc3\xa9", "421 caf\xc3\xa9", true},
};

static void
each_pattern_finds_what_it_says(void **state)
{
	for (int jit = 0; jit < 2; jit++) {
		regex_allow_jit(jit == 1);
		for (size_t i = 0; i < countof(rows); i++) {
			struct regex *r = regex_new(str_of(rows[i].pattern), NULL);
			assert_non_null(r);
			if (regex_finds(r, str_of(rows[i].text)) != rows[i].finds)
				fail_msg("/%s/ on \"%s\"", rows[i].pattern, rows[i].text);
			regex_free(&r);
		}
	}
}

static void
what_does_not_compile_says_where(void **state)
{
	static const char *const bad[] = {"(", "a{2,1}", "[", "\\", "*", "\\Ca", "(*UTF)a"};
	struct why why;

	for (size_t i = 0; i < countof(bad); i++) {
		struct regex *r = regex_new(str_of(bad[i]), &why);
		assert_null(r);
		assert_non_null(strstr(why.text, "of the pattern"));
		assert_int_equal(regex_check(str_of(bad[i]), &why), -1);
	}
	assert_int_equal(regex_check(STR("a+"), &why), 0);
}

/* the usual bombs: without bounds each would take longer than a person lives */
static void
no_text_holds_a_match_up(void **state)
{
	static const char *const bombs[] = {"(a+)+$", "(a|aa)+$", "(.*)*x$", "(a|a?)+b",
	    "^(([a-z])+.)+[A-Z]([a-z])+$", "(a+)+[bc]$", "(.*?,){60}P", ".*.*.*.*[bc]"};
	char text[64 * 1024];
	struct timespec from, to;

	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 2] = '!';
	text[sizeof text - 1] = '\0';
	for (int jit = 0; jit < 2; jit++) {
		regex_allow_jit(jit == 1);
		for (size_t i = 0; i < countof(bombs); i++) {
			struct regex *r = regex_new(str_of(bombs[i]), NULL);
			clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
			(void)regex_finds(r, str_of(text));
			clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
			assert_in_range(to.tv_sec - from.tv_sec, 0, 1);
			regex_free(&r);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_pattern_finds_what_it_says),
	    cmocka_unit_test(what_does_not_compile_says_where),
	    cmocka_unit_test(no_text_holds_a_match_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
