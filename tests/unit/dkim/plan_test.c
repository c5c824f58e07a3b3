/* Whose signature it is and with which key: identities, options, and the configuration's spellings. */
#include "tests/unit/conf/help.h"

#include <unistd.h>

#include "lib/dkim/options.h"
#include "lib/dkim/plan.h"

static const struct {
	const char *value, *local, *domain; /* domain NULL: none */
} values[] = {
    {" a@b.example\r\n", "a", "b.example"},
    {" <a@b.example>", "a", "b.example"},
    {" \"x, <y@z.example>\" <a@b.example>", "a", "b.example"},
    {" (c (d) <e@f.example>) a@b.example (g)", "a", "b.example"},
    {"\r\n Me\r\n\t<a@b.example>", "a", "b.example"},
    {" a@b.example, c@d.example", "a", "b.example"},
    {" , a@b.example", "a", "b.example"},
    {" G: a@b.example, c@d.example;", "a", "b.example"},
    {" undisclosed:;", NULL, NULL},
    {" \"a b\"@b.example", "\"a b\"", "b.example"},
    {" a @ b.example", "a", "b.example"},
    {" a@B.Example.", "a", "b.example"},
    {" a@[192.0.2.1]", NULL, NULL},
    {" @b.example", NULL, NULL},
    {" a@", NULL, NULL},
    {" nobody", NULL, NULL},
    {"", NULL, NULL},
    {" \"unclosed <a@b.example>", NULL, NULL},
    {" (unclosed a@b.example", NULL, NULL},
    {" <<a@b.example>>", "a", "b.example"},
    {" a@b@c.example", "a@b", "c.example"},
    {" a@m\xc3\xbcller.example", "a", "xn--mller-kva.example"},
};

static void
the_first_mailbox_of_a_field_is_found(void **state)
{
	for (size_t i = 0; i < countof(values); i++) {
		struct dkim_identity id = {0};
		bool found = dkim_identity_of_field(str_of(values[i].value), &id);
		if (found != (values[i].domain != NULL) ||
		    (found && (strcmp(id.local, values[i].local) != 0 ||
				  strcmp(id.domain, values[i].domain) != 0)))
			fail_msg("\"%s\": %d \"%s\" \"%s\"", values[i].value, found, id.local,
			    id.domain);
	}
}

static const struct {
	const char *text;
	bool good;
	const char *s, *d, *i, *q, *list;
} options[] = {
    {"", true, "", "", "", "", ""},
    {"s=a", true, "a", "", "", "", ""},
    {" s = a ; d=b.example;i=@b.example; q=dns/txt; key-list=k;", true, "a", "b.example",
	"@b.example", "dns/txt", "k"},
    {"z=unknown; s=a", true, "a", "", "", "", ""},
    {"s=a; s=b", false, "", "", "", "", ""},
    {"s=a b", false, "", "", "", "", ""},
    {"d=b/c", false, "", "", "", "", ""},
    {"s=", false, "", "", "", "", ""},
    {"nothing", false, "", "", "", "", ""},
    {"=x", false, "", "", "", "", ""},
};

static void
options_are_read_whole_or_not_at_all(void **state)
{
	for (size_t n = 0; n < countof(options); n++) {
		struct dkim_options o;
		if (dkim_options_parse(str_of(options[n].text), &o) != options[n].good ||
		    !str_eq(o.selector, str_of(options[n].s)) ||
		    !str_eq(o.domain, str_of(options[n].d)) ||
		    !str_eq(o.identity, str_of(options[n].i)) ||
		    !str_eq(o.query, str_of(options[n].q)) ||
		    !str_eq(o.key_list, str_of(options[n].list)))
			fail_msg("\"%s\"", options[n].text);
	}
}

static const char config[] =
    "domain-key star,*,/k/star\n"
    "domain-key late,b.example,/k/late\n"
    "<virtual-mta v>\n domain-key v1,b.example,/k/v1\n domain-key "
    "v2,sub.b.example,/k/v2\n</virtual-mta>\n"
    "<virtual-mta-pool p>\n virtual-mta v\n domain-key p1,c.example,/k/p1\n</virtual-mta-pool>\n"
    "<domain-key k._domainkey.d.example>\n private-key /k/k\n</domain-key>\n"
    "<domain-key k2._domainkey.sub.d.example>\n private-key /k/k2\n</domain-key>\n"
    "<dkim>\n domain e.example\n selector e\n private-key-file /k/e\n</dkim>\n"
    "<domain own.test>\n dkim-sign /k/o b.example o simple\n</domain>\n"
    "<domain off.test>\n dkim-sign no\n dkim-sign /k/o b.example o\n</domain>\n"
    "<domain yes.test>\n dkim-sign yes\n</domain>\n"
    "<domain two.test>\n dkim-sign yes\n second-dkim-sign yes\n</domain>\n";

/* selector and d= of each signature */
static const struct {
	const char *queue, *vmta, *pool, *from, *wanted;
} plans[] = {
    {"yes.test", "", "", "a@b.example", "star b.example;"},
    {"yes.test", "v", "", "a@b.example", "v1 b.example;"},
    {"yes.test", "v", "", "a@sub.b.example", "v1 b.example;"},
    {"yes.test", "v", "", "a@sub.notb.example", "star sub.notb.example;"},
    {"yes.test", "v", "p", "a@c.example", "p1 c.example;"},
    {"yes.test", "v", "", "a@c.example", "star c.example;"},
    {"yes.test", "", "", "a@d.example", "k d.example;"},
    {"yes.test", "", "", "a@x.sub.d.example", "k2 sub.d.example;"},
    {"yes.test", "", "", "a@e.example", "e e.example;"},
    {"no.test", "", "", "a@e.example", "e e.example;"},
    {"no.test", "", "", "a@b.example", ""},
    {"own.test", "", "", "a@b.example", "o b.example;"},
    {"own.test", "", "", "a@z.example", ""},
    {"off.test", "", "", "a@b.example", ""},
    {"two.test", "v", "", "a@sub.b.example", "v1 b.example;v2 sub.b.example;"},
    {"two.test", "", "", "a@z.example", "star z.example;star z.example;"},
    {"yes.test", "", "", "", ""},
};

static void
keys_are_chosen_by_scope_and_domain(void **state)
{
	struct conf *c = load_body(config);
	struct dkim_keys *k = dkim_keys_new(c);
	struct dkim_plan plan;

	for (size_t i = 0; i < countof(plans); i++) {
		char *header = xasprintf("From: %s\r\n", plans[i].from);
		struct dkim_message m = {.header = str_of(header),
		    .vmta = str_of(plans[i].vmta),
		    .pool = str_of(plans[i].pool)};
		char found[256] = "";
		dkim_plan_make(k, conf_queue(c, str_of(plans[i].queue), m.vmta), &m, &plan);
		for (size_t n = 0; n < plan.n; n++)
			snprintf(found + strlen(found), sizeof found - strlen(found), "%.*s %.*s;",
			    STR_ARG(plan.choices[n].spec.selector),
			    STR_ARG(plan.choices[n].spec.domain));
		if (strcmp(found, plans[i].wanted) != 0)
			fail_msg("%s/%s from %s: %s, wanted %s", plans[i].queue, plans[i].vmta,
			    plans[i].from, found, plans[i].wanted);
		free(header);
	}
	dkim_keys_free(&k);
	conf_free(&c);
}

/* DK-8: whatever the clock does between two messages, each has the time that it is, and an end behind it */
static void
times_follow_a_clock_that_steps(void **state)
{
	static const int64_t clocks[] = {1800000000, 1800000001, 1799990000, 0, 1, 4102444800};
	static const char *const ends[] = {"1s", "3w", "never"};
	char text[400];

	for (size_t e = 0; e < countof(ends); e++) {
		struct conf *c;
		struct dkim_keys *k;
		(void)snprintf(text, sizeof text,
		    "domain-key s,*,/k/s\n<domain yes.test>\n dkim-sign yes\n dkim-add-timestamp "
		    "yes\n"
		    " dkim-expire-after %s\n</domain>\n",
		    ends[e]);
		c = load_body(text);
		k = dkim_keys_new(c);
		for (size_t i = 0; i < countof(clocks); i++) {
			struct dkim_message m = {.header = STR("From: a@b.example\r\n"),
			    .now = wall_from_sec(clocks[i])};
			struct dkim_plan plan;
			dkim_plan_make(k, conf_queue(c, STR("yes.test"), STR("")), &m, &plan);
			assert_int_equal(plan.n, 1);
			assert_int_equal(plan.choices[0].spec.signed_s, clocks[i]);
			if (e + 1 < countof(ends))
				assert_true(plan.choices[0].spec.expires_s > clocks[i]);
			else
				assert_int_equal(plan.choices[0].spec.expires_s, 0);
		}
		dkim_keys_free(&k);
		conf_free(&c);
	}
}

static void
the_list_of_files_is_the_same_in_a_snapshot(void **state)
{
	struct conf *c = load_body(config), *d;
	struct conf_messages m;
	int fd = conf_snapshot(c);

	assert_true(fd >= 0);
	d = conf_load_fd(fd, &m);
	assert_non_null(d);
	assert_int_equal(conf_n_key_files(c), 9);
	assert_int_equal(conf_n_key_files(d), 9);
	assert_true(conf_key_files_hash(c) == conf_key_files_hash(d));
	conf_messages_clear(&m);
	close(fd);
	conf_free(&c);
	conf_free(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_mailbox_of_a_field_is_found),
	    cmocka_unit_test(options_are_read_whole_or_not_at_all),
	    cmocka_unit_test(keys_are_chosen_by_scope_and_domain),
	    cmocka_unit_test(times_follow_a_clock_that_steps),
	    cmocka_unit_test(the_list_of_files_is_the_same_in_a_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
