#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/command/commands.h"

static const struct str values[COMMAND_VALUES] = {
    [VALUE_USER] = STR("jo $to \"x"),
    [VALUE_TO] = STR("-rf@a.test"),
    [VALUE_DOMAIN] = STR("a.test"),
    [VALUE_ENVID] = STR("one\ntwo"),
    [VALUE_FROM] = STR(""),
};

/* words with | between them; NULL: refused */
static const struct {
	const char *line, *words;
} lines[] = {
    {"/bin/a", "/bin/a"},
    {"  /bin/a  -b\tc ", "/bin/a|-b|c"},
    {"/bin/a \"b c\" d\\ e \\\"f", "/bin/a|b c|d e|\"f"},
    {"/bin/a \"\"", "/bin/a|"},
    {"/bin/a $user", "/bin/a|jo $to \"x"},
    {"/bin/a \"<$USER>\"x", "/bin/a|<jo $to \"x>x"},
    {"/bin/a \\$user", "/bin/a|$user"},
    {"/bin/a $domain.$domain", "/bin/a|a.test.a.test"},
    {"/bin/a <$from>", "/bin/a|<>"},
    {"/bin/a $from", "/bin/a|"},
    {"/bin/a -f$to", "/bin/a|-f-rf@a.test"},
    {"/bin/a $to", NULL},
    {"/bin/a \"$to\"", NULL},
    {"/bin/a $from$to", NULL},
    {"/bin/a $envid", NULL},
    {"/bin/a $nobody", NULL},
    {"/bin/a $", NULL},
    {"/bin/a \"b", NULL},
    {"", NULL},
    {"\"\" a", NULL},
};

static void
words_are_those_of_the_configuration_and_values_make_none(void **state)
{
	struct command_words w;
	struct why why;

	for (size_t i = 0; i < countof(lines); i++) {
		char joined[300] = "";
		bool ok = command_split(str_of(lines[i].line), values, &w, &why);

		if (ok != (lines[i].words != NULL))
			fail_msg("%s: %s", lines[i].line, ok ? "taken" : why.text);
		for (size_t k = 0; ok && k < w.n; k++) {
			size_t n = strlen(joined);
			snprintf(
			    joined + n, sizeof joined - n, "%s%s", k > 0 ? "|" : "", w.word[k]);
		}
		if (ok) {
			assert_string_equal(joined, lines[i].words);
			assert_null(w.word[w.n]);
		}
	}
}

static void
what_is_too_long_is_refused(void **state)
{
	static char text[2 * COMMAND_MAX_BYTES];
	struct command_words w;
	struct why why;

	memset(text, 'x', sizeof text - 1);
	assert_false(command_split(str_of(text), NULL, &w, &why));
	for (size_t i = 1; i < 200; i += 2)
		text[i] = ' ';
	text[200] = '\0';
	assert_false(command_split(str_of(text), NULL, &w, &why));
	text[2 * COMMAND_MAX_WORDS - 1] = '\0';
	assert_true(command_split(str_of(text), NULL, &w, &why));
	assert_int_equal(w.n, COMMAND_MAX_WORDS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_are_those_of_the_configuration_and_values_make_none),
	    cmocka_unit_test(what_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
