/*
 * An operator's patterns and a reply of a stranger: each line of the input but the last is a pattern, the rest the reply.
 * What language.h says of a pattern must be true: where PCRE2 finds it, its words are there, so that the same pattern
 * decides with them and without; and one that is told as hidden is found nowhere where no earlier one is.
 */
#include <assert.h>

#include "lib/classify/categories_int.h"
#include "lib/classify/language.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_PATTERNS 4
#define MAX_REGEX    200 /* longer ones are read, but nothing is asked that takes its time */

static bool is_told[MAX_PATTERNS];

static void
tell(void *arg, size_t i, const struct why *why)
{
	assert(i < MAX_PATTERNS && why->text[0] != '\0');
	is_told[i] = true;
}

static void
ask_words(struct str regex)
{
	static struct language_words w;
	struct language *l = language_new(regex, LANGUAGE_AT_LEAST);

	for (unsigned longest = 1; l != NULL && longest <= 2 * LANGUAGE_WORD; longest += 7) {
		bool is_known = language_begins(l, longest, &w);
		for (size_t i = 0; is_known && i < w.n; i++)
			assert(w.list[i].len > 0 &&
			       w.list[i].len <= PH_MIN(longest, LANGUAGE_WORD + 0u));
		is_known = language_needs(l, longest, longest > 8, &w);
		assert(!is_known || (w.n <= LANGUAGE_MAX_WORDS && w.blanks <= LANGUAGE_ANY));
	}
	language_free(&l);
	l = language_new(regex, LANGUAGE_AT_MOST | LANGUAGE_WORDS);
	language_free(&l);
}

/* the first that is found, each tried; MAX_PATTERNS: none */
static size_t
first_found(const struct categories *p, struct str subject)
{
	for (size_t i = 0; i < p->n; i++)
		if (categories_try(p, &p->list[i], subject, 0) >= 0)
			return i;
	return MAX_PATTERNS;
}

static void
hold(struct categories *p, struct str text, bool is_small)
{
	char subject[CATEGORIES_MAX_SUBJECT];
	struct failure f = {.code = 550, .enh = {5, 1, 1}, .text = text};
	struct verdict v = {.line = MAX_PATTERNS};
	size_t first;
	int n = snprintf(subject, sizeof subject, "5.1.1;smtp;%.*s",
	    STR_ARG(str_sub(text, 0, CLASSIFY_MAX_TEXT)));

	categories_ready(p);
	first = first_found(p, str_from(subject, (size_t)n));
	(void)categories_find(p, &f, &v);
	assert(v.line == first);
	memset(is_told, 0, sizeof is_told);
	if (is_small)
		(void)categories_lint(p, tell, NULL);
	assert(first == MAX_PATTERNS || !is_told[first]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_from((const char *)data, size), line;
	struct categories *p = categories_new();
	bool is_small = true;
	struct why why;

	while (p->n < MAX_PATTERNS && str_find(rest, '\n') != STR_NPOS &&
	       str_next(&rest, '\n', &line)) {
		ask_words(line);
		is_small &= line.len <= MAX_REGEX;
		(void)!categories_add(p, line, STR("x"), "f", (uint32_t)p->n, &why);
	}
	hold(p, str_sub(rest, 0, str_find(rest, '\0')), is_small);
	categories_free(&p);
	return 0;
}
