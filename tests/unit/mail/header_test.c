#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "lib/mail/date.h"
#include "lib/mail/header.h"

static const struct {
	const char *message;
	const char *fields; /* name=value; each, unfolded */
} rows[] = {
    {"A: 1\r\nB:2\r\n\r\nC: 3\r\n", "A=1;B=2;"},
    {"A: 1\r\n\t2\r\n  3\r\nB: \r\n", "A=1 2  3;B=;"},
    {"A : 1\r\nB\t:2\r\n", "A=1;B=2;"},
    {"From a@b Mon 1\r\nA: 1\r\n", "A=1;"},
    {"A: 1\r\nFrom a@b Mon 1\r\nB: 2\r\n", "A=1;"},
    {"A: 1\r\nno field\r\nB: 2\r\n", "A=1;"},
    {" folded\r\nA: 1\r\n", ""},
    {"..A: 1\r\n.B: 2\r\n", ".A=1;B=2;"},
    {".: 1\r\n", ""},
    {"A: 1", "A=1;"},
    {"A:", "A=;"},
    {": 1\r\n", ""},
    {"A\x01: 1\r\n", ""},
    {"", ""},
    {"\r\nA: 1\r\n", ""},
    {"A: x\x01y\r\n", "A=x y;"},
    {"Subject: x\r\n \t\r\nB: 1\r\n", "Subject=x;B=1;"},
};

static void
fields_are_found(void **state)
{
	char text[512], value[64];

	for (size_t i = 0; i < countof(rows); i++) {
		struct header_iter it;
		struct header_field f;
		size_t n = 0;
		header_iter_init(&it, str_of(rows[i].message));
		text[0] = '\0';
		while (header_next(&it, &f)) {
			(void)header_unfold(f.value, value, sizeof value);
			n += (size_t)snprintf(
			    text + n, sizeof text - n, "%.*s=%s;", STR_ARG(f.name), value);
		}
		assert_string_equal(text, rows[i].fields);
	}
}

static void
a_field_is_found_by_name(void **state)
{
	struct str m = STR("To: a\r\nSUBJECT: b\r\n c\r\nSubject: d\r\n\r\nX: e\r\n");
	struct header_field f;
	char text[3];

	assert_true(header_find(m, STR("subject"), &f));
	assert_true(str_eq(f.whole, STR("SUBJECT: b\r\n c\r\n")));
	assert_int_equal(header_unfold(f.value, text, sizeof text), 3);
	assert_string_equal(text, "b ");
	assert_false(header_find(m, STR("X"), &f));
}

static void
dates_are_as_rfc_5322_says(void **state)
{
	char text[MAIL_DATE_MAX];

	setenv("TZ", "EST5", 1);
	tzset();
	assert_string_equal(
	    mail_date(wall_from_sec(880124106), text), "Fri, 21 Nov 1997 09:55:06 -0500");
	setenv("TZ", "IST-5:30", 1);
	tzset();
	assert_string_equal(mail_date(wall_from_sec(0), text), "Thu, 01 Jan 1970 05:30:00 +0530");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_are_found),
	    cmocka_unit_test(a_field_is_found_by_name),
	    cmocka_unit_test(dates_are_as_rfc_5322_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
