/* A table that survives: batches whole or not at all, order, owners, and kills at any moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <db.h>
#include <ftw.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/kv/kv.h"

static char dir[64];

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

static int
setup(void **state)
{
	snprintf(dir, sizeof dir, "/var/tmp/kv-test-XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct kv *
open_table(void)
{
	struct why why;
	struct kv *k = kv_open(dir, "table", 4, &why);

	if (k == NULL)
		fail_msg("%s", why.text);
	return k;
}

static void
put(struct kv *k, const char *key, const char *value)
{
	struct why why;

	assert_int_equal(kv_put(k, str_of(key), str_of(value), &why), 0);
}

static void
expect(struct kv *k, const char *key, const char *value)
{
	struct buf b;
	struct why why;

	buf_init(&b, KV_MAX_VALUE);
	assert_int_equal(kv_get(k, str_of(key), &b, &why), value == NULL ? 0 : 1);
	if (value != NULL)
		assert_true(str_eq(buf_str(&b), str_of(value)));
	buf_clear(&b);
}

static void
what_was_committed_is_there_after_a_reopening(void **state)
{
	struct why why;
	struct kv *k = open_table();

	put(k, "a", "1");
	put(k, "b", "");
	expect(k, "a", "1");
	assert_int_equal(kv_commit(k, &why), 0);
	put(k, "c", "dropped");
	kv_close(&k);
	k = open_table();
	expect(k, "a", "1");
	expect(k, "b", "");
	expect(k, "c", NULL);
	assert_int_equal(kv_del(k, STR("a"), &why), 1);
	assert_int_equal(kv_del(k, STR("zz"), &why), 0);
	kv_abort(k);
	expect(k, "a", "1");
	kv_close(&k);
}

static bool
gather(void *arg, struct str key, struct str value)
{
	struct buf *b = arg;

	buf_addf(b, "%.*s=%.*s ", STR_ARG(key), STR_ARG(value));
	return !str_eq(key, STR("c"));
}

static void
keys_are_visited_in_order(void **state)
{
	struct why why;
	struct kv *k = open_table();
	struct buf b;

	buf_init(&b, 1000);
	assert_int_equal(kv_each(k, STR(""), gather, &b, &why), 0);
	put(k, "d", "4");
	put(k, "b", "2");
	put(k, "a", "1");
	put(k, "c", "3");
	assert_int_equal(kv_commit(k, &why), 0);
	assert_int_equal(kv_each(k, STR("aa"), gather, &b, &why), 0);
	assert_string_equal(buf_cstr(&b), "b=2 c=3 ");
	buf_clear(&b);
	kv_close(&k);
}

static void
a_second_owner_is_refused(void **state)
{
	struct why why;
	struct kv *k = open_table();

	assert_null(kv_open(dir, "table", 4, &why));
	assert_non_null(strstr(why.text, "another owner"));
	kv_close(&k);
}

/* writes batches of two keys for ever, and tells each number that was committed */
static void
write_for_ever(int fd)
{
	struct why why;
	struct kv *k = kv_open(dir, "table", 4, &why);
	char key[32];

	for (uint32_t i = 0; k != NULL && i < 1000000; i++) {
		snprintf(key, sizeof key, "x%u", i);
		if (kv_put(k, str_of(key), STR("1"), &why) == -1)
			break;
		snprintf(key, sizeof key, "y%u", i);
		if (kv_put(k, str_of(key), STR("1"), &why) == -1 || kv_commit(k, &why) == -1 ||
		    write(fd, &i, sizeof i) != sizeof i)
			break;
	}
	_exit(1);
}

static bool
count(void *arg, struct str key, struct str value)
{
	uint32_t *n = arg, number;

	assert_true(parse_u32(str_skip(key, 1), 0, UINT32_MAX, &number));
	n[key.p[0] == 'y']++;
	return true;
}

/* One life of a writer, killed after some commits; how many it told. */
static uint32_t
live_and_die(uint32_t commits)
{
	int fds[2];
	uint32_t told = 0, i;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		write_for_ever(fds[1]);
	close(fds[1]);
	while (told < commits && read(fds[0], &i, sizeof i) == sizeof i)
		told = i + 1;
	kill(pid, SIGKILL);
	while (read(fds[0], &i, sizeof i) == sizeof i)
		told = i + 1;
	close(fds[0]);
	waitpid(pid, NULL, 0);
	return told;
}

/* Berkeley DB's own check of the file that nobody has open */
static void
verify(void)
{
	char path[128];
	DB *db;

	snprintf(path, sizeof path, "%s/table", dir);
	assert_int_equal(db_create(&db, NULL, 0), 0);
	assert_int_equal(db->verify(db, path, NULL, NULL, 0), 0);
}

static void
a_kill_loses_nothing_that_was_committed_and_leaves_no_half(void **state)
{
	struct why why;

	for (uint32_t round = 1; round <= 5; round++) {
		uint32_t told = live_and_die(round * 37), n[2] = {0, 0};
		struct kv *k = open_table();
		assert_true(told >= round * 37);
		assert_int_equal(kv_each(k, STR(""), count, n, &why), 0);
		assert_int_equal(n[0], n[1]);
		assert_true(n[0] >= told);
		kv_close(&k);
		verify();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(what_was_committed_is_there_after_a_reopening),
	    T(keys_are_visited_in_order),
	    T(a_second_owner_is_refused),
	    T(a_kill_loses_nothing_that_was_committed_and_leaves_no_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
