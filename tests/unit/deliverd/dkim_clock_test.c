/* Fields that were signed a moment ago are used for the next transaction of the same message, unless the clock was set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "deliverd/dkim.h"

static const struct {
	const char *name;
	int64_t age_ms, by_wall_ms; /* since they were made */
	bool is_fresh;
} rows[] = {
    {"at once", 0, 0, true},
    {"within its time", 59000, 59000, true},
    {"its time is over", 60001, 60001, false},
    {"the clock is adjusted a little", 30000, 30400, true},
    {"an hour forth: x= could be over", 1000, 3601000, false},
    {"an hour back: t= would be in the future", 1000, -3599000, false},
    {"two seconds back", 1000, -1001, false},
    {"to the beginning of time", 1000, -1800000000000, false},
};

static void
a_clock_that_was_set_ends_them(void **state)
{
	struct dkim_cached c = {
	    .made = {5 * NS_PER_SEC}, .made_wall = {1800000000 * (int64_t)NS_PER_SEC}};

	for (size_t i = 0; i < countof(rows); i++) {
		struct mono now = {c.made.ns + rows[i].age_ms * NS_PER_MS};
		struct wall wall = {c.made_wall.ns + rows[i].by_wall_ms * NS_PER_MS};
		if (dkim_is_fresh(&c, now, wall) != rows[i].is_fresh)
			fail_msg("%s", rows[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_clock_that_was_set_ends_them)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
