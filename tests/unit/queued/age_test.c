#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queued/spool/age.h"

#define HOUR_NS (INT64_C(3600) * NS_PER_SEC)

static struct age a;
static struct wall now;
static struct mono at;

static void
begin(int64_t wall_ns)
{
	a = (struct age){0};
	now.ns = wall_ns;
	at.ns = 77 * NS_PER_SEC;
	age_begin(&a, now, at);
}

/* both clocks go on, the wall clock by `leap` more */
static int64_t
pass(int64_t ns, int64_t leap)
{
	now.ns += ns + leap;
	at.ns += ns;
	return age_tick(&a, now, at);
}

/* a stop, and the next start that much later by the wall clock; the monotonic one is another one */
static int64_t
restart(int64_t wall_ns)
{
	char text[AGE_RECORD_SIZE];

	age_print(&a, text);
	assert_true(age_parse(&a, str_from(text, sizeof text)));
	now.ns += wall_ns;
	at.ns = 5 * NS_PER_SEC;
	return age_begin(&a, now, at);
}

static int64_t
hours_old(struct wall w)
{
	return age_ns(&a, now, w) / HOUR_NS;
}

#define T0 (INT64_C(1790000000) * NS_PER_SEC)

static void
without_leaps_age_is_what_the_wall_clock_says(void **state)
{
	struct wall w;

	begin(T0);
	w = now;
	for (size_t i = 0; i < 120; i++)
		assert_int_equal(pass(30 * NS_PER_SEC, (int64_t)(i % 3) * NS_PER_SEC), 0);
	assert_int_equal(hours_old(w), 1);
	assert_int_equal(restart(10 * HOUR_NS), 0);
	assert_int_equal(hours_old(w), 11);
	assert_int_equal(a.n, 0);
}

static void
a_start_far_ahead_ages_nothing(void **state)
{
	struct wall before, after;

	begin(T0);
	before = now;
	pass(2 * HOUR_NS, 0);
	assert_int_equal(restart(400 * AGE_DAY_NS) / AGE_DAY_NS, 400);
	assert_int_equal(hours_old(before), 2);
	after = now;
	pass(3 * HOUR_NS, 0);
	assert_int_equal(hours_old(before), 5);
	assert_int_equal(hours_old(after), 3);
	/* nor does the next start */
	restart(HOUR_NS);
	assert_int_equal(hours_old(before), 6);
	assert_int_equal(hours_old(after), 4);
}

static void
a_leap_while_it_runs_is_not_forgotten_by_the_next_start(void **state)
{
	struct wall before, after;

	begin(T0);
	before = now;
	pass(HOUR_NS, 0);
	assert_int_equal(pass(30 * NS_PER_SEC, 9 * AGE_DAY_NS), 9 * AGE_DAY_NS);
	after = now;
	restart(HOUR_NS);
	assert_int_equal(hours_old(before), 2);
	assert_int_equal(hours_old(after), 1);
}

static void
a_clock_that_is_set_right_again_leaves_no_gap(void **state)
{
	struct wall before, wrong, after;

	begin(T0);
	before = now;
	restart(400 * AGE_DAY_NS);
	wrong = now;
	pass(HOUR_NS, 0);
	assert_true(pass(30 * NS_PER_SEC, -400 * AGE_DAY_NS) < 0);
	assert_int_equal(a.n, 0);
	after = now;
	pass(3 * HOUR_NS, 0);
	assert_int_equal(hours_old(before), 4);
	assert_int_equal(hours_old(after), 3);
	/* its time lies in the future: it has no age that could expire it */
	assert_int_equal(hours_old(wrong), 0);
}

static void
half_taken_back_counts_for_the_old_and_not_for_the_new(void **state)
{
	struct wall before, after;

	begin(T0);
	before = now;
	restart(10 * AGE_DAY_NS);
	pass(HOUR_NS, -4 * AGE_DAY_NS);
	after = now;
	pass(5 * HOUR_NS, 0);
	assert_int_equal(hours_old(before), 6);
	assert_int_equal(hours_old(after), 5);
}

static void
a_start_in_1970_that_finds_the_time_later_ages_nothing(void **state)
{
	struct wall w;

	begin(3600 * NS_PER_SEC);
	w = now;
	pass(HOUR_NS, T0);
	assert_int_equal(hours_old(w), 1);
	restart(HOUR_NS);
	assert_int_equal(hours_old(w), 2);
}

static void
many_leaps_stay_bounded_and_never_make_older(void **state)
{
	struct wall w;

	begin(T0);
	w = now;
	for (int i = 0; i < 40; i++) {
		pass(HOUR_NS, (i + 2) * AGE_DAY_NS);
		assert_true(a.n <= AGE_MAX_GAPS);
		assert_true(hours_old(w) <= i + 1);
	}
	restart(HOUR_NS);
	assert_true(hours_old(w) <= 41);
}

static void
only_its_own_form_is_read(void **state)
{
	static const char *const bad[] = {"", "posthaste-clock-2 5\n", "posthaste-clock-1 \n",
	    "posthaste-clock-1 -5\n", "posthaste-clock-1 5\n1\n", "posthaste-clock-1 5\n1 x\n",
	    "posthaste-clock-1 5\n1 1\n1 1\n1 1\n1 1\n1 1\n1 1\n1 1\n1 1\n1 1\n"};
	char text[AGE_RECORD_SIZE];

	for (size_t i = 0; i < countof(bad); i++) {
		memset(text, ' ', sizeof text);
		memcpy(text, bad[i], strlen(bad[i]));
		assert_false(age_parse(&a, str_from(text, sizeof text)));
		assert_int_equal(a.n, 0);
		assert_int_equal(a.alive.ns, 0);
	}
	begin(T0);
	age_print(&a, text);
	assert_false(age_parse(&a, str_from(text, sizeof text - 1)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_leaps_age_is_what_the_wall_clock_says),
	    cmocka_unit_test(a_start_far_ahead_ages_nothing),
	    cmocka_unit_test(a_leap_while_it_runs_is_not_forgotten_by_the_next_start),
	    cmocka_unit_test(a_clock_that_is_set_right_again_leaves_no_gap),
	    cmocka_unit_test(half_taken_back_counts_for_the_old_and_not_for_the_new),
	    cmocka_unit_test(a_start_in_1970_that_finds_the_time_later_ages_nothing),
	    cmocka_unit_test(many_leaps_stay_bounded_and_never_make_older),
	    cmocka_unit_test(only_its_own_form_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
