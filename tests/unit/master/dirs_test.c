/* What root makes and gives away for accounting and pickup, and what it leaves alone. Needs root, and the users. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/xalloc.h"
#include "master/master.h"

static char base[64];

static char *
in_base(const char *name)
{
	static char paths[4][256];
	static unsigned n;
	char *path = paths[n++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", base, name);
	return path;
}

static void
make(const char *name, const char *user, mode_t mode)
{
	assert_int_equal(mkdir(in_base(name), 0700), 0);
	assert_int_equal(chown(in_base(name), user == NULL ? 0 : users_uid(user), users_gid()), 0);
	assert_int_equal(chmod(in_base(name), mode), 0);
}

/* the owner's uid; UINT_MAX: it is not there */
static uid_t
owner(const char *name)
{
	struct stat st;

	return lstat(in_base(name), &st) == -1 ? (uid_t)-1 : st.st_uid;
}

static int
setup(void **state)
{
	if (geteuid() != 0 || getpwnam("pmta-acct") == NULL)
		return 0;
	master.is_root = true;
	snprintf(base, sizeof base, "/tmp/dirs-XXXXXX");
	assert_non_null(mkdtemp(base));
	assert_int_equal(chmod(base, 0755), 0);
	make("secret", NULL, 0700);
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int
teardown(void **state)
{
	return base[0] == '\0' ? 0 : nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int
opens(int fd)
{
	if (fd == -1)
		return 0;
	close(fd);
	return 1;
}

static int
opens_acct(const char *name)
{
	struct why why;

	return opens(dirs_open_acct(in_base(name), &why));
}

static int
opens_pickup(const char *name)
{
	struct why why;

	return opens(dirs_open_pickup(in_base(name), -1, &why));
}

static void
what_only_root_could_name_is_made_and_given(void **state)
{
	if (base[0] == '\0')
		skip();
	assert_true(opens_acct("a/b"));
	assert_int_equal(owner("a"), 0);
	assert_int_equal(owner("a/b"), users_uid("pmta-acct"));
	make("there", NULL, 0755);
	assert_true(opens_acct("there"));
	assert_int_equal(owner("there"), users_uid("pmta-acct"));
	/* by a link of root's, too */
	make("target", NULL, 0755);
	assert_int_equal(symlink(in_base("target"), in_base("link")), 0);
	assert_true(opens_acct("link/below"));
	assert_int_equal(owner("target/below"), users_uid("pmta-acct"));
	assert_true(opens_pickup("in"));
	assert_int_equal(owner("in"), users_uid("pmta-inject"));
}

static void
a_link_of_the_users_leads_root_nowhere(void **state)
{
	if (base[0] == '\0')
		skip();
	make("his", "pmta-acct", 0755);
	assert_int_equal(symlink(in_base("secret"), in_base("his/old")), 0);
	assert_false(opens_acct("his/old"));
	assert_false(opens_acct("his/old/.ssh"));
	assert_int_equal(owner("secret"), 0);
	assert_int_equal(owner("secret/.ssh"), (uid_t)-1);
	/* of the group that may write there, as well */
	make("drop", NULL, 02770);
	assert_int_equal(symlink(in_base("secret"), in_base("drop/bad")), 0);
	assert_false(opens_pickup("drop/bad"));
	assert_int_equal(owner("secret"), 0);
	/* and in a directory of everybody's */
	make("tmp", NULL, 01777);
	assert_int_equal(symlink(in_base("secret"), in_base("tmp/his")), 0);
	assert_int_equal(lchown(in_base("tmp/his"), users_uid("pmta-acct"), users_gid()), 0);
	assert_false(opens_acct("tmp/his"));
	assert_int_equal(owner("secret"), 0);
}

static void
the_user_makes_what_is_missing_in_his_own(void **state)
{
	if (base[0] == '\0')
		skip();
	make("his", "pmta-acct", 0755);
	assert_true(opens_acct("his/new/er"));
	assert_int_equal(owner("his/new/er"), users_uid("pmta-acct"));
	make("drop", NULL, 02770);
	assert_true(opens_pickup("drop"));
	assert_true(opens_pickup("drop/bad"));
	assert_int_equal(owner("drop/bad"), users_uid("pmta-inject"));
	assert_int_equal(geteuid(), 0);
	assert_true(opens_acct("back-as-root"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(what_only_root_could_name_is_made_and_given),
	    T(a_link_of_the_users_leads_root_nowhere),
	    T(the_user_makes_what_is_missing_in_his_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
