#include "lib/acct/csv.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static void
line_of(struct buf *b, const char *const *values)
{
	buf_reset(b);
	for (size_t i = 0; values[i] != NULL; i++)
		csv_add(b, str_of(values[i]), i == 0);
	assert_int_equal(csv_end(b), 0);
}

static void
values_are_quoted_only_where_they_must_be(void **state)
{
	static const struct {
		const char *value, *written;
	} cases[] = {
	    {"", ""},
	    {"plain text", "plain text"},
	    {"a,b", "\"a,b\""},
	    {"say \"hi\"", "\"say \"\"hi\"\"\""},
	    {"two\r\nlines", "two  lines"},
	    {"tab\tand\x7f", "tab and "},
	    {"bücher", "bücher"},
	    {"bad\xff\xc3", "bad\xef\xbf\xbd\xef\xbf\xbd"},
	    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
	    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},		      /* an overlong slash */
	    {"=1+1", "=1+1"},
	};
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < countof(cases); i++) {
		buf_reset(&b);
		csv_add(&b, str_of(cases[i].value), true);
		assert_string_equal(buf_cstr(&b), cases[i].written);
	}
	buf_reset(&b);
	csv_add(&b, str_from("a\0b", 3), true);
	assert_string_equal(buf_cstr(&b), "a b");
	buf_clear(&b);
}

static void
what_is_written_is_read_back(void **state)
{
	const char *const values[] = {"d", "", "a,b", "x\"y\"", "plain", "", NULL};
	struct buf b;
	struct csv_row row;

	buf_init(&b, 1000);
	csv_row_init(&row);
	line_of(&b, values);
	assert_int_equal(csv_read(buf_str(&b), &row), buf_len(&b));
	assert_int_equal(row.n, 6);
	for (size_t i = 0; i < row.n; i++)
		assert_true(str_eq(row.field[i], str_of(values[i])));
	csv_row_clear(&row);
	buf_clear(&b);
}

static void
a_record_cut_anywhere_is_incomplete(void **state)
{
	const char *const values[] = {"d", "a,b", "x\"y\"", "plain", NULL};
	struct buf b;
	struct csv_row row;

	buf_init(&b, 1000);
	csv_row_init(&row);
	line_of(&b, values);
	for (size_t n = 0; n < buf_len(&b); n++)
		assert_int_equal(csv_read(str_sub(buf_str(&b), 0, n), &row), 0);
	csv_row_clear(&row);
	buf_clear(&b);
}

static void
malformed_records_are_told(void **state)
{
	static const char *const bad[] = {"a\"b,c\r\n", "\"a\"b\r\n", "a\rb\r\n", "a\nb\r\n"};
	struct csv_row row;

	csv_row_init(&row);
	for (size_t i = 0; i < countof(bad); i++)
		assert_int_equal(csv_read(str_of(bad[i]), &row), -1);
	csv_row_clear(&row);
}

static void
an_overfull_line_is_told(void **state)
{
	struct buf b;

	buf_init(&b, 10);
	csv_add(&b, STR("0123456789abcdef"), true);
	assert_int_equal(csv_end(&b), -1);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_are_quoted_only_where_they_must_be),
	    cmocka_unit_test(what_is_written_is_read_back),
	    cmocka_unit_test(a_record_cut_anywhere_is_incomplete),
	    cmocka_unit_test(malformed_records_are_told),
	    cmocka_unit_test(an_overfull_line_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
