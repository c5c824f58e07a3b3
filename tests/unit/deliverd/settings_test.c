/* The rows of <domain> that are times and switches of a connection: each reaches the field that the session goes by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "deliverd/settings.h"

#define AT(field) offsetof(struct session_conf, field)

static const struct {
	const char *row;
	size_t at;
	int64_t plain_ms; /* without the row */
} times[] = {
    {"connect-timeout", AT(connect_ms), 120 * 1000},
    {"smtp-greeting-timeout", AT(greeting_ms), 300 * 1000},
    {"data-send-timeout", AT(send_ms), 180 * 1000},
    {"smtp-data-termination-timeout", AT(dot_ms), 600 * 1000},
    {"smtp-multiple-line-response-timeout", AT(multiline_ms), 300 * 1000},
};
static const struct {
	const char *row;
	size_t at;
	bool plain;
} switches[] = {
    {"ignore-8bitmime", AT(ignore_8bitmime), false},
    {"ignore-chunking", AT(ignore_chunking), false},
    {"ignore-pipelining", AT(ignore_pipelining), false},
    {"ignore-dsn", AT(ignore_dsn), false},
    {"smtp-421-means-mx-unavailable", AT(break_on_421), false},
    {"assume-delivery-upon-data-termination-timeout", AT(assume_delivered), false},
    {"use-unencrypted-plain-auth", AT(auth_in_clear), false},
    {"pix-bug-workaround", AT(pix_workaround), true},
    {"bounce-upon-transfer-failure", AT(bounce_broken), false},
    {"bounce-upon-pix-transfer-failure", AT(bounce_broken_pix), false},
};

/* What a connection of x.test goes by when <domain x.test> has these lines. */
static void
read_with(const char *lines, struct settings *s)
{
	char path[] = "/tmp/settings-test-XXXXXX";
	int fd = mkstemp(path);
	struct conf_messages m = {0};
	struct conf *c;

	assert_true(fd != -1);
	dprintf(fd,
	    "host-name mx.test\npostmaster you@mx.test\nspool /tmp\nlog-file /dev/null\n"
	    "<domain x.test>\n%s\n</domain>\n",
	    lines);
	close(fd);
	c = conf_load(path, &m);
	unlink(path);
	assert_non_null(c);
	settings_read(conf_queue(c, STR("x.test"), STR("")), s);
	conf_messages_clear(&m);
	conf_free(&c);
}

static int64_t
time_at(const struct settings *s, size_t at)
{
	return *(const int64_t *)(const void *)((const char *)&s->session + at);
}

static bool
switch_at(const struct settings *s, size_t at)
{
	return *(const bool *)((const char *)&s->session + at);
}

static void
times_are_the_rows(void **state)
{
	struct settings s;
	char line[128];

	for (size_t i = 0; i < countof(times); i++) {
		read_with("", &s);
		assert_int_equal(time_at(&s, times[i].at), times[i].plain_ms);
		(void)snprintf(line, sizeof line, "%s 17s", times[i].row);
		read_with(line, &s);
		assert_int_equal(time_at(&s, times[i].at), 17 * 1000);
	}
}

static void
switches_are_the_rows(void **state)
{
	struct settings s;
	char line[128];

	for (size_t i = 0; i < countof(switches); i++) {
		read_with("", &s);
		assert_int_equal(switch_at(&s, switches[i].at), switches[i].plain);
		(void)snprintf(
		    line, sizeof line, "%s %s", switches[i].row, switches[i].plain ? "no" : "yes");
		read_with(line, &s);
		assert_int_equal(switch_at(&s, switches[i].at), !switches[i].plain);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times_are_the_rows),
	    cmocka_unit_test(switches_are_the_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
