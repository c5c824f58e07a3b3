#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>
#include <unistd.h>

#include "master/backoff.h"
#include "master/master.h"
#include "master/options.h"
#include "master/watch.h"

static void
options_are_read(void **state)
{
	static const struct {
		const char *argv[6];
		int r;
		const char *config, *why;
		bool foreground, test, version;
	} cases[] = {
	    {{"posthaste"}, 0, "/etc/pmta/config", NULL, false, false, false},
	    {{"posthaste", "-c", "x"}, 0, "x", NULL, false, false, false},
	    {{"posthaste", "-cx", "-f"}, 0, "x", NULL, true, false, false},
	    {{"posthaste", "-ft"}, 0, "/etc/pmta/config", NULL, true, true, false},
	    {{"posthaste", "-v"}, 0, "/etc/pmta/config", NULL, false, false, true},
	    {{"posthaste", "-c"}, -1, NULL, "option -c needs a value", false, false, false},
	    {{"posthaste", "-x"}, -1, NULL, "unknown option -x", false, false, false},
	    {{"posthaste", "-f", "start"}, -1, NULL, "unexpected argument start", false, false,
		false},
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct options o;
		struct why why;
		char *argv[6] = {0};
		int argc = 0;

		while (argc < 5 && cases[i].argv[argc] != NULL) {
			argv[argc] = strdup(cases[i].argv[argc]);
			argc++;
		}
		assert_int_equal(options_parse(argc, argv, &o, &why), cases[i].r);
		if (cases[i].r == -1) {
			assert_non_null(strstr(why.text, cases[i].why));
			assert_non_null(strstr(why.text, "usage: posthaste"));
		} else {
			assert_string_equal(o.config, cases[i].config);
			assert_int_equal(o.foreground, cases[i].foreground);
			assert_int_equal(o.test, cases[i].test);
			assert_int_equal(o.version, cases[i].version);
		}
		for (int k = 0; k < argc; k++)
			free(argv[k]);
	}
}

static void
restarts_come_later_and_later_and_a_long_run_forgives(void **state)
{
	static const struct {
		int64_t ran_ms, wait_ms;
	} steps[] = {{5, 1000}, {5, 2000}, {5, 4000}, {5, 8000}, {5, 16000}, {5, 32000}, {5, 60000},
	    {5, 60000}, {59999, 60000}, {60000, 60000}, {60001, 1000}, {5, 2000}};
	struct backoff b = {0};

	for (size_t i = 0; i < countof(steps); i++)
		assert_int_equal(backoff_next_ms(&b, steps[i].ran_ms), steps[i].wait_ms);
}

static void
who_does_not_answer_has_its_time_and_no_more(void **state)
{
	struct watch w = {0};
	unsigned ticks = 0;

	/* who answers is asked at every tick */
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(watch_tick(&w, false), WATCH_ASK);
		watch_heard(&w);
	}
	assert_int_equal(watch_tick(&w, false), WATCH_ASK);
	while (watch_tick(&w, false) == WATCH_FINE)
		ticks++;
	/* stopped right after an answer: one tick until it is asked, and its time */
	assert_true((ticks + 2) * WATCH_TICK_MS <= 30000);
	assert_true(ticks * WATCH_TICK_MS >= 15000);
	watch_heard(&w);
	assert_int_equal(watch_tick(&w, false), WATCH_ASK);
}

static void
a_start_is_not_asked_and_has_longer(void **state)
{
	struct watch w = {0};
	unsigned ticks = 0;

	while (watch_tick(&w, true) == WATCH_FINE)
		ticks++;
	assert_true(ticks * WATCH_TICK_MS >= 60000);
	watch_heard(&w);
	assert_int_equal(watch_tick(&w, false), WATCH_ASK);
}

static int64_t
utc(int month, int day, int hour, int minute, int second)
{
	struct tm tm = {.tm_year = 126,
	    .tm_mon = month - 1,
	    .tm_mday = day,
	    .tm_hour = hour,
	    .tm_min = minute,
	    .tm_sec = second};

	return timegm(&tm);
}

static void
the_log_s_day_begins_at_midnight_here_and_never_by_a_clock_set_back(void **state)
{
	int day = 0;

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	assert_false(log_file_is_new_day(&day, utc(3, 28, 22, 59, 58)));
	assert_int_equal(log_file_next_look_ms(utc(3, 28, 22, 59, 58)), 2000);
	assert_true(log_file_is_new_day(&day, utc(3, 28, 23, 0, 0)));
	assert_false(log_file_is_new_day(&day, utc(3, 28, 23, 0, 1)));
	/* a day of 23 hours, and one of 25 */
	assert_false(log_file_is_new_day(&day, utc(3, 29, 21, 59, 59)));
	assert_int_equal(log_file_next_look_ms(utc(3, 29, 21, 59, 59)), 1000);
	assert_true(log_file_is_new_day(&day, utc(3, 29, 22, 0, 0)));
	assert_true(log_file_is_new_day(&day, utc(10, 24, 22, 0, 0)));
	assert_false(log_file_is_new_day(&day, utc(10, 25, 22, 59, 59)));
	assert_true(log_file_is_new_day(&day, utc(10, 25, 23, 0, 0)));
	/* set back, and right again */
	assert_false(log_file_is_new_day(&day, utc(10, 22, 12, 0, 0)));
	assert_true(log_file_is_new_day(&day, utc(10, 26, 12, 0, 0)));
	assert_int_equal(log_file_next_look_ms(utc(10, 26, 12, 0, 0)), 10000);
}

static void
the_log_is_rotated_at_midnight_and_by_its_size_as_the_configuration_says(void **state)
{
	static const struct {
		const char *rows;
		bool by_day, by_size; /* 20,000 bytes */
	} cases[] = {
	    {"", true, false},
	    {"log-auto-rotation no\n", false, false},
	    {"log-auto-rotation no\nlog-rotate-size 20k\n", false, false},
	    {"log-auto-rotation no\nlog-rotate-size 10k\n", true, true},
	    {"log-rotate 0\nlog-rotate-size 10k\n", false, false},
	};

	for (size_t i = 0; i < countof(cases); i++) {
		char path[] = "/tmp/posthaste-log-XXXXXX";
		struct conf_messages m = {0};
		FILE *f = fdopen(mkstemp(path), "w");
		struct conf *c;
		assert_non_null(f);
		fprintf(
		    f, "log-file /tmp/x/log\n<spool /tmp/x/spool>\n</spool>\n%s", cases[i].rows);
		assert_int_equal(fclose(f), 0);
		c = conf_load(path, &m);
		assert_non_null(c);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(log_file_is_due(c, true, 20000), cases[i].by_day);
		assert_int_equal(log_file_is_due(c, false, 20000), cases[i].by_size);
		conf_messages_clear(&m);
		conf_free(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_are_read),
	    cmocka_unit_test(restarts_come_later_and_later_and_a_long_run_forgives),
	    cmocka_unit_test(who_does_not_answer_has_its_time_and_no_more),
	    cmocka_unit_test(a_start_is_not_asked_and_has_longer),
	    cmocka_unit_test(the_log_s_day_begins_at_midnight_here_and_never_by_a_clock_set_back),
	    cmocka_unit_test(
		the_log_is_rotated_at_midnight_and_by_its_size_as_the_configuration_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
