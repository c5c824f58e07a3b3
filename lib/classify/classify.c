#include "lib/classify/classify_int.h"

#include "lib/base/num.h"
#include "lib/base/xalloc.h"

#define DEPTH_LIMIT   1000
#define HEAP_LIMIT_KB 1024

/* ---- life ---- */

static bool
prepare(struct classifier *c)
{
	c->match = pcre2_match_data_create(1, NULL);
	c->limits = pcre2_match_context_create(NULL);
	if (c->match == NULL || c->limits == NULL)
		return false;
	pcre2_set_match_limit(c->limits, CLASSIFY_MATCH_LIMIT);
	pcre2_set_depth_limit(c->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(c->limits, HEAP_LIMIT_KB);
	return true;
}

struct classifier *
classifier_new(struct str rules, classify_complaint *tell, void *arg)
{
	struct classifier *c = xcalloc(1, sizeof *c);

	if (!prepare(c) || !rules_read(c, rules, tell, arg) || !classify_build(c, tell, arg))
		classifier_free(&c);
	return c;
}

void
classifier_free(struct classifier **cp)
{
	struct classifier *c = *cp;

	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n_rules; i++) {
		free(c->rules[i].conditions);
		free(c->rules[i].regex);
	}
	for (size_t i = 0; i < c->n_examples; i++)
		free(c->examples[i].text);
	free(c->rules);
	free(c->examples);
	for (size_t i = 0; i < c->n_made; i++)
		pcre2_code_free(c->made[i].code);
	free(c->made);
	pcre2_match_data_free(c->match);
	pcre2_match_context_free(c->limits);
	xfree(cp);
}

/* ---- judging ---- */

static bool
has_class(unsigned digit)
{
	return digit == 2 || digit == 4 || digit == 5;
}

/*
 * A status whose class contradicts the code takes the code's: then a rule that asks for such a pair can be told. Success
 * where the code says failure is no status but a number in the text.
 */
static void
take_codes(const struct failure *f, unsigned *code, unsigned status[3])
{
	unsigned class = f->enh[0];

	*code = f->code >= 200 && f->code < 600 ? f->code : 0;
	if (class != 0 && has_class(*code / 100))
		class = class == 2 ? 0 : *code / 100;
	status[0] = has_class(class) ? class : 0;
	status[1] = status[0] == 0 ? 0 : f->enh[1];
	status[2] = status[0] == 0 ? 0 : f->enh[2];
}

/* code, status and host as the conditions see them (RULES_SUBJECT), appended to the subject behind a newline */
static size_t
trailer_write(const struct failure *f, char *out, size_t size)
{
	char mta[256];
	unsigned code, status[3];
	int n;

	take_codes(f, &code, status);
	(void)str_copy(mta, sizeof mta, f->mta);
	for (char *p = mta; *p != '\0'; p++)
		if (!ascii_is_alnum(*p) && *p != '-' && *p != '.')
			*p = '_';
	n = snprintf(out, size, "\ncode:%u status:%u.%u.%u mx:%s ", code, status[0], status[1],
	    status[2], mta);
	return PH_MIN((size_t)n, size - 1);
}

static size_t
marked_rule(const struct classifier *c)
{
	PCRE2_SPTR mark = pcre2_get_mark(c->match);
	uint32_t number;

	if (mark == NULL ||
	    !parse_u32(str_of((const char *)mark), 0, (uint32_t)c->n_rules - 1, &number))
		return c->n_rules;
	return number;
}

static size_t
match_at(const struct classifier *c, const pcre2_code *code, struct str subject, size_t at)
{
	if (code == NULL ||
	    pcre2_match(code, (PCRE2_SPTR)subject.p, subject.len, at, 0, c->match, c->limits) < 0)
		return c->n_rules;
	return marked_rule(c);
}

size_t
classify_find(const struct classifier *c, struct str subject, size_t len)
{
	size_t best = match_at(c, c->bare, subject, len), found;
	const char *s = subject.p;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == ' ' || (i > 0 && ascii_is_alnum(s[i - 1])))
			continue;
		found = match_at(c,
		    c->code[(unsigned char)ascii_lower(s[i])][second_class(s[i + 1])], subject, i);
		best = PH_MIN(best, found);
	}
	return best;
}

struct verdict
classify(struct classifier *c, const struct failure *f)
{
	char subject[MAX_SUBJECT];
	size_t len = classify_normalise(f->text, subject, CLASSIFY_MAX_TEXT), i;

	i = len + trailer_write(f, subject + len, sizeof subject - len);
	i = classify_find(c, str_from(subject, i), len);
	if (i == c->n_rules)
		return (struct verdict){.category = "other"};
	return (struct verdict){.category = c->rules[i].category,
	    .is_hard = c->rules[i].is_hard,
	    .line = c->rules[i].line};
}
