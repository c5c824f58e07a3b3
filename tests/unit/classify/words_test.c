/*
 * What is looked for before an expression is tried: the words of a regex, the finder of many words, and the proof that
 * nothing is missed: with the words and without, the same rule and the same pattern decide.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/classify/categories_int.h"
#include "lib/classify/language.h"

static void
tell(void *arg, uint32_t line, const struct why *why)
{
	print_message("line %u: %s\n", line, why->text);
}

/* ---- words of a regex ---- */

static int
by_text(const void *a, const void *b)
{
	const struct language_word *x = a, *y = b;
	int r = memcmp(x->text, y->text, PH_MIN(x->len, y->len));

	return r != 0 ? r : x->len - y->len;
}

/* "a|b", "?": anything, "": nothing at all */
static void
expect_words(bool is_known, struct language_words *w, const char *wanted, const char *regex)
{
	struct buf b;

	buf_init(&b, 65536);
	qsort(w->list, w->n, sizeof w->list[0], by_text);
	for (size_t i = 0; is_known && i < w->n; i++)
		(void)buf_addf(&b, "%s%.*s", i > 0 ? "|" : "", w->list[i].len, w->list[i].text);
	if (!is_known)
		(void)buf_add_cstr(&b, "?");
	if (strcmp(buf_cstr(&b), wanted) != 0)
		fail_msg("/%s/: %s, wanted %s", regex, buf_cstr(&b), wanted);
	buf_clear(&b);
}

static void
a_regex_has_words_that_it_cannot_do_without(void **state)
{
	static const struct {
		const char *regex, *begins, *needs;
	} rows[] = {
	    {"no such user", "no such user", "no such user"},
	    {"this is longer than a word may be", "this is longer t", "this is longer t"},
	    {"Users?", "user", "user"},
	    {"colou?r", "color|colour", "color|colour"},
	    {"(?:user|mailbox) unknown", "mailbox unknown|user unknown",
		"mailbox unknown|user unknown"},
	    {"a|b", "a|b", "?"}, /* they are in every text */
	    {"ab{0,2}c", "abbc|abc|ac", "abbc|abc|ac"},
	    {"[a-z]+ (?:hours|days)", "?", " days| hours"},
	    {"user[^.]*unknown", "user", "unknown"},
	    {"user.{0,9}(?:gone|away)", "user", "user"},
	    {".*spam", "?", "spam"},
	    {"\\S+", "?", "?"},
	    {"", "?", "?"},
	    {"x?", "?", "?"},
	    {"(?!)x", "", "?"},
	    {"^[45]\\.2\\.2;", "4.2.2;|5.2.2;", "4.2.2;|5.2.2;"},
	    {"(?=ab)cd", "cd", "cd"},
	    {"(?<!no )spam", "spam", "spam"},
	    {"(?>ab|cd)e", "abe|cde", "abe|cde"},
	    {"(a|b)\\1", "a|b", "?"},
	    {"(?-i)SPAM", "spam", "spam"},
	    {"a{2,3}b", "aaab|aab", "aaab|aab"},
	    {"\\x41\\.\\tb", "a.\tb", "a.\tb"},
	    {"\\bfull\\b", "full", "full"},
	    {"[Ss]pam", "spam", "spam"},
	    {"k(?:a|[^\n -~]{1,3})y", "kay|ky", "kay|ky"},
	    {"\xd0[\x80-\xff]x", "\xd0", "?"},
	    {"(?R)x", "lost", "lost"},
	};
	struct language_words *w = xmalloc(sizeof *w);

	for (size_t i = 0; i < countof(rows); i++) {
		struct language *l = language_new(str_of(rows[i].regex), LANGUAGE_AT_LEAST);
		if (strcmp(rows[i].begins, "lost") == 0) {
			assert_null(l);
			continue;
		}
		assert_non_null(l);
		expect_words(
		    language_begins(l, LANGUAGE_WORD, w), w, rows[i].begins, rows[i].regex);
		expect_words(
		    language_needs(l, LANGUAGE_WORD, false, w), w, rows[i].needs, rows[i].regex);
		language_free(&l);
	}
	free(w);
}

static void
what_is_known_of_the_beginning_is_not_needed_again(void **state)
{
	struct language_words *w = xmalloc(sizeof *w);
	struct language *l = language_new(STR("user (?:\\S+ )*gone"), LANGUAGE_AT_LEAST);

	expect_words(language_needs(l, LANGUAGE_WORD, true, w), w, "gone", "user … gone");
	assert_int_equal(w->blanks, LANGUAGE_ANY);
	language_free(&l);
	l = language_new(STR("user (?:[^ ]+ ){0,3}(?:is )?gone"), LANGUAGE_AT_LEAST);
	expect_words(language_needs(l, LANGUAGE_WORD, true, w), w, "gone", "user … gone, near");
	assert_int_equal(w->blanks, 5);
	language_free(&l);
	l = language_new(STR("no such user"), LANGUAGE_AT_LEAST);
	expect_words(language_needs(l, LANGUAGE_WORD, true, w), w, "?", "no such user");
	language_free(&l);
	free(w);
}

static void
a_regex_of_many_ways_stays_within_bounds(void **state)
{
	struct language_words *w = xmalloc(sizeof *w);
	struct language *l = language_new(
	    STR("(?:[a-p][a-p][a-p][a-p]){1,4}(?:a|aa|aaa|aaaa){90}z"), LANGUAGE_AT_LEAST);

	assert_non_null(l);
	assert_true(language_begins(l, LANGUAGE_WORD, w));
	assert_in_range(w->n, 16, LANGUAGE_MAX_WORDS);
	assert_true(language_needs(l, LANGUAGE_WORD, false, w) || w->n == 0);
	language_free(&l);
	free(w);
}

/* ---- the finder ---- */

static void
words_are_found_inside_each_other_and_at_a_place(void **state)
{
	static const char *const words[] = {"he", "she", "his", "hers", "e", "xyz"};
	struct finder f;
	uint64_t where[8] = {0};
	const uint32_t *numbers;
	uint32_t at = 0;
	size_t n;

	finder_init(&f);
	for (uint32_t i = 0; i < countof(words); i++)
		assert_true(finder_add(&f, str_of(words[i]), i));
	finder_finish(&f, true);
	finder_mark(&f, STR("uSHErs xy"), false, 1, where);
	assert_int_equal(where[0], 1 << 1); /* he ends at the fourth byte */
	assert_int_equal(where[1], 1 << 1);
	assert_int_equal(where[2], 0);
	assert_int_equal(where[3], 1 << 2);
	assert_int_equal(where[4], 1 << 1);
	assert_int_equal(where[5], 0);
	finder_clear(&f);

	finder_init(&f);
	assert_true(finder_add(&f, STR("he"), 7));
	assert_true(finder_add(&f, STR("hers"), 8));
	finder_finish(&f, false);
	at = finder_step(&f.plain, finder_step(&f.plain, 0, 'H'), 'e');
	assert_true((at & FINDER_TELLS) != 0);
	numbers = finder_numbers(&f.plain, at, &n);
	assert_int_equal(n, 1);
	assert_int_equal(numbers[0], 7);
	assert_int_equal(finder_step(&f.plain, at, 'h'), 0);
	finder_clear(&f);
}

static void
words_are_found_wherever_they_stand_in_a_long_text(void **state)
{
	static const char word[] = "sixteen bytes, ha";
	struct finder f;
	uint64_t where[2];
	char text[200];

	finder_init(&f);
	assert_true(finder_add(&f, str_from(word, 16), 0));
	assert_false(finder_add(&f, str_of(word), 1));
	assert_true(finder_add(&f, STR("zz"), 1));
	finder_finish(&f, true);
	for (size_t len = 16; len < sizeof text; len++) {
		for (size_t at = 0; at + 16 <= len; at++) {
			memset(text, '-', sizeof text);
			memcpy(text + at, word, 16);
			memset(where, 0, sizeof where);
			finder_mark(&f, str_from(text, len), false, finder_shift(len), where);
			assert_true(where[0] == UINT64_C(1) << ((at + 15) >> finder_shift(len)));
			assert_int_equal(where[1], 0);
		}
	}
	finder_clear(&f);
}

static void
signs_of_letters_are_passed_over(void **state)
{
	struct finder f;
	uint64_t where[8] = {0};

	finder_init(&f);
	assert_true(finder_add(&f, STR("kytt"), 1));
	assert_true(finder_add(&f, STR("\xd1\x8f"), 2));
	finder_finish(&f, true);
	finder_mark(&f, STR("k\xc3\xa4ytt\xe4"), true, 6, where);
	assert_int_equal(where[1], 1);
	assert_int_equal(where[2], 0);
	finder_mark(&f, STR("\xd0\xb0\xd1\x8f"), true, 6, where);
	assert_int_equal(where[2], 1);
	finder_clear(&f);
}

static void
a_finder_that_is_full_says_so(void **state)
{
	struct finder f;
	char word[8];
	uint32_t n = 0;

	finder_init(&f);
	do {
		(void)snprintf(word, sizeof word, "%06u", n);
	} while (finder_add(&f, str_of(word), n) && ++n < 1000000);
	assert_in_range(n, 10000, FINDER_MAX_STATES);
	finder_finish(&f, false);
	finder_clear(&f);
}

/* ---- with and without ---- */

/* the rules as they are written, each by itself */
static pcre2_code *
whole_rule(const struct rule *r)
{
	struct buf b;
	pcre2_code *code;
	PCRE2_SIZE at;
	int err;

	buf_init(&b, 1 << 20);
	(void)buf_addf(&b, "(?:%s)%s", r->regex == NULL ? "(?=\\n)" : r->regex,
	    r->conditions == NULL ? "" : r->conditions);
	code = pcre2_compile((PCRE2_SPTR)buf_cstr(&b), buf_len(&b), PCRE2_CASELESS | PCRE2_ANCHORED,
	    &err, &at, NULL);
	assert_non_null(code);
	(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	buf_clear(&b);
	return code;
}

static bool
is_word_start(const char *s, size_t i)
{
	return s[i] != ' ' && (i == 0 || !ascii_is_alnum(s[i - 1]));
}

struct plain {
	struct classifier *c;
	pcre2_code *codes[MAX_RULES];
};

static size_t
plain_find(const struct plain *p, struct str subject, size_t len)
{
	const struct classifier *c = p->c;

	for (size_t r = 0; r < c->n_rules; r++) {
		size_t from = c->rules[r].regex == NULL ? len : 0;
		for (size_t i = from; i < len + (from > 0 || len == 0); i++) {
			if (i < len && !is_word_start(subject.p, i))
				continue;
			if (i == len && c->rules[r].regex != NULL)
				continue;
			if (pcre2_match(p->codes[r], (PCRE2_SPTR)subject.p, subject.len, i, 0,
				c->match, c->limits) >= 0)
				return r;
		}
	}
	return c->n_rules;
}

static void
compare(const struct plain *p, struct str text, unsigned code, const char *status)
{
	char subject[MAX_SUBJECT];
	size_t len = classify_normalise(text, subject, CLASSIFY_MAX_TEXT), all;
	size_t with, without;

	all = len + (size_t)snprintf(subject + len, sizeof subject - len,
			"\ncode:%u status:%s mx:mx.example.net ", code, status);
	with = classify_find(p->c, str_from(subject, all), len);
	without = plain_find(p, str_from(subject, all), len);
	if (with != without)
		fail_msg(
		    "%.*s: rule %zu with words, %zu without", (int)all, subject, with, without);
}

static void
compare_with_codes(const struct plain *p, struct str text)
{
	static const struct {
		unsigned code;
		const char *status;
	} rows[] = {{0, "0.0.0"}, {550, "5.1.1"}, {450, "4.2.2"}, {554, "5.4.1"}, {421, "4.7.0"}};

	for (size_t i = 0; i < countof(rows); i++)
		compare(p, text, rows[i].code, rows[i].status);
}

static uint32_t
draw(uint64_t *seed, uint32_t n)
{
	ph_assert(n > 0);
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % n;
}

/* pieces of texts that rules are about, put together anyhow, with a byte wrong here and there */
static struct str
mixed_text(const struct classifier *c, uint64_t *seed, char out[CLASSIFY_MAX_TEXT])
{
	size_t len = 0, wanted = 10 + draw(seed, 300);

	while (len < wanted) {
		struct str from = str_of(c->examples[draw(seed, (uint32_t)c->n_examples)].text);
		size_t at = draw(seed, (uint32_t)from.len), n = 1 + draw(seed, 40);
		from = str_sub(from, at, PH_MIN(n, CLASSIFY_MAX_TEXT - 2 - len));
		memcpy(out + len, from.p, from.len);
		len += from.len;
		if (draw(seed, 3) == 0)
			out[len++] = " .;:<>\xc3-"[draw(seed, 8)];
	}
	for (size_t i = 0; i < len; i++)
		if (draw(seed, 60) == 0)
			out[i] = (char)draw(seed, 256);
	return str_from(out, len);
}

/* each line's text: behind the first `skip` tabs, or all before the first */
static void
compare_lines(const struct plain *p, const char *path)
{
	FILE *in = fopen(path, "re");
	char line[8192];

	while (in != NULL && fgets(line, sizeof line, in) != NULL) {
		struct str rest = str_trim(str_of(line)), one;
		if (rest.len == 0 || rest.p[0] == '#')
			continue;
		while (rest.len > 0 && str_next(&rest, '\t', &one))
			if (one.len > 8)
				compare_with_codes(p, one);
	}
	if (in != NULL)
		(void)fclose(in);
}

static struct plain *
plain_new(const char *rules)
{
	struct plain *p = xcalloc(1, sizeof *p);

	p->c = classifier_new(rules == NULL ? classify_rules() : str_of(rules), tell, NULL);
	assert_non_null(p->c);
	for (size_t i = 0; i < p->c->n_rules; i++)
		p->codes[i] = whole_rule(&p->c->rules[i]);
	return p;
}

static void
plain_free(struct plain *p)
{
	for (size_t i = 0; i < p->c->n_rules; i++)
		pcre2_code_free(p->codes[i]);
	classifier_free(&p->c);
	free(p);
}

static void
the_same_rule_decides_with_words_and_without(void **state)
{
	struct plain *p = plain_new(NULL);
	char text[CLASSIFY_MAX_TEXT];
	uint64_t seed = 1;

	for (size_t i = 0; i < p->c->n_examples; i++)
		compare_with_codes(p, str_of(p->c->examples[i].text));
	compare_lines(p, "tests/unit/classify/replies.tsv");
	compare_lines(p, "../shared/corpus/dsn/replies.tsv");
	compare_lines(p, "../shared/corpus/dsn/replies-zonemta.tsv");
	for (unsigned i = 0; i < 4000; i++)
		compare(p, mixed_text(p->c, &seed, text), i % 2 == 0 ? 0 : 550,
		    i % 2 == 0 ? "0.0.0" : "5.7.1");
	plain_free(p);
}

/* rules that begin with signs, or have them and distances in them */
static void
rules_of_signs_decide_the_same_with_words_and_without(void **state)
{
	static const char rules[] =
	    "a soft /[^ -~]{1,3}bc/\nb soft /k[^ -~]{0,2}(?: \\S+){0,2} xyz/\nc hard /\xd0\xb0"
	    "b/\n"
	    "d soft /(?:k|[^ -~]+)zz[^.]{0,9}(?:bc|\xd0\xb1)/\ne soft code:55.\nf hard /\\S+ zk "
	    "b/\n"
	    "g soft /(?:x(?:[^ ]++ ){0,3}?kzk|z[^ -~]*k[^ -~]*b)/\n";
	static const char *const pieces[] = {"b", "c", "k", "x", "y", "z", " ", " ", "\xd0\xb0",
	    "\xd0\xb1", "\xff", "xyz", "bc", "zz", ".", "\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
	struct plain *p = plain_new(rules);
	char text[256];
	uint64_t seed = 3;

	for (unsigned round = 0; round < 20000; round++) {
		size_t len = 0, n = draw(&seed, 30);
		while (n-- > 0)
			len += (size_t)snprintf(text + len, sizeof text - len, "%s",
			    pieces[draw(&seed, countof(pieces))]);
		compare(p, str_from(text, PH_MIN(len, sizeof text - 1)), 0, "0.0.0");
	}
	plain_free(p);
}

/* a regex of a few constructs over few letters, so that texts of them are found in it now and then */
static void
random_regex(uint64_t *seed, char *out, size_t size)
{
	static const char *const pieces[] = {"a", "b", "c", "ab", "[bc]", "[^a]", ".", "a?", "b*",
	    "c+", "(?:a|bc)", "(?:ab|b|)", "\\b", "(?=a)", "(?<!b)", "(?>a|ab)", "a{2}", "(b|c)\\1",
	    "^", "$", "\\s", "\\S*", "|", "(?!c)", "B", " "};
	size_t len = 0;

	out[0] = '\0';
	for (uint32_t n = 1 + draw(seed, 7); n > 0; n--)
		len += (size_t)snprintf(
		    out + len, size - len, "%s", pieces[draw(seed, countof(pieces))]);
}

/* the first that is found, each tried */
static size_t
plain_pattern(const struct categories *p, struct str subject)
{
	for (size_t i = 0; i < p->n; i++)
		if (categories_try(p, &p->list[i], subject, 0) >= 0)
			return i + 1;
	return 0;
}

static void
the_same_pattern_decides_with_words_and_without(void **state)
{
	uint64_t seed = 2;
	char regex[128], text[64], subject[128];
	struct why why;

	for (unsigned round = 0; round < 400; round++) {
		struct categories *p = categories_new();
		for (uint32_t i = 0; i < 12; i++) {
			random_regex(&seed, regex, sizeof regex);
			if (categories_add(
				p, str_of(regex), STR("x"), "f", (uint32_t)p->n + 1, &why) == -1)
				continue;
		}
		categories_ready(p);
		for (unsigned i = 0; i < 60; i++) {
			struct failure f = {.code = 550, .enh = {5, 1, 1}};
			struct verdict v = {.line = 0};
			size_t len = draw(&seed, 12), wanted;
			for (size_t k = 0; k < len; k++)
				text[k] = "abcABC \n-"[draw(&seed, 9)];
			f.text = str_from(text, len);
			wanted = (size_t)snprintf(
			    subject, sizeof subject, "5.1.1;smtp;%.*s", (int)len, text);
			wanted = plain_pattern(p, str_from(subject, wanted));
			(void)categories_find(p, &f, &v);
			if (v.line != wanted)
				fail_msg("\"%.*s\": %u with words, %zu without: /%s/", (int)len,
				    text, v.line, wanted,
				    wanted > 0 ? p->list[wanted - 1].regex : "");
		}
		categories_free(&p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_regex_has_words_that_it_cannot_do_without),
	    cmocka_unit_test(what_is_known_of_the_beginning_is_not_needed_again),
	    cmocka_unit_test(a_regex_of_many_ways_stays_within_bounds),
	    cmocka_unit_test(words_are_found_inside_each_other_and_at_a_place),
	    cmocka_unit_test(words_are_found_wherever_they_stand_in_a_long_text),
	    cmocka_unit_test(signs_of_letters_are_passed_over),
	    cmocka_unit_test(a_finder_that_is_full_says_so),
	    cmocka_unit_test(the_same_rule_decides_with_words_and_without),
	    cmocka_unit_test(rules_of_signs_decide_the_same_with_words_and_without),
	    cmocka_unit_test(the_same_pattern_decides_with_words_and_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
