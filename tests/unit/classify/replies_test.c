/* The shipped rules beyond their own examples: replies.tsv, and the worst that a text can do to each of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"
#include "lib/classify/classify_int.h"

static void
tell(void *arg, uint32_t line, const struct why *why)
{
	print_message("line %u: %s\n", line, why->text);
}

static struct classifier *
make(void)
{
	struct classifier *c = classifier_new(classify_rules(), tell, NULL);

	assert_non_null(c);
	return c;
}

/* 1DIGIT "." 1*3DIGIT "." 1*3DIGIT, whatever follows */
static bool
read_status(struct str s, uint8_t enh[3])
{
	uint32_t v[3];

	for (int i = 0; i < 3; i++) {
		size_t n = 0;

		while (n < s.len && ascii_is_digit(s.p[n]))
			n++;
		if (n > 3 || !parse_u32(str_sub(s, 0, n), 0, 999, &v[i]) ||
		    (i < 2 && (n == s.len || s.p[n] != '.')))
			return false;
		s = str_skip(s, n + (i < 2));
	}
	for (int i = 0; i < 3; i++)
		enh[i] = (uint8_t)PH_MIN(v[i], 255u);
	return v[0] <= 9;
}

/* [ code ( SP / "-" ) ] [ enhanced status ] text */
static struct failure
failure_of(struct str text)
{
	struct failure f = {.text = text};
	struct str rest = text;
	uint32_t code = 0;

	if (rest.len > 3 && (rest.p[3] == ' ' || rest.p[3] == '-') &&
	    parse_u32(str_sub(rest, 0, 3), 200, 599, &code))
		rest = str_skip(rest, 4);
	f.code = (uint16_t)code;
	f.enh[0] = (uint8_t)(code / 100);
	(void)read_status(rest, f.enh);
	return f;
}

static bool
is_one_of(struct str list, const char *category)
{
	struct str one;

	while (list.len > 0 && str_next(&list, ',', &one))
		if (str_eq(one, str_of(category)))
			return true;
	return false;
}

static void
replies_of_many_servers_and_languages_have_the_category_that_an_expert_would_give(void **state)
{
	struct classifier *c = make();
	FILE *in = fopen("tests/unit/classify/replies.tsv", "re");
	char line[1024];
	unsigned n = 0, wrong = 0;

	assert_non_null(in);
	while (fgets(line, sizeof line, in) != NULL) {
		struct str wanted = str_trim(str_of(line)), text;
		struct failure f;
		const char *category;
		if (wanted.len == 0 || wanted.p[0] == '#')
			continue;
		assert_true(str_next(&wanted, '\t', &text));
		f = failure_of(text);
		category = classify(c, &f).category;
		n++;
		if (is_one_of(wanted, category))
			continue;
		wrong++;
		print_message("%s: %.*s, wanted %.*s\n", category, STR_ARG(text), STR_ARG(wanted));
	}
	(void)fclose(in);
	assert_in_range(n, 480, 1000);
	assert_int_equal(wrong, 0);
	classifier_free(&c);
}

/* the words of an example from the first to the nth, over and over, and what never comes at the end */
static struct str
repeated(const char *example, unsigned n_words, char text[CLASSIFY_MAX_TEXT])
{
	struct str rest = str_of(example), word, piece = rest;
	size_t len = 0;

	while (n_words-- > 0 && str_next_word(&rest, &word))
		piece.len = (size_t)(word.p + word.len - piece.p);
	while (len + piece.len + 1 < CLASSIFY_MAX_TEXT) {
		memcpy(text + len, piece.p, piece.len);
		len += piece.len;
		text[len++] = ' ';
	}
	return str_from(text, len);
}

static void
no_rule_comes_near_the_match_limit_at_its_worst(void **state)
{
	struct classifier *c = make(), *strict = make();
	char text[CLASSIFY_MAX_TEXT];

	/* a twentieth of what is allowed must do: then both say the same */
	pcre2_set_match_limit(strict->limits, CLASSIFY_MATCH_LIMIT / 20);
	for (size_t i = 0; i < c->n_examples; i++) {
		for (unsigned n = 1; n <= 6; n++) {
			struct failure f = {.text = repeated(c->examples[i].text, n, text)};
			if (classify(c, &f).line != classify(strict, &f).line)
				fail_msg("the example of line %u, its first %u words repeated",
				    c->examples[i].line, n);
		}
	}
	for (int letter = ' '; letter < 256; letter++) {
		struct failure f = {.text = str_from(text, sizeof text)};
		memset(text, letter, sizeof text);
		for (size_t gap = 0; gap < 8; gap++) {
			for (size_t k = gap; gap > 0 && k < sizeof text; k += gap + 1)
				text[k] = ' ';
			assert_int_equal(classify(c, &f).line, classify(strict, &f).line);
		}
	}
	classifier_free(&c);
	classifier_free(&strict);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		replies_of_many_servers_and_languages_have_the_category_that_an_expert_would_give),
	    cmocka_unit_test(no_rule_comes_near_the_match_limit_at_its_worst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
