#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queued/control/traffic.h"

static struct traffic t;

static void
look(int64_t second, uint64_t n)
{
	struct traffic_sum s = {{n, n, n, 0, 0, 0}};

	traffic_look(&t, second, &s);
}

static void
minutes_and_hours_slide(void **state)
{
	t = (struct traffic){0};
	look(1000, 5);
	assert_int_equal(traffic_total(&t).v[TRAFFIC_IN_RCPTS], 5);
	assert_int_equal(t.minute.sum.v[0], 0);
	look(1001, 15);
	look(1030, 35);
	assert_int_equal(t.minute.sum.v[0], 30);
	look(1061, 35);
	assert_int_equal(t.minute.sum.v[0], 20);
	look(1090, 36);
	assert_int_equal(t.minute.sum.v[0], 1);
	assert_int_equal(t.minute.top.v[0], 30);
	assert_int_equal(t.hour.sum.v[0], 31);
	look(1090 + 3600, 36);
	assert_int_equal(t.minute.sum.v[0], 0);
	assert_int_equal(t.hour.sum.v[0], 0);
	assert_int_equal(t.hour.top.v[0], 31);
	assert_int_equal(traffic_total(&t).v[0], 36);
}

static void
a_reset_begins_anew_and_lost_counts_do_not_wrap(void **state)
{
	struct traffic_sum s = {{100, 100, 100, 0, 0, 0}};

	t = (struct traffic){0};
	look(10, 40);
	traffic_reset(&t, 11, &s);
	assert_int_equal(traffic_total(&t).v[0], 0);
	look(12, 103);
	assert_int_equal(traffic_total(&t).v[0], 3);
	look(13, 50);
	assert_int_equal(traffic_total(&t).v[0], 0);
	assert_int_equal(t.minute.sum.v[0], 3);
	look(1000000, 51);
	assert_int_equal(t.minute.sum.v[0], 1);
	assert_int_equal(t.hour.sum.v[0], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(minutes_and_hours_slide),
	    cmocka_unit_test(a_reset_begins_anew_and_lost_counts_do_not_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
