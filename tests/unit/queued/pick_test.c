/* rows of an answer: the first of many, or all, in order */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queued/control/pick.h"

#define N 5000u

/* numbers in no order, each once */
static uint32_t
shuffled(uint32_t i)
{
	return i * 2711u % N;
}

static void
add_all(struct pick *p)
{
	char name[16];

	for (uint32_t i = 0; i < N; i++) {
		uint32_t v = shuffled(i);
		snprintf(name, sizeof name, "n%05u", v);
		pick_add(p, v / 10, str_of(name), v);
	}
}

/* by key, the highest first, then by name */
static void
first_are(struct pick *p, uint32_t wanted)
{
	struct pick_row row;
	char name[16];

	for (uint32_t i = 0; i < wanted; i++) {
		uint32_t v = N - 10 - i / 10 * 10 + i % 10;
		assert_true(pick_take(p, &row));
		snprintf(name, sizeof name, "n%05u", v);
		assert_string_equal(row.name, name);
		assert_int_equal(row.handle, v);
		assert_int_equal(row.key, v / 10);
		free(row.name);
	}
}

static void
the_first_come_in_order(void **state)
{
	static const uint32_t maxima[] = {1, 7, 20, 1000, 1001, N - 1, N, UINT32_MAX};
	struct pick_row row;
	struct pick p;

	for (size_t i = 0; i < countof(maxima); i++) {
		uint32_t n = PH_MIN(maxima[i], N);
		pick_init(&p, maxima[i]);
		add_all(&p);
		first_are(&p, n);
		if (maxima[i] <= 1000 || n == N)
			assert_false(pick_take(&p, &row));
		pick_clear(&p);
	}
}

static void
what_is_not_taken_is_freed(void **state)
{
	struct pick_row row;
	struct pick p;

	pick_init(&p, 0);
	pick_add(&p, 1, STR("none is wanted"), 1);
	assert_false(pick_take(&p, &row));
	pick_clear(&p);
	pick_init(&p, 100);
	add_all(&p);
	first_are(&p, 3);
	pick_clear(&p);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_come_in_order),
	    cmocka_unit_test(what_is_not_taken_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
