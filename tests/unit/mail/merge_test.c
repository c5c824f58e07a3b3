/* Mail merge's data: what is defined, what a text refers to, and what that costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/mail/merge.h"

static struct merge_text text;
static struct str values[MERGE_MAX_NAMES];

static void
define(struct buf *defs, const char *line)
{
	struct why why;

	if (merge_define(str_of(line), defs, &why) == -1)
		fail_msg("%s", why.text);
}

static void
the_last_definition_of_a_name_counts_whatever_its_case(void **state)
{
	static const struct str names[] = {{"*jobid", 6}, {"*from", 5}};
	struct str own[2];
	struct buf defs;
	struct why why;

	buf_init(&defs, MERGE_MAX_VALUE);
	merge_text_init(&text, 1000);
	define(&defs, "a=1 B=2 *jobid=x other=y");
	define(&defs, "A=3 *JobId=\"\" b=\"\"");
	assert_int_equal(merge_text_add(&text, 1, STR("[a][b][c][A]"), &why), 0);
	assert_int_equal(text.n_names, 3);
	merge_set_all(&text, buf_str(&defs), values);
	assert_true(str_eq(values[0], STR("3")));
	assert_true(values[1].p != NULL && values[1].len == 0);
	assert_null(values[2].p);
	merge_set(&text, STR("C"), STR("4"), values);
	merge_set(&text, STR("d"), STR("5"), values);
	assert_true(str_eq(values[2], STR("4")));
	merge_own(buf_str(&defs), names, countof(names), own);
	assert_true(own[0].p != NULL && own[0].len == 0);
	assert_null(own[1].p);
	merge_text_clear(&text);
	buf_clear(&defs);
}

/* a text that refers to n names, each many times, and a recipient who defines forty times as many: processor time */
static int64_t
cost_of(unsigned n)
{
	struct timespec from, to;
	struct buf part, defs;
	struct why why;

	buf_init(&part, 1 << 20);
	buf_init(&defs, 1 << 20);
	for (unsigned i = 0; i < 40 * n; i++) {
		(void)buf_addf(&part, "[n%u]", i % n);
		(void)buf_addf(&defs, "v%x%c%c", i, '\0', '\0');
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (int i = 0; i < 5; i++) {
		merge_text_init(&text, 1 << 20);
		assert_int_equal(merge_text_add(&text, 1, buf_str(&part), &why), 0);
		merge_set_all(&text, buf_str(&defs), values);
		merge_text_clear(&text);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	buf_clear(&part);
	buf_clear(&defs);
	return (to.tv_sec - from.tv_sec) * NS_PER_SEC + to.tv_nsec - from.tv_nsec;
}

static void
many_names_and_definitions_cost_in_proportion_not_in_the_square(void **state)
{
	int64_t few = INT64_MAX, many = INT64_MAX;

	/* the least of some: what else the machine does only adds */
	for (int i = 0; i < 5; i++) {
		few = PH_MIN(few, cost_of(50));
		many = PH_MIN(many, cost_of(500));
	}
	if (many > 40 * few)
		fail_msg("ten times as many take %.1f times as long", (double)many / (double)few);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_last_definition_of_a_name_counts_whatever_its_case),
	    cmocka_unit_test(many_names_and_definitions_cost_in_proportion_not_in_the_square),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
