/* ESMTP extensions: lines of EHLO replies to bits, and bits to the names of the accounting records. */
#include "lib/smtp/ext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct {
	const char *name;
	const char *lines;
	const char *names;
	uint64_t limit;
} rows[] = {
    {"nothing", "", "", 0},
    {"the usual", "PIPELINING,SIZE 10240000,8BITMIME,STARTTLS", "PIPELINING,SIZE,STARTTLS,8BITMIME",
	10240000},
    {"case does not matter", "pipelining,Chunking", "PIPELINING,CHUNKING", 0},
    {"SIZE without a value", "SIZE", "SIZE", 0},
    {"SIZE 0 is no limit", "SIZE 0", "SIZE", 0},
    {"SIZE that is no number", "SIZE abc", "SIZE", 0},
    {"SIZE that is too large", "SIZE 99999999999999999999999", "SIZE", 0},
    {"SIZE twice", "SIZE abc,SIZE 100", "SIZE", 100},
    {"unknown words", "X-FOO bar,8BITMIMEX,,  ", "", 0},
    {"AUTH in its old spelling", "AUTH=LOGIN", "AUTH", 0},
    {"AUTH", "AUTH PLAIN LOGIN", "AUTH", 0},
};

static void
lines_become_bits_and_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct smtp_caps caps = {0};
		struct str rest = str_of(rows[i].lines), line;
		char text[SMTP_EXT_NAMES_MAX];

		while (str_next(&rest, ',', &line))
			smtp_caps_add(&caps, line);
		smtp_ext_names(caps.ext, text, sizeof text);
		if (strcmp(text, rows[i].names) != 0 || caps.size_limit != rows[i].limit)
			fail_msg("%s: \"%s\" %llu", rows[i].name, text,
			    (unsigned long long)caps.size_limit);
	}
}

static void
names_are_cut_between_words(void **state)
{
	char text[16];

	(void)state;
	assert_int_equal(
	    smtp_ext_names(SMTP_EXT_PIPELINING | SMTP_EXT_CHUNKING, text, sizeof text), 10);
	assert_string_equal(text, "PIPELINING");
	assert_int_equal(smtp_ext_names(~0u, text, 0), 0);
}

static void
all_names_fit_the_stated_size(void **state)
{
	char text[2 * SMTP_EXT_NAMES_MAX];

	(void)state;
	assert_true(smtp_ext_names(~0u, text, sizeof text) < SMTP_EXT_NAMES_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_become_bits_and_names),
	    cmocka_unit_test(names_are_cut_between_words),
	    cmocka_unit_test(all_names_fit_the_stated_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
