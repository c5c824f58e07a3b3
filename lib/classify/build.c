/*
 * From rules to one pass. Each rule is cut at its outermost alternatives, and of each such branch is found out, by
 * language.h, with which words it may begin, and which it cannot do without: so that a text is looked through once for all
 * words of all branches, and only those are tried, by PCRE2, that begin so at that place and have the rest somewhere.
 */
#include "lib/base/regex.h"
#include "lib/base/xalloc.h"
#include "lib/classify/classify_int.h"
#include "lib/classify/language.h"

#define MAX_PATTERN (128u * 1024)
/* bytes of words: the tables are to stay in the processor's caches */
#define BEGINS 8
#define NEEDED 8

struct builder {
	struct classifier *c;
	classify_complaint *tell;
	void *arg;
	bool is_good;
	struct language_words words;
};

/* ---- compiling one ---- */

static pcre2_code *
compile(struct str pattern, struct why *why)
{
	PCRE2_UCHAR text[256];
	PCRE2_SIZE at;
	int err;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.len,
	    PCRE2_CASELESS | PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C, &err, &at, NULL);

	if (code != NULL)
		return code;
	pcre2_get_error_message(err, text, sizeof text);
	why_set(why, "the expression is wrong: %s, near \"%.*s\"", (const char *)text,
	    STR_ARG(str_sub(pattern, at > 20 ? at - 20 : 0, 40)));
	return NULL;
}

/* ---- cutting at the outermost "|" ---- */

/* how far one thing goes that begins at i: an escape, a class, or a byte */
static size_t
one_thing(struct str s, size_t i)
{
	size_t end = i + 1;

	if (s.p[i] == '\\')
		return PH_MIN(s.len, i + 2);
	if (s.p[i] != '[')
		return end;
	end += end < s.len && s.p[end] == '^';
	end += end < s.len && s.p[end] == ']';
	while (end < s.len && s.p[end] != ']')
		end += s.p[end] == '\\' ? 2 : 1;
	return PH_MIN(s.len, end + 1);
}

/* the end of the alternative that begins at `from`: an outermost "|" or the text's end */
static size_t
alternative_end(struct str s, size_t from)
{
	int depth = 0;

	for (size_t i = from; i < s.len; i = one_thing(s, i)) {
		if (s.p[i] == '|' && depth == 0)
			return i;
		depth += s.p[i] == '(';
		depth -= s.p[i] == ')';
	}
	return s.len;
}

/* "(?:a|b)" as a whole: what is inside */
static struct str
unwrap(struct str s)
{
	struct str inner = str_sub(s, 3, s.len < 4 ? 0 : s.len - 4);
	int depth = 0;

	if (!str_has_prefix(s, STR("(?:")) || !str_has_suffix(s, STR(")")))
		return s;
	for (size_t i = 0; i < inner.len; i = one_thing(inner, i)) {
		depth += inner.p[i] == '(';
		depth -= inner.p[i] == ')';
		if (depth < 0)
			return s;
	}
	return depth == 0 ? inner : s;
}

/* ---- what a branch cannot do without ---- */

/* false: there are too many */
static bool
need_one_of(struct builder *b, const struct language_words *w)
{
	struct classifier *c = b->c;

	if (c->n_needs == CLASSIFY_MAX_NEEDS)
		return false;
	for (size_t i = 0; i < w->n; i++)
		if (!finder_add(&c->needed, str_from(w->list[i].text, w->list[i].len),
			(uint32_t)c->n_needs))
			return false;
	return true;
}

static void
add_need(struct builder *b, struct branch *br, struct str regex, unsigned longest, bool is_begun)
{
	struct language *l = language_new(regex, LANGUAGE_AT_LEAST);

	if (l != NULL && br->n_needs < countof(br->needs) &&
	    language_needs(l, longest, is_begun, &b->words) && need_one_of(b, &b->words))
		br->needs[br->n_needs++] = (struct need){
		    .number = (uint16_t)b->c->n_needs++, .blanks = (uint8_t)b->words.blanks};
	language_free(&l);
}

/* of a rule: they stand behind the text */
static void
add_conditions(struct builder *b, struct branch *br)
{
	const char *conditions = b->c->rules[br->rule].conditions;
	struct str rest = str_of(conditions == NULL ? "" : conditions), one;

	while (rules_next_condition(&rest, &one)) {
		size_t n = br->n_needs;
		add_need(b, br, one, LANGUAGE_WORD, false);
		if (br->n_needs > n)
			br->needs[n].blanks = LANGUAGE_ANY;
	}
}

/* Where it may begin: at the words of c->begins, or anywhere. */
static void
add_begins(struct builder *b, struct branch *br, uint32_t number)
{
	struct classifier *c = b->c;
	struct language *l = language_new(br->text, LANGUAGE_AT_LEAST);
	bool is_known = l != NULL && language_begins(l, BEGINS, &b->words);

	for (size_t i = 0; is_known && i < b->words.n; i++)
		is_known = finder_add(
		    &c->begins, str_from(b->words.list[i].text, b->words.list[i].len), number);
	if (!is_known)
		c->anywhere[c->n_anywhere++] = number;
	language_free(&l);
	add_need(b, br, br->text, NEEDED, is_known);
}

/* ---- branches ---- */

static bool
has_references(const pcre2_code *code)
{
	uint32_t refers = 0;

	return pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &refers) == 0 && refers > 0;
}

/* the branch with its rule's conditions; without a text only these, at the text's end */
static pcre2_code *
compile_branch(const struct builder *b, const struct branch *br, struct why *why)
{
	const char *conditions = b->c->rules[br->rule].conditions;
	struct buf out;
	pcre2_code *code;

	buf_init(&out, MAX_PATTERN);
	buf_addf(&out, br->text.p == NULL ? "(?=\\n)" : "(?:%.*s)", STR_ARG(br->text));
	buf_add_cstr(&out, conditions == NULL ? "" : conditions);
	if (buf_is_overfull(&out)) {
		why_set(why, "the expression is too long");
		code = NULL;
	} else {
		code = compile(buf_str(&out), why);
	}
	buf_clear(&out);
	if (code != NULL && has_references(code)) {
		why_set(why, "a rule may not refer back to its groups");
		pcre2_code_free(code);
		return NULL;
	}
	/* without JIT it is only slower */
	if (code != NULL && regex_may_jit())
		(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	return code;
}

static void
add_branch(struct builder *b, size_t rule, struct str text)
{
	struct classifier *c = b->c;
	struct branch br = {.text = text, .rule = (uint32_t)rule};
	struct why why;

	if (c->n_branches == CLASSIFY_MAX_BRANCHES)
		why_set(&why, "too many alternatives");
	else
		br.code = compile_branch(b, &br, &why);
	if (br.code == NULL) {
		b->tell(b->arg, c->rules[rule].line, &why);
		b->is_good = false;
		return;
	}
	if (text.p != NULL)
		add_begins(b, &br, (uint32_t)c->n_branches);
	else
		c->bare[c->n_bare++] = (uint32_t)c->n_branches;
	add_conditions(b, &br);
	c->branches[c->n_branches++] = br;
}

static void
cut(struct builder *b, size_t rule)
{
	struct str s = unwrap(str_of(b->c->rules[rule].regex));
	size_t end;

	for (size_t from = 0; from <= s.len && b->is_good; from = end + 1) {
		end = alternative_end(s, from);
		add_branch(b, rule, str_sub(s, from, end - from));
	}
}

bool
classify_build(struct classifier *c, classify_complaint *tell, void *arg)
{
	struct builder *b = xmalloc(sizeof *b);
	bool is_good;

	*b = (struct builder){.c = c, .tell = tell, .arg = arg, .is_good = true};
	c->branches = xcalloc(CLASSIFY_MAX_BRANCHES, sizeof *c->branches);
	c->anywhere = xcalloc(CLASSIFY_MAX_BRANCHES, sizeof *c->anywhere);
	c->bare = xcalloc(CLASSIFY_MAX_BRANCHES, sizeof *c->bare);
	for (size_t i = 0; i < c->n_rules; i++) {
		if (c->rules[i].regex != NULL)
			cut(b, i);
		else
			add_branch(b, i, STR_NULL);
	}
	c->chosen = xcalloc(c->n_anywhere + 1, sizeof *c->chosen);
	c->where = xcalloc(c->n_needs + 1, sizeof *c->where);
	finder_finish(&c->begins, false);
	finder_finish(&c->needed, true);
	is_good = b->is_good;
	free(b);
	return is_good;
}
