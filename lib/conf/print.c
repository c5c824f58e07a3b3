#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define PRINT_CAP (64 * 1024 * 1024)

static void
put_item(const struct conf_row *row, const struct conf_item *it, struct buf *b)
{
	bool is_regex = row->type == CONF_TYPE_STR && strcmp(row->syntax, "ADDRESS") == 0 &&
			it->text.len > 0 && it->text.p[0] == '/';

	if (row->type == CONF_TYPE_LINE || is_regex)
		buf_add_str(b, it->text);
	else
		conf_quote(b, it->text, row->type == CONF_TYPE_STR ? "" : ",");
}

static bool
is_list(const struct conf_row *row)
{
	return row->type == CONF_TYPE_LIST || row->type == CONF_TYPE_TIMES ||
	       row->type == CONF_TYPE_WORDS;
}

static void
put_name(const struct conf_row *row, struct buf *b)
{
	if (row->name[0] != '(')
		buf_addf(b, "%s ", row->name);
}

/* One line an item where lines add up, else one line for all. */
void
conf_value_print(const struct conf_value *v, struct buf *b, bool with_lines)
{
	const struct conf_row *row = conf_row(v->key);

	if (v->n == 0) {
		put_name(row, b);
		buf_add_cstr(b, "\"\"");
		return;
	}
	if (row->merge == CONF_REPLACE || !with_lines) {
		put_name(row, b);
		for (uint32_t i = 0; i < v->n; i++) {
			if (i > 0)
				buf_add_cstr(
				    b, is_list(row) && row->type != CONF_TYPE_WORDS ? ", " : " ");
			put_item(row, &v->items[i], b);
		}
		return;
	}
	for (uint32_t i = 0; i < v->n; i++) {
		if (i > 0)
			buf_add_char(b, '\n');
		put_name(row, b);
		put_item(row, &v->items[i], b);
	}
}

char *
conf_print(const struct conf_set *s, enum conf_key k)
{
	const struct conf_value *v = s->v[k - s->c->range[s->kind].first];
	struct conf_value own;
	struct buf b;
	char *text;

	ph_assert(conf_row(k)->block == s->kind);
	own = v != NULL ? *v : s->c->defaults[k];
	own.key = k; /* where the default is another's value */
	buf_init(&b, PRINT_CAP);
	conf_value_print(&own, &b, true);
	text = xstrdup_str(buf_str(&b));
	buf_clear(&b);
	return text;
}
