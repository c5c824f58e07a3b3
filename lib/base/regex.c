#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/base/log.h"
#include "lib/base/regex.h"
#include "lib/base/xalloc.h"

/* counted anew for each place of the text where the pattern may begin: the two together bound a search */
#define STEPS_MAX 10000
#define TEXT_MAX  4096
#define DEPTH_MAX 2000
#define HEAP_KIB  1024
/* a long text has more places where the pattern may begin: so fewer steps each */
#define GROUPS_STEPS 2000
#define GROUPS_TEXT  (32u * 1024)
#define GROUPS_MAX   64

struct regex {
	pcre2_code *code;
};

/* shared by all matches: a daemon runs one at a time */
static struct {
	pcre2_match_context *limits;
	pcre2_match_data *data;
	bool no_jit;
} re;

void
regex_allow_jit(bool allow)
{
	re.no_jit = !allow;
}

bool
regex_may_jit(void)
{
	return !re.no_jit;
}

static void
make_once(void)
{
	if (re.limits != NULL)
		return;
	re.limits = pcre2_match_context_create(NULL);
	re.data = pcre2_match_data_create(1, NULL);
	if (re.limits == NULL || re.data == NULL)
		fatal("event=no-memory");
	pcre2_set_match_limit(re.limits, STEPS_MAX);
	pcre2_set_depth_limit(re.limits, DEPTH_MAX);
	pcre2_set_heap_limit(re.limits, HEAP_KIB);
}

/* NULL with `why` */
static pcre2_code *
compile(struct str pattern, struct why *why)
{
	PCRE2_UCHAR text[160];
	PCRE2_SIZE where;
	int error;
	pcre2_code *code;

	if (pattern.len > REGEX_MAX) {
		why_set(why, "the pattern is longer than %d bytes", REGEX_MAX);
		return NULL;
	}
	code = pcre2_compile((PCRE2_SPTR)(pattern.len == 0 ? "" : pattern.p), pattern.len,
	    PCRE2_CASELESS | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C, &error,
	    &where, NULL);
	if (code != NULL)
		return code;
	pcre2_get_error_message(error, text, sizeof text);
	why_set(why, "at byte %zu of the pattern: %s", (size_t)where, (const char *)text);
	return NULL;
}

int
regex_check(struct str pattern, struct why *why)
{
	pcre2_code *code = compile(pattern, why);

	if (code == NULL)
		return -1;
	pcre2_code_free(code);
	return 0;
}

struct regex *
regex_new(struct str pattern, struct why *why)
{
	pcre2_code *code = compile(pattern, why);
	struct regex *r;

	if (code == NULL)
		return NULL;
	make_once();
	if (!re.no_jit)
		(void)pcre2_jit_compile(
		    code, PCRE2_JIT_COMPLETE); /* without, it only takes longer */
	r = xcalloc(1, sizeof *r);
	r->code = code;
	return r;
}

void
regex_free(struct regex **r)
{
	if (*r == NULL)
		return;
	pcre2_code_free((*r)->code);
	xfree(r);
}

bool
regex_finds(const struct regex *r, struct str text)
{
	return pcre2_match(r->code, (PCRE2_SPTR)(text.len == 0 ? "" : text.p),
		   PH_MIN(text.len, (size_t)TEXT_MAX), 0, 0, re.data, re.limits) >= 0;
}

static void
tell_groups(const struct regex *r, struct str text, const pcre2_match_data *data,
    regex_group_cb *cb, void *ctx)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer((pcre2_match_data *)data);
	uint32_t n_names = 0, width = 0, n = pcre2_get_ovector_count((pcre2_match_data *)data);
	PCRE2_SPTR row = NULL;

	(void)pcre2_pattern_info(r->code, PCRE2_INFO_NAMECOUNT, &n_names);
	(void)pcre2_pattern_info(r->code, PCRE2_INFO_NAMEENTRYSIZE, &width);
	(void)pcre2_pattern_info(r->code, PCRE2_INFO_NAMETABLE, &row);
	/* two bytes with the group's number, then its name */
	for (uint32_t i = 0; i < n_names; i++, row += width) {
		uint32_t group = (uint32_t)row[0] << 8 | row[1];
		if (group < n && at[2 * group] != PCRE2_UNSET && at[2 * group] < at[2 * group + 1])
			cb(ctx, (const char *)row + 2,
			    str_sub(text, at[2 * group], at[2 * group + 1] - at[2 * group]));
	}
}

bool
regex_groups(const struct regex *r, struct str text, regex_group_cb *cb, void *ctx)
{
	pcre2_match_data *data = pcre2_match_data_create(GROUPS_MAX, NULL);
	int found;

	make_once();
	text = str_sub(text, 0, GROUPS_TEXT);
	pcre2_set_match_limit(re.limits, GROUPS_STEPS);
	found = data == NULL ? -1
			     : pcre2_match(r->code, (PCRE2_SPTR)(text.len == 0 ? "" : text.p),
				   text.len, 0, 0, data, re.limits);
	pcre2_set_match_limit(re.limits, STEPS_MAX);
	if (found >= 0)
		tell_groups(r, text, data, cb, ctx);
	pcre2_match_data_free(data);
	return found >= 0;
}
