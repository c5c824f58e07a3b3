#include "lib/classify/categories_int.h"

#include "lib/base/log.h"
#include "lib/base/regex.h"
#include "lib/base/xalloc.h"
#include "lib/classify/language.h"

/* counted anew for each place where a match may begin, as in lib/base/regex.c */
#define MATCH_LIMIT   10000
#define DEPTH_LIMIT   2000
#define HEAP_LIMIT_KB 1024
#define NEEDED	      8 /* bytes of words */

/* PowerMTA's, and which of them say that the address is no good */
static const struct {
	const char *name;
	bool is_hard;
} known[] = {
    {"bad-configuration", false},
    {"bad-connection", false},
    {"bad-domain", true},
    {"bad-mailbox", true},
    {"content-related", false},
    {"inactive-mailbox", true},
    {"invalid-sender", false},
    {"message-expired", false},
    {"no-answer-from-host", false},
    {"other", false},
    {"policy-related", false},
    {"protocol-errors", false},
    {"quota-issues", false},
    {"relaying-issues", false},
    {"routing-errors", false},
    {"spam-related", false},
    {"virus-related", false},
};

struct categories *
categories_new(void)
{
	struct categories *p = xcalloc(1, sizeof *p);

	finder_init(&p->needed);
	p->match = pcre2_match_data_create(1, NULL);
	p->limits = pcre2_match_context_create(NULL);
	if (p->match == NULL || p->limits == NULL)
		fatal("event=no-memory");
	pcre2_set_match_limit(p->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(p->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KB);
	return p;
}

void
categories_free(struct categories **pp)
{
	struct categories *p = *pp;

	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++) {
		pcre2_code_free(p->list[i].code);
		free(p->list[i].regex);
	}
	free(p->list);
	finder_clear(&p->needed);
	free(p->where);
	pcre2_match_data_free(p->match);
	pcre2_match_context_free(p->limits);
	xfree(pp);
}

static pcre2_code *
compile(struct str regex, struct why *why)
{
	PCRE2_UCHAR text[160];
	PCRE2_SIZE where;
	int error;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)(regex.len == 0 ? "" : regex.p), regex.len,
	    PCRE2_CASELESS | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C, &error,
	    &where, NULL);

	if (code == NULL) {
		pcre2_get_error_message(error, text, sizeof text);
		why_set(why, "at byte %zu of the pattern: %s", (size_t)where, (const char *)text);
	} else if (regex_may_jit()) {
		(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without, it is only slower */
	}
	return code;
}

int
categories_add(struct categories *p, struct str regex, struct str category, const char *file,
    uint32_t line, struct why *why)
{
	struct pattern one = {.file = file, .line = line, .len = regex.len};

	if (p->n == CATEGORIES_MAX || regex.len > REGEX_MAX)
		return why_set(why, "there are too many patterns, or it is too long");
	if (category.len == 0 || category.len >= CATEGORY_ROOM)
		return why_set(why, "the category's name is empty or too long");
	one.code = compile(regex, why);
	if (one.code == NULL)
		return -1;
	(void)str_copy(one.category, sizeof one.category, category);
	one.regex = xstrdup_str(regex);
	p->list = xreallocarray(p->list, p->n + 1, sizeof *p->list);
	p->list[p->n++] = one;
	return 0;
}

/* ---- what a pattern cannot do without ---- */

/* False: nothing is known, it is to be tried always. */
static bool
add_needs(struct categories *p, size_t i, struct language_words *w)
{
	struct language *l =
	    language_new(str_from(p->list[i].regex, p->list[i].len), LANGUAGE_AT_LEAST);
	bool is_known = l != NULL && language_needs(l, NEEDED, false, w);

	for (size_t k = 0; is_known && k < w->n; k++)
		is_known =
		    finder_add(&p->needed, str_from(w->list[k].text, w->list[k].len), (uint32_t)i);
	language_free(&l);
	return is_known;
}

void
categories_ready(struct categories *p)
{
	struct language_words *w = xmalloc(sizeof *w);

	for (size_t i = 0; i < p->n; i++)
		p->list[i].is_always_tried = !add_needs(p, i, w);
	finder_finish(&p->needed, true);
	p->where = xcalloc(p->n + 1, sizeof *p->where);
	free(w);
}

/* ---- asking ---- */

int
categories_try(
    const struct categories *p, const struct pattern *one, struct str subject, uint32_t options)
{
	return pcre2_match(one->code, (PCRE2_SPTR)(subject.len == 0 ? "" : subject.p), subject.len,
	    0, options, p->match, p->limits);
}

/* "5.1.1;smtp;text", cut to size - 1; returns its length. */
static size_t
categories_subject(const struct failure *f, char *out, size_t size)
{
	int n = snprintf(out, size, "%u.%u.%u;%s;%.*s", f->enh[0], f->enh[1], f->enh[2],
	    f->is_local ? "x-pmta" : "smtp", STR_ARG(str_sub(f->text, 0, CLASSIFY_MAX_TEXT)));

	return PH_MIN((size_t)PH_MAX(n, 0), size - 1);
}

static bool
is_hard(const char *category, const struct failure *f)
{
	for (size_t i = 0; i < countof(known); i++)
		if (strcmp(known[i].name, category) == 0)
			return known[i].is_hard;
	/* an operator's own word: as the remote meant it */
	return f->code >= 500 || (f->code == 0 && f->enh[0] == 5);
}

bool
categories_find(const struct categories *p, const struct failure *f, struct verdict *v)
{
	char text[CATEGORIES_MAX_SUBJECT];
	struct str subject = str_from(text, categories_subject(f, text, sizeof text));
	size_t i;

	ph_assert(p->where != NULL);
	memset(p->where, 0, p->n * sizeof *p->where);
	finder_mark(
	    &p->needed, subject, finder_has_other(subject), finder_shift(subject.len), p->where);
	for (i = 0; i < p->n; i++)
		if ((p->list[i].is_always_tried || p->where[i] != 0) &&
		    categories_try(p, &p->list[i], subject, 0) >= 0)
			break;
	if (i == p->n)
		return false;
	*v = (struct verdict){.category = p->list[i].category,
	    .is_hard = is_hard(p->list[i].category, f),
	    .file = p->list[i].file,
	    .line = p->list[i].line};
	return true;
}

bool
category_is_known(struct str category)
{
	for (size_t i = 0; i < countof(known); i++)
		if (str_eq(category, str_of(known[i].name)))
			return true;
	return false;
}

bool
categories_have(const struct categories *p, struct str category)
{
	for (size_t i = 0; i < p->n; i++)
		if (str_eq(category, str_of(p->list[i].category)))
			return true;
	return category_is_known(category);
}
