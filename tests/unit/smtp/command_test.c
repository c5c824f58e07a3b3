#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/smtp/command.h"
#include "lib/smtp/param.h"
#include "lib/smtp/xtext.h"

static const struct {
	const char *line;
	enum smtp_verb verb;
	const char *arg;
} lines[] = {
    {"MAIL FROM:<a@b> X=1", SMTP_VERB_MAIL, "FROM:<a@b> X=1"},
    {"rcpt  TO:<a> ", SMTP_VERB_RCPT, "TO:<a>"},
    {"quit", SMTP_VERB_QUIT, ""},
    {"DATA ", SMTP_VERB_DATA, ""},
    {"MAILX", SMTP_VERB_UNKNOWN, ""},
    {"", SMTP_VERB_UNKNOWN, ""},
    {" NOOP", SMTP_VERB_UNKNOWN, "NOOP"},
    {"GET / HTTP/1.1", SMTP_VERB_HTTP, "/ HTTP/1.1"},
    {"STARTTLS x", SMTP_VERB_STARTTLS, "x"},
};

static void
verbs_are_found(void **state)
{
	for (size_t i = 0; i < countof(lines); i++) {
		struct smtp_command c;
		smtp_command_parse(str_of(lines[i].line), &c);
		assert_int_equal(c.verb, lines[i].verb);
		assert_true(str_eq(c.arg, str_of(lines[i].arg)));
	}
	assert_string_equal(smtp_verb_name(SMTP_VERB_EHLO), "EHLO");
	assert_string_equal(smtp_verb_name(SMTP_VERB_HTTP), "?");
}

static void
parameters_come_one_by_one(void **state)
{
	struct str rest = STR(" SIZE=10  SMTPUTF8 x-y=z+3D");
	struct smtp_param p;

	assert_int_equal(smtp_param_next(&rest, &p), 1);
	assert_true(str_eq(p.key, STR("SIZE")) && str_eq(p.value, STR("10")));
	assert_int_equal(smtp_param_next(&rest, &p), 1);
	assert_true(str_eq(p.key, STR("SMTPUTF8")) && p.value.p == NULL);
	assert_int_equal(smtp_param_next(&rest, &p), 1);
	assert_true(str_eq(p.value, STR("z+3D")));
	assert_int_equal(smtp_param_next(&rest, &p), 0);
	static const char *const bad[] = {" =x", " A=", " A=b=c", " -a=b", " A_B", " A=\x7f"};
	for (size_t i = 0; i < countof(bad); i++) {
		rest = str_of(bad[i]);
		assert_int_equal(smtp_param_next(&rest, &p), -1);
	}
}

static void
xtext_is_decoded_or_refused(void **state)
{
	static const char *const bad[] = {
	    "a+", "a+4", "a+ZZ", "a+4g", "a+ab", "a b", "a=b", "\x80"};
	char text[8];

	assert_int_equal(xtext_decode(STR("a+2Bb+3D"), text, sizeof text), 4);
	assert_memory_equal(text, "a+b=", 4);
	assert_int_equal(xtext_decode(STR(""), text, sizeof text), 0);
	assert_int_equal(xtext_decode(STR("12345678"), text, sizeof text), 8);
	assert_int_equal(xtext_decode(STR("123456789"), text, sizeof text), -1);
	for (size_t i = 0; i < countof(bad); i++)
		assert_int_equal(xtext_decode(str_of(bad[i]), text, sizeof text), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(verbs_are_found),
	    cmocka_unit_test(parameters_come_one_by_one),
	    cmocka_unit_test(xtext_is_decoded_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
