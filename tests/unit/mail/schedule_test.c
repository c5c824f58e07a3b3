#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/mail/schedule.h"

/* in UTC; NULL: malformed */
static const struct {
	const char *field, *text;
} rows[] = {
    {" 2030-01-01 00:00:00 / 2030-01-01 01:00:00\r\n", "1893456000-1893459600"},
    {"2030-01-01 00:00/2030-01-01 01:00", "1893456000-1893459600"},
    {"2030-01-02 00:00:00 / 2030-01-02 01:00:00, 2030-01-01 00:00:00 / 2030-01-01 01:00:00",
	"1893456000-1893459600,1893542400-1893546000"},
    {"2030-01-01 00:00:00 / 2030-01-01 01:00:00, 2030-01-01 01:00:00 / 2030-01-01 02:00:00",
	"1893456000-1893463200"},
    {"2030-01-01 00:00:00 / 2030-01-01 09:00:00, 2030-01-01 01:00:00 / 2030-01-01 02:00:00",
	"1893456000-1893488400"},
    {"2001-01-01 00:00:00 / 2001-01-01 00:00:01", "978307200-978307201"},
    {"", NULL},
    {"tomorrow", NULL},
    {"2030-01-01 00:00:00", NULL},
    {"2030-01-01 00:00:00 / 2030-01-01 00:00:00", NULL},
    {"2030-01-01 02:00:00 / 2030-01-01 00:00:00", NULL},
    {"2030-13-01 00:00:00 / 2031-01-01 00:00:00", NULL},
    {"2030-04-31 00:00:00 / x", NULL},
    {"2030-01-01 24:00:00 / 2030-01-03 00:00:00", NULL},
    {"2030-01-01 00:00:00 / 2030-01-01 01:00:00,", NULL},
    {"2030-01-01 00:00:00 / 2030-01-01 01:00:00 UTC", NULL},
    {"2030-1-1 0:0:0 / 2030-1-2 0:0:0", NULL},
};

static void
windows_are_read_sorted_and_joined(void **state)
{
	struct schedule s, again;
	struct why why;
	char text[SCHEDULE_TEXT_MAX];

	for (size_t i = 0; i < countof(rows); i++) {
		int r = schedule_parse_field(str_of(rows[i].field), &s, &why);
		if ((r == 0) != (rows[i].text != NULL))
			fail_msg("%s: %d", rows[i].field, r);
		if (r == -1) {
			assert_int_equal(why.smtp_code, 554);
			continue;
		}
		schedule_text(&s, text);
		assert_string_equal(text, rows[i].text);
		assert_int_equal(schedule_parse(str_of(text), &again), 0);
		assert_int_equal(again.n, s.n);
		assert_memory_equal(again.window, s.window, s.n * sizeof s.window[0]);
	}
}

static void
what_is_not_the_envelopes_form_is_refused(void **state)
{
	static const char *const bad[] = {"", "1", "1-", "-1", "2-1", "1-1", "1-2,", "1-3,2-4",
	    "5-6,1-2", "1-2 ", "1-x", "1-2,2-3", "9223372037-9223372039"};
	struct schedule s;

	for (size_t i = 0; i < countof(bad); i++)
		if (schedule_parse(str_of(bad[i]), &s) == 0)
			fail_msg("%s", bad[i]);
}

static void
more_windows_than_there_is_room_for_are_refused(void **state)
{
	char field[SCHEDULE_MAX * 80];
	struct schedule s;
	struct why why;
	char text[SCHEDULE_TEXT_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < SCHEDULE_MAX; i++)
		n += (size_t)snprintf(field + n, sizeof field - n,
		    "%s%u-01-01 00:00:00 / %u-01-02 00:00:00", i == 0 ? "" : ",", 2030 + i,
		    2030 + i);
	assert_int_equal(schedule_parse_field(str_of(field), &s, &why), 0);
	assert_int_equal(s.n, SCHEDULE_MAX);
	assert_true(schedule_text(&s, text) < sizeof text);
	snprintf(field + n, sizeof field - n, ",2020-01-01 00:00:00 / 2020-01-02 00:00:00");
	assert_int_equal(schedule_parse_field(str_of(field), &s, &why), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(windows_are_read_sorted_and_joined),
	    cmocka_unit_test(what_is_not_the_envelopes_form_is_refused),
	    cmocka_unit_test(more_windows_than_there_is_room_for_are_refused),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
