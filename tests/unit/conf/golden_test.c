/*
 * tests/golden/conf: for each NAME.in what is said about it and how it is printed, NAME.ok. To renew them all:
 * PH_GOLDEN=renew build/tests/unit/conf/golden_test; then read the difference.
 */
#include "tests/unit/conf/help.h"

#include <glob.h>
#include <unistd.h>

static void
add_outcome(struct buf *b, const char *file)
{
	struct conf_messages m;
	bool is_strict = str_has_prefix(str_of(file), STR("strict-"));
	struct conf *c = conf_load_with(file, &m, !is_strict);

	for (size_t i = 0; i < m.n; i++)
		buf_addf(b, "%s: %s\n", m.list[i].is_error ? "error" : "note", m.list[i].text);
	if (c != NULL) {
		buf_add_cstr(b, "----\n");
		conf_put_text(c, b, false);
		assert_round_trip(c);
	}
	conf_messages_clear(&m);
	conf_free(&c);
}

static char *
read_whole(const char *file)
{
	FILE *f = fopen(file, "re");
	char *text = xcalloc(1, 1 << 20);
	size_t n = 0;

	if (f != NULL) {
		n = fread(text, 1, (1 << 20) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	return text;
}

static void
check(const char *in)
{
	char *ok = xasprintf("%.*s.ok", (int)strlen(in) - 3, in), *expected;
	struct buf b;
	const char *renew = getenv("PH_GOLDEN");

	buf_init(&b, 1 << 20);
	add_outcome(&b, in);
	if (renew != NULL && strcmp(renew, "renew") == 0) {
		FILE *f = fopen(ok, "we");
		assert_non_null(f);
		fputs(buf_cstr(&b), f);
		fclose(f);
	}
	expected = read_whole(ok);
	if (strcmp(expected, buf_cstr(&b)) != 0)
		fail_msg("%s: expected\n%s\nbut it is\n%s", in, expected, buf_cstr(&b));
	free(expected);
	free(ok);
	buf_clear(&b);
}

static void
every_golden_file_gives_what_it_gave(void **state)
{
	glob_t g = {0};

	assert_int_equal(chdir("tests/golden/conf"), 0);
	assert_int_equal(glob("*.in", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++)
		check(g.gl_pathv[i]);
	globfree(&g);
	assert_int_equal(chdir("../../.."), 0);
}

static void
the_sample_loads_without_a_complaint(void **state)
{
	struct conf_messages m;
	struct conf *c = conf_load_with("conf/sample.conf", &m, CONF_ANY_ADDRESS);

	print_messages(&m, false);
	assert_int_equal(m.n, 0);
	assert_non_null(c);
	assert_round_trip(c);
	conf_messages_clear(&m);
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_golden_file_gives_what_it_gave),
	    cmocka_unit_test(the_sample_loads_without_a_complaint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
