#include "dnsd/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/dnsd/message.h"

static struct wire_answer answer;

static const struct wire_answer *
read_msg(const struct msg *m, const char *name, enum wire_type type)
{
	wire_read(str_from((const char *)m->b, m->n), name, type, &answer);
	return &answer;
}

static struct msg m;

/* ---- the tests ---- */

static void
exchangers_come_by_preference(void **state)
{
	begin(&m, 0x20, "x.test", WIRE_MX);
	add_mx(&m, "x.test", 300, 20, "b.x.test");
	add_mx(&m, "X.TEST", 60, 65535, "z.x.test");
	add_mx(&m, "x.test", 300, 0, "A.x.test");
	read_msg(&m, "x.test", WIRE_MX);
	assert_int_equal(answer.status, WIRE_OK);
	assert_int_equal(answer.n, 3);
	assert_string_equal(answer.rr.mx[0].host, "a.x.test");
	assert_string_equal(answer.rr.mx[1].host, "b.x.test");
	assert_int_equal(answer.rr.mx[2].pref, 65535);
	assert_int_equal(answer.ttl_s, 60);
	assert_true(answer.ad);
}

static void
the_root_and_odd_hosts_are_told_apart(void **state)
{
	begin(&m, 0, "x.test", WIRE_MX);
	add_mx(&m, "x.test", 300, 0, "");
	add_mx(&m, "x.test", 300, 1, "mx host.x.test");
	add_mx(&m, "x.test", 300, 2, "127.0.0.1");
	add_mx(&m, "x.test", 300, 3, "mx_1.x.test");
	read_msg(&m, "x.test", WIRE_MX);
	assert_int_equal(answer.n, 4);
	assert_string_equal(answer.rr.mx[0].host, ".");
	assert_string_equal(answer.rr.mx[1].host, "");
	assert_string_equal(answer.rr.mx[2].host, "");
	assert_string_equal(answer.rr.mx[3].host, "mx_1.x.test");
	assert_false(answer.ad);
}

static void
of_many_exchangers_the_first_hundred_are_kept(void **state)
{
	begin(&m, 0, "x.test", WIRE_MX);
	for (unsigned i = 0; i < 1000; i++) {
		char host[20];
		snprintf(host, sizeof host, "m%u.x.test", i);
		add_mx(&m, "x.test", 300, 1000 - i, host);
	}
	read_msg(&m, "x.test", WIRE_MX);
	assert_int_equal(answer.n, WIRE_MAX_RRS);
	for (unsigned i = 0; i < WIRE_MAX_RRS; i++)
		assert_int_equal(answer.rr.mx[i].pref, i + 1);
}

static void
of_many_addresses_a_hundred_are_kept(void **state)
{
	begin(&m, 0, "x.test", WIRE_A);
	for (unsigned i = 0; i < 2000; i++)
		add_a(&m, "x.test", 300, i);
	read_msg(&m, "x.test", WIRE_A);
	assert_int_equal(answer.status, WIRE_OK);
	assert_int_equal(answer.n, WIRE_MAX_RRS);
	assert_int_equal(answer.rr.addr[99].bytes[3], 99);
}

static void
aliases_are_followed_and_others_records_ignored(void **state)
{
	begin(&m, 0, "x.test", WIRE_A);
	add_a(&m, "evil.test", 300, 66);
	add_cname(&m, "y.test", 30, "z.test");
	add_a(&m, "z.test", 300, 9);
	add_a(&m, "x.test", 300, 67);
	add_cname(&m, "x.test", 100, "y.test");
	read_msg(&m, "x.test", WIRE_A);
	assert_int_equal(answer.status, WIRE_OK);
	assert_int_equal(answer.n, 1);
	assert_int_equal(answer.rr.addr[0].bytes[3], 9);
	assert_int_equal(answer.ttl_s, 30);
}

static void
a_chain_of_aliases_has_an_end(void **state)
{
	char owner[20], target[20];

	begin(&m, 0, "x.test", WIRE_A);
	add_cname(&m, "x.test", 100, "y.test");
	add_cname(&m, "y.test", 100, "x.test");
	add_a(&m, "x.test", 300, 1);
	assert_int_equal(read_msg(&m, "x.test", WIRE_A)->status, WIRE_FAILED);
	for (unsigned n = 8; n <= 9; n++) {
		begin(&m, 0, "c0.test", WIRE_A);
		for (unsigned i = 0; i < n; i++) {
			snprintf(owner, sizeof owner, "c%u.test", i);
			snprintf(target, sizeof target, "c%u.test", i + 1);
			add_cname(&m, owner, 100, target);
		}
		add_a(&m, target, 300, 1);
		assert_int_equal(
		    read_msg(&m, "c0.test", WIRE_A)->status, n == 8 ? WIRE_OK : WIRE_FAILED);
	}
}

static void
negative_answers_last_as_long_as_the_soa_says(void **state)
{
	begin(&m, 3, "x.test", WIRE_MX);
	add_soa(&m, "test", 1000, 60);
	read_msg(&m, "x.test", WIRE_MX);
	assert_int_equal(answer.status, WIRE_NXDOMAIN);
	assert_int_equal(answer.ttl_s, 60);
	begin(&m, 0, "x.test", WIRE_MX);
	add_soa(&m, "test", 10, 60);
	read_msg(&m, "x.test", WIRE_MX);
	assert_int_equal(answer.status, WIRE_NODATA);
	assert_int_equal(answer.ttl_s, 10);
	begin(&m, 0, "x.test", WIRE_MX);
	read_msg(&m, "x.test", WIRE_MX);
	assert_int_equal(answer.status, WIRE_NODATA);
	assert_int_equal(answer.ttl_s, 0);
}

static void
times_are_between_zero_and_a_day(void **state)
{
	static const uint32_t cases[][2] = {{0, 0}, {5, 5}, {86400, 86400}, {604800, 86400},
	    {0x7fffffff, 86400}, {0x80000000, 0}, {0xffffffff, 0}};

	for (size_t i = 0; i < countof(cases); i++) {
		begin(&m, 0, "x.test", WIRE_A);
		add_a(&m, "x.test", cases[i][0], 1);
		assert_int_equal(read_msg(&m, "x.test", WIRE_A)->ttl_s, cases[i][1]);
	}
}

static void
failures_of_the_server_are_told(void **state)
{
	static const unsigned rcodes[] = {1, 2, 4, 5, 9, 15};

	for (size_t i = 0; i < countof(rcodes); i++) {
		begin(&m, rcodes[i], "x.test", WIRE_A);
		add_a(&m, "x.test", 100, 1);
		read_msg(&m, "x.test", WIRE_A);
		assert_int_equal(answer.status, WIRE_FAILED);
		assert_int_equal(answer.n, 0);
	}
}

static void
an_answer_to_another_question_is_malformed(void **state)
{
	begin(&m, 0, "y.test", WIRE_A);
	add_a(&m, "x.test", 100, 1);
	assert_int_equal(read_msg(&m, "x.test", WIRE_A)->status, WIRE_MALFORMED);
	assert_int_equal(read_msg(&m, "y.test", WIRE_AAAA)->status, WIRE_MALFORMED);
	m.b[2] = 0; /* a query */
	assert_int_equal(read_msg(&m, "y.test", WIRE_A)->status, WIRE_MALFORMED);
}

static void
every_cut_is_malformed_or_nothing(void **state)
{
	size_t whole;

	begin(&m, 0, "x.test", WIRE_MX);
	add_cname(&m, "x.test", 100, "y.test");
	add_mx(&m, "y.test", 300, 5, "mx.y.test");
	whole = m.n;
	assert_int_equal(read_msg(&m, "x.test", WIRE_MX)->status, WIRE_OK);
	for (m.n = 0; m.n < whole; m.n++)
		assert_int_equal(read_msg(&m, "x.test", WIRE_MX)->status, WIRE_MALFORMED);
}

static void
compression_goes_backwards_only(void **state)
{
	size_t at;

	/* owner: a pointer to the question; data: "mx" and a pointer to it */
	begin(&m, 0, "x.test", WIRE_MX);
	count_up(&m, ANSWER);
	add16(&m, 0xc00c);
	add16(&m, WIRE_MX);
	add16(&m, 1);
	put_be32(m.b + m.n, 60);
	m.n += 4;
	at = m.n;
	m.n += 2;
	add16(&m, 10);
	memcpy(m.b + m.n, "\2mx", 3);
	m.n += 3;
	add16(&m, 0xc00c);
	end_rr(&m, at);
	read_msg(&m, "x.test", WIRE_MX);
	assert_int_equal(answer.status, WIRE_OK);
	assert_string_equal(answer.rr.mx[0].host, "mx.x.test");
	/* a loop, a pointer to itself, one forward, one beyond the end */
	static const unsigned bad[] = {0, 1, 2, 0x100, 0x3fff};
	for (size_t i = 0; i < countof(bad); i++) {
		put_be16(m.b + m.n - 2,
		    (uint16_t)(0xc000u | (i < 3 ? (unsigned)(m.n - 5 + bad[i]) : bad[i])));
		assert_int_equal(read_msg(&m, "x.test", WIRE_MX)->status, WIRE_MALFORMED);
	}
}

static void
wrong_lengths_are_malformed(void **state)
{
	size_t at;

	begin(&m, 0, "x.test", WIRE_A);
	at = add_rr(&m, ANSWER, "x.test", WIRE_A, 60);
	m.n += 5;
	end_rr(&m, at);
	assert_int_equal(read_msg(&m, "x.test", WIRE_A)->status, WIRE_MALFORMED);
	begin(&m, 0, "x.test", WIRE_MX);
	at = add_rr(&m, ANSWER, "x.test", WIRE_MX, 60);
	add16(&m, 1);
	end_rr(&m, at);
	assert_int_equal(read_msg(&m, "x.test", WIRE_MX)->status, WIRE_MALFORMED);
	/* a class that is not ours is no record of ours */
	begin(&m, 0, "x.test", WIRE_A);
	add_a(&m, "x.test", 60, 1);
	m.b[m.n - 11] = 3;
	assert_int_equal(read_msg(&m, "x.test", WIRE_A)->status, WIRE_NODATA);
}

static void
names_have_one_form(void **state)
{
	static const struct {
		const char *name, *normal; /* NULL: none */
	} cases[] = {
	    {"Example.COM", "example.com"},
	    {"example.com.", "example.com"},
	    {"_spf.example.com", "_spf.example.com"},
	    {"b\xc3\xbc"
	     "cher.de",
		"xn--bcher-kva.de"},
	    {"localhost", "localhost"},
	    {"", NULL},
	    {".", NULL},
	    {"a..b", NULL},
	    {".a", NULL},
	    {"a b.c", NULL},
	    {"127.0.0.1", NULL},
	    {"[127.0.0.1]", NULL},
	    {"x.1", NULL},
	    {"a\nb.c", NULL},
	    {"\xff\xfe.de", NULL},
	};
	char out[WIRE_NAME_MAX], label[300];

	for (size_t i = 0; i < countof(cases); i++) {
		assert_int_equal(
		    wire_name_normal(str_of(cases[i].name), out), cases[i].normal != NULL);
		if (cases[i].normal != NULL)
			assert_string_equal(out, cases[i].normal);
	}
	memset(label, 'a', sizeof label);
	memcpy(label + 63, ".b", 3);
	assert_true(wire_name_normal(str_of(label), out));
	memcpy(label + 63, "a.b", 4);
	assert_false(wire_name_normal(str_of(label), out));
	for (size_t i = 0; i < sizeof label; i++)
		label[i] = i % 2 == 0 ? 'a' : '.';
	assert_true(wire_name_normal(str_from(label, 253), out));
	assert_false(wire_name_normal(str_from(label, 255), out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(exchangers_come_by_preference),
	    cmocka_unit_test(the_root_and_odd_hosts_are_told_apart),
	    cmocka_unit_test(of_many_exchangers_the_first_hundred_are_kept),
	    cmocka_unit_test(of_many_addresses_a_hundred_are_kept),
	    cmocka_unit_test(aliases_are_followed_and_others_records_ignored),
	    cmocka_unit_test(a_chain_of_aliases_has_an_end),
	    cmocka_unit_test(negative_answers_last_as_long_as_the_soa_says),
	    cmocka_unit_test(times_are_between_zero_and_a_day),
	    cmocka_unit_test(failures_of_the_server_are_told),
	    cmocka_unit_test(an_answer_to_another_question_is_malformed),
	    cmocka_unit_test(every_cut_is_malformed_or_nothing),
	    cmocka_unit_test(compression_goes_backwards_only),
	    cmocka_unit_test(wrong_lengths_are_malformed),
	    cmocka_unit_test(names_have_one_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
