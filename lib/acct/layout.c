#include "lib/acct/layout.h"

#include "lib/acct/csv.h"
#include "lib/base/xalloc.h"

/* one record type's list while it is read; names borrow from the configuration or the defaults */
struct list {
	struct str names[ACCT_MAX_COLUMNS];
	size_t n;
};

static size_t
find_column(const struct acct_layout *l, struct str name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (str_ieq(str_of(l->columns[i].name), name))
			return i;
	}
	return STR_NPOS;
}

/* the table's spelling for a field, the operator's for header_NAME, arf_NAME and what is unknown */
static char *
column_name(enum acct_field f, struct str name)
{
	if (f == ACCT_FIELD_HEADER || f == ACCT_FIELD_ARF || f == ACCT_FIELD_UNKNOWN)
		return xstrdup_str(name);
	return xstrdup(acct_field_name(f));
}

static size_t
add_column(struct acct_layout *l, struct str name)
{
	struct acct_column *c;
	size_t i = find_column(l, name);

	if (i != STR_NPOS)
		return i;
	if (l->n == ACCT_MAX_COLUMNS)
		return STR_NPOS;
	c = &l->columns[l->n];
	c->field = acct_field_find(name);
	c->name = column_name(c->field, name);
	c->suffix = STR_NULL;
	if (c->field == ACCT_FIELD_HEADER || c->field == ACCT_FIELD_ARF)
		c->suffix = str_skip(str_of(c->name), strlen(acct_field_name(c->field)));
	l->has_headers |= c->field == ACCT_FIELD_HEADER;
	return l->n++;
}

void
acct_layout_init(struct acct_layout *l)
{
	*l = (struct acct_layout){0};
	add_column(l, STR("type"));
}

void
acct_layout_clear(struct acct_layout *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->columns[i].name);
	for (size_t r = 0; r < ACCT_REC_MAX; r++)
		for (size_t i = 0; i < ACCT_MAX_COLUMNS; i++)
			free(l->mapped[r][i]);
	*l = (struct acct_layout){0};
}

static bool
list_has(const struct list *list, struct str name)
{
	for (size_t i = 0; i < list->n; i++) {
		if (str_ieq(list->names[i], name))
			return true;
	}
	return false;
}

static int
list_add(struct list *list, struct str name, struct why *why)
{
	if (list_has(list, name))
		return 0;
	if (name.len > ACCT_MAX_NAME)
		return why_set(why, "The field name \"%.*s...\" is too long.", 40, name.p);
	if (list->n == ACCT_MAX_COLUMNS)
		return why_set(why, "There are more than %d fields.", ACCT_MAX_COLUMNS);
	list->names[list->n++] = name;
	return 0;
}

static void
list_remove(struct list *list, struct str name)
{
	for (size_t i = 0; i < list->n; i++) {
		if (!str_ieq(list->names[i], name))
			continue;
		memmove(&list->names[i], &list->names[i + 1],
		    (list->n - i - 1) * sizeof list->names[0]);
		list->n--;
		return;
	}
}

static int
list_add_defaults(struct list *list, enum acct_rec r, struct why *why)
{
	struct str rest = acct_default_fields(r), name;
	int result = 0;

	while (str_next(&rest, ',', &name)) {
		if (list_add(list, name, why) == -1)
			result = -1;
	}
	return result;
}

static int
list_add_item(struct list *list, enum acct_rec r, struct str item, struct why *why)
{
	int result;

	if (str_eq(item, STR("*")))
		return list_add_defaults(list, r, why);
	result = list_add(list, item, why);
	if (result == 0 && acct_field_find(item) == ACCT_FIELD_UNKNOWN)
		result =
		    why_set(why, "\"%.*s\" is not an accounting field; its column stays empty.",
			STR_ARG(str_sub(item, 0, 100)));
	return result;
}

static int
list_parse(struct list *list, enum acct_rec r, struct str text, struct why *why)
{
	struct str rest = text, item;
	int result = 0;

	while (str_next(&rest, ',', &item)) {
		item = str_trim(item);
		if (item.len > 0 && item.p[0] != '!' && list_add_item(list, r, item, why) == -1)
			result = -1;
	}
	rest = text;
	while (str_next(&rest, ',', &item)) {
		item = str_trim(item);
		if (item.len > 1 && item.p[0] == '!')
			list_remove(list, str_trim(str_skip(item, 1)));
	}
	return result;
}

int
acct_layout_add(struct acct_layout *l, enum acct_rec r, struct str text, struct why *why)
{
	struct list list = {.n = 0};
	int result;

	if (str_trim(text).len == 0)
		text = STR("*");
	result = list_parse(&list, r, text, why);
	l->records |= ACCT_BIT(r);
	for (size_t i = 0; i < list.n; i++) {
		size_t at = add_column(l, list.names[i]);
		if (at == STR_NPOS)
			return why_set(why, "There are more than %d columns.", ACCT_MAX_COLUMNS);
		l->fills[r][at] = acct_field_has(l->columns[at].field, r);
	}
	l->fills[r][0] = true;
	return result;
}

int
acct_layout_map(
    struct acct_layout *l, enum acct_rec r, struct str header, struct str column, struct why *why)
{
	size_t at;

	if (acct_field_find(header) != ACCT_FIELD_HEADER)
		return why_set(
		    why, "\"%.*s\" is not written header_NAME.", STR_ARG(str_sub(header, 0, 100)));
	at = column.len <= ACCT_MAX_NAME ? add_column(l, column) : STR_NPOS;
	if (at == STR_NPOS)
		return why_set(why, "There are more than %d columns.", ACCT_MAX_COLUMNS);
	free(l->mapped[r][at]);
	l->mapped[r][at] = xstrdup_str(header);
	l->fills[r][at] = l->has_headers = true;
	return 0;
}

int
acct_layout_header(const struct acct_layout *l, struct buf *b)
{
	for (size_t i = 0; i < l->n; i++)
		csv_add(b, str_of(l->columns[i].name), i == 0);
	return csv_end(b);
}
