/* Entries by address and scope, their end, what a reopening finds, and a filter that grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/suppress/entry_int.h"
#include "lib/suppress/suppress.h"

static char dir[64];
static struct suppress *s;
static struct buf b;
static struct suppression found;

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

static void
reopen(void)
{
	struct why why;

	suppress_close(&s);
	s = suppress_open(dir, 4, &why);
	if (s == NULL)
		fail_msg("%s", why.text);
}

static int
setup(void **state)
{
	snprintf(dir, sizeof dir, "/var/tmp/suppress-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	buf_init(&b, 64 * 1024);
	reopen();
	return 0;
}

static int
teardown(void **state)
{
	suppress_close(&s);
	buf_clear(&b);
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct wall
at(int64_t seconds)
{
	return (struct wall){seconds * NS_PER_SEC};
}

static void
add(const char *address, const char *scope, int64_t until)
{
	struct why why;
	struct suppression e = {.address = str_of(address),
	    .scope = str_of(scope),
	    .since = at(1000),
	    .until = at(until),
	    .source = SUPPRESS_REPLY,
	    .category = STR("bad-mailbox"),
	    .vmta = STR("v1"),
	    .job = STR("j\t1"),
	    .text = STR("550 no\nsuch user")};

	assert_int_equal(suppress_add(s, &e, &why), 0);
	assert_int_equal(suppress_commit(s, &why), 0);
}

static int
find(const char *address, const char *scope, int64_t now)
{
	struct why why;
	struct str scopes[1] = {str_of(scope)};

	return suppress_find(
	    s, str_of(address), scopes, scope[0] != '\0', at(now), &found, &b, &why);
}

static void
an_entry_is_found_with_all_that_was_told(void **state)
{
	add("User@Example.org", "", 0);
	assert_int_equal(find("uSER@example.ORG", "", 5000), 1);
	assert_true(str_eq(found.address, STR("User@Example.org")));
	assert_int_equal(found.since.ns, at(1000).ns);
	assert_int_equal(found.source, SUPPRESS_REPLY);
	assert_true(str_eq(found.category, STR("bad-mailbox")));
	assert_true(str_eq(found.vmta, STR("v1")));
	assert_true(str_eq(found.job, STR("j 1")));
	assert_true(str_eq(found.text, STR("550 no such user")));
	assert_int_equal(find("other@example.org", "", 5000), 0);
	reopen();
	assert_int_equal(find("user@example.org", "v9", 5000), 1);
}

static void
a_scope_counts_only_where_it_is_asked_for(void **state)
{
	add("a@x.example", "v1", 0);
	assert_int_equal(find("a@x.example", "", 1), 0);
	assert_int_equal(find("a@x.example", "V1", 1), 1);
	assert_true(str_eq(found.scope, STR("v1")));
	assert_int_equal(find("a@x.example", "v2", 1), 0);
}

static void
an_entry_ends_when_its_time_is_over(void **state)
{
	add("a@x.example", "", 2000);
	assert_int_equal(find("a@x.example", "", 1999), 1);
	assert_int_equal(find("a@x.example", "", 2000), 0);
}

static void
a_removed_entry_is_gone(void **state)
{
	struct why why;

	add("a@x.example", "", 0);
	assert_int_equal(suppress_remove(s, STR("A@x.example"), STR(""), &why), 1);
	assert_int_equal(suppress_commit(s, &why), 0);
	assert_int_equal(find("a@x.example", "", 1), 0);
	assert_int_equal(suppress_remove(s, STR("A@x.example"), STR(""), &why), 0);
}

static void
what_was_not_committed_is_not_there(void **state)
{
	struct why why;
	struct suppression e = {.address = STR("a@x.example")};

	assert_int_equal(suppress_add(s, &e, &why), 0);
	reopen();
	assert_int_equal(find("a@x.example", "", 1), 0);
	e.address = STR("");
	assert_int_equal(suppress_add(s, &e, &why), -1);
}

static bool
gather(void *arg, const struct suppression *e)
{
	buf_addf(&b, "%.*s/%.*s ", STR_ARG(e->address), STR_ARG(e->scope));
	return true;
}

static void
all_are_visited_in_order(void **state)
{
	struct why why;

	add("b@x.example", "", 0);
	add("A@x.example", "v1", 0);
	add("a@x.example", "", 0);
	buf_reset(&b);
	assert_int_equal(suppress_each(s, STR(""), gather, NULL, &why), 0);
	assert_string_equal(buf_cstr(&b), "a@x.example/ A@x.example/v1 b@x.example/ ");
	buf_reset(&b);
	assert_int_equal(suppress_each(s, STR("b"), gather, NULL, &why), 0);
	assert_string_equal(buf_cstr(&b), "b@x.example/ ");
}

/* how many hashes the file has */
static off_t
n_hashes(void)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof path, "%s/hashes", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size % 4, 0);
	return st.st_size / 4;
}

static void
spoil_hashes(off_t at, const char *bytes)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/hashes", dir);
	f = fopen(path, "r+e");
	assert_non_null(f);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, 4, f), 4);
	assert_int_equal(fclose(f), 0);
}

static void
the_file_of_hashes_is_believed_only_where_it_agrees(void **state)
{
	char path[128];
	struct why why;

	snprintf(path, sizeof path, "%s/hashes", dir);
	add("a@x", "", 0);
	add("b@x", "", 0);
	add("c@x", "v1", 0);
	reopen();
	assert_int_equal(n_hashes(), 3);
	assert_int_equal(find("b@x", "", 1), 1);
	/* written over, cut, gone: the store is read, and the file is whole again */
	suppress_close(&s);
	spoil_hashes(4, "????");
	reopen();
	assert_int_equal(find("b@x", "", 1), 1);
	suppress_close(&s);
	assert_int_equal(truncate(path, 8), 0);
	reopen();
	assert_int_equal(find("c@x", "v1", 1), 1);
	suppress_close(&s);
	assert_int_equal(unlink(path), 0);
	reopen();
	assert_int_equal(find("a@x", "", 1), 1);
	assert_int_equal(n_hashes(), 3);
	/* what lies behind those that count does not count, and is written over */
	suppress_close(&s);
	spoil_hashes(12, "more");
	reopen();
	assert_int_equal(filter_count(suppress_filter(s)), 3);
	add("d@x", "", 0);
	reopen();
	assert_int_equal(n_hashes(), 4);
	assert_int_equal(find("d@x", "", 1), 1);
	assert_int_equal(suppress_remove(s, STR("d@x"), STR(""), &why), 1);
	assert_int_equal(suppress_commit(s, &why), 0);
	reopen();
	assert_int_equal(find("d@x", "", 1), 0);
}

static void
the_filter_grows_with_the_store(void **state)
{
	struct why why;
	const struct filter *first = suppress_filter(s);
	char text[64];
	int r = 0;

	for (unsigned i = 0; i < 70000 && r == 0; i++) {
		struct suppression e = {
		    .address = str_from(text, (size_t)snprintf(text, sizeof text, "u%u@x", i))};
		assert_int_equal(suppress_add(s, &e, &why), 0);
		if (i % 1000 != 999)
			continue;
		assert_int_equal(suppress_commit(s, &why), 0);
		r = suppress_grow(s, &why);
	}
	assert_true(suppress_is_growing(s));
	while (r == 0)
		r = suppress_grow(s, &why);
	assert_int_equal(r, 1);
	assert_ptr_not_equal(suppress_filter(s), first);
	assert_false(filter_is_full(suppress_filter(s)));
	assert_int_equal(find("u0@x", "", 1), 1);
	assert_int_equal(find("u65000@x", "", 1), 1);
	assert_int_equal(find("u69999@x", "", 1), 1);
	reopen();
	assert_false(filter_is_full(suppress_filter(s)));
	assert_int_equal(find("u69999@x", "", 1), 1);
}

static void
the_filter_keeps_its_key_and_what_was_hashed_is_found_again(void **state)
{
	uint32_t hash = filter_hash(suppress_filter(s), STR("A@x.example"));

	add("a@x.example", "", 0);
	reopen();
	assert_true(filter_may_have_hash(suppress_filter(s), hash));
	assert_false(filter_may_have_hash(suppress_filter(s), hash + 1));
}

static void
what_has_expired_is_swept(void **state)
{
	struct why why;

	add("old@x.example", "", 2000);
	add("new@x.example", "", 4000);
	add("ever@x.example", "", 0);
	assert_int_equal(suppress_sweep(s, at(3000), &why), 0);
	assert_int_equal(find("old@x.example", "", 1), 0);
	assert_int_equal(find("new@x.example", "", 1), 1);
	assert_int_equal(find("ever@x.example", "", 1), 1);
	buf_reset(&b);
	assert_int_equal(suppress_after(s, STR("EVER@x.example"), STR(""), gather, NULL, &why), 0);
	assert_string_equal(buf_cstr(&b), "new@x.example/ ");
}

static void
damaged_entries_are_told_apart(void **state)
{
	static const char *const values[] = {"", "1", "2\t0\t0\treply\ta\tb\tc\td\te",
	    "1\tx\t0\treply\ta\tb\tc\td\te", "1\t0\t0\tnobody\ta\tb\tc\td\te",
	    "1\t0\t0\treply\ta\tb\tc"};
	struct suppression e;

	for (size_t i = 0; i < countof(values); i++)
		assert_false(entry_parse(STR("a\0v"), str_of(values[i]), &e));
	assert_false(entry_parse(STR("a"), STR("1\t0\t0\treply\ta\tb\tc\td\te"), &e));
	assert_true(entry_parse(STR("a\0v"), STR("1\t0\t0\treply\ta\tb\tc\td\te\tf"), &e));
	assert_true(str_eq(e.text, STR("e\tf")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(an_entry_is_found_with_all_that_was_told),
	    T(a_scope_counts_only_where_it_is_asked_for),
	    T(an_entry_ends_when_its_time_is_over),
	    T(a_removed_entry_is_gone),
	    T(what_was_not_committed_is_not_there),
	    T(all_are_visited_in_order),
	    T(the_file_of_hashes_is_believed_only_where_it_agrees),
	    T(the_filter_grows_with_the_store),
	    T(the_filter_keeps_its_key_and_what_was_hashed_is_found_again),
	    T(what_has_expired_is_swept),
	    T(damaged_entries_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
