/* Which settings hold where: queues, clients, VirtualMTAs, pools, listeners, relaying. */
#include "tests/unit/conf/help.h"

#include <time.h>

static uint64_t
max_out(const struct conf *c, const char *domain, const char *vmta)
{
	return conf_u64(conf_queue(c, str_of(domain), str_of(vmta)), CONF_DOMAIN_MAX_SMTP_OUT);
}

#define QUEUES                                                                                     \
	"domain-macro tld com, net,\n  org\ndomain-macro big example.$tld, $more\ndomain-macro "   \
	"more one.test\n"                                                                          \
	"<domain *>\nmax-smtp-out 1\nbounce-after 1d\nretry-after 1m\n</domain>\n"                 \
	"<domain *.sub.test>\nmax-smtp-out 2\n</domain>\n"                                         \
	"<domain [*.]both.test>\nmax-smtp-out 3\n</domain>\n"                                      \
	"<domain exact.sub.test>\nmax-smtp-out 4\n</domain>\n"                                     \
	"<domain *.deep.sub.test>\nretry-after 5m\n</domain>\n"                                    \
	"<domain $big>\nmax-smtp-out 5\n</domain>\n"                                               \
	"<domain one.test>\nmax-smtp-out 6\n</domain>\n"                                           \
	"<domain [10.0.0.0/8]>\nmax-smtp-out 7\n</domain>\n<domain [10.1.0.0/16]>\nmax-smtp-out "  \
	"8\n</domain>\n"                                                                           \
	"<domain [0/0]>\nbounce-after 2h\n</domain>\n<domain [2001:db8::/32]>\nmax-smtp-out "      \
	"9\n</domain>\n"                                                                           \
	"<domain bücher.test>\nmax-smtp-out 10\n</domain>\n"                                      \
	"<domain many-a.test many-b.test>\nmax-smtp-out 11\n</domain>\n<domain "                   \
	"{bounce}>\nmax-smtp-out 12\n</domain>\n"                                                  \
	"<domain x.rollup>\nmax-smtp-out 13\n</domain>\n"                                          \
	"<domain twice.test>\nmax-smtp-out 14\nbounce-after 3h\n</domain>\n<domain "               \
	"twice.test>\nmax-smtp-out 15\n</domain>\n"

static const struct {
	const char *name, *domain;
	uint64_t max_out;
} matches[] = {
    {"everything", "other.test", 1},
    {"below a name", "a.sub.test", 2},
    {"deep below a name", "a.b.sub.test", 2},
    {"below does not mean the name", "sub.test", 1},
    {"below means whole labels", "xsub.test", 1},
    {"both: the name", "both.test", 3},
    {"both: below", "a.both.test", 3},
    {"the exact name is more specific", "exact.sub.test", 4},
    {"case does not matter", "EXACT.Sub.Test", 4},
    {"a dot at the end does not matter", "exact.sub.test.", 4},
    {"the longer suffix comes first, the shorter fills in", "x.deep.sub.test", 2},
    {"from a macro", "example.net", 5},
    {"written out beats a macro", "one.test", 6},
    {"address literal", "[10.2.3.4]", 7},
    {"the longer block comes first", "[10.1.3.4]", 8},
    {"IPv6 literal", "[IPv6:2001:db8::1]", 9},
    {"other literals", "[192.0.2.1]", 1},
    {"a name in UTF-8", "bücher.test", 10},
    {"the same in ASCII", "xn--bcher-kva.test", 10},
    {"several names in a block", "many-b.test", 11},
    {"special queues", "{bounce}", 12},
    {"roll-up queues", "x.rollup", 13},
    {"the later of two blocks wins", "twice.test", 15},
};

static void
the_most_specific_pattern_wins(void **state)
{
	struct conf *c = load_body(QUEUES);

	for (size_t i = 0; i < countof(matches); i++)
		if (max_out(c, matches[i].domain, "") != matches[i].max_out)
			fail_msg("%s: %s has %llu", matches[i].name, matches[i].domain,
			    (unsigned long long)max_out(c, matches[i].domain, ""));
	conf_free(&c);
}

static void
less_specific_patterns_fill_in(void **state)
{
	struct conf *c = load_body(QUEUES);
	const struct conf_set *deep = conf_queue(c, STR("x.deep.sub.test"), STR_NULL);
	const struct conf_set *lit = conf_queue(c, STR("[10.1.3.4]"), STR_NULL);
	const struct conf_set *twice = conf_queue(c, STR("twice.test"), STR_NULL);

	assert_int_equal(conf_ms(deep, CONF_DOMAIN_RETRY_AFTER), 300000);
	assert_int_equal(conf_ms(deep, CONF_DOMAIN_BOUNCE_AFTER), 86400000);
	assert_int_equal(conf_ms(lit, CONF_DOMAIN_BOUNCE_AFTER), 7200000);
	assert_int_equal(conf_ms(twice, CONF_DOMAIN_BOUNCE_AFTER), 3 * 3600000);
	conf_free(&c);
}

static void
queues_with_the_same_blocks_share_a_set(void **state)
{
	struct conf *c = load_body(QUEUES);

	assert_ptr_equal(
	    conf_queue(c, STR("a.test"), STR_NULL), conf_queue(c, STR("b.other"), STR("nobody")));
	assert_ptr_not_equal(
	    conf_queue(c, STR("a.test"), STR_NULL), conf_queue(c, STR("one.test"), STR_NULL));
	conf_free(&c);
}

#define SCOPES                                                                                     \
	"<domain gmail.test>\nmax-smtp-out 1\nretry-after 1m\nbounce-after 1d\nsmtp-hosts "        \
	"a.test\n</domain>\n"                                                                      \
	"<virtual-mta v1>\n<domain *>\nmax-smtp-out 2\n</domain>\n</virtual-mta>\n"                \
	"<virtual-mta v2>\n</virtual-mta>\n<virtual-mta v3>\n</virtual-mta>\n"                     \
	"<virtual-mta-pool p>\nvirtual-mta v1\nvirtual-mta v2 weight=5\n"                          \
	"<domain gmail.test>\nmax-smtp-out 3\nretry-after 2m\nsmtp-hosts "                         \
	"\"\"\n</domain>\n</virtual-mta-pool>\n"                                                   \
	"<virtual-mta-pool q>\nvirtual-mta v1\nvirtual-mta v3\n</virtual-mta-pool>\n"

static void
a_virtual_mta_comes_before_its_pool_and_that_before_the_global_blocks(void **state)
{
	struct conf *c = load_body(SCOPES);
	const struct conf_set *v1 = conf_queue(c, STR("gmail.test"), STR("V1"));

	assert_int_equal(conf_u64(v1, CONF_DOMAIN_MAX_SMTP_OUT), 2);
	assert_int_equal(conf_ms(v1, CONF_DOMAIN_RETRY_AFTER), 120000);
	assert_int_equal(conf_ms(v1, CONF_DOMAIN_BOUNCE_AFTER), 86400000);
	assert_int_equal(max_out(c, "gmail.test", "v2"), 3);
	assert_int_equal(max_out(c, "gmail.test", "v3"), 1);
	assert_int_equal(max_out(c, "gmail.test", "p"), 3);
	assert_int_equal(max_out(c, "gmail.test", ""), 1);
	assert_int_equal(max_out(c, "other.test", "v2"), 20);
	conf_free(&c);
}

static void
an_empty_text_clears_what_would_be_inherited(void **state)
{
	struct conf *c = load_body(SCOPES);
	const struct conf_set *v2 = conf_queue(c, STR("gmail.test"), STR("v2"));

	assert_int_equal(conf_n(v2, CONF_DOMAIN_SMTP_HOSTS), 0);
	assert_true(conf_is_set(v2, CONF_DOMAIN_SMTP_HOSTS));
	assert_int_equal(
	    conf_n(conf_queue(c, STR("gmail.test"), STR("v3")), CONF_DOMAIN_SMTP_HOSTS), 1);
	conf_free(&c);
}

static void
lines_that_add_up_add_up_across_blocks_the_specific_first(void **state)
{
	struct conf *c =
	    load_body("<domain *>\nretry-after 421 one 1m\n</domain>\n"
		      "<domain a.test>\nretry-after 421 two 2m\nretry-after 450 3m\n</domain>\n");
	const struct conf_set *s = conf_queue(c, STR("a.test"), STR_NULL);

	assert_int_equal(conf_n(s, CONF_DOMAIN_RETRY_AFTER_REPLY), 3);
	assert_true(str_eq(conf_item(s, CONF_DOMAIN_RETRY_AFTER_REPLY, 0), STR("421 two 2m")));
	assert_true(str_eq(conf_item(s, CONF_DOMAIN_RETRY_AFTER_REPLY, 2), STR("421 one 1m")));
	conf_free(&c);
}

static void
a_default_may_follow_another_directive(void **state)
{
	struct conf *c =
	    load_body("<domain a.test>\nmax-msg-rate 5/m\n</domain>\n"
		      "<domain b.test>\nmax-msg-rate 5/m\nbackoff-max-msg-rate 1/h\n</domain>\n");
	struct conf_rate a =
	    conf_rate(conf_queue(c, STR("a.test"), STR_NULL), CONF_DOMAIN_BACKOFF_MAX_MSG_RATE);
	struct conf_rate b =
	    conf_rate(conf_queue(c, STR("b.test"), STR_NULL), CONF_DOMAIN_BACKOFF_MAX_MSG_RATE);
	struct conf_rate n =
	    conf_rate(conf_queue(c, STR("c.test"), STR_NULL), CONF_DOMAIN_BACKOFF_MAX_MSG_RATE);
	const struct conf_set *s = conf_queue(c, STR("a.test"), STR_NULL);
	char *text = conf_print(s, CONF_DOMAIN_BACKOFF_MAX_MSG_RATE);

	assert_int_equal(a.count, 5);
	assert_int_equal(b.count, 1);
	assert_int_equal(b.period_ms, 3600000);
	assert_true(n.count == CONF_UNLIMITED);
	assert_string_equal(text, "backoff-max-msg-rate 5/m");
	free(text);
	conf_free(&c);
}

static void
values_have_their_origin(void **state)
{
	struct conf *c = load_text(
	    NEEDED "host-name a.test\n<domain *>\nretry-after 5m, 10m\n</domain>\n", false);
	const struct conf_set *s = conf_queue(c, STR("x.test"), STR_NULL);
	char *text;

	assert_int_equal(conf_origin(s, CONF_DOMAIN_RETRY_AFTER).line, 6);
	assert_string_equal(conf_origin(s, CONF_DOMAIN_RETRY_AFTER).file, "test");
	assert_null(conf_origin(s, CONF_DOMAIN_MAX_SMTP_OUT).file);
	assert_int_equal(conf_origin(conf_global(c), CONF_GLOBAL_HOST_NAME).line, 4);
	text = conf_print(s, CONF_DOMAIN_RETRY_AFTER);
	assert_string_equal(text, "retry-after 5m, 10m");
	free(text);
	text = conf_print(s, CONF_DOMAIN_MAX_SMTP_OUT);
	assert_string_equal(text, "max-smtp-out 20");
	free(text);
	assert_int_equal(conf_n(s, CONF_DOMAIN_RETRY_AFTER), 2);
	assert_int_equal(conf_item_ms(s, CONF_DOMAIN_RETRY_AFTER, 1), 600000);
	conf_free(&c);
}

/* ---- clients ---- */

#define SOURCES                                                                                    \
	"always-allow-relaying no\n"                                                               \
	"<source 0/0>\nlog-connections yes\nmax-message-size 10m\n</source>\n"                     \
	"<source 10.0.0.0/8>\nrelay yes\nmax-message-size 20m\n</source>\n"                        \
	"<source 10.1.2.3>\nmax-message-size unlimited\n</source>\n"                               \
	"<source {auth}>\nmax-message-size 5m\nprocess-x-job yes\n</source>\n<source "             \
	"mass>\nrelay yes\n</source>\n"

static const struct conf_set *
client(const struct conf *c, const char *text)
{
	struct net_addr a;

	assert_true(net_addr_parse(str_of(text), &a));
	return conf_source(c, &a);
}

static void
the_most_specific_address_block_wins(void **state)
{
	struct conf *c = load_body(SOURCES);

	assert_false(conf_bool(client(c, "192.0.2.1"), CONF_SOURCE_ALWAYS_ALLOW_RELAYING));
	assert_true(conf_bool(client(c, "10.9.9.9"), CONF_SOURCE_ALWAYS_ALLOW_RELAYING));
	assert_true(conf_bool(client(c, "10.9.9.9"), CONF_SOURCE_LOG_CONNECTIONS));
	assert_int_equal(
	    conf_u64(client(c, "10.9.9.9"), CONF_SOURCE_MAX_MESSAGE_SIZE), 20 * 1024 * 1024);
	assert_true(
	    conf_u64(client(c, "10.1.2.3"), CONF_SOURCE_MAX_MESSAGE_SIZE) == CONF_UNLIMITED);
	assert_true(conf_bool(client(c, "10.1.2.3"), CONF_SOURCE_ALWAYS_ALLOW_RELAYING));
	assert_true(conf_bool(client(c, "2001:db8::1"), CONF_SOURCE_LOG_CONNECTIONS));
	assert_ptr_equal(client(c, "10.9.9.9"), client(c, "10.9.9.8"));
	conf_free(&c);
}

static void
a_named_source_overrides_the_address(void **state)
{
	struct conf *c = load_body(SOURCES);
	struct net_addr a;
	const struct conf_set *s;

	assert_true(net_addr_parse(STR("10.9.9.9"), &a));
	s = conf_source_with(c, STR("{auth}"), &a);
	assert_int_equal(conf_u64(s, CONF_SOURCE_MAX_MESSAGE_SIZE), 5 * 1024 * 1024);
	assert_true(conf_bool(s, CONF_SOURCE_ALWAYS_ALLOW_RELAYING));
	assert_true(conf_bool(s, CONF_SOURCE_PROCESS_X_JOB));
	assert_false(
	    conf_bool(conf_source_named(c, STR("{Auth}")), CONF_SOURCE_ALWAYS_ALLOW_RELAYING));
	assert_null(conf_source_named(c, STR("nobody")));
	conf_free(&c);
}

/* ---- VirtualMTAs and pools ---- */

static void
source_addresses_are_those_of_the_virtual_mta_or_the_global_ones(void **state)
{
	struct conf *c = load_body(
	    "host-name g.test\nsmtp-source-host 127.0.0.5 five.test\nsmtp-source-host 127.0.0.6\n"
	    "<virtual-mta a>\nsmtp-source-ip 127.0.0.7\nsmtp-source-ip 127.0.0.8\n"
	    "ehlo-hostname a.test\n</virtual-mta>\n<virtual-mta b>\nhost-name "
	    "b.test\n</virtual-mta>\n");
	const struct conf_vmta *a = conf_vmta(c, STR("A")), *b = conf_vmta(c, STR("b"));
	char text[NET_ADDR_TEXT];

	assert_int_equal(conf_n_vmtas(c), 2);
	assert_ptr_equal(conf_vmta_at(c, 1), b);
	assert_int_equal(a->n_sources, 2);
	assert_string_equal(net_addr_text(&a->sources[1].addr, text), "127.0.0.8");
	assert_true(str_eq(a->sources[1].host, STR("a.test")));
	assert_int_equal(b->n_sources, 2);
	assert_true(str_eq(b->sources[0].host, STR("five.test")));
	assert_true(str_eq(b->sources[1].host, STR("b.test")));
	assert_null(conf_vmta(c, STR("c")));
	conf_free(&c);
}

static void
pools_have_members_with_weights(void **state)
{
	struct conf *c = load_body(SCOPES);
	const struct conf_pool *p = conf_pool(c, STR("P"));

	assert_int_equal(conf_n_pools(c), 2);
	assert_int_equal(p->n_members, 2);
	assert_true(str_eq(p->members[1].vmta->name, STR("v2")));
	assert_int_equal(p->members[0].weight, 1);
	assert_int_equal(p->members[1].weight, 5);
	assert_null(conf_pool(c, STR("v1")));
	assert_null(conf_vmta(c, STR("p")));
	conf_free(&c);
}

/* ---- listeners and blocks ---- */

static void
listeners_are_one_list(void **state)
{
	struct conf *c =
	    load_body("smtp-listener 0/0:2525\nsmtp-listener 127.0.0.1:2526 source={auth}\n"
		      "smtp-listener 127.0.0.1:2525\n<smtp-listener [::1]:2527>\nawait-slot "
		      "yes\n</smtp-listener>\n");
	char text[NET_ADDR_TEXT];

	assert_int_equal(conf_n_listeners(c), 3); /* 127.0.0.1:2525 is part of 0.0.0.0:2525 */
	assert_string_equal(
	    net_addr_text_port(&conf_listener_at(c, 0)->addr, text), "0.0.0.0:2525");
	assert_true(str_eq(conf_listener_at(c, 1)->source, STR("{auth}")));
	assert_string_equal(net_addr_text_port(&conf_listener_at(c, 2)->addr, text), "[::1]:2527");
	assert_true(conf_bool(conf_listener_at(c, 2)->set, CONF_LISTENER_AWAIT_SLOT));
	assert_int_equal(conf_listener_at(c, 2)->origin.line, 7);
	conf_free(&c);
	c = load_body("");
	assert_int_equal(conf_n_listeners(c), 1);
	assert_string_equal(net_addr_text_port(&conf_listener_at(c, 0)->addr, text), "0.0.0.0:25");
	conf_free(&c);
	c = load_body("smtp-ip 127.0.0.1\nsmtp-port 2525\n");
	assert_string_equal(
	    net_addr_text_port(&conf_listener_at(c, 0)->addr, text), "127.0.0.1:2525");
	conf_free(&c);
}

static void
blocks_of_a_kind_are_counted_in_file_order(void **state)
{
	struct conf *c = load_body(
	    "spool-min-free-space 5\n<acct-file /a.csv>\nrecords d\nrecord-fields d a, "
	    "b\n</acct-file>\n"
	    "<acct-file |/bin/x y>\nrecords tq,transient\n</acct-file>\nspool /tmp/two\n");

	assert_int_equal(conf_n_blocks(c, CONF_BLOCK_ACCT), 2);
	assert_true(str_eq(conf_block_name(c, CONF_BLOCK_ACCT, 1), STR("|/bin/x y")));
	assert_true(str_eq(
	    conf_item(conf_block_at(c, CONF_BLOCK_ACCT, 1), CONF_ACCT_RECORDS, 1), STR("t")));
	assert_true(
	    str_eq(conf_item(conf_block_at(c, CONF_BLOCK_ACCT, 0), CONF_ACCT_RECORD_FIELDS, 0),
		STR("d a,b")));
	assert_int_equal(conf_n_blocks(c, CONF_BLOCK_SPOOL), 2);
	assert_int_equal(conf_u64(conf_block_at(c, CONF_BLOCK_SPOOL, 1), CONF_SPOOL_MIN_FREE_SPACE),
	    5 * 1024 * 1024);
	assert_int_equal(conf_block_origin(c, CONF_BLOCK_ACCT, 0).line, 5);
	conf_free(&c);
}

/* ---- relaying ---- */

static const struct {
	const char *address;
	bool is_relayed;
} relays[] = {
    {"a@host.test", true},
    {"a@two.test", true},
    {"a@x.below.test", true},
    {"a@below.test", false},
    {"a@both.test", true},
    {"a@x.both.test", true},
    {"a@xboth.test", false},
    {"A@MACRO.test", true},
    {"one@other.test", true},
    {"two@other.test", false},
    {"list-x@other.test", true},
    {"nodomain", false},
    {"a@", false},
    {"", false},
};

static void
recipients_are_relayed_as_written(void **state)
{
	struct conf *c =
	    load_body("host-name host.test\nhost-name two.test\ndomain-macro m macro\n"
		      "relay-domain *.below.test\nrelay-domain [*.]both.test, $m.test\n"
		      "relay-address one@other.test\nrelay-address /^list-.*@other\\.test$/\n");

	for (size_t i = 0; i < countof(relays); i++)
		if (conf_is_relay_rcpt(c, str_of(relays[i].address)) != relays[i].is_relayed)
			fail_msg("%s", relays[i].address);
	conf_free(&c);
}

/* ---- size ---- */

static void
a_hundred_thousand_domains_cost_no_memory(void **state)
{
	struct conf *c = load_body(QUEUES SCOPES);
	struct timespec a, b;
	char name[64];
	size_t n = 100000;
	double us;

	for (size_t i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "domain-%zu.test", i);
		conf_queue(c, str_of(name), i % 2 == 0 ? STR("v1") : STR_NULL);
	}
	size_t used = c->mem.used, size = c->mem.size;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (size_t i = 0; i < n; i++) {
		int len = snprintf(name, sizeof name, "domain-%zu.test", i);
		conf_queue(c, str_from(name, (size_t)len), i % 2 == 0 ? STR("v1") : STR_NULL);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_int_equal(c->mem.used, used);
	assert_int_equal(c->mem.size, size);
	us = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 1e3 /
	     (double)n;
	print_message("%.2f us a queue\n", us);
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_most_specific_pattern_wins),
	    cmocka_unit_test(less_specific_patterns_fill_in),
	    cmocka_unit_test(queues_with_the_same_blocks_share_a_set),
	    cmocka_unit_test(a_virtual_mta_comes_before_its_pool_and_that_before_the_global_blocks),
	    cmocka_unit_test(an_empty_text_clears_what_would_be_inherited),
	    cmocka_unit_test(lines_that_add_up_add_up_across_blocks_the_specific_first),
	    cmocka_unit_test(a_default_may_follow_another_directive),
	    cmocka_unit_test(values_have_their_origin),
	    cmocka_unit_test(the_most_specific_address_block_wins),
	    cmocka_unit_test(a_named_source_overrides_the_address),
	    cmocka_unit_test(source_addresses_are_those_of_the_virtual_mta_or_the_global_ones),
	    cmocka_unit_test(pools_have_members_with_weights),
	    cmocka_unit_test(listeners_are_one_list),
	    cmocka_unit_test(blocks_of_a_kind_are_counted_in_file_order),
	    cmocka_unit_test(recipients_are_relayed_as_written),
	    cmocka_unit_test(a_hundred_thousand_domains_cost_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
