#include "acctd/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEADER "type,timeLogged,rcpt\r\n"
#define NAME0  "acct-2026-03-01-0000.csv"
#define NAME1  "acct-2026-03-01-0001.csv"
#define NAME2  "acct-2026-03-01-0002.csv"

static struct {
	char top[64], dir[80], moved[80];
	int dir_fd, moved_fd;
} t;

/* 1 March 2026, local time */
static struct wall
at(int day, int hour, int min)
{
	struct tm tm = {.tm_year = 126,
	    .tm_mon = 2,
	    .tm_mday = day,
	    .tm_hour = hour,
	    .tm_min = min,
	    .tm_isdst = -1};

	return wall_from_sec((int64_t)mktime(&tm));
}

static int
setup(void **state)
{
	str_copy(t.top, sizeof t.top, STR("/tmp/acctd-file-XXXXXX"));
	assert_non_null(mkdtemp(t.top));
	snprintf(t.dir, sizeof t.dir, "%s/acct", t.top);
	snprintf(t.moved, sizeof t.moved, "%s/moved", t.top);
	assert_int_equal(mkdir(t.dir, 0755) | mkdir(t.moved, 0755), 0);
	t.dir_fd = open(t.dir, O_RDONLY | O_DIRECTORY);
	t.moved_fd = open(t.moved, O_RDONLY | O_DIRECTORY);
	return 0;
}

static void
empty_dir(int fd)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;

	rewinddir(dir);
	while ((e = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
}

static int
teardown(void **state)
{
	empty_dir(t.dir_fd);
	empty_dir(t.moved_fd);
	return rmdir(t.dir) | rmdir(t.moved) | rmdir(t.top);
}

static struct acct_def *
def(const char *fields)
{
	char path[128];
	struct acct_def *d;

	snprintf(path, sizeof path, "%s/acct.csv", t.dir);
	d = acct_def_new(str_of(path), NULL);
	assert_non_null(d);
	acct_layout_add(&d->layout, ACCT_REC_D, str_of(fields), NULL);
	return d;
}

static struct acct_file *
plain_file(void)
{
	return acct_file_new(def("timeLogged,rcpt"), t.dir_fd, -1);
}

static void
commit(struct acct_file *f, const char *lines, struct wall now, bool rotate)
{
	struct buf b;
	struct why why;

	buf_init(&b, 1000000);
	buf_add_cstr(&b, lines);
	if (acct_file_commit(f, &b, now, rotate, &why) == -1)
		fail_msg("%s", why.text);
	assert_int_equal(buf_len(&b), 0);
	buf_clear(&b);
}

static void
content_is(int dir_fd, const char *name, const char *expected)
{
	char got[4096];
	int fd = openat(dir_fd, name, O_RDONLY);
	ssize_t n;

	if (fd == -1)
		fail_msg("%s: %s", name, strerror(errno));
	n = read(fd, got, sizeof got - 1);
	close(fd);
	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, expected);
}

static bool
exists(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
link_is(const char *expected)
{
	char got[256];
	ssize_t n = readlinkat(t.dir_fd, "acct.csv", got, sizeof got - 1);

	assert_true(n > 0);
	got[n] = '\0';
	assert_string_equal(got, expected);
}

static void
put(const char *name, const char *text, size_t len)
{
	int fd = openat(t.dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void
a_file_has_a_dated_name_a_header_and_a_link(void **state)
{
	struct acct_file *f = plain_file();

	commit(f, "", at(1, 12, 0), false);
	content_is(t.dir_fd, NAME0, HEADER);
	link_is(NAME0);
	commit(f, "d,1,a\r\n", at(1, 12, 1), false);
	commit(f, "d,2,b\r\n", at(1, 12, 2), false);
	content_is(t.dir_fd, "acct.csv", HEADER "d,1,a\r\nd,2,b\r\n");
	assert_false(exists(t.dir_fd, ".new-acct.csv"));
	assert_false(exists(t.dir_fd, ".link-acct.csv"));
	acct_file_free(&f);
}

static void
files_are_for_their_owner_and_group_unless_world_readable(void **state)
{
	struct acct_file *f = plain_file();
	struct acct_def *open_def = def("rcpt");
	struct stat st;

	commit(f, "", at(1, 12, 0), false);
	assert_int_equal(fstatat(t.dir_fd, NAME0, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	acct_file_free(&f);
	open_def->world_readable = true;
	f = acct_file_new(open_def, t.dir_fd, -1);
	commit(f, "", at(1, 12, 0), false);
	assert_int_equal(fstatat(t.dir_fd, NAME1, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	acct_file_free(&f);
}

static void
midnight_begins_a_new_file(void **state)
{
	struct acct_file *f = plain_file();

	commit(f, "d,1,a\r\n", at(1, 23, 59), false);
	assert_false(acct_file_is_due(f, at(1, 23, 59)));
	assert_true(acct_file_is_due(f, at(2, 0, 0)));
	commit(f, "d,2,b\r\n", at(2, 0, 0), false);
	content_is(t.dir_fd, NAME0, HEADER "d,1,a\r\n");
	content_is(t.dir_fd, "acct-2026-03-02-0000.csv", HEADER "d,2,b\r\n");
	link_is("acct-2026-03-02-0000.csv");
	acct_file_free(&f);
}

static void
rotation_takes_the_next_free_number(void **state)
{
	struct acct_file *f = plain_file();

	put(NAME1, "x", 1);
	commit(f, "d,1,a\r\n", at(1, 12, 0), false);
	commit(f, "d,2,b\r\n", at(1, 12, 0), true);
	content_is(t.dir_fd, NAME2, HEADER "d,2,b\r\n");
	link_is(NAME2);
	acct_file_free(&f);
}

static void
max_size_is_kept_at_whole_lines(void **state)
{
	struct acct_def *d = def("timeLogged,rcpt");
	struct acct_file *f;

	d->max_size = strlen(HEADER) + 15;
	f = acct_file_new(d, t.dir_fd, -1);
	commit(f, "d,1,a\r\nd,2,b\r\nd,3,c\r\nd,4,a-line-that-is-longer-than-all\r\nd,5,e\r\n",
	    at(1, 12, 0), false);
	content_is(t.dir_fd, NAME0, HEADER "d,1,a\r\nd,2,b\r\n");
	content_is(t.dir_fd, NAME1, HEADER "d,3,c\r\n");
	content_is(t.dir_fd, NAME2, HEADER "d,4,a-line-that-is-longer-than-all\r\n");
	content_is(t.dir_fd, "acct.csv", HEADER "d,5,e\r\n");
	acct_file_free(&f);
}

static void
finished_files_are_moved_and_their_numbers_not_used_again(void **state)
{
	struct acct_def *d = def("timeLogged,rcpt");
	struct acct_file *f;

	d->move_interval_ms = 60000;
	d->move_to[0] = '\0';
	f = acct_file_new(d, t.dir_fd, t.moved_fd);
	commit(f, "d,1,a\r\n", at(1, 12, 0), false);
	assert_false(acct_file_is_due(f, at(1, 12, 0)));
	assert_true(acct_file_is_due(f, at(1, 12, 1)));
	commit(f, "", at(1, 12, 1), false);
	content_is(t.moved_fd, NAME0, HEADER "d,1,a\r\n");
	assert_false(exists(t.dir_fd, NAME0));
	link_is(NAME1);
	/* an interval with nothing in it moves nothing */
	assert_false(acct_file_is_due(f, at(1, 12, 10)));
	commit(f, "d,2,b\r\n", at(1, 12, 10), false);
	content_is(t.dir_fd, NAME1, HEADER "d,2,b\r\n");
	acct_file_free(&f);

	/* after a restart: what the crash left behind goes too, under names that are free in both places */
	unlinkat(t.dir_fd, "acct.csv", 0);
	f = acct_file_new(def("rcpt"), t.dir_fd, t.moved_fd);
	commit(f, "d,x\r\n", at(1, 13, 0), false);
	content_is(t.moved_fd, NAME1, HEADER "d,2,b\r\n");
	content_is(t.dir_fd, NAME2, "type,rcpt\r\nd,x\r\n");
	acct_file_free(&f);
}

static void
old_files_are_deleted_after_their_days(void **state)
{
	struct acct_def *d = def("timeLogged,rcpt");
	struct acct_file *f;

	d->delete_after_ms = INT64_C(8) * 86400 * 1000;
	put("acct-2026-02-20-0000.csv", "x", 1);
	put("acct-2026-02-21-0000.csv", "x", 1);
	put("acct-x-2026-02-01-0000.csv", "x", 1);
	put("acct-2026-02-01-0000.csv.gz", "x", 1);
	put("other.csv", "x", 1);
	f = acct_file_new(d, t.dir_fd, -1);
	commit(f, "", at(1, 12, 0), false);
	assert_false(exists(t.dir_fd, "acct-2026-02-20-0000.csv"));
	assert_true(exists(t.dir_fd, "acct-2026-02-21-0000.csv"));
	assert_true(exists(t.dir_fd, "acct-x-2026-02-01-0000.csv"));
	assert_true(exists(t.dir_fd, "acct-2026-02-01-0000.csv.gz"));
	assert_true(exists(t.dir_fd, "other.csv"));
	commit(f, "", at(2, 12, 0), false);
	assert_false(exists(t.dir_fd, "acct-2026-02-21-0000.csv"));
	acct_file_free(&f);
}

static void
a_clock_that_leapt_deletes_nothing_at_once(void **state)
{
	struct acct_def *d = def("timeLogged,rcpt");
	struct acct_file *f;

	d->delete_after_ms = INT64_C(8) * 86400 * 1000;
	f = acct_file_new(d, t.dir_fd, -1);
	commit(f, "d,1,a\r\n", at(1, 12, 0), false);
	commit(f, "d,1,a\r\n", at(20, 12, 0), false);
	assert_true(exists(t.dir_fd, NAME0));
	/* set right again, an hour passes as every hour */
	commit(f, "d,1,a\r\n", at(1, 12, 1), false);
	assert_false(acct_file_is_due(f, at(1, 12, 2)));
	assert_true(acct_file_is_due(f, at(1, 13, 2)));
	/* it was no mistake */
	commit(f, "d,1,a\r\n", at(20, 12, 0), false);
	assert_true(exists(t.dir_fd, NAME0));
	commit(f, "d,1,a\r\n", at(20, 13, 1), false);
	assert_false(exists(t.dir_fd, NAME0));
	acct_file_free(&f);
	/* a start far ahead of the last file */
	f = acct_file_new(def("timeLogged,rcpt"), t.dir_fd, -1);
	commit(f, "d,1,a\r\n", at(21, 12, 0), false);
	acct_file_free(&f);
	d = def("timeLogged,rcpt");
	d->delete_after_ms = INT64_C(86400) * 1000;
	f = acct_file_new(d, t.dir_fd, -1);
	commit(f, "", at(25, 12, 0), false);
	assert_true(exists(t.dir_fd, "acct-2026-03-21-0000.csv"));
	commit(f, "", at(25, 13, 1), false);
	assert_false(exists(t.dir_fd, "acct-2026-03-21-0000.csv"));
	acct_file_free(&f);
}

static void
an_interval_that_began_in_the_future_begins_now(void **state)
{
	struct acct_def *d = def("timeLogged,rcpt");
	struct acct_file *f;

	d->move_interval_ms = 60000;
	d->move_to[0] = '\0';
	f = acct_file_new(d, t.dir_fd, t.moved_fd);
	commit(f, "d,1,a\r\n", at(1, 12, 0), false);
	assert_true(acct_file_interval_left_ms(f, at(1, 12, 0)) == 60000);
	assert_false(acct_file_is_due(f, at(1, 9, 0)));
	assert_true(acct_file_interval_left_ms(f, at(1, 9, 0)) == 60000);
	assert_true(acct_file_is_due(f, at(1, 9, 1)));
	assert_true(acct_file_interval_left_ms(f, at(1, 9, 1)) == 0);
	acct_file_free(&f);
}

/* seconds since 1970 of a moment in UTC */
static struct wall
utc(int month, int day, int hour, int minute)
{
	struct tm tm = {
	    .tm_year = 126, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_min = minute};

	return wall_from_sec(timegm(&tm));
}

static void
days_are_the_zone_s_when_the_clocks_change(void **state)
{
	struct acct_file *f = plain_file();

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	/* 29 March has 23 hours, 25 October has 25 */
	commit(f, "d,1,a\r\n", utc(3, 28, 23, 0), false);
	link_is("acct-2026-03-29-0000.csv");
	assert_false(acct_file_is_due(f, utc(3, 29, 0, 0)));
	commit(f, "d,1,b\r\n", utc(3, 29, 21, 59), false);
	content_is(t.dir_fd, "acct-2026-03-29-0000.csv", HEADER "d,1,a\r\nd,1,b\r\n");
	assert_true(acct_file_is_due(f, utc(3, 29, 22, 0)));
	assert_true(acct_day_end((struct acct_day){2026, 3, 29}).ns == utc(3, 29, 22, 0).ns);
	commit(f, "d,2,a\r\n", utc(10, 24, 22, 0), false);
	link_is("acct-2026-10-25-0000.csv");
	/* two o'clock comes twice: the same file */
	commit(f, "d,2,b\r\n", utc(10, 25, 0, 30), false);
	commit(f, "d,2,c\r\n", utc(10, 25, 1, 30), false);
	commit(f, "d,2,d\r\n", utc(10, 25, 22, 59), false);
	content_is(
	    t.dir_fd, "acct-2026-10-25-0000.csv", HEADER "d,2,a\r\nd,2,b\r\nd,2,c\r\nd,2,d\r\n");
	commit(f, "d,3,a\r\n", utc(10, 25, 23, 0), false);
	link_is("acct-2026-10-26-0000.csv");
	acct_file_free(&f);
	setenv("TZ", "UTC", 1);
	tzset();
}

static void
continues_with(const char *left, size_t len, const char *expected)
{
	struct acct_file *f;

	put(NAME0, left, len);
	unlinkat(t.dir_fd, "acct.csv", 0);
	assert_int_equal(symlinkat(NAME0, t.dir_fd, "acct.csv"), 0);
	f = plain_file();
	commit(f, "d,9,z\r\n", at(1, 13, 0), false);
	acct_file_free(&f);
	content_is(t.dir_fd, NAME0, expected);
	link_is(NAME0);
}

static void
a_file_of_an_earlier_run_is_continued_behind_its_last_whole_line(void **state)
{
	static const char whole[] = HEADER "d,1,a\r\n",
			  zeros[] = HEADER "d,1,a\r\n\0\0\0\0\r\nd,2,b\r\n";

	continues_with(whole, sizeof whole - 1, HEADER "d,1,a\r\nd,9,z\r\n");
	for (size_t cut = strlen(HEADER); cut < sizeof whole - 1; cut++)
		continues_with(whole, cut, HEADER "d,9,z\r\n");
	continues_with(zeros, sizeof zeros - 1, HEADER "d,1,a\r\nd,9,z\r\n");
}

static void
another_header_or_another_day_begins_a_new_file(void **state)
{
	struct acct_file *f;

	put(NAME0, "type,rcpt\r\nd,1\r\nd,", 19);
	assert_int_equal(symlinkat(NAME0, t.dir_fd, "acct.csv"), 0);
	f = plain_file();
	commit(f, "d,1,a\r\n", at(1, 13, 0), false);
	acct_file_free(&f);
	content_is(t.dir_fd, NAME0, "type,rcpt\r\nd,1\r\n");
	content_is(t.dir_fd, NAME1, HEADER "d,1,a\r\n");
	f = plain_file();
	commit(f, "d,2,b\r\n", at(2, 13, 0), false);
	acct_file_free(&f);
	content_is(t.dir_fd, NAME1, HEADER "d,1,a\r\n");
	link_is("acct-2026-03-02-0000.csv");
}

static void
links_and_strange_files_are_never_followed(void **state)
{
	struct acct_file *f;
	struct why note;

	put("victim", "keep", 4);
	assert_int_equal(symlinkat("victim", t.dir_fd, NAME0), 0);
	assert_int_equal(symlinkat(NAME0, t.dir_fd, "acct.csv"), 0);
	f = plain_file();
	commit(f, "d,1,a\r\n", at(1, 13, 0), false);
	content_is(t.dir_fd, "victim", "keep");
	content_is(t.dir_fd, NAME1, HEADER "d,1,a\r\n");
	acct_file_free(&f);

	unlinkat(t.dir_fd, "acct.csv", 0);
	put("acct.csv", "somebody's", 10);
	f = plain_file();
	commit(f, "d,2,b\r\n", at(1, 13, 0), false);
	content_is(t.dir_fd, "acct.csv", "somebody's");
	assert_true(acct_file_note(f, &note));
	assert_false(acct_file_note(f, &note));
	acct_file_free(&f);
}

/* RLIMIT_FSIZE makes a real short write, then EFBIG, like a disk that is full */
static void
limit_size(rlim_t n)
{
	struct rlimit r = {.rlim_cur = n, .rlim_max = RLIM_INFINITY};

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

static void
a_full_disk_leaves_whole_lines_and_is_overcome(void **state)
{
	struct acct_file *f = plain_file();
	struct buf b;
	struct why why;

	commit(f, "d,1,a\r\n", at(1, 12, 0), false);
	buf_init(&b, 1000);
	buf_add_cstr(&b, "d,2,b\r\nd,3,c\r\n");
	limit_size(strlen(HEADER) + 10);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(acct_file_commit(f, &b, at(1, 12, 0), false, &why), -1);
		content_is(t.dir_fd, NAME0, HEADER "d,1,a\r\n");
		assert_int_equal(buf_len(&b), 14);
	}
	limit_size(RLIM_INFINITY);
	assert_int_equal(acct_file_commit(f, &b, at(1, 12, 0), false, &why), 0);
	content_is(t.dir_fd, NAME0, HEADER "d,1,a\r\nd,2,b\r\nd,3,c\r\n");
	buf_clear(&b);
	acct_file_free(&f);
}

static void
a_disk_without_room_for_a_header_leaves_no_file(void **state)
{
	struct acct_file *f = plain_file();
	struct buf b;
	struct why why;

	buf_init(&b, 1000);
	buf_add_cstr(&b, "d,2,b\r\n");
	limit_size(10);
	for (int i = 0; i < 3; i++)
		assert_int_equal(acct_file_commit(f, &b, at(1, 12, 0), false, &why), -1);
	assert_false(exists(t.dir_fd, NAME0));
	assert_false(exists(t.dir_fd, "acct.csv"));
	limit_size(RLIM_INFINITY);
	assert_int_equal(acct_file_commit(f, &b, at(1, 12, 0), false, &why), 0);
	content_is(t.dir_fd, NAME0, HEADER "d,2,b\r\n");
	buf_clear(&b);
	acct_file_free(&f);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_file_has_a_dated_name_a_header_and_a_link),
	    TEST(files_are_for_their_owner_and_group_unless_world_readable),
	    TEST(midnight_begins_a_new_file),
	    TEST(rotation_takes_the_next_free_number),
	    TEST(max_size_is_kept_at_whole_lines),
	    TEST(finished_files_are_moved_and_their_numbers_not_used_again),
	    TEST(old_files_are_deleted_after_their_days),
	    TEST(a_clock_that_leapt_deletes_nothing_at_once),
	    TEST(an_interval_that_began_in_the_future_begins_now),
	    TEST(days_are_the_zone_s_when_the_clocks_change),
	    TEST(a_file_of_an_earlier_run_is_continued_behind_its_last_whole_line),
	    TEST(another_header_or_another_day_begins_a_new_file),
	    TEST(links_and_strange_files_are_never_followed),
	    TEST(a_full_disk_leaves_whole_lines_and_is_overcome),
	    TEST(a_disk_without_room_for_a_header_leaves_no_file),
	};

	umask(022);
	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
