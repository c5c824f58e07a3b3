/* RFC 8461: which records and policies are good ones, and which hosts a policy names. */
#include "lib/sts/sts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct record_row {
	const char *what, *texts, *id; /* id NULL: no policy */
} records[] = {
    {"plain", "v=STSv1; id=20160831085700Z;\n", "20160831085700Z"},
    {"without the last semicolon", "v=STSv1;id=1\n", "1"},
    {"an extension", "v=STSv1; id=a1; x=y;\n", "a1"},
    {"an extension first", "v=STSv1 ; x=y ; id=a1\n", "a1"},
    {"others beside it", "v=spf1 -all\nv=STSv1; id=7;\nhello\n", "7"},
    {"two of them", "v=STSv1; id=7;\nv=STSv1; id=8;\n", NULL},
    {"none", "v=spf1 -all\n", NULL},
    {"nothing", "", NULL},
    {"another version", "v=STSv2; id=7;\n", NULL},
    {"a longer version", "v=STSv11; id=7;\n", NULL},
    {"no id", "v=STSv1;\n", NULL},
    {"an empty id", "v=STSv1; id=;\n", NULL},
    {"two ids", "v=STSv1; id=1; id=2;\n", NULL},
    {"an id that is no word", "v=STSv1; id=1-2;\n", NULL},
    {"an id of 32", "v=STSv1; id=abcdefghijklmnopqrstuvwxyz012345;\n",
	"abcdefghijklmnopqrstuvwxyz012345"},
    {"an id of 33", "v=STSv1; id=abcdefghijklmnopqrstuvwxyz0123456;\n", NULL},
    {"an empty field within", "v=STSv1;; id=1;\n", NULL},
    {"a field without value", "v=STSv1; id=1; x;\n", NULL},
    {"capitals", "V=STSv1; id=1;\n", NULL},
};

static void
test_records(void **state)
{
	char id[STS_MAX_ID + 1];

	for (size_t i = 0; i < countof(records); i++) {
		bool has = sts_record_id(str_of(records[i].texts), id);
		if (has != (records[i].id != NULL) || (has && strcmp(id, records[i].id) != 0))
			fail_msg("%s: %s", records[i].what, has ? id : "no id");
	}
}

#define GOOD "version: STSv1\r\nmode: enforce\r\nmx: mail.x.test\r\nmax_age: 86400\r\n"
static const struct policy_row {
	const char *what, *text, *line; /* as sts_policy_write() puts it; NULL: no policy */
} policies[] = {
    {"plain", GOOD, "enforce 86400 mail.x.test "},
    {"line feeds, blanks, no last line end",
	"version:STSv1\nmode : testing \nmx:\t*.X.test.\nmax_age: 0", "testing 0 *.x.test "},
    {"none without mx", "version: STSv1\nmode: none\nmax_age: 9\n", "none 9 "},
    {"enforce without mx", "version: STSv1\nmode: enforce\nmax_age: 9\n", NULL},
    {"several mx", GOOD "mx: b.test\nmx: *.c.test\n", "enforce 86400 mail.x.test b.test *.c.test "},
    {"what is not known", GOOD "hello: world\n", "enforce 86400 mail.x.test "},
    {"the first of two modes", GOOD "mode: none\n", "enforce 86400 mail.x.test "},
    {"an age above the highest", "version: STSv1\nmode: none\nmax_age: 9999999999\n",
	"none 31557600 "},
    {"an age of eleven digits", "version: STSv1\nmode: none\nmax_age: 10000000000\n", NULL},
    {"a negative age", "version: STSv1\nmode: none\nmax_age: -1\n", NULL},
    {"no age", "version: STSv1\nmode: enforce\nmx: a.test\n", NULL},
    {"no version", "mode: enforce\nmx: a.test\nmax_age: 1\n", NULL},
    {"another version", "version: STSv2\nmode: enforce\nmx: a.test\nmax_age: 1\n", NULL},
    {"another mode", "version: STSv1\nmode: report\nmx: a.test\nmax_age: 1\n", NULL},
    {"a wildcard within", GOOD "mx: a.*.test\n", NULL},
    {"a lone star", GOOD "mx: *\n", NULL},
    {"a blank in a name", GOOD "mx: a b\n", NULL},
    {"a page", "<html>\n<title>x</title>\n", NULL},
    {"nothing", "", NULL},
};

static void
test_policies(void **state)
{
	static struct sts_policy p, again;
	struct why why;
	struct buf b;

	for (size_t i = 0; i < countof(policies); i++) {
		bool good = sts_policy_parse(str_of(policies[i].text), &p, &why) == 0;
		if (good != (policies[i].line != NULL))
			fail_msg("%s: %s", policies[i].what, good ? "taken" : why.text);
		if (!good)
			continue;
		buf_init(&b, 8192);
		assert_int_equal(sts_policy_write(&p, &b), 0);
		if (!str_eq(buf_str(&b), str_of(policies[i].line)))
			fail_msg("%s: %.*s", policies[i].what, STR_ARG(buf_str(&b)));
		assert_true(sts_policy_read(buf_str(&b), &again));
		assert_memory_equal(&p, &again, sizeof p);
		buf_clear(&b);
	}
}

static void
test_lines(void **state)
{
	static const char *const bad[] = {"", "enforce", "enforce x a.test", "enforce 5",
	    "other 5 a.test", "enforce 5 a..test", "enforce 99999999999 a.test"};
	static struct sts_policy p;

	for (size_t i = 0; i < countof(bad); i++)
		if (sts_policy_read(str_of(bad[i]), &p))
			fail_msg("\"%s\" was taken", bad[i]);
}

static void
test_too_many(void **state)
{
	static struct sts_policy p;
	struct why why;
	struct buf b;

	buf_init(&b, STS_MAX_POLICY);
	assert_int_equal(buf_add_cstr(&b, GOOD), 0);
	for (int i = 0; i < 400; i++)
		assert_int_equal(buf_addf(&b, "mx: mail%d.x.test\n", i), 0);
	assert_int_equal(sts_policy_parse(buf_str(&b), &p, &why), -1);
	buf_clear(&b);
}

static const struct host_row {
	const char *patterns, *host;
	bool fits;
} hosts[] = {
    {"mail.x.test", "mail.x.test", true},
    {"mail.x.test", "MAIL.x.test.", true},
    {"mail.x.test", "mail2.x.test", false},
    {"mail.x.test", "a.mail.x.test", false},
    {"*.x.test", "mail.x.test", true},
    {"*.x.test", "x.test", false},
    {"*.x.test", ".x.test", false},
    {"*.x.test", "a.mail.x.test", false},
    {"a.test *.x.test", "b.X.test", true},
    {"a.test *.x.test", "[192.0.2.1]", false},
};

static void
test_hosts(void **state)
{
	static struct sts_policy p;
	char line[200];

	for (size_t i = 0; i < countof(hosts); i++) {
		snprintf(line, sizeof line, "enforce 1 %s", hosts[i].patterns);
		assert_true(sts_policy_read(str_of(line), &p));
		if (sts_mx_matches(str_from(p.patterns, p.patterns_len), str_of(hosts[i].host)) !=
		    hosts[i].fits)
			fail_msg("%s against %s", hosts[i].host, hosts[i].patterns);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_records),
	    cmocka_unit_test(test_policies),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_too_many),
	    cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
