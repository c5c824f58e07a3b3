/* The filter never says a wrong no, seldom a needless maybe, and readers cannot write it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/suppress/filter.h"

#define N 100000

static const struct filter_key key = {"0123456789abcde"};

static struct str
address(char text[64], const char *what, unsigned i)
{
	return str_from(text, (size_t)snprintf(text, 64, "%s.%u@example.org", what, i));
}

static void
what_was_added_is_never_denied_and_others_mostly_are(void **state)
{
	struct why why;
	struct filter *f = filter_new(N, &key, &why), *r;
	char text[64];
	unsigned maybe = 0;

	assert_non_null(f);
	r = filter_map(filter_fd(f), &why);
	assert_non_null(r);
	for (unsigned i = 0; i < N; i++)
		filter_add(f, address(text, "Gone", i));
	for (unsigned i = 0; i < N; i++)
		assert_true(filter_may_have(r, address(text, "gONE", i)));
	for (unsigned i = 0; i < N; i++)
		maybe += filter_may_have(r, address(text, "here", i));
	assert_in_range(maybe, 0, N / 100);
	assert_int_equal(filter_count(r), N);
	assert_false(filter_is_full(r));
	filter_add(f, STR("one@more"));
	assert_true(filter_is_full(r));
	filter_free(&r);
	filter_free(&f);
}

static void
a_list_asks_for_domains_local_parts_and_patterns(void **state)
{
	struct why why;
	struct filter *f = filter_new(10, &key, &why), *r;

	filter_add(f, STR("one@a.example"));
	filter_add(f, STR("@closed.example"));
	filter_add(f, STR("abuse@"));
	r = filter_map(filter_fd(f), &why);
	assert_true(filter_may_list(r, STR("One@A.example")));
	assert_true(filter_may_list(r, STR("any@CLOSED.example")));
	assert_false(filter_may_list(r, STR("abuse@b.example")));
	filter_set_traits(f, FILTER_LOCAL_PARTS);
	assert_true(filter_may_list(r, STR("Abuse@b.example")));
	assert_false(filter_may_list(r, STR("two@b.example")));
	assert_false(filter_may_list(r, STR("nobody")));
	filter_set_traits(f, FILTER_LOCAL_PARTS | FILTER_PATTERNS);
	assert_true(filter_has(r, FILTER_PATTERNS));
	assert_true(filter_may_list(r, STR("two@b.example")));
	filter_free(&r);
	filter_free(&f);
}

static void
a_readers_descriptor_cannot_be_written(void **state)
{
	struct why why;
	struct filter *f = filter_new(10, &key, &why);

	assert_non_null(f);
	assert_true(
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, filter_fd(f), 0) == MAP_FAILED);
	assert_int_equal(write(filter_fd(f), "x", 1), -1);
	filter_free(&f);
}

static void
anything_else_is_no_filter(void **state)
{
	struct why why;
	int fd = memfd_create("other", MFD_CLOEXEC);

	assert_null(filter_map(fd, &why));
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_null(filter_map(fd, &why));
	assert_null(filter_map(-1, &why));
	assert_null(filter_new(UINT64_MAX / 64, &key, &why));
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_added_is_never_denied_and_others_mostly_are),
	    cmocka_unit_test(a_list_asks_for_domains_local_parts_and_patterns),
	    cmocka_unit_test(a_readers_descriptor_cannot_be_written),
	    cmocka_unit_test(anything_else_is_no_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
