#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pmtactl/options.h"

static struct options o;
static struct why why;

static int
read_line(const char *line)
{
	static char text[1000];
	char *argv[70] = {(char *)(uintptr_t) "pmtactl"}, *save = NULL;
	int argc = 1;

	snprintf(text, sizeof text, "%s", line);
	for (char *w = strtok_r(text, " ", &save); w != NULL && argc < 70;
	     w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	why = (struct why){{0}};
	return options_read(argc, argv, &o, &why);
}

#define assert_is(line, id)                                                                        \
	do {                                                                                       \
		assert_int_equal(read_line(line), 0);                                              \
		assert_non_null(o.row);                                                            \
		assert_int_equal(o.row->command, CTL_##id);                                        \
	} while (0)
#define assert_wrong(line, part)                                                                   \
	do {                                                                                       \
		assert_int_equal(read_line(line), -1);                                             \
		assert_non_null(strstr(why.text, part));                                           \
	} while (0)

static void
words_may_be_shortened(void **state)
{
	assert_is("show status", SHOW_STATUS);
	assert_is("sho dom", SHOW_DOMAINS);
	assert_is("show ver", SHOW_VERSION);
	assert_is("show queue", SHOW_QUEUES);
	assert_is("clear dns", CLEAR_DNSCACHE);
	assert_is("reset count", RESET_COUNTERS);
	assert_is("SHOW TopQ", SHOW_TOPQUEUES);
	assert_wrong("show v", "several");
	assert_wrong("show", "no command");
	assert_wrong("re", "several");
	assert_wrong("sing", "no command");
	assert_wrong("", "help");
}

static void
arguments_and_options_find_their_place(void **state)
{
	assert_is("list --queue=a/b --rcpt=c@d --jobId=j --maxitems=7", LIST);
	assert_true(str_eq(o.args[ARG_TARGET], STR("a/b")) && str_eq(o.args[ARG_RCPT], STR("c@d")));
	assert_true(str_eq(o.args[ARG_JOB], STR("j")));
	assert_int_equal(o.max, 7);
	assert_is("delete --dsn --queue=x --dry-run", DELETE);
	assert_true(str_eq(o.args[ARG_FLAGS], STR("dsn,dry-run")));
	assert_is("pause queue -- --x", PAUSE_QUEUE);
	assert_true(str_eq(o.args[ARG_TARGET], STR("--x")));
	assert_is("-c /c -s /s --json show queues a/b", SHOW_QUEUES);
	assert_string_equal(o.config, "/c");
	assert_string_equal(o.socket, "/s");
	assert_int_equal(o.form, FORM_JSON);
	assert_true(str_eq(o.args[ARG_TARGET], STR("a/b")));
}

static void
what_does_not_belong_is_refused(void **state)
{
	assert_wrong("show version --dsn", "no option --dsn");
	assert_wrong("show queues --nonsense", "no option");
	assert_wrong("show queues --errors=1", "no option");
	assert_wrong("list --queue", "no option");
	assert_wrong("show version now", "one argument too many");
	assert_wrong("pause queue a b", "one argument too many");
	assert_wrong("list --maxitems=0", "--maxitems");
	assert_wrong("list --maxitems=99999999999", "--maxitems");
}

static void
ages_have_units(void **state)
{
	assert_is("list --older-than=90", LIST);
	assert_true(str_eq(o.args[ARG_OLDER], STR("90")));
	assert_is("list --older-than=1w2d3h4m5s", LIST);
	assert_true(str_eq(o.args[ARG_OLDER], STR("788645")));
	assert_is("list --older-than=9999999w", LIST);
	assert_true(str_eq(o.args[ARG_OLDER], STR("4000000000")));
	assert_wrong("list --older-than=3x", "--older-than");
	assert_wrong("list --older-than=h", "--older-than");
	assert_wrong("list --older-than=", "--older-than");
}

static void
hostile_arguments_are_told(void **state)
{
	static char longer[2000];
	char *argv[] = {(char *)(uintptr_t) "pmtactl", (char *)(uintptr_t) "pause",
	    (char *)(uintptr_t) "queue", longer};

	memset(longer, 'x', sizeof longer - 1);
	assert_int_equal(options_read(4, argv, &o, &why), -1);
	memcpy(longer, "a\nb", 4);
	assert_int_equal(options_read(4, argv, &o, &why), -1);
	assert_int_equal(options_read(65, argv, &o, &why), -1);
}

static void
what_pmtactl_does_by_itself_is_named(void **state)
{
	assert_int_equal(read_line("show license"), 0);
	assert_int_equal(o.local, LOCAL_NO_LICENSE);
	assert_string_equal(o.words, "show license");
	assert_int_equal(read_line("trace a.test"), 0);
	assert_int_equal(o.local, LOCAL_STREAM);
	assert_int_equal(read_line("test conf x"), 0);
	assert_int_equal(o.local, LOCAL_TEST_CONFIG);
	assert_int_equal(read_line("audit"), 0);
	assert_int_equal(o.local, LOCAL_AUDIT);
	assert_int_equal(read_line("cat 0123456789abcdef"), 0);
	assert_int_equal(o.local, LOCAL_CAT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words_may_be_shortened),
	    cmocka_unit_test(arguments_and_options_find_their_place),
	    cmocka_unit_test(what_does_not_belong_is_refused),
	    cmocka_unit_test(ages_have_units),
	    cmocka_unit_test(hostile_arguments_are_told),
	    cmocka_unit_test(what_pmtactl_does_by_itself_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
