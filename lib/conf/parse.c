#include "lib/base/xalloc.h"
#include "lib/conf/parse_int.h"

struct conf_at
parse_at(const struct parse *p, const char *where)
{
	uint32_t col = where >= p->base ? (uint32_t)(where - p->base) + 1 : 1;

	return (struct conf_at){.file = p->file, .line = p->line, .col = col};
}

struct frame *
parse_top(struct parse *p)
{
	return &p->stack[p->depth - 1];
}

struct conf_blk *
parse_blk(struct parse *p)
{
	return p->l->c->blocks[parse_top(p)->blk];
}

bool
parse_knows(enum conf_block b, struct str name)
{
	return conf_row_find(b, name) != NULL || conf_alias_find(b, name) != NULL ||
	       translate_knows(b, name);
}

/* ---- notes ---- */

static void
say_status(struct parse *p, const struct conf_row *row, struct conf_at at)
{
	struct conf_load *l = p->l;
	enum conf_status ignored;

	if (row->status == CONF_HONOURED || l->said[row->key])
		return;
	if (row->status != CONF_DEPRECATED && conf_block_is_idle(row->block, &ignored))
		return; /* said for the whole block */
	l->said[row->key] = true;
	if (row->status == CONF_NOT_YET && conf_row_find(row->block, str_of(row->name)) != row)
		conf_note(l, at, "\"%s %s\" is not yet honoured", row->name,
		    row->syntax); /* the other form of two */
	else if (row->status == CONF_NOT_YET)
		conf_note(l, at, "\"%s\" is not yet honoured", row->name);
	else if (row->status == CONF_IGNORED)
		conf_note(l, at, "\"%s\" is ignored: %s", row->name, row->help);
	else
		conf_note(l, at, "\"%s\" is deprecated: %s", row->name, row->help);
}

void
parse_put(struct parse *p, struct conf_blk *b, const struct conf_row *row, struct str rest,
    struct conf_at at)
{
	say_status(p, row, at);
	lines_row(p, row, b, rest);
	conf_blk_put(p->l, b, row, rest, at);
}

/* ---- another spelling ---- */

static void
put_alias(struct parse *p, const struct conf_alias *a, struct str rest, struct conf_at at)
{
	const struct conf_row *row = conf_row(a->key);
	struct conf *c = p->l->c;
	struct conf_blk *b = parse_blk(p);
	struct buf text;
	const char *mark = a->format == NULL ? NULL : strstr(a->format, "%s");

	if (a->status == CONF_DEPRECATED)
		conf_note(p->l, at, "\"%s\" is deprecated: %s", a->name, a->help);
	if (rest.len == 0) {
		conf_error(p->l, at, "%s: argument missing", a->name);
		return;
	}
	if (row->block != b->kind)
		b = conf_blk_of(c, row->block, 0, str_of(a->target), at);
	buf_init(&text, MACRO_BYTES_MAX);
	if (mark != NULL)
		buf_add(&text, a->format, (size_t)(mark - a->format));
	buf_add_str(&text, rest);
	if (mark != NULL)
		buf_add_cstr(&text, mark + 2);
	parse_put(p, b, row, conf_mem_str(&c->mem, buf_str(&text)), at);
	buf_clear(&text);
}

/* ---- two directives under one name, told apart by their arguments ---- */

static size_t
count_words(struct str rest)
{
	struct str word;
	size_t n = 0;

	while (str_next_word(&rest, &word))
		n++;
	return n;
}

/* `retry-after 421 4.7.0 10m` is about a reply, `retry-after 10m, 1h` about the queue; dkim-sign KEYFILE … is a key */
static const struct conf_row *
other_form(const struct conf_row *row, struct str rest)
{
	struct str first = str_sub(rest, 0, 3);
	uint64_t bytes;

	if (row->key == CONF_DOMAIN_RETRY_AFTER && count_words(rest) > 1 &&
	    conf_parse_size(first, &bytes) && ascii_is_digit(first.p[2]) && rest.len > 3 &&
	    (rest.p[3] == ' ' || rest.p[3] == '\t'))
		return conf_row(CONF_DOMAIN_RETRY_AFTER_REPLY);
	if (row->key == CONF_DOMAIN_DKIM_SIGN && count_words(rest) > 1)
		return conf_row(CONF_DOMAIN_DKIM_SIGN_KEY);
	return row;
}

static void
unknown_directive(struct parse *p, struct str name, struct conf_at at)
{
	enum conf_status status;

	/* the whole block is ignored, with what later versions of it may have */
	if (conf_block_is_idle(parse_top(p)->kind, &status) && status == CONF_IGNORED) {
		lines_block(p->l, parse_top(p)->kind);
		return;
	}
	conf_error(p->l, at, "unknown directive \"%.*s\"%s", STR_ARG(str_sub(name, 0, 100)),
	    conf_hint(parse_top(p)->kind, str_sub(name, 0, 100), false));
}

/* address 10.0.0.1 name="x": in an element, attributes that the syntax does not know are arguments in order */
static struct str
without_attribute_names(struct parse *p, const struct conf_row *row, struct str rest)
{
	struct conf_word w;
	struct buf b;
	struct str text;

	if (strchr(row->syntax, '=') != NULL ||
	    (row->type != CONF_TYPE_LINE && str_find(rest, '=') == STR_NPOS))
		return rest;
	buf_init(&b, MACRO_BYTES_MAX);
	while (conf_lex_word(&p->l->c->mem, &rest, '\0', &w)) {
		size_t eq = str_find(w.text, '=');
		bool is_attribute = eq != STR_NPOS && str_eq(str_sub(w.raw, eq + 1, 1), STR("\""));
		bool is_key = is_attribute && strcmp(row->syntax, "KEYSPEC") == 0;
		if (buf_len(&b) > 0)
			buf_add_char(&b, is_key ? ',' : ' ');
		if (is_attribute)
			buf_add_str(&b, str_skip(is_key ? w.text : w.raw, eq + 1));
		else
			buf_add_str(&b, w.raw);
	}
	text = conf_mem_str(&p->l->c->mem, buf_str(&b));
	buf_clear(&b);
	return text;
}

/* A list in the place of its name, at the end of a line: `rcpt-to /x/ <pattern-list>`. Returns the rest before it. */
static struct str
inner_list(struct parse *p, const struct conf_row *row, struct str rest, struct str *name)
{
	size_t open = str_rfind(rest, '<');
	struct str tag = str_skip(rest, open + 1), text;
	char with[160];

	if (row->block != CONF_BLOCK_PATTERNS || open == STR_NPOS ||
	    !str_has_suffix(rest, STR(">")) || !str_has_iprefix(tag, STR("pattern-list")))
		return rest;
	tag = str_trim(str_sub(tag, 12, tag.len - 13));
	*name = conf_mem_str(&p->l->c->mem, tag.len > 0 ? tag : parse_made_name(p, rest.p + open));
	snprintf(with, sizeof with, "call-to: %.*s", STR_ARG(str_sub(*name, 0, 100)));
	text = str_from(conf_mem(&p->l->c->mem, open + strlen(with) + 1), open + strlen(with));
	memcpy((char *)text.p, rest.p, open);
	memcpy((char *)text.p + open, with, strlen(with));
	return text;
}

static void
open_inner_list(struct parse *p, struct str name, struct conf_at at)
{
	struct conf_blk *b = conf_blk_new(p->l->c, CONF_BLOCK_PATTERNS, 0, at);

	conf_blk_add_name(p->l->c, b, name);
	parse_push(p, CONF_BLOCK_PATTERNS, b->index, STR("pattern-list"), at);
}

void
parse_directive(struct parse *p, struct str name, struct str rest)
{
	struct conf_at at = parse_at(p, name.p);
	enum conf_block kind = parse_top(p)->kind;
	const struct conf_alias *a;
	const struct conf_row *row;
	struct str list = STR_NULL;

	lines_begin(p, name, rest, at);
	if (parse_top(p)->is_unknown || translate_directive(p, name, rest))
		return;
	if ((a = conf_alias_find(kind, name)) != NULL) {
		if (p->in_element)
			rest = without_attribute_names(p, conf_row(a->key), rest);
		put_alias(p, a, rest, at);
		return;
	}
	if ((row = conf_row_find(kind, name)) == NULL) {
		unknown_directive(p, name, at);
		return;
	}
	if (p->in_element)
		rest = without_attribute_names(p, row, rest);
	rest = inner_list(p, row, rest, &list);
	p->is_said = list.len > 0;
	parse_put(p, parse_blk(p), other_form(row, rest), rest, at);
	p->is_said = false;
	if (list.len > 0)
		open_inner_list(p, list, at);
}

struct str
parse_made_name(struct parse *p, const char *where)
{
	static char name[64];
	struct conf_at at = parse_at(p, where);

	snprintf(name, sizeof name, "line-%u-%u-%u", at.file, at.line, at.col);
	return str_of(name);
}

/* ---- lines ---- */

void
parse_macro_end(struct parse *p)
{
	struct str text = str_trim(buf_str(&p->macro));

	if (!p->is_macro_open)
		return;
	p->is_macro_open = false;
	while (text.len > 0 && text.p[text.len - 1] == ',')
		text = str_trim(str_sub(text, 0, text.len - 1));
	conf_blk_put(p->l, p->l->c->blocks[0], conf_row(CONF_GLOBAL_DOMAIN_MACRO),
	    conf_mem_str(&p->l->c->mem, text), p->macro_at);
	buf_reset(&p->macro);
}

/* Does a domain-macro that is open go on with this line? It does after a comma, or while it has no list yet. */
static bool
goes_on(struct parse *p, struct str line)
{
	struct str text = str_trim(buf_str(&p->macro)), word, rest = line;

	if (line.p[0] == '<')
		return false;
	if (text.len > 0 && text.p[text.len - 1] == ',')
		return true;
	if (count_words(text) > 1 || !str_next_word(&rest, &word))
		return false;
	return !parse_knows(CONF_BLOCK_GLOBAL, word) && !str_ieq(word, STR("include"));
}

static bool
continue_macro(struct parse *p, struct str line)
{
	if (!p->is_macro_open)
		return false;
	if (!goes_on(p, line)) {
		parse_macro_end(p);
		return false;
	}
	buf_add_char(&p->macro, ' ');
	buf_add_str(&p->macro, line);
	if (buf_is_overfull(&p->macro)) {
		conf_error(
		    p->l, p->macro_at, "domain-macro: longer than %u bytes", MACRO_BYTES_MAX);
		buf_reset(&p->macro);
		p->is_macro_open = false;
	}
	return true;
}

/* entry lines have no name */
static bool
is_entry(struct parse *p, struct str s)
{
	return parse_top(p)->kind == CONF_BLOCK_CATEGORIES && s.p[0] == '/' &&
	       !parse_top(p)->is_unknown;
}

static void
statement(struct parse *p, struct str s)
{
	struct str name;

	if (is_entry(p, s)) {
		lines_begin(p, s, STR_NULL, parse_at(p, s.p));
		parse_put(p, parse_blk(p), conf_row(CONF_CATEGORIES_ENTRIES), s, parse_at(p, s.p));
		return;
	}
	str_next_word(&s, &name);
	parse_directive(p, name, str_trim(s));
}

/* 1*( tag ) [ directive ] / directive [ end of its block ] */
void
parse_line(struct parse *p, char *line, size_t len)
{
	struct str s = str_trim(str_from(line, len));

	if (s.len == 0 || continue_macro(p, s))
		return;
	while (s.len > 0) {
		size_t end, close = STR_NPOS;
		if (s.len > 1 && s.p[0] == '<' && (s.p[1] == '/' || ascii_is_alnum(s.p[1]))) {
			s = str_trim(parse_tag(p, s));
			continue;
		}
		if (p->depth > 1 && s.p[s.len - 1] == '>')
			close = parse_find_closing(s, str_of(parse_top(p)->tag), &end);
		statement(p, str_trim(str_sub(s, 0, close)));
		s = close == STR_NPOS ? STR_NULL : str_skip(s, close);
	}
}
