/*
 * The checker of operators' patterns: what language.h can prove, and the same regex twice. Whether a pattern hides
 * another is only asked where it finds a text in which the other is found.
 */
#include "lib/base/xalloc.h"
#include "lib/classify/categories_int.h"
#include "lib/classify/language.h"

/* what patterns are held against */
#define SUBJECT "\\A[0245]\\.[0-9]{1,3}\\.[0-9]{1,3};(?:smtp|x-pmta);[\\s\\S]*\\z"

struct checker {
	const struct categories *p;
	struct language *subject;
	const struct language *in[2];	   /* the later pattern, and `subject` */
	char text[CATEGORIES_MAX_SUBJECT]; /* a shortest in which the later one is found */
};

static bool
is_twin(const struct pattern *a, const struct pattern *b)
{
	return a->len == b->len && memcmp(a->regex, b->regex, b->len) == 0;
}

/* is it found wherever the later one is? */
static bool
hides(struct checker *c, const struct pattern *earlier)
{
	char text[CATEGORIES_MAX_SUBJECT];
	struct language *out;
	bool is_proved;

	if (categories_try(c->p, earlier, str_of(c->text), 0) < 0)
		return false;
	out = language_new(str_from(earlier->regex, earlier->len), LANGUAGE_AT_MOST);
	is_proved = out != NULL && language_ask(c->in, 2, out, text, sizeof text) == LANGUAGE_NONE;
	language_free(&out);
	return is_proved;
}

static bool
tell_hidden(const struct pattern *one, const struct pattern *earlier, struct why *why)
{
	why_set(why, "/%.*s/ is never reached: /%.*s/ in line %u of %s is found wherever it is",
	    STR_ARG(str_from(one->regex, one->len)),
	    STR_ARG(str_from(earlier->regex, earlier->len)), earlier->line, earlier->file);
	return false;
}

static bool
check_language(struct checker *c, size_t i, struct why *why)
{
	const struct pattern *one = &c->p->list[i];
	enum language_answer answer = language_ask(c->in, 2, NULL, c->text, sizeof c->text);

	if (answer == LANGUAGE_NONE) {
		why_set(why,
		    "/%.*s/ can never be found: what patterns see is as "
		    "\"5.1.1;smtp;550 5.1.1 text\"",
		    STR_ARG(str_from(one->regex, one->len)));
		return false;
	}
	for (size_t k = 0; answer == LANGUAGE_SOME && k < i; k++)
		if (hides(c, &c->p->list[k]))
			return tell_hidden(one, &c->p->list[k], why);
	return true;
}

static bool
check(struct checker *c, size_t i, struct why *why)
{
	const struct pattern *one = &c->p->list[i];
	struct language *l;
	bool is_good;

	for (size_t k = 0; k < i; k++)
		if (is_twin(&c->p->list[k], one))
			return tell_hidden(one, &c->p->list[k], why);
	l = language_new(str_from(one->regex, one->len), LANGUAGE_AT_LEAST);
	c->in[0] = l;
	c->in[1] = c->subject;
	is_good = l == NULL || check_language(c, i, why);
	language_free(&l);
	return is_good;
}

bool
categories_lint(const struct categories *p, categories_complaint *tell, void *arg)
{
	struct checker c = {
	    .p = p, .subject = language_new(STR(SUBJECT), LANGUAGE_AT_LEAST | LANGUAGE_WHOLE)};
	bool is_good = true;
	struct why why;

	for (size_t i = 0; i < p->n; i++) {
		if (check(&c, i, &why))
			continue;
		tell(arg, i, &why);
		is_good = false;
	}
	language_free(&c.subject);
	return is_good;
}
