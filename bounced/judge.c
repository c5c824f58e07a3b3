#include "bounced/judge.h"

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define MAX_OWN_TEXT (8u * 1024 * 1024)

/* ---- rules ---- */

static void
tell(void *arg, uint32_t line, const struct why *why)
{
	log_error("event=bounce-rule-unusable line=%u text=\"%s\"", line, why->text);
}

/* The new ones, or when they cannot be used the built-in. */
static void
use_rules(struct judge *j, struct str file, struct str text)
{
	struct classifier *c;
	bool is_own = file.len > 0 && text.p != NULL;

	if (j->rules != NULL && is_own == (j->rules_text != NULL) &&
	    (!is_own || str_eq(str_of(j->rules_text), text)))
		return;
	c = is_own ? classifier_new(text, tell, NULL) : NULL;
	is_own = c != NULL;
	if (c == NULL)
		c = classifier_new(classify_rules(), tell, NULL);
	if (c == NULL)
		fatal("event=no-bounce-rules");
	classifier_free(&j->rules);
	xfree(&j->rules_file);
	xfree(&j->rules_text);
	j->rules = c;
	if (!is_own)
		return;
	j->rules_file = xstrdup_str(file);
	j->rules_text = xstrdup_str(text);
}

/* ---- patterns ---- */

/* kept by the patterns by reference */
static const char *
file_name(struct judge *j, const char *file)
{
	for (size_t i = 0; i < j->n_names; i++)
		if (strcmp(j->names[i], file) == 0)
			return j->names[i];
	j->names = xreallocarray(j->names, j->n_names + 1, sizeof *j->names);
	j->names[j->n_names] = xstrdup(file);
	return j->names[j->n_names++];
}

static void
add_own(struct judge *j, const struct conf_set *set, size_t i)
{
	struct str entry = conf_item(set, CONF_CATEGORIES_ENTRIES, i);
	struct conf_origin at = conf_item_origin(set, CONF_CATEGORIES_ENTRIES, i);
	size_t end = str_rfind(entry, '/');
	struct why why;

	if (entry.len < 2 || end == STR_NPOS || end == 0 ||
	    categories_add(j->own, str_sub(entry, 1, end - 1), str_trim(str_skip(entry, end + 1)),
		file_name(j, at.file == NULL ? "" : at.file), at.line, &why) == 0)
		return;
	log_error("event=bounce-pattern-unusable line=%u text=\"%s\"", at.line, why.text);
}

static void
forget_own(struct judge *j)
{
	categories_free(&j->own);
	for (size_t i = 0; i < j->n_names; i++)
		free(j->names[i]);
	xfree(&j->names);
	j->n_names = 0;
}

/* With their places: a pattern that moved to another line is another one. */
static char *
own_text(const struct conf *c)
{
	struct buf b;
	char *text;

	buf_init(&b, MAX_OWN_TEXT);
	for (size_t k = 0; k < conf_n_blocks(c, CONF_BLOCK_CATEGORIES); k++) {
		const struct conf_set *set = conf_block_at(c, CONF_BLOCK_CATEGORIES, k);
		for (size_t i = 0; i < conf_n(set, CONF_CATEGORIES_ENTRIES); i++) {
			struct conf_origin at = conf_item_origin(set, CONF_CATEGORIES_ENTRIES, i);
			(void)buf_addf(&b, "%s:%u:%.*s\n", at.file == NULL ? "" : at.file, at.line,
			    STR_ARG(conf_item(set, CONF_CATEGORIES_ENTRIES, i)));
		}
	}
	text = xstrdup(buf_cstr(&b));
	buf_clear(&b);
	return text;
}

static void
use_patterns(struct judge *j, const struct conf *c)
{
	char *text = own_text(c);

	if (j->own != NULL && strcmp(text, j->own_text) == 0) {
		free(text);
		return;
	}
	forget_own(j);
	free(j->own_text);
	j->own_text = text;
	j->own = categories_new();
	for (size_t k = 0; k < conf_n_blocks(c, CONF_BLOCK_CATEGORIES); k++) {
		const struct conf_set *set = conf_block_at(c, CONF_BLOCK_CATEGORIES, k);
		for (size_t i = 0; i < conf_n(set, CONF_CATEGORIES_ENTRIES); i++)
			add_own(j, set, i);
	}
	categories_ready(j->own);
}

void
judge_use_conf(struct judge *j, const struct conf *c)
{
	struct str file = conf_str(conf_global(c), CONF_GLOBAL_BOUNCE_RULES);

	use_rules(j, file, conf_file_text(c, file));
	use_patterns(j, c);
	memset(j->memo, 0, sizeof j->memo);
}

void
judge_clear(struct judge *j)
{
	classifier_free(&j->rules);
	forget_own(j);
	xfree(&j->rules_file);
	xfree(&j->rules_text);
	xfree(&j->own_text);
}

/* ---- asking ---- */

static uint64_t
hash_of(const struct failure *f)
{
	char text[2 * CLASSIFY_MAX_TEXT + 512];
	int n = snprintf(text, sizeof text, "%u %u.%u.%u %d %.*s %.*s\n%.*s", f->code, f->enh[0],
	    f->enh[1], f->enh[2], f->is_local, STR_ARG(str_sub(f->mta, 0, 256)),
	    STR_ARG(str_sub(f->text, 0, CLASSIFY_MAX_TEXT)),
	    STR_ARG(str_sub(f->around, 0, CLASSIFY_MAX_TEXT)));
	uint64_t h = str_hash(str_from(text, PH_MIN((size_t)PH_MAX(n, 0), sizeof text - 1)));

	return h == 0 ? 1 : h;
}

struct verdict
judge_failure(struct judge *j, const struct failure *f)
{
	uint64_t h = hash_of(f);
	struct judged *m = &j->memo[h % JUDGE_MEMO];

	if (m->hash == h)
		return m->verdict;
	m->hash = h;
	if (!categories_find(j->own, f, &m->verdict))
		m->verdict = classify(j->rules, f);
	return m->verdict;
}

const char *
judge_file(const struct judge *j, const struct verdict *v)
{
	if (v->file != NULL)
		return v->file;
	return j->rules_file != NULL ? j->rules_file : "bounce.rules";
}

static struct str
nth_line(struct str text, uint32_t line)
{
	struct str one = STR("");

	while (line > 0 && str_next(&text, '\n', &one))
		line--;
	return line == 0 ? one : STR("");
}

struct str
judge_rule(const struct judge *j, const struct verdict *v)
{
	struct str text, one;
	size_t n = v->file == NULL ? 0 : strlen(v->file);
	char at[16];

	if (v->line == 0)
		return STR("");
	if (v->file == NULL)
		return nth_line(
		    j->rules_text != NULL ? str_of(j->rules_text) : classify_rules(), v->line);
	/* FILE:LINE:/regex/ category */
	snprintf(at, sizeof at, ":%u:", v->line);
	text = str_of(j->own_text);
	while (str_next(&text, '\n', &one))
		if (str_has_prefix(one, str_from(v->file, n)) &&
		    str_has_prefix(str_skip(one, n), str_of(at)))
			return str_skip(one, n + strlen(at));
	return STR("");
}
