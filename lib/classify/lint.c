/* The checker: each rule must decide its own examples, and no two rules may be the same. */
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/classify/classify_int.h"

static bool
is_same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
check_twins(const struct classifier *c, size_t i, struct why *why)
{
	for (size_t k = 0; k < i; k++) {
		const struct rule *r = &c->rules[k];
		if (!is_same(r->regex, c->rules[i].regex) ||
		    (r->conditions != NULL && !is_same(r->conditions, c->rules[i].conditions)))
			continue;
		why_set(why, "never reached: the rule at line %u matches the same", r->line);
		return false;
	}
	return true;
}

/* The digits it begins with, at most so many, are taken from it; false: there is none. */
static bool
take_number(struct str *s, size_t most, uint32_t *v)
{
	size_t n = 0;

	while (n < most && n < s->len && ascii_is_digit(s->p[n]))
		n++;
	if (!parse_u32(str_sub(*s, 0, n), 0, 999, v))
		return false;
	*s = str_skip(*s, n);
	return true;
}

static bool
take_char(struct str *s, char c)
{
	if (s->len == 0 || s->p[0] != c)
		return false;
	*s = str_skip(*s, 1);
	return true;
}

/* "550 5.1.1 text": code and status of an example, as a reply has them */
static struct failure
failure_of(const char *text)
{
	struct failure f = {.text = str_of(text)};
	struct str rest = f.text;
	uint32_t code, a, b, d;

	if (take_number(&rest, 3, &code) && code >= 200) {
		f.code = (uint16_t)code;
		if (!take_char(&rest, ' ') && !take_char(&rest, '-'))
			return f;
	} else {
		rest = f.text;
	}
	if (take_number(&rest, 1, &a) && take_char(&rest, '.') && take_number(&rest, 3, &b) &&
	    take_char(&rest, '.') && take_number(&rest, 3, &d)) {
		f.enh[0] = (uint8_t)a;
		f.enh[1] = (uint8_t)PH_MIN(b, 255u);
		f.enh[2] = (uint8_t)PH_MIN(d, 255u);
	}
	return f;
}

static bool
check_example(struct classifier *c, const struct example *e, struct why *why)
{
	struct failure f = failure_of(e->text);
	struct verdict v = classify(c, &f);

	if (v.line == c->rules[e->rule].line)
		return true;
	if (v.line == 0)
		why_set(why, "the example is matched by no rule");
	else
		why_set(why,
		    "the example of the rule at line %u is decided by the rule at line %u (%s)",
		    c->rules[e->rule].line, v.line, v.category);
	return false;
}

bool
classifier_lint(struct classifier *c, classify_complaint *tell, void *arg)
{
	bool is_good = true;
	struct why why;

	for (size_t i = 0; i < c->n_rules; i++) {
		if (check_twins(c, i, &why))
			continue;
		tell(arg, c->rules[i].line, &why);
		is_good = false;
	}
	for (size_t i = 0; i < c->n_examples; i++) {
		if (check_example(c, &c->examples[i], &why))
			continue;
		tell(arg, c->examples[i].line, &why);
		is_good = false;
	}
	return is_good;
}
