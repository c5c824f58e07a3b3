#include "tests/unit/conf/help.h"

static const struct {
	const char *name, *in, *out;
	bool stays_in_comment;
} lines[] = {
    {"a comment ends the line", "a b # c", "a b ", false},
    {"a comment needs no blank", "a b# c", "a b", false},
    {"a line of comment", "# c", "", false},
    {"not in quotes", "user-string \"a # b\" # c", "user-string \"a # b\" ", false},
    {"an escaped quote does not close", "x \"a \\\" # b\" # c", "x \"a \\\" # b\" ", false},
    {"a quote alone is a character", "x 5\" # c", "x 5\" ", false},
    {"in a pattern as well", "reply /a#b/ skip-mx", "reply /a", false},
    {"a backslash does not help", "reply /a\\#b/", "reply /a\\", false},
    {"escaped quotes in a pattern open nothing", "reply /\\\"a\\\" # b/", "reply /\\\"a\\\" ",
	false},
    {"block comment", "a <!-- x --> b", "a            b", false},
    {"block comment open", "a <!-- x", "a       ", true},
    {"two block comments", "<!-- a --><!-- b -->c", "                    c", false},
};

static void
comments_are_blanked(void **state)
{
	for (size_t i = 0; i < countof(lines); i++) {
		char *line = xstrdup(lines[i].in);
		bool in_comment = false;
		size_t n = conf_lex_strip(line, strlen(line), &in_comment);
		if (!str_eq(str_from(line, n), str_of(lines[i].out)) ||
		    in_comment != lines[i].stays_in_comment)
			fail_msg("%s: \"%.*s\"", lines[i].name, (int)n, line);
		free(line);
	}
}

static const struct {
	const char *name, *in;
	const char *words[5];
} texts[] = {
    {"blanks part words", " a\tb  c ", {"a", "b", "c"}},
    {"quotes keep blanks", "\"a b\" c", {"a b", "c"}},
    {"quotes inside a word", "name=\"a b\"", {"name=a b"}},
    {"escapes", "\"a\\\"b\\\\c\\d\"", {"a\"b\\c\\d"}},
    {"empty quotes are a word", "\"\" x", {"", "x"}},
    {"an open quote is text", "\"a b", {"\"a", "b"}},
};

static void
words_are_unquoted(void **state)
{
	struct conf_pool_mem m = {0};

	for (size_t i = 0; i < countof(texts); i++) {
		struct str rest = str_of(texts[i].in);
		struct conf_word w;
		size_t n = 0;
		while (conf_lex_word(&m, &rest, '\0', &w)) {
			if (texts[i].words[n] == NULL || !str_eq(w.text, str_of(texts[i].words[n])))
				fail_msg(
				    "%s: word %zu: \"%.*s\"", texts[i].name, n, STR_ARG(w.text));
			n++;
		}
		assert_null(texts[i].words[n]);
	}
	conf_mem_clear(&m);
}

static const char *const quoted[] = {
    "plain", "a b", "", "#", "a\"b", "a\\b", "\\", "<x>", "käse", "a,b", "\t"};

static void
what_is_quoted_reads_the_same(void **state)
{
	struct conf_pool_mem m = {0};

	for (size_t i = 0; i < countof(quoted); i++) {
		struct buf b;
		struct str rest;
		struct conf_word w;
		buf_init(&b, 1000);
		conf_quote(&b, str_of(quoted[i]), ",");
		rest = buf_str(&b);
		assert_true(conf_lex_word(&m, &rest, '\0', &w));
		assert_true(str_eq(w.text, str_of(quoted[i])));
		assert_int_equal(rest.len, 0);
		buf_clear(&b);
	}
	conf_mem_clear(&m);
}

static const struct {
	const char *in;
	size_t end;
} tags[] = {
    {"<a>", 2},
    {"<a \">\">x", 6},
    {"<a", STR_NPOS},
    {"<acct-file |/bin/x >/dev/null>", 29},
    {"<spool /var/spool/>", 18},
};

static void
tags_end_at_their_bracket(void **state)
{
	for (size_t i = 0; i < countof(tags); i++)
		assert_int_equal(conf_lex_tag_end(str_of(tags[i].in)), tags[i].end);
}

static const struct {
	const char *in, *regex, *rest; /* regex NULL: none */
} patterns[] = {
    {"/a b/ c", "/a b/", "c"},
    {"//other", "//", "other"},
    {"/a\\/b/c", "/a\\/b/", "c"},
    {"/a", NULL, NULL},
    {"a/", NULL, NULL},
};

static void
patterns_end_at_their_slash(void **state)
{
	for (size_t i = 0; i < countof(patterns); i++) {
		struct str rest = str_of(patterns[i].in), regex;
		assert_int_equal(conf_lex_regex(&rest, &regex), patterns[i].regex != NULL);
		if (patterns[i].regex == NULL)
			continue;
		assert_true(str_eq(regex, str_of(patterns[i].regex)));
		assert_true(str_eq(rest, str_of(patterns[i].rest)));
	}
}

static const struct {
	const char *bytes;
	size_t bad; /* STR_NPOS: none */
} encodings[] = {
    {"plain", STR_NPOS},
    {"bücher \xe2\x82\xac \xf0\x9f\x98\x80", STR_NPOS},
    {"a\xff", 1},
    {"\xc0\x80", 0},
    {"ab\xe2\x82", 2},
    {"\xed\xa0\x80", 0},
    {"\xf4\x90\x80\x80", 0},
    {"\xe0\x80\x80", 0},
};

static void
text_must_be_utf8(void **state)
{
	for (size_t i = 0; i < countof(encodings); i++) {
		size_t bad = STR_NPOS;
		assert_int_equal(
		    conf_is_utf8(str_of(encodings[i].bytes), &bad), encodings[i].bad == STR_NPOS);
		assert_int_equal(bad, encodings[i].bad);
	}
	assert_false(conf_is_utf8(str_from("a\0b", 3), &(size_t){0}));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(comments_are_blanked),
	    cmocka_unit_test(words_are_unquoted),
	    cmocka_unit_test(what_is_quoted_reads_the_same),
	    cmocka_unit_test(tags_end_at_their_bracket),
	    cmocka_unit_test(patterns_end_at_their_slash),
	    cmocka_unit_test(text_must_be_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
