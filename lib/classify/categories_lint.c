/*
 * The checker of operators' patterns. Whether one regex hides another cannot be told in general; told is what is
 * certain: the same one twice, what stands behind one that is found in everything, a plain text that has an earlier
 * plain text in it, and a beginning ("^") that no subject has.
 */
#include "lib/classify/categories_int.h"

#define MAX_ALTERNATIVES 200

/* what subjects begin with: "C.S.D;smtp;" */
#define MAX_SUBJECT_NO 8
#define MAX_DETAIL     60

/* no letter of it means anything but itself */
static bool
is_plain(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr("\\^$.[]|()?*+{}", s.p[i]) != NULL || s.p[i] == '\0')
			return false;
	return s.len > 0;
}

static bool
is_anchored(const struct pattern *p)
{
	uint32_t options = 0;

	return pcre2_pattern_info(p->code, PCRE2_INFO_ALLOPTIONS, &options) == 0 &&
	       (options & PCRE2_ANCHORED) != 0;
}

/* found in a text, it is found in each text that has this one within it */
static bool
is_free_of_context(const struct pattern *p)
{
	struct str s = str_from(p->regex, p->len);

	return str_find(s, '^') == STR_NPOS && str_find(s, '$') == STR_NPOS &&
	       str_find(s, '\\') == STR_NPOS && str_find_str(s, STR("(?")) == STR_NPOS &&
	       str_find_str(s, STR("(*")) == STR_NPOS;
}

static bool
finds(const struct categories *p, const struct pattern *one, struct str text)
{
	return categories_try(p, one, text, 0) >= 0;
}

/* it is found in the empty text and needs nothing around it */
static bool
takes_all(const struct categories *p, const struct pattern *one)
{
	return is_free_of_context(one) && finds(p, one, STR(""));
}

/* is each of its alternatives, all plain texts, found by the earlier one? */
static bool
is_within(const struct categories *p, const struct pattern *earlier, const struct pattern *later)
{
	struct str rest = str_from(later->regex, later->len), one;

	if (!is_free_of_context(earlier) || later->len == 0)
		return false;
	for (unsigned n = 0; str_next(&rest, '|', &one); n++)
		if (n == MAX_ALTERNATIVES || !is_plain(one) || !finds(p, earlier, one))
			return false;
	return true;
}

static bool
hides(const struct categories *p, const struct pattern *earlier, const struct pattern *later)
{
	return (earlier->len == later->len &&
		   memcmp(earlier->regex, later->regex, later->len) == 0) ||
	       takes_all(p, earlier) || is_within(p, earlier, later);
}

/* may a subject begin so? */
static bool
may_begin(const struct categories *p, const struct pattern *one, const char *type)
{
	char text[64];
	int n;

	for (unsigned c = 2; c <= 5; c++)
		for (unsigned s = 0; c != 3 && s <= MAX_SUBJECT_NO; s++)
			for (unsigned d = 0; d <= MAX_DETAIL; d++) {
				n = snprintf(text, sizeof text, "%u.%u.%u;%s;", c, s, d, type);
				if (categories_try(p, one, str_from(text, (size_t)n),
					PCRE2_PARTIAL_HARD) != PCRE2_ERROR_NOMATCH)
					return true;
			}
	return false;
}

static bool
check(const struct categories *p, size_t i, struct why *why)
{
	const struct pattern *one = &p->list[i];

	for (size_t k = 0; k < i; k++) {
		if (!hides(p, &p->list[k], one))
			continue;
		why_set(why,
		    "/%.*s/ is never reached: /%.*s/ in line %u of %s is found wherever it is",
		    STR_ARG(str_from(one->regex, one->len)),
		    STR_ARG(str_from(p->list[k].regex, p->list[k].len)), p->list[k].line,
		    p->list[k].file);
		return false;
	}
	if (!is_anchored(one) || may_begin(p, one, "smtp") || may_begin(p, one, "x-pmta"))
		return true;
	why_set(why, "/%.*s/ can never be found: what patterns see begins as \"5.1.1;smtp;550 \"",
	    STR_ARG(str_from(one->regex, one->len)));
	return false;
}

bool
categories_lint(const struct categories *p, categories_complaint *tell, void *arg)
{
	bool is_good = true;
	struct why why;

	for (size_t i = 0; i < p->n; i++) {
		if (check(p, i, &why))
			continue;
		tell(arg, i, &why);
		is_good = false;
	}
	return is_good;
}
