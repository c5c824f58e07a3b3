/* Bounds: of depth, of size, of what is said; and files that are not as they should be. */
#include "tests/unit/conf/help.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
	char path[64];
};

static struct folder
folder_new(void)
{
	struct folder f = {"/tmp/conf-limits-XXXXXX"};

	assert_non_null(mkdtemp(f.path));
	return f;
}

static char *
put_file(const struct folder *f, const char *name, struct str text)
{
	char *path = xasprintf("%s/%s", f->path, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.p, text.len), (ssize_t)text.len);
	close(fd);
	return path;
}

static void
folder_remove(struct folder *f)
{
	char *command = xasprintf("%s", f->path), *path;

	for (int i = -1; i < 40; i++) {
		path = i == -1 ? xasprintf("%s/config", f->path) : xasprintf("%s/%d", f->path, i);
		unlink(path);
		free(path);
	}
	assert_int_equal(rmdir(f->path), 0);
	free(command);
}

/* Loads, and says whether some error has `part` in it. */
static bool
is_refused(const char *path, const char *part)
{
	struct conf_messages m;
	struct conf *c = conf_load_with(path, &m, true);
	bool found = false;

	for (size_t i = 0; i < m.n; i++)
		found = found || (m.list[i].is_error && strstr(m.list[i].text, part) != NULL);
	if (!found)
		print_messages(&m, true);
	assert_null(c);
	conf_messages_clear(&m);
	return found;
}

static bool
is_text_refused(const char *text, const char *part)
{
	struct folder f = folder_new();
	char *path = put_file(&f, "config", str_of(text));
	bool r = is_refused(path, part);

	free(path);
	folder_remove(&f);
	return r;
}

static void
a_missing_file_is_one_error(void **state)
{
	struct conf_messages m;

	assert_null(conf_load("/nonexistent/config", &m));
	assert_int_equal(m.n, 1);
	assert_string_equal(m.list[0].text, "/nonexistent/config: No such file or directory");
	conf_messages_clear(&m);
}

static void
a_folder_is_no_file(void **state)
{
	assert_true(is_refused("/tmp", "not a file"));
}

static void
root_refuses_a_file_that_others_may_write(void **state)
{
	struct folder f = folder_new();
	char *path = put_file(&f, "config", STR(NEEDED));
	struct conf_messages m;
	struct conf *c;

	assert_int_equal(chmod(path, 0666), 0);
	if (geteuid() == 0) {
		assert_true(is_refused(path, "may be written by others"));
	} else {
		c = conf_load_with(path, &m, true);
		assert_non_null(c);
		conf_messages_clear(&m);
		conf_free(&c);
	}
	free(path);
	folder_remove(&f);
}

static void
files_in_files_are_bounded(void **state)
{
	struct folder f = folder_new();
	char *path;

	for (int i = 0; i < 20; i++) {
		char *name = xasprintf("%d", i), *text = xasprintf("include %d\n", i + 1);
		path = put_file(&f, name, str_of(text));
		free(path);
		free(name);
		free(text);
	}
	path = put_file(&f, "config", STR("include 0\n"));
	assert_true(is_refused(path, "more than 16 files in one another"));
	free(path);
	folder_remove(&f);
}

static void
lists_in_lists_are_bounded(void **state)
{
	struct buf b;

	buf_init(&b, 100000);
	buf_add_cstr(&b, NEEDED "<pattern-list a>\n");
	for (int i = 0; i < 40; i++)
		buf_add_cstr(&b, "mail-from /x/ <pattern-list>\n");
	assert_true(is_text_refused(buf_cstr(&b), "more than 16 blocks in one another"));
	buf_clear(&b);
}

static void
a_file_is_bounded(void **state)
{
	struct folder f = folder_new();
	size_t n = 17 * 1024 * 1024;
	char *text = xmalloc(n), *path;

	memset(text, '\n', n);
	path = put_file(&f, "config", str_from(text, n));
	assert_true(is_refused(path, "larger than"));
	free(text);
	free(path);
	folder_remove(&f);
}

static void
macros_make_a_bounded_number_of_patterns(void **state)
{
	struct buf b;

	buf_init(&b, 100000);
	buf_add_cstr(&b, NEEDED "domain-macro a ");
	for (int i = 0; i < 100; i++)
		buf_addf(&b, "%sx%d", i == 0 ? "" : ",", i);
	buf_add_cstr(&b, "\n<domain $a.$a.$a.$a>\n</domain>\n");
	assert_true(is_text_refused(buf_cstr(&b), "more than 100000 patterns"));
	buf_clear(&b);
}

static void
errors_are_kept_before_notes_and_counted(void **state)
{
	struct buf b;
	struct conf_messages m;
	struct conf *c;
	size_t errors = 0;

	buf_init(&b, 1000000);
	buf_add_cstr(&b, "<domain *>\n");
	for (enum conf_key k = CONF_NONE; (k = conf_next_key(CONF_BLOCK_DOMAIN, k)) != CONF_NONE;)
		buf_addf(&b, "%s\n", conf_key_name(k));
	buf_add_cstr(&b, "</domain>\n");
	for (int i = 0; i < 300; i++)
		buf_addf(&b, "unknown-%d x\n", i);
	c = conf_load_text(buf_str(&b), "test", &m, true);
	assert_null(c);
	assert_int_equal(m.n, CONF_MESSAGES_MAX);
	for (size_t i = 0; i < m.n; i++)
		errors += m.list[i].is_error;
	assert_int_equal(errors, CONF_MESSAGES_MAX);
	conf_messages_clear(&m);
	buf_clear(&b);
}

static const struct {
	const char *name, *text, *part;
} bad[] = {
    {"no UTF-8",
	"host-id 5\nhost-name b\xfc"
	"cher.test\n",
	"config:2:12: byte 0xfc is not UTF-8"},
    {"an open comment", NEEDED "<!-- never closed\nhost-id x\n", "not closed by -->"},
    {"a tag without end", NEEDED "<domain x\n", "\">\", is missing"},
};

static void
what_is_no_configuration_is_refused(void **state)
{
	for (size_t i = 0; i < countof(bad); i++)
		if (!is_text_refused(bad[i].text, bad[i].part))
			fail_msg("%s", bad[i].name);
}

static void
other_line_ends_and_a_byte_order_mark_are_taken(void **state)
{
	struct conf *c = load_text("\xef\xbb\xbf"
				   "log-file /tmp/log\r\n<spool /tmp/spool>\r\n</spool>\r\nhost-id "
				   "5 # x\r\n\r\nhost-name a.test",
	    false);

	assert_non_null(c);
	assert_int_equal(conf_u64(conf_global(c), CONF_GLOBAL_HOST_ID), 5);
	assert_true(str_eq(conf_str(conf_global(c), CONF_GLOBAL_HOST_NAME), STR("a.test")));
	conf_free(&c);
}

static const char *const damaged[] = {"", "x", "file /a\n0:1", "file /a\n0:1:<domain x>\n",
    "0:1:host-id 5\n", "file /a\n0:x:host-id 5\n", "file /a\n0:1:include /etc/passwd\n",
    "file /a\n9:1:host-id x\n"};

static void
a_damaged_snapshot_is_refused(void **state)
{
	for (size_t i = 0; i < countof(damaged); i++) {
		struct folder f = folder_new();
		char *path = put_file(&f, "config", str_of(damaged[i]));
		struct conf_messages m;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		struct conf *c = conf_load_fd(fd, &m);
		if (c != NULL || m.n == 0)
			fail_msg("%s", damaged[i]);
		conf_messages_clear(&m);
		close(fd);
		free(path);
		folder_remove(&f);
	}
}

static void
a_snapshot_cannot_be_changed(void **state)
{
	struct conf *c = load_text(NEEDED, false);
	int fd = conf_snapshot(c);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	close(fd);
	conf_free(&c);
}

static bool
snapshot_has(const struct conf *c, unsigned readers, const char *text)
{
	int fd = conf_snapshot_for(c, readers);
	char *all = xcalloc(1, 1 << 20);
	bool has;

	assert_true(fd >= 0 && pread(fd, all, (1 << 20) - 1, 0) > 0);
	has = strstr(all, text) != NULL;
	free(all);
	close(fd);
	return has;
}

static void
a_process_learns_no_password_that_it_does_not_need(void **state)
{
	struct conf *c = load_text(NEEDED
	    "<smtp-user u>\npassword inbound-secret\n</smtp-user>\n"
	    "<domain x.test>\nauth-username u\nauth-password outbound-secret\n</domain>\n",
	    false);

	assert_true(snapshot_has(c, CONF_FOR_ALL, "inbound-secret"));
	assert_true(snapshot_has(c, CONF_FOR_INJECTION, "inbound-secret"));
	assert_false(snapshot_has(c, CONF_FOR_INJECTION, "outbound-secret"));
	assert_true(snapshot_has(c, CONF_FOR_DELIVERY, "outbound-secret"));
	assert_false(snapshot_has(c, CONF_FOR_DELIVERY, "inbound-secret"));
	assert_false(snapshot_has(c, CONF_FOR_OTHERS, "bound-secret"));
	assert_true(snapshot_has(c, CONF_FOR_OTHERS, "<smtp-user"));
	conf_free(&c);
}

/* so much has the process had at once, in KB */
static long
most_memory(void)
{
	struct rusage u;

	assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
	return u.ru_maxrss;
}

static void
an_alias_of_many_takes_memory_in_proportion(void **state)
{
	const struct str *targets;
	struct conf *c;
	struct buf b;
	long before;

	buf_init(&b, 1 << 20);
	(void)buf_add_cstr(&b, "<aliases>\nalias all@a.test ");
	for (unsigned i = 0; i < 10000; i++)
		(void)buf_addf(&b, "%su%u@b.test", i == 0 ? "" : ",", i);
	(void)buf_add_cstr(&b, "\nalias all@a.test last@b.test\n</aliases>\n");
	before = most_memory();
	c = load_body(buf_cstr(&b));
	assert_int_equal(conf_forward(c, STR("all@a.test"), &targets), 10001);
	assert_true(str_eq(targets[9999], STR("u9999@b.test")));
	assert_true(str_eq(targets[10000], STR("last@b.test")));
	/* in the square of their number it would be 800 MB */
	assert_true(most_memory() - before < 300 * 1024);
	conf_free(&c);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_alias_of_many_takes_memory_in_proportion),
	    cmocka_unit_test(a_missing_file_is_one_error),
	    cmocka_unit_test(a_process_learns_no_password_that_it_does_not_need),
	    cmocka_unit_test(a_folder_is_no_file),
	    cmocka_unit_test(root_refuses_a_file_that_others_may_write),
	    cmocka_unit_test(files_in_files_are_bounded),
	    cmocka_unit_test(lists_in_lists_are_bounded),
	    cmocka_unit_test(a_file_is_bounded),
	    cmocka_unit_test(macros_make_a_bounded_number_of_patterns),
	    cmocka_unit_test(errors_are_kept_before_notes_and_counted),
	    cmocka_unit_test(what_is_no_configuration_is_refused),
	    cmocka_unit_test(other_line_ends_and_a_byte_order_mark_are_taken),
	    cmocka_unit_test(a_damaged_snapshot_is_refused),
	    cmocka_unit_test(a_snapshot_cannot_be_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
