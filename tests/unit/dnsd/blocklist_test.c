#include "dnsd/blocklist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct wire_answer answer;

/* up to two addresses of the answer */
struct row {
	enum wire_status status;
	size_t n;
	uint8_t a[2][4];
	enum blocklist_verdict wanted;
};

static const struct row rows[] = {
    {WIRE_NXDOMAIN, 0, {{0}}, BLOCKLIST_CLEAR},
    {WIRE_NODATA, 0, {{0}}, BLOCKLIST_CLEAR},
    {WIRE_TIMEOUT, 0, {{0}}, BLOCKLIST_UNKNOWN},
    {WIRE_FAILED, 0, {{0}}, BLOCKLIST_UNKNOWN},
    {WIRE_MALFORMED, 0, {{0}}, BLOCKLIST_UNKNOWN},
    {WIRE_OK, 0, {{0}}, BLOCKLIST_UNKNOWN},
    {WIRE_OK, 1, {{127, 0, 0, 2}}, BLOCKLIST_LISTED},
    {WIRE_OK, 1, {{127, 0, 0, 11}}, BLOCKLIST_LISTED},
    {WIRE_OK, 2, {{127, 0, 0, 4}, {127, 0, 0, 10}}, BLOCKLIST_LISTED},
    {WIRE_OK, 1, {{127, 1, 0, 2}}, BLOCKLIST_LISTED},
    /* no list says this of an address */
    {WIRE_OK, 1, {{127, 0, 0, 0}}, BLOCKLIST_UNKNOWN},
    {WIRE_OK, 1, {{127, 0, 0, 1}}, BLOCKLIST_UNKNOWN},
    /* a parked domain, or a resolver that answers for what is not there */
    {WIRE_OK, 1, {{192, 0, 2, 80}}, BLOCKLIST_UNKNOWN},
    {WIRE_OK, 2, {{127, 0, 0, 2}, {192, 0, 2, 80}}, BLOCKLIST_UNKNOWN},
    /* "you may not ask" */
    {WIRE_OK, 1, {{127, 255, 255, 252}}, BLOCKLIST_UNKNOWN},
    {WIRE_OK, 1, {{127, 255, 255, 254}}, BLOCKLIST_UNKNOWN},
    {WIRE_OK, 1, {{127, 255, 255, 255}}, BLOCKLIST_UNKNOWN},
    {WIRE_OK, 2, {{127, 0, 0, 2}, {127, 255, 255, 255}}, BLOCKLIST_UNKNOWN},
    {WIRE_OK, 1, {{127, 0, 1, 255}}, BLOCKLIST_UNKNOWN},
    {WIRE_OK, 1, {{127, 0, 0, 255}}, BLOCKLIST_UNKNOWN},
};

static void
refusals_and_nonsense_are_no_listing(void **state)
{
	for (size_t i = 0; i < countof(rows); i++) {
		uint32_t code = 0;
		answer = (struct wire_answer){.status = rows[i].status, .n = rows[i].n};
		for (size_t k = 0; k < rows[i].n; k++) {
			answer.rr.addr[k].family = 4;
			memcpy(answer.rr.addr[k].bytes, rows[i].a[k], 4);
		}
		if (blocklist_judge(&answer, &code) != rows[i].wanted)
			fail_msg("row %zu", i);
		if (rows[i].wanted == BLOCKLIST_LISTED)
			assert_int_equal(code, rows[i].a[0][1] << 16 | rows[i].a[0][3]);
	}
}

static void
addresses_are_asked_for_backwards(void **state)
{
	char name[WIRE_NAME_MAX], longest[300];
	struct net_addr a;

	assert_true(net_addr_parse(STR("192.0.2.1"), &a));
	assert_true(blocklist_name(&a, STR("Zen.Example."), name));
	assert_string_equal(name, "1.2.0.192.zen.example");
	assert_true(net_addr_parse(STR("2001:db8::c5"), &a));
	assert_true(blocklist_name(&a, STR("bl.test"), name));
	assert_string_equal(
	    name, "5.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test");
	assert_false(blocklist_name(&a, STR(""), name));
	for (size_t i = 0; i < sizeof longest; i++)
		longest[i] = i % 50 == 49 ? '.' : 'a';
	assert_false(blocklist_name(&a, str_from(longest, 250), name));
	assert_false(blocklist_name(&a, str_from(longest, 299), name));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refusals_and_nonsense_are_no_listing),
	    cmocka_unit_test(addresses_are_asked_for_backwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
