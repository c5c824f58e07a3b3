#include "lib/conf/choice.h"

#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

struct conf_choices {
	struct choice_list *lists;
	size_t n;
	struct conf_names *names;
};

static const struct {
	enum conf_key key;
	enum choice_kind kind;
} kinds[] = {
    {CONF_PATTERNS_HEADER, CHOICE_HEADER},
    {CONF_PATTERNS_MAIL_FROM, CHOICE_MAIL_FROM},
    {CONF_PATTERNS_RCPT_TO, CHOICE_RCPT_TO},
    {CONF_PATTERNS_ANY, CHOICE_ANY},
};

const struct choice_list *
conf_choice_list(const struct conf *c, struct str name)
{
	uint32_t i;

	return conf_names_get(c->choices->names, name, &i) ? &c->choices->lists[i] : NULL;
}

/* virtual-mta=NAME, recipient-priority=N, call-to: LIST; the form was checked when it was read (tail.c) */
static void
read_result(
    struct conf_load *l, struct choice_rule *r, struct str result, const struct conf_item *it)
{
	struct str piece;
	uint32_t n;

	while (str_next(&result, ',', &piece)) {
		struct str name = str_trim(str_skip(piece, str_find(piece, ':') + 1));
		if (str_has_iprefix(piece, STR("virtual-mta=")))
			r->vmta = str_skip(piece, 12);
		else if (str_has_iprefix(piece, STR("recipient-priority=")) &&
			 parse_u32(str_skip(piece, 19), 0, 100, &n))
			r->priority = (int16_t)n;
		else if ((r->call = conf_choice_list(l->c, name)) == NULL)
			conf_error(
			    l, it->at, "call-to: there is no <pattern-list %.*s>", STR_ARG(name));
	}
	if (r->vmta.len > 0 && !str_ieq(r->vmta, STR("{default}")) &&
	    !conf_names_get(l->c->names, r->vmta, &n))
		conf_error(l, it->at,
		    "virtual-mta=: there is no <virtual-mta %.*s> or pool of that name",
		    STR_ARG(r->vmta));
}

/* "[HEADER] /regex/ RESULT" or "RESULT" */
static void
read_rule(
    struct conf_load *l, struct choice_rule *r, enum choice_kind kind, const struct conf_item *it)
{
	struct str rest = it->text, regex;
	struct conf_word w;
	struct why why;

	*r = (struct choice_rule){.kind = (uint8_t)kind, .priority = -1};
	if (kind == CHOICE_HEADER && conf_lex_word(&l->c->mem, &rest, '\0', &w))
		r->header = w.text;
	rest = str_trim(rest);
	/* what does not compile is complained about in check.c */
	if (kind != CHOICE_ANY && conf_lex_regex(&rest, &regex))
		r->regex = regex_new(str_sub(regex, 1, regex.len - 2), &why);
	read_result(l, r, str_trim(rest), it);
}

struct at_seq {
	const struct conf_item *item;
	enum choice_kind kind;
};

static int
by_seq(const void *a, const void *b)
{
	const struct at_seq *x = a, *y = b;

	return (x->item->seq > y->item->seq) - (x->item->seq < y->item->seq);
}

/* all lines of the block in the order of the file */
static size_t
lines_of(struct conf_blk *b, struct at_seq **out)
{
	size_t n = 0;

	for (size_t k = 0; k < countof(kinds); k++) {
		const struct conf_value *v = conf_blk_value(b, kinds[k].key);
		if (v == NULL || v->n == 0)
			continue;
		*out = xreallocarray(*out, n + v->n, sizeof **out);
		for (uint32_t i = 0; i < v->n; i++)
			(*out)[n++] = (struct at_seq){&v->items[i], kinds[k].kind};
	}
	if (n > 1)
		qsort(*out, n, sizeof **out, by_seq);
	return n;
}

static void
fill(struct conf_load *l, struct choice_list *list, struct conf_blk *b)
{
	struct at_seq *lines = NULL;

	list->n = lines_of(b, &lines);
	list->rules = conf_mem(&l->c->mem, (list->n + 1) * sizeof *list->rules);
	for (size_t i = 0; i < list->n; i++)
		read_rule(l, &list->rules[i], lines[i].kind, lines[i].item);
	free(lines);
}

/* how deep what it calls is below it, as far as `level` knows yet */
static unsigned
level_of(const struct conf_choices *t, const struct choice_list *list, const unsigned *level)
{
	unsigned most = 0;

	for (size_t i = 0; i < list->n; i++)
		if (list->rules[i].call != NULL)
			most = PH_MAX(most, level[list->rules[i].call - t->lists] + 1);
	return most;
}

/* After CHOICE_DEPTH rounds without a circle nothing rises any more. */
static void
check_depth(struct conf_load *l, struct conf_blk *const *blks)
{
	struct conf_choices *t = l->c->choices;
	unsigned *level = xcalloc(t->n + 1, sizeof *level);

	for (unsigned round = 0; round <= CHOICE_DEPTH; round++)
		for (size_t i = 0; i < t->n; i++)
			level[i] = level_of(t, &t->lists[i], level);
	for (size_t i = 0; i < t->n; i++) {
		if (level[i] < CHOICE_DEPTH)
			continue;
		conf_error(l, blks[i]->at,
		    "<pattern-list %.*s>: lists call each other in a circle, or deeper than %d",
		    STR_ARG(t->lists[i].name), CHOICE_DEPTH);
		break;
	}
	free(level);
}

void
conf_choices_build(struct conf_load *l)
{
	struct conf *c = l->c;
	struct conf_choices *t = c->choices = xcalloc(1, sizeof *t);
	struct conf_blk **blks = xcalloc(c->n_blocks, sizeof *blks);

	t->names = conf_names_new();
	t->lists = conf_mem(&c->mem, c->n_blocks * sizeof *t->lists);
	for (size_t i = 0; i < c->n_blocks; i++) {
		struct conf_blk *b = c->blocks[i];
		if (b->kind != CONF_BLOCK_PATTERNS || b->is_dead)
			continue;
		if (!conf_names_put(t->names, b->name, (uint32_t)t->n))
			continue;
		blks[t->n] = b;
		t->lists[t->n++].name = b->name;
	}
	for (size_t i = 0; i < t->n; i++)
		fill(l, &t->lists[i], blks[i]);
	check_depth(l, blks);
	free(blks);
}

void
conf_choices_free(struct conf_choices **t)
{
	if (*t == NULL)
		return;
	for (size_t i = 0; i < (*t)->n; i++)
		for (size_t k = 0; k < (*t)->lists[i].n; k++)
			regex_free(&(*t)->lists[i].rules[k].regex);
	conf_names_free(&(*t)->names);
	xfree(t);
}
