#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "lib/stats/stats.h"

static void
counting_works_before_any_page_was_given(void **state)
{
	uint64_t before = stats_own->v[STAT_IN_MSGS];

	stat_inc(STAT_IN_MSGS);
	stat_add(STAT_IN_MSGS, 4);
	assert_int_equal(stats_own->v[STAT_IN_MSGS], before + 5);
}

static void
a_watcher_sees_what_another_counts(void **state)
{
	int fd = stats_create(3, 7);
	const struct stats_page *seen;

	assert_true(fd != -1);
	seen = stats_map(fd);
	assert_non_null(seen);
	assert_int_equal(seen->role, 3);
	assert_int_equal(seen->instance, 7);
	assert_int_equal(stats_map_own(fd), 0);
	stat_add(STAT_OUT_MSGS, 12);
	stat_set(STAT_Q_MSGS, 99);
	assert_int_equal(seen->v[STAT_OUT_MSGS], 12);
	assert_int_equal(seen->v[STAT_Q_MSGS], 99);
	assert_int_equal(seen->pid, getpid());
	/* its successor: counters go on, gauges begin anew */
	assert_int_equal(stats_map_own(fd), 0);
	assert_int_equal(seen->v[STAT_OUT_MSGS], 12);
	assert_int_equal(seen->v[STAT_Q_MSGS], 0);
	close(fd);
}

static void
a_page_of_another_size_or_kind_is_refused(void **state)
{
	int fd = memfd_create("x", 0);

	assert_true(fd != -1);
	assert_null(stats_map(fd));
	assert_int_equal(ftruncate(fd, sizeof(struct stats_page)), 0);
	assert_null(stats_map(fd));
	assert_int_equal(stats_map_own(fd), -1);
	close(fd);
	fd = stats_create(1, 0);
	assert_int_equal(ftruncate(fd, 10), -1);
	close(fd);
}

static void
every_row_has_a_name_of_its_own_and_help(void **state)
{
	for (unsigned i = 0; i < STAT_MAX; i++) {
		assert_true(strlen(stat_name((enum stat_id)i)) > 3);
		assert_true(strlen(stat_help((enum stat_id)i)) > 3);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(
			    stat_name((enum stat_id)i), stat_name((enum stat_id)k));
	}
	assert_string_equal(stat_name(STAT_MAX), "?");
	assert_true(stat_is_gauge(STAT_Q_MSGS));
	assert_false(stat_is_gauge(STAT_IN_MSGS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counting_works_before_any_page_was_given),
	    cmocka_unit_test(a_watcher_sees_what_another_counts),
	    cmocka_unit_test(a_page_of_another_size_or_kind_is_refused),
	    cmocka_unit_test(every_row_has_a_name_of_its_own_and_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
