/* Bounce categories and what follows from them: patterns and rules that are never reached, actions that cannot act. */
#include "lib/base/xalloc.h"
#include "lib/classify/categories.h"
#include "lib/conf/conf_int.h"

struct told {
	struct conf_load *l;
	struct conf_at *at; /* of each pattern */
	uint32_t file;	    /* of the rules */
};

static void
tell_pattern(void *arg, size_t i, const struct why *why)
{
	struct told *t = arg;

	conf_error(t->l, t->at[i], "%s", why->text);
}

/* all blocks, in the order of the file: they are asked as one list */
static void
gather(struct told *t, struct categories *list)
{
	struct conf *c = t->l->c;
	size_t n = 0;
	struct str rest, regex;
	struct why why;

	for (size_t i = 0; i < c->n_blocks; i++) {
		struct conf_value *v = conf_blk_value(c->blocks[i], CONF_CATEGORIES_ENTRIES);
		for (uint32_t k = 0; v != NULL && k < v->n; k++) {
			rest = v->items[k].text;
			/* what does not compile was told already */
			if (!conf_lex_regex(&rest, &regex) ||
			    categories_add(list, str_sub(regex, 1, regex.len - 2), str_trim(rest),
				c->files[v->items[k].at.file].path, v->items[k].at.line,
				&why) == -1)
				continue;
			t->at = xreallocarray(t->at, n + 1, sizeof *t->at);
			t->at[n++] = v->items[k].at;
		}
	}
}

static void
tell_rule(void *arg, uint32_t line, const struct why *why)
{
	struct told *t = arg;

	conf_error(t->l, (struct conf_at){.file = t->file, .line = line}, "%s", why->text);
}

static void
check_rules(struct told *t)
{
	struct str path = conf_str(conf_global(t->l->c), CONF_GLOBAL_BOUNCE_RULES),
		   text = conf_file_text(t->l->c, path);
	struct classifier *rules;

	if (path.len == 0 || text.p == NULL)
		return;
	t->file = conf_file_add(t->l->c, path);
	rules = classifier_new(text, tell_rule, t);
	if (rules != NULL)
		(void)classifier_lint(rules, tell_rule, t);
	classifier_free(&rules);
}

static void
check_action(struct conf_load *l, struct conf_blk *b, const struct categories *list)
{
	const struct conf_value *v = conf_blk_value(b, CONF_ACTION_MATCH);
	bool knows_all = conf_is_set(conf_global(l->c), CONF_GLOBAL_BOUNCE_RULES);

	if (v == NULL || v->n == 0) {
		conf_note(l, b->at, "<bounce-action> has no match: it never acts");
		return;
	}
	for (uint32_t i = 0; i < v->n && !knows_all; i++)
		if (!categories_have(list, v->items[i].text) &&
		    !str_eq(v->items[i].text, STR("complaint")))
			conf_error(l, v->items[i].at,
			    "match: \"%.*s\" is no category of PowerMTA's, nor does a pattern name "
			    "it",
			    STR_ARG(v->items[i].text));
}

void
conf_check_bounces(struct conf_load *l)
{
	struct told t = {.l = l};
	struct categories *list = categories_new();

	gather(&t, list);
	(void)categories_lint(list, tell_pattern, &t);
	check_rules(&t);
	for (size_t i = 0; i < l->c->n_blocks; i++)
		if (l->c->blocks[i]->kind == CONF_BLOCK_ACTION && !l->c->blocks[i]->is_dead)
			check_action(l, l->c->blocks[i], list);
	categories_free(&list);
	free(t.at);
}
