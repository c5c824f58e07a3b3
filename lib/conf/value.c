#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define LINE_CAP (1024 * 1024)

struct conf_item *
conf_value_add(struct conf *c, struct conf_value *v)
{
	if (v->n == v->cap) {
		uint32_t cap = v->cap == 0 ? 2 : v->cap * 2;
		struct conf_item *items = conf_mem(&c->mem, cap * sizeof *items);
		if (v->n > 0)
			memcpy(items, v->items, v->n * sizeof *items);
		v->items = items;
		v->cap = cap;
	}
	v->items[v->n] = (struct conf_item){0};
	return &v->items[v->n++];
}

/* "MIN-MAX|word|...": the range, and the words behind it */
struct bounds {
	struct str min, max, words;
};

static struct bounds
bounds_of(const char *syntax)
{
	struct bounds b = {.words = str_of(syntax)};
	struct str first = str_sub(b.words, 0, str_find(b.words, '|'));
	size_t dash = str_find(first, '-');

	if (dash == STR_NPOS)
		return b;
	b.min = str_sub(first, 0, dash);
	b.max = str_skip(first, dash + 1);
	b.words = str_skip(b.words, first.len + 1);
	return b;
}

static int
out_of_range(struct bounds b, struct str s, struct why *why)
{
	if (b.max.len > 0)
		return why_set(why, "%.*s is out of range: from %.*s to %.*s", STR_ARG(s),
		    STR_ARG(b.min), STR_ARG(b.max));
	return why_set(why, "%.*s is out of range: at least %.*s", STR_ARG(s), STR_ARG(b.min));
}

static bool
is_word_of(struct str words, struct str s)
{
	struct str piece;

	if (words.len == 0)
		return false;
	while (str_next(&words, '|', &piece))
		if (str_ieq(piece, s))
			return true;
	return false;
}

static int
not_a(struct bounds b, struct str s, const char *what, struct why *why)
{
	if (b.words.len == 0)
		return why_set(why, "\"%.*s\" is not %s", STR_ARG(s), what);
	return why_set(
	    why, "\"%.*s\" is neither %s nor one of %.*s", STR_ARG(s), what, STR_ARG(b.words));
}

static int
parse_quantity(const struct conf_row *row, struct str s, struct conf_item *it, struct why *why)
{
	struct bounds b = bounds_of(row->syntax);
	uint64_t min = 0, max = UINT64_MAX;
	bool is_size = row->type == CONF_TYPE_SIZE;

	if (is_word_of(b.words, s)) {
		it->num = CONF_UNLIMITED;
		return 0;
	}
	if (!(is_size ? conf_parse_size(s, &it->num) : parse_u64(s, 0, INT64_MAX, &it->num)))
		return not_a(b, s, is_size ? "a size such as 100k, 250M or 2g" : "a number", why);
	if (b.min.len > 0)
		is_size ? conf_parse_size(b.min, &min) : parse_u64(b.min, 0, UINT64_MAX, &min);
	if (b.max.len > 0)
		is_size ? conf_parse_size(b.max, &max) : parse_u64(b.max, 0, UINT64_MAX, &max);
	if (it->num < min || it->num > max)
		return out_of_range(b, s, why);
	return 0;
}

static int
parse_time(const struct conf_row *row, struct str s, struct conf_item *it, struct why *why)
{
	struct bounds b = bounds_of(row->syntax);
	int64_t min = 0, max = INT64_MAX;

	if (is_word_of(b.words, s)) {
		it->ms = CONF_NEVER;
		return 0;
	}
	if (!conf_parse_time(s, &it->ms))
		return not_a(b, s, "a time such as 30s, 10m or 1d12h", why);
	if (b.min.len > 0)
		conf_parse_time(b.min, &min);
	if (b.max.len > 0)
		conf_parse_time(b.max, &max);
	if (it->ms < min || it->ms > max)
		return out_of_range(b, s, why);
	return 0;
}

static int
parse_bool(const struct conf_row *row, struct str s, struct conf_item *it, struct why *why)
{
	bool b;

	if (!conf_parse_bool(s, &b))
		return why_set(why, "\"%.*s\" is not yes or no", STR_ARG(s));
	it->num = b;
	return 0;
}

static int
parse_rate(const struct conf_row *row, struct str s, struct conf_item *it, struct why *why)
{
	struct conf_rate r;

	if (row->type == CONF_TYPE_VOLUME ? !conf_parse_volume(s, &r) : !conf_parse_rate(s, &r))
		return why_set(why, "\"%.*s\" is not a rate such as %s, nor \"unlimited\"",
		    STR_ARG(s),
		    row->type == CONF_TYPE_VOLUME ? "12M/m or 1g/7d" : "500/m or 100/15m");
	it->num = r.count;
	it->ms = r.period_ms;
	return 0;
}

static int
parse_word(const struct conf_row *row, struct str s, struct conf_item *it, struct why *why)
{
	unsigned index;
	bool b;

	if (!conf_one_of(row->syntax, s, &index) &&
	    !(conf_parse_bool(s, &b) &&
		conf_one_of(row->syntax, b ? STR("yes") : STR("no"), &index)))
		return why_set(why, "\"%.*s\" is not one of %s", STR_ARG(s), row->syntax);
	it->num = index;
	return 0;
}

static int
parse_when(const struct conf_row *row, struct str s, struct conf_item *it, struct why *why)
{
	bool b;

	if (conf_parse_bool(s, &b))
		it->ms = b ? 0 : CONF_NEVER;
	else if (str_ieq(s, STR("never")))
		it->ms = CONF_NEVER;
	else if (!conf_parse_time(s, &it->ms))
		return why_set(
		    why, "\"%.*s\" is neither yes, no, never, nor a time such as 30m", STR_ARG(s));
	it->num = it->ms != CONF_NEVER;
	return 0;
}

typedef int scalar_fn(
    const struct conf_row *row, struct str s, struct conf_item *it, struct why *why);
static scalar_fn *const scalars[] = {
    [CONF_TYPE_BOOL] = parse_bool,
    [CONF_TYPE_NUMBER] = parse_quantity,
    [CONF_TYPE_SIZE] = parse_quantity,
    [CONF_TYPE_TIME] = parse_time,
    [CONF_TYPE_TIMES] = parse_time,
    [CONF_TYPE_RATE] = parse_rate,
    [CONF_TYPE_VOLUME] = parse_rate,
    [CONF_TYPE_WORD] = parse_word,
    [CONF_TYPE_WHEN] = parse_when,
};

static int
put_scalar(struct conf *c, const struct conf_row *row, struct str rest, struct conf_value *v,
    struct why *why)
{
	struct conf_word w;
	struct conf_item it = {0};

	if (row->type == CONF_TYPE_VOLUME) { /* may hold a blank: 12M /m */
		struct buf b;
		buf_init(&b, 64);
		for (size_t i = 0; i < rest.len; i++)
			if (rest.p[i] != ' ' && rest.p[i] != '\t')
				buf_add_char(&b, rest.p[i]);
		rest = conf_mem_str(&c->mem, buf_str(&b));
		buf_clear(&b);
	}
	if (!conf_lex_word(&c->mem, &rest, '\0', &w) || w.text.len == 0)
		return why_set(why, "argument missing");
	if (str_trim(rest).len > 0)
		return why_set(why, "too many arguments: \"%.*s\"", STR_ARG(str_trim(rest)));
	if (scalars[row->type](row, w.text, &it, why) == -1)
		return -1;
	it.text = conf_mem_str(&c->mem, w.text);
	*conf_value_add(c, v) = it;
	return 0;
}

static int
put_piece(struct conf *c, const struct conf_row *row, struct str text, struct conf_value *v,
    struct why *why)
{
	struct conf_item it = {0};

	if (row->type == CONF_TYPE_TIMES) {
		if (v->n >= 30)
			return why_set(why, "more than 30 times");
		if (parse_time(row, text, &it, why) == -1)
			return -1;
	} else if (conf_syntax_arg(&c->mem,
		       row->syntax[0] == '\0' ? STR("TEXT") : str_of(row->syntax), &text,
		       why) == -1)
		return -1;
	it.text = conf_mem_str(&c->mem, text);
	*conf_value_add(c, v) = it;
	return 0;
}

/* items parted by `sep` (comma) or by blanks */
static int
put_list(struct conf *c, const struct conf_row *row, struct str rest, struct conf_value *v,
    struct why *why)
{
	bool is_comma = row->type != CONF_TYPE_WORDS;
	struct conf_word w;

	for (;;) {
		if (!conf_lex_word(&c->mem, &rest, ',', &w) || (w.text.len == 0 && !w.is_quoted))
			return why_set(
			    why, v->n == 0 ? "argument missing" : "the list has an empty item");
		if (put_piece(c, row, w.text, v, why) == -1)
			return -1;
		rest = str_trim(rest);
		if (rest.len == 0)
			return 0;
		if (rest.p[0] == ',')
			rest = str_skip(rest, 1);
		else if (is_comma)
			return why_set(why, "a comma is missing before \"%.*s\"", STR_ARG(rest));
	}
}

static int
put_str(struct conf *c, const struct conf_row *row, struct str rest, struct conf_value *v,
    struct why *why)
{
	struct conf_word w;
	struct str text = rest, all = rest;
	bool is_rest = strcmp(row->syntax, "REST") == 0;

	if (rest.p[0] == '/' && strcmp(row->syntax, "ADDRESS") == 0) {
		if (!conf_lex_regex(&all, &text) || all.len > 0)
			return why_set(why, "not a /pattern/, or its end is missing");
	} else {
		if (!conf_lex_word(&c->mem, &all, '\0', &w))
			return why_set(why, "argument missing");
		if (str_trim(all).len > 0 && !is_rest)
			return why_set(why, "too many arguments: \"%.*s\"", STR_ARG(str_trim(all)));
		if (str_trim(all).len == 0)
			text = w.text;
	}
	if (!is_rest &&
	    conf_syntax_arg(&c->mem, row->syntax[0] == '\0' ? STR("TEXT") : str_of(row->syntax),
		&text, why) == -1)
		return -1;
	conf_value_add(c, v)->text = conf_mem_str(&c->mem, text);
	return 0;
}

static int
put_line(struct conf *c, const struct conf_row *row, struct str rest, struct conf_value *v,
    struct why *why)
{
	struct buf b;
	int r;

	buf_init(&b, LINE_CAP);
	r = conf_syntax_line(&c->mem, row->syntax, rest, &b, why);
	if (r == 0)
		conf_value_add(c, v)->text = conf_mem_str(&c->mem, buf_str(&b));
	buf_clear(&b);
	return r;
}

static bool
may_be_cleared(const struct conf_row *row)
{
	return row->type == CONF_TYPE_STR || row->type == CONF_TYPE_LIST ||
	       row->type == CONF_TYPE_LINE || row->type == CONF_TYPE_WORDS;
}

int
conf_value_parse(struct conf *c, const struct conf_row *row, struct str rest, struct conf_value *v,
    struct why *why)
{
	struct conf_value fresh = {.key = row->key};
	struct conf_value *to = row->merge == CONF_APPEND ? v : &fresh;
	uint32_t n = to->n;
	int r;

	rest = str_trim(rest);
	if (rest.len == 0)
		return why_set(why, "argument missing");
	if (str_eq(rest, STR("\"\"")) && may_be_cleared(row)) {
		*v = (struct conf_value){.key = row->key, .is_cleared = true};
		return 0;
	}
	if (row->type == CONF_TYPE_LIST || row->type == CONF_TYPE_TIMES ||
	    row->type == CONF_TYPE_WORDS)
		r = put_list(c, row, rest, to, why);
	else if (row->type == CONF_TYPE_STR)
		r = put_str(c, row, rest, to, why);
	else if (row->type == CONF_TYPE_LINE)
		r = put_line(c, row, rest, to, why);
	else
		r = put_scalar(c, row, rest, to, why);
	if (r == -1) {
		to->n = n;
		return -1;
	}
	if (to == &fresh)
		*v = fresh;
	return 0;
}
