/* What differs between two configurations, whatever they are spelled like. */
#include "tests/unit/conf/help.h"

#include "lib/conf/diff.h"

static char *
told(const char *old, const char *now)
{
	struct conf *a = load_body(old), *b = load_body(now);
	struct conf_differences d;
	struct buf text;
	char *s;

	buf_init(&text, 100000);
	conf_diff(a, b, &d);
	for (size_t i = 0; i < d.n; i++)
		buf_addf(&text, "%c%s|%s\n", d.list[i].is_new ? '+' : '-', d.list[i].where,
		    d.list[i].text);
	s = xstrdup_str(buf_str(&text));
	buf_clear(&text);
	conf_diff_clear(&d);
	conf_free(&a);
	conf_free(&b);
	return s;
}

static const struct {
	const char *name, *old, *now, *told;
} rows[] = {
    {"spelling, order and comments are nothing",
	"<domain *>\nmax-smtp-out 5\nretry-after 10m\n</domain>\ntotal-max-smtp-out 7\n",
	"# new\nsmtp-client-threads 7\n<domain "
	"name=\"*\"><max-smtp-out>5</max-smtp-out>\nretry-after 600s</domain>\n",
	"-<domain *>|retry-after 10m\n+<domain *>|retry-after 600s\n"},
    {"the same is nothing", "host-id 5\n", "host-id 5\n", ""},
    {"a value", "<domain *>\nmax-smtp-out 5\n</domain>\n",
	"<domain *>\nmax-smtp-out 6\n</domain>\n",
	"-<domain *>|max-smtp-out 5\n+<domain *>|max-smtp-out 6\n"},
    {"a block in a block", "<virtual-mta v>\n</virtual-mta>\n",
	"<virtual-mta v>\n<domain a.example>\nmax-smtp-out 1\n</domain>\n</virtual-mta>\n",
	"+<virtual-mta v> <domain a.example>|\n+<virtual-mta v> <domain a.example>|max-smtp-out "
	"1\n"},
    {"a global one that went", "host-id 5\n", "", "-|host-id 5\n"},
    {"a password is seen to change and not shown", "<smtp-user u>\npassword old\n</smtp-user>\n",
	"<smtp-user u>\npassword new\n</smtp-user>\n",
	"-<smtp-user u>|password ********\n+<smtp-user u>|password ********\n"},
};

static void
differences_are_told(void **state)
{
	for (size_t i = 0; i < countof(rows); i++) {
		char *s = told(rows[i].old, rows[i].now);
		if (strcmp(s, rows[i].told) != 0)
			fail_msg("%s: \"%s\"", rows[i].name, s);
		free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(differences_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
