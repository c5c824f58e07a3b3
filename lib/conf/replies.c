/* Patterns: that they compile, and which list of replies' patterns a <domain> has. */
#include "lib/base/buf.h"
#include "lib/base/regex.h"
#include "lib/conf/conf_int.h"

static bool
is_taken(const struct conf *c, const struct conf_blk *own, struct str name)
{
	for (size_t i = 0; i < c->n_blocks; i++)
		if (c->blocks[i] != own && c->blocks[i]->kind == CONF_BLOCK_REPLIES &&
		    !c->blocks[i]->is_dead && str_ieq(c->blocks[i]->name, name))
			return true;
	return false;
}

/* lists are found by name alone, so that of one within <domain> is made the only one of its kind */
static void
make_unique(struct conf *c, struct conf_blk *b)
{
	char text[300];
	int n;

	if (b->name.len > 0 && !is_taken(c, b, b->name))
		return;
	n = snprintf(text, sizeof text, "%.*s@%u.%u", STR_ARG(str_sub(b->name, 0, 200)), b->at.file,
	    b->at.line);
	b->n_names = 0;
	conf_blk_add_name(c, b, str_from(text, (size_t)n));
}

static bool
has_item(struct conf_blk *b, struct str text)
{
	const struct conf_value *v = conf_blk_value(b, CONF_DOMAIN_SMTP_PATTERN_LIST);

	for (uint32_t i = 0; v != NULL && i < v->n; i++)
		if (str_ieq(v->items[i].text, text))
			return true;
	return false;
}

void
conf_replies_place(struct conf_load *l)
{
	struct conf *c = l->c;

	for (size_t i = 0; i < c->n_blocks; i++) {
		struct conf_blk *b = c->blocks[i];
		if (b->kind != CONF_BLOCK_REPLIES || b->is_dead || b->parent == 0)
			continue;
		make_unique(c, b);
		if (!has_item(c->blocks[b->parent], b->name))
			conf_blk_put(l, c->blocks[b->parent],
			    conf_row(CONF_DOMAIN_SMTP_PATTERN_LIST), b->name, b->at);
	}
}

/* the syntax of such a row names its arguments in order; the pattern stands between slashes */
void
conf_regex_check(struct conf_load *l, const struct conf_row *row, const struct conf_item *it)
{
	struct str specs = str_of(row->syntax), kind, rest = it->text, regex;
	struct conf_word w;
	struct why why;

	if (row->type != CONF_TYPE_LINE || strstr(row->syntax, "REGEX") == NULL)
		return;
	while (str_next_word(&specs, &kind) && !str_eq(kind, STR("REGEX")))
		if (!conf_lex_word(&l->c->mem, &rest, '\0', &w))
			return;
	if (!conf_lex_regex(&rest, &regex))
		return;
	if (regex_check(str_sub(regex, 1, regex.len - 2), &why) == -1)
		conf_error(l, it->at, "%s: %s", row->name, why.text);
}
