/* the words of status and category, and that text from outside stays text: quote and report */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/mail/category.h"
#include "lib/mail/quote_int.h"
#include "lib/mail/report.h"
#include "lib/mail/status.h"

static struct buf b;

static int
set_up(void **state)
{
	buf_init(&b, 1 << 20);
	return 0;
}

static int
tear_down(void **state)
{
	buf_clear(&b);
	return 0;
}

static void
a_status_is_shown_with_its_text_and_agrees_with_the_code(void **state)
{
	static const struct {
		uint8_t enh[3];
		uint16_t code;
		const char *text;
	} cases[] = {
	    {{5, 1, 1}, 550, "5.1.1 (bad destination mailbox address)"},
	    {{2, 1, 5}, 250, "2.1.5 (destination address valid)"},
	    {{4, 2, 2}, 552, "5.2.2 (mailbox full)"},
	    {{5, 7, 1}, 451, "4.7.1 (delivery not authorized)"},
	    {{0, 0, 0}, 550, "5.0.0 (undefined status)"},
	    {{0, 0, 0}, 250, "2.0.0 (success)"},
	    {{0, 0, 0}, 0, "4.0.0 (undefined status)"},
	    {{3, 1, 1}, 999, "4.0.0 (undefined status)"},
	    {{5, 4, 255}, 550, "5.4.255 (other or undefined network or routing status)"},
	    {{5, 255, 255}, 550, "5.255.255 (undefined status)"},
	};
	char text[STATUS_TEXT];

	for (size_t i = 0; i < countof(cases); i++)
		assert_string_equal(
		    status_format(cases[i].enh, cases[i].code, text), cases[i].text);
}

static void
every_status_has_a_text_that_fits(void **state)
{
	char text[STATUS_TEXT];

	for (unsigned c = 0; c < 256; c++)
		for (unsigned s = 0; s < 256; s++)
			for (unsigned d = 0; d < 256; d += d < 40 ? 1 : 43) {
				uint8_t enh[3] = {(uint8_t)c, (uint8_t)s, (uint8_t)d};
				assert_non_null(strchr(status_format(enh, 550, text), ')'));
			}
}

static void
categories_follow_the_status(void **state)
{
	static const struct {
		uint16_t code;
		uint8_t enh[3];
		const char *category;
	} cases[] = {
	    {250, {2, 0, 0}, "success"},
	    {550, {5, 1, 1}, "bad-mailbox"},
	    {550, {5, 1, 2}, "bad-domain"},
	    {552, {4, 2, 2}, "quota-issues"},
	    {550, {5, 2, 1}, "inactive-mailbox"},
	    {554, {5, 7, 1}, "policy-related"},
	    {550, {5, 7, 7}, "content-related"},
	    {552, {5, 5, 3}, "policy-related"},
	    {500, {5, 5, 1}, "protocol-errors"},
	    {0, {4, 4, 7}, "message-expired"},
	    {550, {5, 9, 9}, "other"},
	    {0, {0, 0, 0}, "other"},
	};

	for (size_t i = 0; i < countof(cases); i++)
		assert_string_equal(category_of(cases[i].code, cases[i].enh), cases[i].category);
}

/* lines end in CRLF and are short, nothing but printable ASCII is in them, none begins like a header of its own */
static void
assert_harmless(struct str s, bool may_begin)
{
	struct str line;

	assert_true(s.len >= 2 && s.p[s.len - 1] == '\n');
	s.len--;
	for (bool first = true; str_next(&s, '\n', &line); first = false) {
		assert_true(line.len > 0 && line.p[line.len - 1] == '\r');
		line.len--;
		assert_true(line.len <= 998);
		assert_true(first || may_begin || line.p[0] == ' ');
		for (size_t i = 0; i < line.len; i++)
			assert_true(ascii_is_print(line.p[i]) || (may_begin && line.p[i] == '\t'));
	}
}

/* hostile text of a thousand kinds, always the same */
static struct str
hostile(char text[4096], unsigned seed)
{
	static const char *const bits[] = {"\r\n", "\n", "\r", "a", " ", "\t", "\x80", "\xc3\xa4",
	    "\xff", "Bcc: x@example.com", "\r\n.\r\n", "<", ">", "word ", "%s%n", "\x01", "=",
	    "\xe2\x82\xac"};
	size_t n = 0;

	for (unsigned i = 0; i < seed % 700; i++) {
		seed = seed * 1103515245 + 12345;
		n += (size_t)snprintf(text + n, 4096 - n, "%s", bits[seed / 65536 % countof(bits)]);
		if (n > 4000)
			break;
	}
	/* a NUL is no end */
	if (n > 10)
		text[n / 2] = '\0';
	return str_from(text, n);
}

static void
text_from_outside_never_makes_a_line_of_its_own(void **state)
{
	char text[4096];

	for (unsigned seed = 1; seed < 3000; seed += 7) {
		struct str s = hostile(text, seed);
		buf_reset(&b);
		quote_field(&b, "Diagnostic-Code: smtp", s, false);
		assert_harmless(buf_str(&b), false);
		buf_reset(&b);
		quote_address(&b, "To", s, false);
		assert_harmless(buf_str(&b), false);
		buf_reset(&b);
		quote_wrapped(&b, "    ", s, false);
		assert_harmless(buf_str(&b), false);
		buf_reset(&b);
		quote_printable(&b, s);
		if (s.len > 0)
			assert_harmless(buf_str(&b), true);
	}
}

static void
quoted_printable_undoes_stuffing_and_hides_what_mail_cannot_carry(void **state)
{
	quote_printable(&b, STR("..dot\r\na=b \r\n\xc3\xa4\r\n"));
	assert_true(str_eq(buf_str(&b), STR("=2Edot\r\na=3Db=20\r\n=C3=A4\r\n")));
}

static void
not_ascii_is_written_as_rfc_6533_says(void **state)
{
	quote_text(&b, STR("r\xc3\xa4ksm\xc3\xb6rg\xff@x"), false);
	assert_true(str_eq(buf_str(&b), STR("r\\x{E4}ksm\\x{F6}rg?@x")));
	buf_reset(&b);
	quote_text(&b, STR("\xc3\xa4"), true);
	assert_true(str_eq(buf_str(&b), STR("\xc3\xa4")));
}

static void
a_report_of_hostile_text_is_one_message_with_three_parts(void **state)
{
	char reply[4096], mta[4096];

	for (unsigned seed = 1; seed < 2000; seed += 13) {
		struct report_rcpt_text rcpt = {.address = STR("u@x.test"),
		    .reply = hostile(reply, seed),
		    .mta = hostile(mta, seed + 1),
		    .code = 550,
		    .enh = {5, 1, 1}};
		struct report r = {.host = STR("mta.test"),
		    .to = STR("s@src.test"),
		    .token = STR("0123abcd"),
		    .content = STR("Subject: s\r\n"),
		    .rcpts = &rcpt,
		    .n_rcpts = 1};
		struct report_needs needs = {0};
		struct str rest, line;
		size_t parts = 0;

		buf_reset(&b);
		assert_int_equal(report_build(&b, &r, &needs), 0);
		for (rest = buf_str(&b); str_next(&rest, '\n', &line);) {
			assert_true(line.len <= 999);
			/* dots are stuffed, and only our own header fields begin a line */
			assert_false(str_eq(line, STR(".\r")));
			assert_false(str_has_iprefix(line, STR("Bcc:")));
			parts += str_has_prefix(line, STR("--")) &&
				 str_find_str(line, STR("0123abcd")) != STR_NPOS;
		}
		/* three parts and the end */
		assert_int_equal(parts, 4);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(a_status_is_shown_with_its_text_and_agrees_with_the_code),
	    T(every_status_has_a_text_that_fits),
	    T(categories_follow_the_status),
	    T(text_from_outside_never_makes_a_line_of_its_own),
	    T(quoted_printable_undoes_stuffing_and_hides_what_mail_cannot_carry),
	    T(not_ascii_is_written_as_rfc_6533_says),
	    T(a_report_of_hostile_text_is_one_message_with_three_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
