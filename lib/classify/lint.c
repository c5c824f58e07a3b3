/*
 * The checker: each rule must decide its own examples, and no two rules may be the same. Of a rule without an example it
 * is asked whether any failure fits it, and any that no earlier one takes: see language.h for how far that is proved.
 */
#include "lib/base/num.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/classify/classify_int.h"
#include "lib/classify/language.h"

/* what rules are held against, as classify.c writes it */
#define N "[0-9]{1,3}"
#define RULES_SUBJECT                                                                              \
	"\\A(?:[!-~\\x80-\\xff]+(?: [!-~\\x80-\\xff]+)*)?\\n"                                      \
	"code:(?:(?:0|3[0-9][0-9]) status:(?:0\\.0\\.0|[245]\\." N "\\." N ")"                     \
	"|2[0-9][0-9] status:(?:0\\.0\\.0|2\\." N "\\." N ")"                                      \
	"|4[0-9][0-9] status:(?:0\\.0\\.0|4\\." N "\\." N ")"                                      \
	"|5[0-9][0-9] status:(?:0\\.0\\.0|5\\." N "\\." N ")) mx:[-.0-9A-Za-z_]* \\z"

#define MAX_HIDERS 8

/* a rule's regex and conditions; a failure fits it that is in all of them */
struct parts {
	struct language *list[LANGUAGE_MAX_IN];
	size_t n;
	bool is_known;
};

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

/* ---- what can be proved ---- */

static void
add_part(struct parts *p, struct str regex, unsigned kind)
{
	struct language *l = p->n == countof(p->list) - 1 ? NULL : language_new(regex, kind);

	p->is_known &= l != NULL;
	if (l != NULL)
		p->list[p->n++] = l;
}

static void
parts_read(struct parts *p, const struct rule *r, unsigned kind)
{
	struct str rest = str_of(r->conditions == NULL ? "" : r->conditions), one;

	*p = (struct parts){.is_known = true};
	if (r->regex != NULL)
		add_part(p, str_of(r->regex), kind | LANGUAGE_WORDS);
	while (rules_next_condition(&rest, &one))
		add_part(p, one, kind);
}

static void
parts_clear(struct parts *p)
{
	for (size_t i = 0; i < p->n; i++)
		language_free(&p->list[i]);
}

/* what the rule must share with its hider; `text`: one that it does not */
struct later {
	struct parts parts;
	const struct language *subject;
	char text[MAX_SUBJECT];
};

static enum language_answer
ask(struct later *l, const struct language *out)
{
	const struct language *in[LANGUAGE_MAX_IN];

	for (size_t i = 0; i < l->parts.n; i++)
		in[i] = l->parts.list[i];
	in[l->parts.n] = l->subject;
	return language_ask(in, l->parts.n + 1, out, l->text, sizeof l->text);
}

/* Does whatever fits `later` fit the earlier rule, too? LANGUAGE_NONE: yes. */
static enum language_answer
beyond(const struct rule *earlier, struct later *later)
{
	enum language_answer answer = LANGUAGE_NONE;
	struct parts p;

	parts_read(&p, earlier, LANGUAGE_AT_MOST);
	if (!p.is_known)
		answer = LANGUAGE_UNKNOWN;
	for (size_t i = 0; i < p.n && answer == LANGUAGE_NONE; i++)
		answer = ask(later, p.list[i]);
	parts_clear(&p);
	return answer;
}

/* the rule that decides what was found; n_rules: none */
static size_t
decides(const struct classifier *c, const char *text)
{
	struct str subject = str_of(text);

	return classify_find(c, subject, PH_MIN(str_find(subject, '\n'), subject.len));
}

/* the earlier rule that is proved to hide it; i: there is none */
static size_t
hider(const struct classifier *c, size_t i, struct later *later)
{
	size_t k = decides(c, later->text);

	/* one that the first does not take may be the second's */
	for (unsigned n = 0; n < MAX_HIDERS && k < i; n++) {
		enum language_answer answer = beyond(&c->rules[k], later);
		if (answer == LANGUAGE_NONE)
			return k;
		if (answer == LANGUAGE_UNKNOWN)
			break;
		k = decides(c, later->text);
	}
	return i;
}

static bool
is_reached(const struct classifier *c, size_t i, const struct language *subject, struct why *why)
{
	struct later later = {.subject = subject};
	enum language_answer answer = LANGUAGE_UNKNOWN;
	size_t k = i;

	parts_read(&later.parts, &c->rules[i], LANGUAGE_AT_LEAST);
	if (later.parts.is_known)
		answer = ask(&later, NULL);
	if (answer == LANGUAGE_SOME)
		k = hider(c, i, &later);
	parts_clear(&later.parts);
	if (answer == LANGUAGE_NONE)
		why_set(why, "this rule can never match");
	else if (k < i)
		why_set(why, "never reached: whatever fits this rule fits the one at line %u, too",
		    c->rules[k].line);
	return answer != LANGUAGE_NONE && k == i;
}

static bool
has_example(const struct classifier *c, size_t rule)
{
	for (size_t i = 0; i < c->n_examples; i++)
		if (c->examples[i].rule == rule)
			return true;
	return false;
}

bool
classifier_lint(struct classifier *c, classify_complaint *tell, void *arg)
{
	struct language *subject =
	    language_new(STR(RULES_SUBJECT), LANGUAGE_AT_LEAST | LANGUAGE_WHOLE);
	bool is_good = true;
	struct why why;

	ph_assert(subject != NULL);
	for (size_t i = 0; i < c->n_rules; i++) {
		if (check_twins(c, i, &why) &&
		    (has_example(c, i) || is_reached(c, i, subject, &why)))
			continue;
		tell(arg, c->rules[i].line, &why);
		is_good = false;
	}
	language_free(&subject);
	for (size_t i = 0; i < c->n_examples; i++) {
		if (check_example(c, &c->examples[i], &why))
			continue;
		tell(arg, c->examples[i].line, &why);
		is_good = false;
	}
	return is_good;
}
