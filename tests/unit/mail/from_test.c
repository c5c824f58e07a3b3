#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mail/from.h"

static bool
map(void *arg, struct str domain, struct str *to)
{
	*to = STR("new.org");
	return str_ieq(domain, STR("old.test"));
}

static const struct {
	const char *from, *to;
} rows[] = {
    {" a@old.test\r\n", " a@new.org\r\n"},
    {"Joe <a@old.test>", "Joe <a@new.org>"},
    {"<a@OLD.Test>, b@other.test, c@old.test", "<a@new.org>, b@other.test, c@new.org"},
    {"\"x@old.test\" <a@old.test>", "\"x@old.test\" <a@new.org>"},
    {"x@old.test <a@other.test>", "x@old.test <a@other.test>"},
    {"(c@old.test) a@old.test", "(c@old.test) a@new.org"},
    {"a @ (c, (d) @old.test) old.test", "a @ (c, (d) @old.test) new.org"},
    {"a@\r\n old.test", "a@\r\n new.org"},
    {"\"a, b\" <a@old.test>", "\"a, b\" <a@new.org>"},
    {"\"q\\\"@old.test\" <\"a@old.test\"@old.test>", "\"q\\\"@old.test\" <\"a@old.test\"@new.org>"},
    {"a@old.test.example", "a@old.test.example"},
    {"a@sub.old.test", "a@sub.old.test"},
    {"a@[192.0.2.1]", "a@[192.0.2.1]"},
    {"Joe, <a@old.test", "Joe, <a@new.org"},
    {"\"never closed <a@old.test>", "\"never closed <a@old.test>"},
    {"(never closed a@old.test", "(never closed a@old.test"},
    {"G: a@old.test, b@old.test;", "G: a@new.org, b@new.org;"},
    {"a@", "a@"},
    {"\\", "\\"},
    {"\"\\", "\"\\"},
    {"(\\", "(\\"},
    {"", ""},
    {",,,", ",,,"},
};

static void
only_the_domains_of_addresses_change(void **state)
{
	for (size_t i = 0; i < countof(rows); i++) {
		struct buf b;
		buf_init(&b, 4096);
		(void)from_rewrite(&b, str_of(rows[i].from), map, NULL);
		if (!str_eq(buf_str(&b), str_of(rows[i].to)))
			fail_msg("%s became %.*s", rows[i].from, STR_ARG(buf_str(&b)));
		buf_clear(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(only_the_domains_of_addresses_change)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
