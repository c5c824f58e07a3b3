/* Canonical forms: RFC 6376's examples, edges cut at every place, and the corpus of samples where it is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/xalloc.h"
#include "lib/dkim/hash.h"

#define CORPUS "../shared/corpus/dkim/"

static void
gather(void *arg, const char *p, size_t len)
{
	assert_int_equal(buf_add(arg, p, len), 0);
}

/* as stored: a dot in front of a line is doubled */
static const struct {
	const char *stored, *relaxed, *simple;
} bodies[] = {
    {"", "", "\r\n"},
    {"\r\n", "", "\r\n"},
    {"\r\n\r\n\r\n", "", "\r\n"},
    /* RFC 6376 3.4.5 */
    {" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n", " C \r\nD \t E\r\n"},
    {" \t\r\n \r\n", "", " \t\r\n \r\n"},
    {"a", "a\r\n", "a\r\n"},
    {"a ", "a\r\n", "a \r\n"},
    {"a\r\n", "a\r\n", "a\r\n"},
    {"..\r\n", ".\r\n", ".\r\n"},
    {"...a\r\n..", "..a\r\n.\r\n", "..a\r\n.\r\n"},
    {".. \r\n", ".\r\n", ". \r\n"},
    {"a..b\r\n", "a..b\r\n", "a..b\r\n"},
    {"a\r\n\r\n\r\nb\r\n\r\n", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n"},
    {"a\rb\nc\r\n", "a\rb\nc\r\n", "a\rb\nc\r\n"},
    {"a\r\r\n", "a\r\r\n", "a\r\r\n"},
    {"\r", "\r\r\n", "\r\r\n"},
    {"a \r \r\n", "a \r\r\n", "a \r \r\n"},
    {"\r\n \tx\r\n", "\r\n x\r\n", "\r\n \tx\r\n"},
};

static void
assert_canon(struct str stored, enum dkim_canon c, const char *wanted)
{
	struct buf out;

	buf_init(&out, 1 << 16);
	for (size_t cut = 0; cut <= stored.len; cut++) {
		struct dkim_body b;
		buf_reset(&out);
		dkim_body_init(&b, c, gather, &out);
		dkim_body_add(&b, str_sub(stored, 0, cut));
		dkim_body_add(&b, str_skip(stored, cut));
		dkim_body_end(&b);
		if (!str_eq(buf_str(&out), str_of(wanted)))
			fail_msg("%s of \"%.*s\" cut at %zu: \"%.*s\", wanted \"%s\"",
			    dkim_canon_name(c), STR_ARG(stored), cut, STR_ARG(buf_str(&out)),
			    wanted);
		assert_int_equal(b.len, buf_len(&out));
	}
	buf_clear(&out);
}

static void
a_body_is_canonical_wherever_it_is_cut(void **state)
{
	for (size_t i = 0; i < countof(bodies); i++) {
		assert_canon(str_of(bodies[i].stored), DKIM_RELAXED, bodies[i].relaxed);
		assert_canon(str_of(bodies[i].stored), DKIM_SIMPLE, bodies[i].simple);
	}
}

static const struct {
	const char *stored, *relaxed, *simple;
} fields[] = {
    /* RFC 6376 3.4.5 */
    {"A: X\r\n", "a:X\r\n", "A: X\r\n"},
    {"B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n", "B : Y\t\r\n\tZ  \r\n"},
    {"Subject:\r\n", "subject:\r\n", "Subject:\r\n"},
    {"Subject: \t \r\n", "subject:\r\n", "Subject: \t \r\n"},
    {"X: a", "x:a\r\n", "X: a\r\n"},
    {"..X: a\r\n", ".x:a\r\n", ".X: a\r\n"},
    {"X: a\r\n \r\n b\r\n", "x:a b\r\n", "X: a\r\n \r\n b\r\n"},
    {"X:a:b : c\r\n", "x:a:b : c\r\n", "X:a:b : c\r\n"},
};

static void
a_field_is_canonical(void **state)
{
	struct buf out;

	buf_init(&out, 1 << 16);
	for (size_t i = 0; i < countof(fields); i++) {
		buf_reset(&out);
		assert_int_equal(dkim_canon_field(DKIM_RELAXED, str_of(fields[i].stored), &out), 0);
		assert_string_equal(buf_cstr(&out), fields[i].relaxed);
		buf_reset(&out);
		assert_int_equal(dkim_canon_field(DKIM_SIMPLE, str_of(fields[i].stored), &out), 0);
		assert_string_equal(buf_cstr(&out), fields[i].simple);
	}
	buf_clear(&out);
}

/* ---- the corpus ---- */

static char *
read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	char *text;

	if (f == NULL)
		return NULL;
	text = xmalloc(4 << 20);
	*len = fread(text, 1, (4 << 20) - 1, f);
	text[*len] = '\0';
	fclose(f);
	return text;
}

static void
stuff(struct str body, struct buf *out)
{
	bool at_start = true;

	buf_reset(out);
	for (size_t i = 0; i < body.len; i++) {
		if (at_start && body.p[i] == '.')
			buf_add_char(out, '.');
		buf_add_char(out, body.p[i]);
		at_start = body.p[i] == '\n' && i > 0 && body.p[i - 1] == '\r';
	}
}

static void
assert_hash(
    const char *name, struct str stored, enum dkim_canon c, struct str wanted, uint64_t wanted_len)
{
	struct dkim_body_hash *h = dkim_body_hash_new(c);
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t digest[DKIM_HASH_LEN + 1] = {0};
	char text[45];
	uint64_t len;

	for (size_t at = 0; at < stored.len; at += 7)
		dkim_body_hash_add(h, str_sub(stored, at, 7));
	dkim_body_hash_end(h, digest, &len);
	dkim_body_hash_free(&h);
	for (size_t i = 0, n = 0; i < 33; i += 3, n += 4) {
		uint32_t v = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8;
		v |= i + 2 < 33 ? digest[i + 2] : 0;
		for (size_t k = 0; k < 4; k++)
			text[n + k] = digits[v >> (18 - 6 * k) & 63];
	}
	text[43] = '=';
	if (!str_eq(wanted, str_from(text, 44)) || len != wanted_len)
		fail_msg("%s %s: %.44s of %llu octets, wanted %.*s", name, dkim_canon_name(c), text,
		    (unsigned long long)len, STR_ARG(wanted));
}

static uint64_t
number(struct str s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n = n * 10 + (uint64_t)(s.p[i] - '0');
	return n;
}

static void
body_hashes_are_those_of_the_corpus(void **state)
{
	size_t len, n = 0;
	char *table = read_file(CORPUS "bodyhash/expected.tsv", &len);
	struct str rest = str_of(table), line;
	struct buf stored;

	if (table == NULL) {
		print_message("skipped: there is no " CORPUS "bodyhash\n");
		skip();
	}
	buf_init(&stored, 8 << 20);
	str_next(&rest, '\n', &line);
	while (rest.len > 0 && str_next(&rest, '\n', &line)) {
		struct str col[7] = {0};
		for (size_t i = 0; i < countof(col); i++)
			str_next(&line, '\t', &col[i]);
		char *path = xasprintf(CORPUS "bodyhash/%.*s", STR_ARG(col[0]));
		char *body = read_file(path, &len);
		if (body != NULL) {
			n++;
			stuff(str_from(body, len), &stored);
			assert_hash(path, buf_str(&stored), DKIM_SIMPLE, col[2], number(col[3]));
			assert_hash(path, buf_str(&stored), DKIM_RELAXED, col[4], number(col[5]));
		}
		free(body);
		free(path);
	}
	print_message("%zu bodies of " CORPUS "bodyhash\n", n);
	assert_true(n > 10);
	buf_clear(&stored);
	free(table);
}

static struct str
unhex(struct str hex, struct buf *to)
{
	static const char digits[] = "0123456789abcdef";

	buf_reset(to);
	for (size_t i = 0; i + 1 < hex.len; i += 2)
		buf_add_char(to, (char)((strchr(digits, hex.p[i]) - digits) << 4 |
					(strchr(digits, hex.p[i + 1]) - digits)));
	return buf_str(to);
}

static void
header_forms_are_those_of_the_corpus(void **state)
{
	size_t len, n = 0;
	char *table = read_file(CORPUS "hdrcanon/expected.tsv", &len);
	struct buf raw, wanted, out;
	struct str rest = str_of(table), line;

	if (table == NULL) {
		print_message("skipped: there is no " CORPUS "hdrcanon\n");
		skip();
	}
	buf_init(&raw, 1 << 20);
	buf_init(&wanted, 1 << 20);
	buf_init(&out, 1 << 20);
	str_next(&rest, '\n', &line);
	while (rest.len > 0 && str_next(&rest, '\n', &line)) {
		struct str col[4] = {0};
		for (size_t i = 0; i < countof(col); i++)
			str_next(&line, '\t', &col[i]);
		for (int c = DKIM_RELAXED; c <= DKIM_SIMPLE; c++) {
			unhex(col[1], &raw);
			unhex(col[c == DKIM_SIMPLE ? 2 : 3], &wanted);
			buf_reset(&out);
			assert_int_equal(
			    dkim_canon_field((enum dkim_canon)c, buf_str(&raw), &out), 0);
			if (!str_eq(buf_str(&out), buf_str(&wanted)))
				fail_msg("row %.*s: \"%.*s\" for \"%.*s\", wanted \"%.*s\"",
				    STR_ARG(col[0]), STR_ARG(buf_str(&out)), STR_ARG(buf_str(&raw)),
				    STR_ARG(buf_str(&wanted)));
		}
		n++;
	}
	print_message("%zu fields of " CORPUS "hdrcanon\n", n);
	buf_clear(&raw);
	buf_clear(&wanted);
	buf_clear(&out);
	free(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_body_is_canonical_wherever_it_is_cut),
	    cmocka_unit_test(a_field_is_canonical),
	    cmocka_unit_test(body_hashes_are_those_of_the_corpus),
	    cmocka_unit_test(header_forms_are_those_of_the_corpus),
	};

	dkim_hash_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
