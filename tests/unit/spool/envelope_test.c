#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/base.h"
#include "lib/spool/envelope.h"

static struct buf text = {.cap = 1 << 20}, scratch = {.cap = 1 << 20};

static struct envelope
full(void)
{
	struct envelope e = {.id = UINT64_C(0x0123456789abcdef),
	    .n_rcpts = 2,
	    .accepted.ns = 1700000000123456789,
	    .not_before.ns = 1700000100000000000,
	    .expires.ns = 1700000200000000000,
	    .sender = STR("a b%\n@example.org"),
	    .vmta = STR("mta1"),
	    .pool = STR("pool one"),
	    .job = STR("job\r\nrcpt: evil@example.com"),
	    .envid = STR("\xc3\xa9nv"),
	    .windows = STR("1700000100-1700000200"),
	    .remove = STR("X-One,X-*"),
	    .lists = STR("closed,old ones"),
	    .dkim = STR("s=a; d=b.example"),
	    .src_type = STR("smtp"),
	    .src_mta = STR("host (192.0.2.1)"),
	    .user = STR("joe"),
	    .body_len = 1234,
	    .n_dots = 5,
	    .body = ENV_8BITMIME,
	    .ret = ENV_RET_HDRS,
	    .smtputf8 = true,
	    .is_report = true,
	    .no_dsn = true,
	    .verp = true,
	    .date_late = true,
	    .is_processed = true,
	    .priority = 99};

	assert_true(net_addr_parse_port(STR("192.0.2.1:2525"), &e.src));
	assert_true(net_addr_parse_port(STR("[2001:db8::1]:25"), &e.dst));
	return e;
}

static void
write_full(const struct envelope *e)
{
	struct env_rcpt one = {.address = STR("x@example.com")};
	struct env_rcpt two = {.address = STR("\"a b\"@example.com"),
	    .orcpt = STR("rfc822;a+b@example.com"),
	    .notify = NOTIFY_SUCCESS | NOTIFY_DELAY,
	    .is_invalid = true};

	buf_reset(&text);
	buf_reset(&scratch);
	assert_int_equal(envelope_write(&text, e), 0);
	assert_int_equal(envelope_write_rcpt(&text, &one), 0);
	assert_int_equal(envelope_write_rcpt(&text, &two), 0);
	assert_int_equal(buf_add_char(&text, '\n'), 0);
}

#define SAME_STR(m) assert_true(str_eq(a.m, b.m))
static void
every_field_comes_back(void **state)
{
	struct envelope a = full(), b;
	struct env_iter it;
	struct env_rcpt r;
	struct why why;
	uint32_t index;

	write_full(&a);
	if (!envelope_parse(buf_str(&text), &b, &scratch, &why))
		fail_msg("%s", why.text);
	SAME_STR(sender);
	SAME_STR(vmta);
	SAME_STR(pool);
	SAME_STR(job);
	SAME_STR(envid);
	SAME_STR(windows);
	SAME_STR(remove);
	SAME_STR(lists);
	SAME_STR(dkim);
	SAME_STR(src_type);
	SAME_STR(src_mta);
	SAME_STR(user);
	assert_true(net_addr_eq(&a.src, &b.src) && a.src.port == b.src.port);
	assert_true(net_addr_eq(&a.dst, &b.dst) && a.dst.port == b.dst.port);
	assert_true(a.id == b.id && a.accepted.ns == b.accepted.ns && a.body_len == b.body_len);
	assert_true(a.not_before.ns == b.not_before.ns && a.expires.ns == b.expires.ns);
	assert_true(a.n_dots == b.n_dots && a.n_rcpts == b.n_rcpts && a.body == b.body);
	assert_true(a.ret == b.ret && b.smtputf8 && b.is_report && b.no_dsn && b.priority == 99);
	assert_true(b.verp && b.date_late && b.is_processed);
	env_iter_init(&it, buf_str(&text));
	assert_true(env_iter_next(&it, &index, &r));
	assert_int_equal(index, 0);
	assert_true(str_eq(r.address, STR("x@example.com")) && r.notify == 0 && r.orcpt.len == 0);
	assert_true(env_iter_next(&it, &index, &r));
	assert_true(str_eq(r.address, STR("\"a b\"@example.com")));
	assert_true(str_eq(r.orcpt, STR("rfc822;a+b@example.com")));
	assert_int_equal(r.notify, NOTIFY_SUCCESS | NOTIFY_DELAY);
	assert_true(r.is_invalid);
	assert_false(env_iter_next(&it, &index, &r));
}

static void
outside_text_cannot_write_a_line(void **state)
{
	struct envelope e = full();
	int n_lines = 0;

	write_full(&e);
	for (size_t i = 0; i < buf_len(&text); i++)
		n_lines += buf_str(&text).p[i] == '\n';
	/* 6 basics, 2 times, 10 texts less the sender, 2 addresses, 9 options, 2 recipients, the
	 * empty line */
	assert_int_equal(n_lines, 6 + 2 + 11 + 2 + 9 + 2 + 1);
	assert_int_equal(str_find_str(buf_str(&text), STR("\nrcpt: evil")), STR_NPOS);
}

static const char start[] =
    "id: 0000000000000001\nrcpts: 00000001\naccepted: 1\nsize: 0\ndots: 0\n";
static const struct {
	const char *name, *text;
	bool good;
} cases[] = {
    {"least", "sender: \nrcpt: a\n\n", true},
    {"padding", "sender: \nrcpt: a\npad:---\n\n", true},
    {"padding alone", "sender: \nrcpt: a\npad:\n\n", true},
    {"no sender", "rcpt: a\n\n", false},
    {"no recipient", "sender: \n\n", false},
    {"two recipients", "sender: \nrcpt: a\nrcpt: b\n\n", false},
    {"empty recipient", "sender: \nrcpt: \n\n", false},
    {"unknown field", "sender: \nnew: 1\nrcpt: a\n\n", false},
    {"field twice", "sender: \nsender: \nrcpt: a\n\n", false},
    {"field behind the recipients", "sender: \nrcpt: a\nvmta: x\n\n", false},
    {"no empty line", "sender: \nrcpt: a\n", false},
    {"text behind the empty line", "sender: \nrcpt: a\n\nx", false},
    {"bad padding", "sender: \nrcpt: a\npad:-x\n\n", false},
    {"raw blank", "sender: a b\nrcpt: a\n\n", false},
    {"raw 8 bit", "sender: \xc3\xa9\nrcpt: a\n\n", false},
    {"needless encoding", "sender: %41\nrcpt: a\n\n", false},
    {"upper case encoding", "sender: %0A\nrcpt: a\n\n", false},
    {"cut encoding", "sender: %0\nrcpt: a\n\n", false},
    {"notify", "sender: \nrcpt: a notify=never\n\n", true},
    {"notify unknown", "sender: \nrcpt: a notify=often\n\n", false},
    {"notify twice", "sender: \nrcpt: a notify=never notify=delay\n\n", false},
    {"notify empty", "sender: \nrcpt: a notify=\n\n", false},
    {"orcpt twice", "sender: \nrcpt: a orcpt=x orcpt=y\n\n", false},
    {"unknown parameter", "sender: \nrcpt: a x=y\n\n", false},
    {"priority 0", "sender: \npriority: 0\nrcpt: a\n\n", true},
    {"priority 101", "sender: \npriority: 101\nrcpt: a\n\n", false},
    {"time overflow", "sender: \nexpires: 9223372036854775808\nrcpt: a\n\n", false},
    {"address", "sender: \nsource: 1.2.3\nrcpt: a\n\n", false},
};

static void
only_what_is_in_form_is_taken(void **state)
{
	struct envelope e;
	struct why why;

	for (size_t i = 0; i < countof(cases); i++) {
		buf_reset(&text);
		buf_reset(&scratch);
		assert_int_equal(buf_add_cstr(&text, start), 0);
		assert_int_equal(buf_add_cstr(&text, cases[i].text), 0);
		why.text[0] = '\0';
		if (envelope_parse(buf_str(&text), &e, &scratch, &why) != cases[i].good)
			fail_msg("%s: %s", cases[i].name, why.text);
		assert_true(cases[i].good || why.text[0] != '\0');
	}
}

static void
a_cut_envelope_is_never_taken(void **state)
{
	struct envelope e = full(), got;
	struct why why;

	write_full(&e);
	for (size_t len = 0; len < buf_len(&text); len++) {
		buf_reset(&scratch);
		assert_false(envelope_parse(str_sub(buf_str(&text), 0, len), &got, &scratch, &why));
	}
}

static void
header_lines_have_one_spelling(void **state)
{
	char line[SPOOL_HEADER_LEN];
	struct record_header h;

	envelope_header(line, UINT64_C(0x1122334455667788),
	    &(struct record_header){.len = 0x123456789,
		.generation = 0xabcdef01,
		.from = 0xfedcba98,
		.env_len = 0x1234});
	assert_memory_equal(
	    line, "posthaste-1 gen=abcdef01 from=fedcba98 len=000123456789 env=00001234 sum=", 73);
	assert_int_equal(line[SPOOL_HEADER_LEN - 1], '\n');
	assert_true(record_header_parse(str_from(line, sizeof line), &h));
	assert_true(h.generation == 0xabcdef01 && h.from == 0xfedcba98 && h.len == 0x123456789 &&
		    h.env_len == 0x1234);
	for (size_t len = 0; len < sizeof line; len++)
		assert_false(record_header_parse(str_from(line, len), &h));
	line[16] = 'A';
	assert_false(record_header_parse(str_from(line, sizeof line), &h));
	/* the envelope cannot be longer than the record, nor shorter than its header line */
	envelope_header(line, 0, &(struct record_header){.len = 100, .env_len = 101});
	assert_false(record_header_parse(str_from(line, sizeof line), &h));
	envelope_header(line, 0, &(struct record_header){.len = 100, .env_len = SPOOL_HEADER_LEN});
	assert_false(record_header_parse(str_from(line, sizeof line), &h));
}

static void
an_overlong_address_is_refused(void **state)
{
	static char address[3000];
	struct env_rcpt r = {.address = {address, sizeof address}};

	memset(address, 'a', sizeof address);
	buf_reset(&text);
	assert_int_equal(envelope_write_rcpt(&text, &r), -1);
	assert_int_equal(buf_len(&text), 0);
	r.address.len = 2048;
	assert_int_equal(envelope_write_rcpt(&text, &r), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_field_comes_back),
	    cmocka_unit_test(outside_text_cannot_write_a_line),
	    cmocka_unit_test(only_what_is_in_form_is_taken),
	    cmocka_unit_test(a_cut_envelope_is_never_taken),
	    cmocka_unit_test(header_lines_have_one_spelling),
	    cmocka_unit_test(an_overlong_address_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
