/* Replies: what each form of bytes becomes, whole and cut at every offset. */
#include "lib/smtp/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct row {
	const char *name;
	const char *in;
	int code; /* 0: malformed; -1: incomplete */
	uint8_t enh[3];
	const char *text;
};

static const struct row rows[] = {
    {"a plain reply", "250 ok\r\n", 250, {2, 0, 0}, "250 ok"},
    {"a code alone", "250\r\n", 250, {2, 0, 0}, "250"},
    {"a code and a blank", "250 \r\n", 250, {2, 0, 0}, "250"},
    {"an enhanced status without text", "550 5.1.1\r\n", 550, {5, 1, 1}, "550 5.1.1"},
    {"an enhanced status with text", "550 5.1.1 no such user\r\n", 550, {5, 1, 1},
	"550 5.1.1 no such user"},
    {"a status of another class is text", "550 4.1.1 hm\r\n", 550, {5, 0, 0}, "550 4.1.1 hm"},
    {"a status with a digit too many is text", "550 5.1.1111 hm\r\n", 550, {5, 0, 0},
	"550 5.1.1111 hm"},
    {"a status cut short is text", "550 5.1\r\n", 550, {5, 0, 0}, "550 5.1"},
    {"a status glued to a word is text", "550 5.1.1no\r\n", 550, {5, 0, 0}, "550 5.1.1no"},
    {"several lines are joined", "250-one\r\n250-two\r\n250 three\r\n", 250, {2, 0, 0},
	"250 one two three"},
    {"a repeated status is dropped", "550-5.7.1 not\r\n550-5.7.1 for\r\n550 5.7.1 you\r\n", 550,
	{5, 7, 1}, "550 5.7.1 not for you"},
    {"another status later stays", "550-5.7.1 a\r\n550 5.7.2 b\r\n", 550, {5, 7, 1},
	"550 5.7.1 a 5.7.2 b"},
    {"empty lines in between", "250-\r\n250-\r\n250 x\r\n", 250, {2, 0, 0}, "250 x"},
    {"the last code of a class rules", "550-5.1.1 a\r\n554 5.1.1 b\r\n", 554, {5, 1, 1},
	"554 5.1.1 a b"},
    {"codes of two classes", "250-ok\r\n550 no\r\n", 0, {0}, ""},
    {"and the other way round", "550-no\r\n250 ok\r\n", 0, {0}, ""},
    {"bare LF ends a line", "250 ok\n", 250, {2, 0, 0}, "250 ok"},
    {"bare CR does not", "220 x\r220 y\r", -1, {0}, ""},
    {"bare CR is text", "220 x\ry\r\n", 220, {2, 0, 0}, "220 x\\x0dy"},
    {"CRs before LF are dropped", "220 x\r\r\r\n", 220, {2, 0, 0}, "220 x"},
    {"blanks are folded", "250   a \t  b  \r\n", 250, {2, 0, 0}, "250 a b"},
    {"a tab parts as well", "250\tok\r\n", 250, {2, 0, 0}, "250 ok"},
    {"bytes above 127", "550 caf\xc3\xa9\r\n", 550, {5, 0, 0}, "550 caf\\xc3\\xa9"},
    {"format letters are text", "550 %s%n <b>\r\n", 550, {5, 0, 0}, "550 %s%n <b>"},
    {"no code", "hello there\r\n", 0, {0}, ""},
    {"an empty line", "\r\n", 0, {0}, ""},
    {"a short code", "25\r\n", 0, {0}, ""},
    {"a long code", "2500 ok\r\n", 0, {0}, ""},
    {"a glued code", "250ok\r\n", 0, {0}, ""},
    {"class 1", "150 wait\r\n", 0, {0}, ""},
    {"class 6", "650 hm\r\n", 0, {0}, ""},
    {"class 0", "000 hm\r\n", 0, {0}, ""},
    {"a code after a blank", " 250 ok\r\n", 0, {0}, ""},
    {"an intermediate code", "354 go\r\n", 354, {3, 0, 0}, "354 go"},
    {"unfinished", "250-a\r\n", -1, {0}, ""},
};

static void
check(const struct row *r, struct reply_parser *p, int n)
{
	const char *want = r->code == 0 ? "malformed" : r->code == -1 ? "incomplete" : "complete";
	const char *got = n < 0 ? "malformed" : n == 0 ? "incomplete" : "complete";

	if (strcmp(want, got) != 0)
		fail_msg("%s: %s, not %s", r->name, got, want);
	if (n <= 0)
		return;
	if (p->reply.code != r->code || memcmp(p->reply.enh, r->enh, 3) != 0 ||
	    strcmp(p->reply.text, r->text) != 0)
		fail_msg("%s: %u %u.%u.%u \"%s\"", r->name, p->reply.code, p->reply.enh[0],
		    p->reply.enh[1], p->reply.enh[2], p->reply.text);
	assert_int_equal(p->reply.len, strlen(p->reply.text));
}

static void
each_form_is_read(void **state)
{
	struct reply_parser p = {0};
	struct why why;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		reply_init(&p);
		check(&rows[i], &p, reply_feed(&p, str_of(rows[i].in), &why));
	}
}

static void
each_form_is_read_in_pieces_of_every_size(void **state)
{
	struct reply_parser p = {0};
	struct why why;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct str in = str_of(rows[i].in);

		for (size_t size = 1; size <= in.len; size++) {
			int n = 0;

			reply_init(&p);
			for (size_t at = 0; at < in.len && n == 0; at += size)
				n = reply_feed(&p, str_sub(in, at, size), &why);
			check(&rows[i], &p, n);
		}
	}
}

static void
what_follows_a_reply_is_left_for_the_next(void **state)
{
	struct reply_parser p = {0};
	struct why why;
	struct str in = STR("250 a\r\n550 5.1.1 b\r\n");
	int n;

	(void)state;
	n = reply_feed(&p, in, &why);
	assert_int_equal(n, 7);
	assert_string_equal(p.reply.text, "250 a");
	n = reply_feed(&p, str_skip(in, 7), &why);
	assert_int_equal(n, 13);
	assert_string_equal(p.reply.text, "550 5.1.1 b");
}

static void
a_NUL_is_shown_and_ends_nothing(void **state)
{
	struct reply_parser p = {0};
	struct why why;

	(void)state;
	assert_true(reply_feed(&p, STR("550 a\0b\r\n"), &why) > 0);
	assert_string_equal(p.reply.text, "550 a\\x00b");
}

static void
a_flood_of_lines_keeps_its_code_and_little_text(void **state)
{
	struct reply_parser p = {0};
	struct why why;
	char line[1002];
	int n = 0;

	(void)state;
	memset(line, 'x', sizeof line);
	snprintf(line, sizeof line, "550-%0*d", (int)sizeof line - 7, 7);
	line[sizeof line - 2] = '\r';
	line[sizeof line - 1] = '\n';
	for (int i = 0; i < 510; i++)
		assert_int_equal(reply_feed(&p, str_from(line, sizeof line), &why), 0);
	assert_true(reply_is_multiline(&p));
	n = reply_feed(&p, STR("550 5.1.1 end\r\n"), &why);
	assert_true(n > 0);
	assert_int_equal(p.reply.code, 550);
	assert_true(p.reply.len <= REPLY_MAX_TEXT);
	assert_int_equal(p.reply.n_lines, 511);
}

static void
endless_replies_are_malformed(void **state)
{
	struct reply_parser p = {0};
	struct why why;
	char block[4096];
	int n = 0, rounds = 0;

	(void)state;
	memset(block, 'A', sizeof block);
	while (n == 0 && rounds++ < 1000)
		n = reply_feed(&p, str_from(block, sizeof block), &why);
	assert_true(n < 0);
	assert_true(rounds <= (int)(REPLY_MAX_BYTES / sizeof block) + 1);
	reply_init(&p);
	for (n = 0, rounds = 0; n == 0 && rounds < 100000; rounds++)
		n = reply_feed(&p, STR("250-x\r\n"), &why);
	assert_true(n < 0);
	assert_int_equal(rounds, REPLY_MAX_LINES + 1);
}

struct lines {
	char text[8][64];
	size_t n;
};

static void
collect(void *arg, uint32_t line, struct str text)
{
	struct lines *l = arg;

	assert_int_equal(line, l->n);
	str_copy(l->text[l->n++], sizeof l->text[0], text);
}

static void
each_line_is_shown_once(void **state)
{
	struct lines l = {.n = 0};
	struct reply_parser p = {.on_line = collect, .arg = &l};
	struct why why;

	(void)state;
	assert_true(reply_feed(&p, STR("250-mx\r\n250-SIZE 5\r\n250 DSN\r\n"), &why) > 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.text[0], "mx");
	assert_string_equal(l.text[1], "SIZE 5");
	assert_string_equal(l.text[2], "DSN");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_form_is_read),
	    cmocka_unit_test(each_form_is_read_in_pieces_of_every_size),
	    cmocka_unit_test(what_follows_a_reply_is_left_for_the_next),
	    cmocka_unit_test(a_NUL_is_shown_and_ends_nothing),
	    cmocka_unit_test(a_flood_of_lines_keeps_its_code_and_little_text),
	    cmocka_unit_test(endless_replies_are_malformed),
	    cmocka_unit_test(each_line_is_shown_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
