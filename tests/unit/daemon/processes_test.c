#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "lib/daemon/processes.h"

static size_t
wanted(const char *line, enum ipc_role role)
{
	char path[] = "/tmp/ph-processes.XXXXXX";
	struct conf_messages list = {0};
	struct conf *c;
	int fd = mkstemp(path);
	size_t n;

	assert_true(fd != -1);
	dprintf(fd,
	    "host-name a.example\npostmaster p@example.org\nlog-file /tmp/log\nspool "
	    "/tmp/spool\n%s\n",
	    line);
	close(fd);
	c = conf_load(path, &list);
	unlink(path);
	for (size_t i = 0; c == NULL && i < list.n; i++)
		print_message("%s: %s\n", line, list.list[i].text);
	assert_non_null(c);
	n = processes_wanted(c, role);
	conf_free(&c);
	conf_messages_clear(&list);
	return n;
}

static void
there_is_at_least_one_of_each_and_never_too_many(void **state)
{
	size_t cpus = (size_t)sysconf(_SC_NPROCESSORS_ONLN);

	assert_int_equal(wanted("", ROLE_QUEUE), 1);
	assert_int_equal(wanted("", ROLE_INJECT),
	    PH_MIN(PH_MAX(cpus / 2, (size_t)1), (size_t)PROCESSES_MAX_PER_ROLE));
	assert_int_equal(wanted("smtp-server-threads 1", ROLE_INJECT), 1);
	assert_int_equal(wanted("smtp-server-threads 16", ROLE_INJECT), 1);
	assert_int_equal(wanted("smtp-server-threads 17", ROLE_INJECT), PH_MIN((size_t)2, cpus));
	assert_int_equal(wanted("smtp-server-threads 64", ROLE_INJECT), PH_MIN(cpus, (size_t)4));
	assert_int_equal(wanted("smtp-server-threads 64", ROLE_DELIVER), wanted("", ROLE_DELIVER));
	assert_int_equal(wanted("delivery-processes 3", ROLE_DELIVER), 3);
	assert_int_equal(wanted("delivery-processes 3", ROLE_SIGN), wanted("", ROLE_SIGN));
	assert_int_equal(wanted("signing-processes 2", ROLE_SIGN), 2);
	assert_int_equal(wanted("delivery-processes auto", ROLE_DELIVER), wanted("", ROLE_DELIVER));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_is_at_least_one_of_each_and_never_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
