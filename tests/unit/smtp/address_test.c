#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/smtp/address.h"

#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16
#define L60 "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

static const struct {
	const char *text;
	unsigned allow;
	const char *local, *domain; /* NULL: refused */
} mailboxes[] = {
    {"a@b.test", 0, "a", "b.test"}, {"a.b+c=d/e'f@b-c.test", 0, "a.b+c=d/e'f", "b-c.test"},
    {"\"a b\"@c", 0, "\"a b\"", "c"}, {"\"a\\\"@\\\\b\"@c", 0, "\"a\\\"@\\\\b\"", "c"},
    {"\"\"@c", 0, "\"\"", "c"}, {"a@[192.0.2.1]", 0, "a", "[192.0.2.1]"},
    {"a@[IPv6:2001:db8::1]", 0, "a", "[IPv6:2001:db8::1]"},
    {"a@[tag:content]", 0, "a", "[tag:content]"},
    {"a@under_score.test", 0, "a", "under_score.test"}, {"a", ADDRESS_NO_DOMAIN, "a", ""},
    {"\xc3\xa9@\xc3\xa9.test", ADDRESS_UTF8, "\xc3\xa9", "\xc3\xa9.test"},
    {"\"\xc3\xa9\"@b", ADDRESS_UTF8, "\"\xc3\xa9\"", "b"}, {X64 "@b", 0, X64, "b"},
    {X64 "x@b", 0, NULL, NULL},
    {"a@" L60 "." L60 "." L60 "." L60, 0, "a", L60 "." L60 "." L60 "." L60},
    {"a@" L60 "." L60 "." L60 "." L60 ".test1234567890", 0, NULL, NULL},
    {"a@" L60 "dddd.test", 0, NULL, NULL},
    {X64 "@" L60 "." L60 "." L60 ".ddddddd", 0, NULL, NULL}, /* 255 octets: the path is too long */
    {"", 0, NULL, NULL}, {"a", 0, NULL, NULL}, {"@b", 0, NULL, NULL}, {"a@", 0, NULL, NULL},
    {"a@@b", 0, NULL, NULL}, {"a b@c", 0, NULL, NULL}, {".a@b", 0, NULL, NULL},
    {"a.@b", 0, NULL, NULL}, {"a..b@c", 0, NULL, NULL}, {"a@.b", 0, NULL, NULL},
    {"a@b.", 0, NULL, NULL}, {"a@-b", 0, NULL, NULL}, {"a@b-", 0, NULL, NULL},
    {"a@b c", 0, NULL, NULL}, {"a@b>", 0, NULL, NULL}, {"a@[300.0.0.1]", 0, NULL, NULL},
    {"a@[IPv6:x]", 0, NULL, NULL}, {"a@[]", 0, NULL, NULL}, {"a@[x:b@c]", 0, NULL, NULL},
    {"a@[192.0.2.1", 0, NULL, NULL}, {"\"a@b", 0, NULL, NULL}, {"\"a\\", 0, NULL, NULL},
    {"\"a\r\"@b", 0, NULL, NULL}, {"a\n@b", 0, NULL, NULL}, {"a\x7f@b", 0, NULL, NULL},
    {"\xc3\xa9@b", 0, NULL, NULL}, {"\xc3@b", ADDRESS_UTF8, NULL, NULL},
    {"\xc0\xaf@b", ADDRESS_UTF8, NULL, NULL},	  /* not the shortest form */
    {"\xed\xa0\x80@b", ADDRESS_UTF8, NULL, NULL}, /* a surrogate */
    {"\xc2\x85@b", ADDRESS_UTF8, NULL, NULL},	  /* a control character */
};

static void
mailboxes_are_parsed(void **state)
{
	for (size_t i = 0; i < countof(mailboxes); i++) {
		struct address a;
		struct why why = {0};
		bool ok = address_parse(str_of(mailboxes[i].text), mailboxes[i].allow, &a, &why);
		if (ok != (mailboxes[i].local != NULL))
			fail_msg("%s: %s", mailboxes[i].text, ok ? "taken" : why.text);
		if (!ok)
			assert_int_equal(why.smtp_code, 501);
		else if (!str_eq(a.local, str_of(mailboxes[i].local)) ||
			 !str_eq(a.domain, str_of(mailboxes[i].domain)))
			fail_msg("%s: %.*s at %.*s", mailboxes[i].text, STR_ARG(a.local),
			    STR_ARG(a.domain));
	}
}

static const struct {
	const char *text;
	const char *local, *rest; /* NULL: refused */
} paths[] = {
    {"<a@b> SIZE=1", "a", " SIZE=1"},
    {" <a@b>", "a", ""},
    {"<> BODY=7BIT", "", " BODY=7BIT"},
    {"<Postmaster>", "Postmaster", ""},
    {"<@x.test,@y.test:a@b>", "a", ""},
    {"<\"a>b\"@c>x", "\"a>b\"", "x"},
    {"a@b", NULL, NULL},
    {"<a@b", NULL, NULL},
    {"<a@b x>", NULL, NULL},
    {"<@x.test:>", NULL, NULL},
    {"<@x.test a@b>", NULL, NULL},
    {"<x:a@b>", NULL, NULL},
    {"  <a@b>", NULL, NULL},
    {"<", NULL, NULL},
    {"", NULL, NULL},
};

static void
paths_are_parsed(void **state)
{
	for (size_t i = 0; i < countof(paths); i++) {
		struct str rest = str_of(paths[i].text);
		struct address a;
		struct why why;
		bool ok = address_parse_path(&rest, ADDRESS_NO_DOMAIN, &a, &why);
		if (ok != (paths[i].local != NULL))
			fail_msg("%s: %s", paths[i].text, ok ? "taken" : why.text);
		if (ok && (!str_eq(a.local, str_of(paths[i].local)) ||
			      !str_eq(rest, str_of(paths[i].rest))))
			fail_msg(
			    "%s: %.*s, rest %.*s", paths[i].text, STR_ARG(a.local), STR_ARG(rest));
	}
}

static const struct {
	const char *domain, *name; /* "": none */
} names[] = {
    {"Example.TEST", "example.test"},
    {"B\xc3\x9c"
     "cher.example",
	"xn--bcher-kva.example"},
    {"stra\xc3\x9f"
     "e.example",
	"xn--strae-oqa.example"},
    {"[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]"},
    {"example.test.", "example.test"},
    {"a..b", ""},
    {"\xc2\xa0", ""}, /* would be mapped to a blank */
    {"\xc3.test", ""},
    {"", ""},
    {".", ""},
};

static void
a_domain_has_one_queue_name(void **state)
{
	char name[DOMAIN_QUEUE_NAME_MAX];

	for (size_t i = 0; i < countof(names); i++) {
		size_t n = domain_queue_name(str_of(names[i].domain), name, sizeof name);
		if (!str_eq(str_from(name, n), str_of(names[i].name)))
			fail_msg("%s: %.*s", names[i].domain, (int)n, name);
	}
	assert_int_equal(domain_queue_name(STR("abc"), name, 3), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mailboxes_are_parsed),
	    cmocka_unit_test(paths_are_parsed),
	    cmocka_unit_test(a_domain_has_one_queue_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
