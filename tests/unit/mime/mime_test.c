/* Parts of messages as they lie, encodings, encoded words, text out of HTML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/mime/mime.h"

/* the leaves as "type:body|" with line ends as "/" */
static void
list(const char *message, char *out, size_t size)
{
	struct mime_walker w;
	struct mime_part p;
	struct buf b;

	buf_init(&b, size);
	mime_walk(&w, str_of(message));
	while (mime_next(&w, &p)) {
		(void)buf_addf(&b, "%s:", p.type.type);
		for (size_t i = 0; i < p.body.len; i++)
			(void)buf_add_char(&b, p.body.p[i] == '\n' ? '/' : p.body.p[i]);
		(void)buf_add_char(&b, '|');
	}
	(void)str_copy(out, size, buf_str(&b));
	buf_clear(&b);
}

static const struct {
	const char *message, *leaves;
} walks[] = {
    {"A: b\n\nhello\n", "text/plain:hello/|"},
    {"", ""},
    {"\n", "text/plain:|"},
    {"Content-Type: multipart/mixed; boundary=\"x y\"\n\npre\n--x y\n\none\n--x y\nContent-Type: "
     "TEXT/Html\n\ntwo\n--x y--\npost\n",
	"text/plain:one|text/html:two|"},
    /* without its end */
    {"Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n", "text/plain:one/|"},
    /* one within another, closed by the outer one's delimiter */
    {"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; "
     "boundary=i\n\n--i\n\na\n--o\n\nb\n--o--\n",
	"text/plain:a|text/plain:b|"},
    /* a delimiter is a whole line */
    {"Content-Type: multipart/mixed; boundary=x\n\n--x\n\n--xy\n--x \nB: c\n\nz\n--x--\n",
	"text/plain:--xy|text/plain:z|"},
    /* a message within is one leaf */
    {"Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nq\n",
	"message/rfc822:Content-Type: multipart/mixed; boundary=x//--x//q/|"},
    /* it says that it has parts */
    {"Content-Type: multipart/mixed\n\n--x\n\nq\n", "multipart/mixed:--x//q/|"},
};

static void
leaves_are_given_in_order(void **state)
{
	char out[512];

	for (size_t i = 0; i < countof(walks); i++) {
		list(walks[i].message, out, sizeof out);
		assert_string_equal(out, walks[i].leaves);
	}
}

static void
line_ends_of_both_kinds_are_read_alike(void **state)
{
	struct mime_walker w;
	struct mime_part p;

	mime_walk(&w, STR("Content-Type: multipart/mixed;\r\n "
			  "boundary=x\r\n\r\n--x\r\n\r\none\r\n--x--\r\n"));
	assert_true(mime_next(&w, &p));
	assert_true(str_eq(p.body, STR("one")));
	assert_false(mime_next(&w, &p));
}

static void
too_deep_is_one_leaf(void **state)
{
	struct mime_walker w;
	struct mime_part p;
	struct buf b;
	unsigned n = 0;

	buf_init(&b, 1 << 16);
	for (int i = 0; i < 100; i++)
		(void)buf_addf(&b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
	mime_walk(&w, buf_str(&b));
	while (mime_next(&w, &p)) {
		assert_int_equal(p.depth, MIME_DEPTH);
		n++;
	}
	assert_int_equal(n, 1);
	buf_clear(&b);
}

static const struct {
	enum mime_encoding how;
	const char *coded, *plain;
} codings[] = {
    {MIME_IDENTITY, "a=20b", "a=20b"},
    {MIME_BASE64, "aGVs\r\nbG8=", "hello"},
    {MIME_BASE64, "aGV*sbG8", "hello"},
    {MIME_BASE64, "", ""},
    {MIME_QUOTED, "a=20b=\n c=3D=\r\n", "a b c="},
    {MIME_QUOTED, "=", ""},
    {MIME_QUOTED, "=4", "=4"},
    {MIME_QUOTED, "=zz_", "=zz_"},
};

static void
encodings_are_taken_off(void **state)
{
	struct buf b;

	for (size_t i = 0; i < countof(codings); i++) {
		buf_init(&b, 100);
		mime_decode(codings[i].how, str_of(codings[i].coded), &b);
		assert_string_equal(buf_cstr(&b), codings[i].plain);
		buf_clear(&b);
	}
	buf_init(&b, 3);
	mime_decode(MIME_BASE64, STR("aGVsbG8="), &b);
	assert_int_equal(buf_len(&b), 3);
	buf_clear(&b);
}

static void
encoded_words_are_read(void **state)
{
	static const struct {
		const char *coded, *plain;
	} rows[] = {
	    {"plain", "plain"},
	    {"=?utf-8?Q?a_b=3D?= c", "a b= c"},
	    {"=?utf-8?B?aGVs?= =?utf-8?B?bG8=?=", "hello"},
	    {"=?utf-8?Q?open", "=?utf-8?Q?open"},
	    {"=?", "=?"},
	};
	char out[64];

	for (size_t i = 0; i < countof(rows); i++) {
		(void)mime_decode_words(str_of(rows[i].coded), out, sizeof out);
		assert_string_equal(out, rows[i].plain);
	}
}

static void
html_becomes_text(void **state)
{
	struct buf b;

	buf_init(&b, 200);
	mime_html_text(STR("<html><style>p{}</style><p>To &lt;a@b&gt;<br>was <b>lost</b><!-- <p>no "
			   "--> <c@d> &#33;"),
	    &b);
	assert_string_equal(buf_cstr(&b), "\nTo <a@b>\nwas lost <c@d> !");
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(leaves_are_given_in_order),
	    cmocka_unit_test(line_ends_of_both_kinds_are_read_alike),
	    cmocka_unit_test(too_deep_is_one_leaf),
	    cmocka_unit_test(encodings_are_taken_off),
	    cmocka_unit_test(encoded_words_are_read),
	    cmocka_unit_test(html_becomes_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
