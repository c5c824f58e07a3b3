/* what is known of handles is forgotten with them, in every memo of their kind and in no other */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queued/control/memo.h"

static void
knows_what_it_was_told(void **state)
{
	struct memo m = {0};

	memo_begin(&m, MEMO_QUEUES);
	assert_int_equal(memo_get(&m, 7), MEMO_UNKNOWN);
	assert_int_equal(memo_set(&m, 7, MEMO_YES), MEMO_YES);
	/* far behind its first room */
	memo_set(&m, 1000000, MEMO_NO);
	assert_int_equal(memo_get(&m, 7), MEMO_YES);
	assert_int_equal(memo_get(&m, 1000000), MEMO_NO);
	assert_int_equal(memo_get(&m, 999999), MEMO_UNKNOWN);
	assert_int_equal(memo_get(&m, UINT32_MAX), MEMO_UNKNOWN);
	memo_clear(&m);
	memo_clear(&m);
}

static void
forgets_with_the_handle(void **state)
{
	struct memo a = {0}, b = {0}, other = {0};

	memo_begin(&a, MEMO_QUEUES);
	memo_begin(&b, MEMO_QUEUES);
	memo_begin(&other, MEMO_DOMAINS);
	memo_set(&a, 3, MEMO_YES);
	memo_set(&b, 3, MEMO_NO);
	memo_set(&other, 3, MEMO_YES);
	memo_forget(MEMO_QUEUES, 3);
	memo_forget(MEMO_QUEUES, 5000000);
	assert_int_equal(memo_get(&a, 3), MEMO_UNKNOWN);
	assert_int_equal(memo_get(&b, 3), MEMO_UNKNOWN);
	assert_int_equal(memo_get(&other, 3), MEMO_YES);
	memo_clear(&a);
	memo_forget(MEMO_QUEUES, 3); /* the one that is gone is not asked */
	memo_clear(&b);
	memo_clear(&other);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_what_it_was_told),
	    cmocka_unit_test(forgets_with_the_handle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
