#include "lib/conf/diff.h"

#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define TEXT_CAP ((size_t)256 * 1024 * 1024)
#define DEPTH	 8

/* every directive of the canonical text with the blocks around it */
struct entry {
	struct str where, text; /* of the list's memory */
	enum conf_block block;
};
struct entries {
	struct conf_pool_mem mem;
	struct entry *list;
	size_t n, cap;
};

static enum conf_block
block_of(struct str open)
{
	struct str tag = str_skip(open, 1);
	size_t end = 0;

	while (end < tag.len && tag.p[end] != ' ' && tag.p[end] != '>')
		end++;
	return conf_block_find(str_sub(tag, 0, end));
}

static void
add(struct entries *e, const struct str *blocks, size_t depth, struct str text)
{
	struct buf b;

	buf_init(&b, TEXT_CAP);
	for (size_t i = 0; i < depth; i++) {
		if (i > 0)
			buf_add_char(&b, ' ');
		buf_add_str(&b, blocks[i]);
	}
	CONF_GROW(e->list, e->n, e->cap);
	e->list[e->n++] = (struct entry){.where = conf_mem_str(&e->mem, buf_str(&b)),
	    .text = conf_mem_str(&e->mem, text),
	    .block = depth == 0 ? CONF_BLOCK_GLOBAL : block_of(blocks[depth - 1])};
	buf_clear(&b);
}

static int
compare(const struct entry *x, const struct entry *y)
{
	int r = str_cmp(x->where, y->where);

	return r != 0 ? r : str_cmp(x->text, y->text);
}

static int
by_place(const void *a, const void *b)
{
	return compare(a, b);
}

static void
collect(const struct conf *c, struct entries *e)
{
	struct str blocks[DEPTH], text, line;
	size_t depth = 0;
	struct buf b;

	buf_init(&b, TEXT_CAP);
	conf_put_text(c, &b, false);
	text = buf_str(&b);
	while (text.len > 0 && str_next(&text, '\n', &line)) {
		line = str_trim(line);
		if (str_has_prefix(line, STR("</")) && depth > 0)
			depth--;
		else if (line.len > 0 && line.p[0] == '<' && depth < DEPTH) {
			blocks[depth++] = conf_mem_str(&e->mem, line);
			add(e, blocks, depth, STR(""));
		} else if (line.len > 0)
			add(e, blocks, depth, line);
	}
	buf_clear(&b);
	if (e->n > 1)
		qsort(e->list, e->n, sizeof *e->list, by_place);
}

static char *
shown(const struct entry *e)
{
	struct str rest = e->text, name;
	const struct conf_row *row;

	if (!str_next_word(&rest, &name))
		return xstrdup("");
	row = conf_row_find(e->block, name);
	if (row != NULL && !conf_may_read(row->key, 0))
		return xasprintf("%.*s ********", STR_ARG(name));
	return xstrdup_str(e->text);
}

static void
tell(struct conf_differences *d, const struct entry *e, bool is_new)
{
	CONF_GROW(d->list, d->n, d->cap);
	d->list[d->n++] = (struct conf_difference){
	    .where = xstrdup_str(e->where), .text = shown(e), .is_new = is_new};
}

static int
by_where(const void *a, const void *b)
{
	const struct conf_difference *x = a, *y = b;
	int r = strcmp(x->where, y->where);

	if (r == 0)
		r = (x->text[0] != '\0') - (y->text[0] != '\0'); /* the block itself first */
	if (r == 0)
		r = x->is_new - y->is_new;
	return r != 0 ? r : strcmp(x->text, y->text);
}

static void
entries_clear(struct entries *e)
{
	conf_mem_clear(&e->mem);
	free(e->list);
}

void
conf_diff(const struct conf *old, const struct conf *now, struct conf_differences *d)
{
	struct entries a = {0}, b = {0};
	size_t i = 0, k = 0;

	*d = (struct conf_differences){0};
	collect(old, &a);
	collect(now, &b);
	while (i < a.n || k < b.n) {
		int r = i == a.n ? 1 : k == b.n ? -1 : compare(&a.list[i], &b.list[k]);
		if (r < 0)
			tell(d, &a.list[i], false);
		else if (r > 0)
			tell(d, &b.list[k], true);
		i += r <= 0;
		k += r >= 0;
	}
	if (d->n > 1)
		qsort(d->list, d->n, sizeof *d->list, by_where);
	entries_clear(&a);
	entries_clear(&b);
}

void
conf_diff_clear(struct conf_differences *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->list[i].where);
		free(d->list[i].text);
	}
	free(d->list);
	*d = (struct conf_differences){0};
}
