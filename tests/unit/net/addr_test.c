#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/net/addr.h"

static void
addresses_that_are_valid_print_as_rfc_5952_says(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"192.0.2.1", "192.0.2.1"},
	    {"0.0.0.0", "0.0.0.0"},
	    {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
	    {"::", "::"},
	    {"::1", "::1"},
	    {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
	};
	struct net_addr a;
	char text[NET_ADDR_TEXT];

	for (size_t i = 0; i < countof(cases); i++) {
		assert_true(net_addr_parse(str_of(cases[i].in), &a));
		assert_string_equal(net_addr_text(&a, text), cases[i].out);
	}
}

static void
texts_that_are_no_address_are_refused(void **state)
{
	static const char *const cases[] = {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ",
	    " 1.2.3.4", "01.2.3.4", ":::", "2001:db8::1::", "g::1", "1.2.3.4:25", "[::1]", "::1%lo",
	    "1.2.3.-4"};
	struct net_addr a;

	for (size_t i = 0; i < countof(cases); i++)
		assert_false(net_addr_parse(str_of(cases[i]), &a));
	assert_false(net_addr_parse(str_from("1.2.3.4\0x", 9), &a));
}

static void
ports_are_parsed_and_printed(void **state)
{
	static const struct {
		const char *in, *out;
		bool ok;
	} cases[] = {
	    {"192.0.2.1:25", "192.0.2.1:25", true},
	    {"192.0.2.1", "192.0.2.1:0", true},
	    {"[2001:db8::1]:2525", "[2001:db8::1]:2525", true},
	    {"[::1]", "[::1]:0", true},
	    {"::1", "[::1]:0", true},
	    {"192.0.2.1:0", NULL, false},
	    {"192.0.2.1:65536", NULL, false},
	    {"192.0.2.1:", NULL, false},
	    {"192.0.2.1:2x", NULL, false},
	    {"[::1", NULL, false},
	    {"[::1]25", NULL, false},
	    {"[1.2.3.4]:25", NULL, false},
	    {":25", NULL, false},
	};
	struct net_addr a;
	char text[NET_ADDR_TEXT];

	for (size_t i = 0; i < countof(cases); i++) {
		assert_int_equal(net_addr_parse_port(str_of(cases[i].in), &a), cases[i].ok);
		if (cases[i].ok)
			assert_string_equal(net_addr_text_port(&a, text), cases[i].out);
	}
}

static void
blocks_hold_what_lies_in_them_and_nothing_else(void **state)
{
	static const struct {
		const char *cidr, *addr;
		bool has;
	} cases[] = {
	    {"10.0.0.0/8", "10.255.1.2", true},
	    {"10.0.0.0/8", "11.0.0.0", false},
	    {"10.9.8.7/8", "10.1.1.1", true},
	    {"127/8", "127.3.2.1", true},
	    {"0/0", "203.0.113.9", true},
	    {"0/0", "::1", false},
	    {"0.0.0.0/0", "1.2.3.4", true},
	    {"::/0", "2001:db8::1", true},
	    {"*", "2001:db8::1", true},
	    {"*", "1.2.3.4", true},
	    {"192.0.2.1", "192.0.2.1", true},
	    {"192.0.2.1", "192.0.2.2", false},
	    {"192.0.2.128/25", "192.0.2.127", false},
	    {"192.0.2.128/25", "192.0.2.200", true},
	    {"192.0.2.4/31", "192.0.2.5", true},
	    {"192.0.2.4/31", "192.0.2.6", false},
	    {"2001:db8::/33", "2001:db8:7fff::1", true},
	    {"2001:db8::/33", "2001:db8:8000::1", false},
	    {"2001:db8::1/128", "2001:db8::1", true},
	};
	struct net_cidr c;
	struct net_addr a;

	for (size_t i = 0; i < countof(cases); i++) {
		assert_true(net_cidr_parse(str_of(cases[i].cidr), &c));
		assert_true(net_addr_parse(str_of(cases[i].addr), &a));
		assert_int_equal(net_cidr_has(&c, &a), cases[i].has);
	}
}

static void
texts_that_are_no_block_are_refused(void **state)
{
	static const char *const cases[] = {"", "/", "/8", "10.0.0.0/33", "::/129", "10.0.0.0/",
	    "10.0.0.0/x", "10", "300/8", "1.2.3.4.5/8", "10.0.0.0/8/8", "10..1/8", "10.0.0.0/ 8"};
	struct net_cidr c;

	for (size_t i = 0; i < countof(cases); i++)
		assert_false(net_cidr_parse(str_of(cases[i]), &c));
}

static void
socket_addresses_round_trip(void **state)
{
	static const char *const cases[] = {"192.0.2.1:25", "[2001:db8::1]:465"};
	struct net_addr a, b;
	struct sockaddr_storage ss;
	struct ipc_addr ipc;
	socklen_t len;

	for (size_t i = 0; i < countof(cases); i++) {
		assert_true(net_addr_parse_port(str_of(cases[i]), &a));
		len = net_to_sockaddr(&a, &ss);
		assert_true(net_from_sockaddr((struct sockaddr *)&ss, len, &b));
		assert_memory_equal(&a, &b, sizeof a);
		assert_false(net_from_sockaddr((struct sockaddr *)&ss, 4, &b));
		net_to_ipc(&a, &ipc);
		net_from_ipc(&ipc, &b);
		assert_memory_equal(&a, &b, sizeof a);
	}
}

static void
a_mapped_address_is_seen_as_ipv4(void **state)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(25)};
	struct net_addr a;
	char text[NET_ADDR_TEXT];

	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr), 1);
	assert_true(net_from_sockaddr((struct sockaddr *)&in6, sizeof in6, &a));
	assert_string_equal(net_addr_text_port(&a, text), "192.0.2.1:25");
}

static void
loopback_is_loopback_and_local(void **state)
{
	struct net_addr a;

	assert_true(net_addr_parse(STR("127.0.0.53"), &a));
	assert_true(net_addr_is_loopback(&a));
	assert_true(net_addr_is_local(&a));
	assert_true(net_addr_parse(STR("::1"), &a));
	assert_true(net_addr_is_loopback(&a));
	assert_true(net_addr_parse(STR("198.51.100.77"), &a));
	assert_false(net_addr_is_loopback(&a));
	assert_false(net_addr_is_local(&a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses_that_are_valid_print_as_rfc_5952_says),
	    cmocka_unit_test(texts_that_are_no_address_are_refused),
	    cmocka_unit_test(ports_are_parsed_and_printed),
	    cmocka_unit_test(blocks_hold_what_lies_in_them_and_nothing_else),
	    cmocka_unit_test(texts_that_are_no_block_are_refused),
	    cmocka_unit_test(socket_addresses_round_trip),
	    cmocka_unit_test(a_mapped_address_is_seen_as_ipv4),
	    cmocka_unit_test(loopback_is_loopback_and_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
