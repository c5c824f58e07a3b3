/*
 * What the tests of lib/conf share: loading a text, and comparing what it says when it is printed.
 */
#ifndef PH_TEST_CONF_HELP_H
#define PH_TEST_CONF_HELP_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define NEEDED "log-file /tmp/log\n<spool /tmp/spool>\n</spool>\n"

static inline void
print_messages(const struct conf_messages *m, bool only_errors)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->list[i].is_error || !only_errors)
			print_message(
			    "%s %s\n", m->list[i].is_error ? "error" : "note", m->list[i].text);
}

/* Any address is taken for ours. NULL on errors, which are printed unless `quiet`. */
static inline struct conf *
load_text(const char *text, bool quiet)
{
	struct conf_messages m;
	struct conf *c = conf_load_text(str_of(text), "test", &m, true);

	if (!quiet)
		print_messages(&m, true);
	conf_messages_clear(&m);
	return c;
}

/* With log-file and spool added. */
static inline struct conf *
load_body(const char *body)
{
	char *text = xasprintf("%s%s", NEEDED, body);
	struct conf *c = load_text(text, false);

	free(text);
	assert_non_null(c);
	return c;
}

/* Returns owned. */
static inline char *
canonical(const struct conf *c)
{
	struct buf b;
	char *text;

	buf_init(&b, (size_t)1 << 28);
	conf_put_text(c, &b, false);
	text = xstrdup_str(buf_str(&b));
	buf_clear(&b);
	return text;
}

/* Printing what was parsed and parsing that again gives the same; as text and as snapshot. */
static inline void
assert_round_trip(const struct conf *c)
{
	char *first = canonical(c), *second;
	struct conf_messages m;
	int fd = conf_snapshot(c);
	struct conf *again = load_text(first, false), *copy;

	assert_non_null(again);
	second = canonical(again);
	assert_string_equal(first, second);
	free(second);
	assert_true(fd >= 0);
	copy = conf_load_fd(fd, &m);
	print_messages(&m, false);
	assert_int_equal(m.n, 0);
	assert_non_null(copy);
	second = canonical(copy);
	assert_string_equal(first, second);
	conf_messages_clear(&m);
	conf_free(&again);
	conf_free(&copy);
	free(first);
	free(second);
}

#endif
