#include "lib/base/log.h"
#include "lib/conf/parse_int.h"

#define ATTRIBUTES_MAX 32

struct tag {
	struct str name;
	struct str args; /* behind the name, without the closing / */
	bool is_self_closing;
};
struct attribute {
	struct str name, value;
};

void
parse_push(struct parse *p, enum conf_block kind, uint32_t blk, struct str tag, struct conf_at at)
{
	struct frame *f;

	if (p->depth == DEPTH_MAX) {
		conf_error(p->l, at, "more than %d blocks in one another", DEPTH_MAX);
		return;
	}
	f = &p->stack[p->depth++];
	*f = (struct frame){.kind = kind, .blk = blk, .at = at};
	str_copy(f->tag, sizeof f->tag, tag);
}

void
parse_pop(struct parse *p)
{
	if (p->depth > 1)
		p->depth--;
}

static void
push_unknown(struct parse *p, struct str tag, struct conf_at at)
{
	size_t depth = p->depth;

	parse_push(p, parse_top(p)->kind, parse_top(p)->blk, tag, at);
	if (p->depth > depth)
		parse_top(p)->is_unknown = true;
}

static bool
is_tag_char(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

/* s.p[0] is '<', `end` the index of its '>' */
static struct tag
tag_at(struct str s, size_t end)
{
	struct str inner = str_sub(s, 1, end - 1);
	struct tag t = {0};
	size_t n = 0;

	while (n < inner.len && is_tag_char(inner.p[n]))
		n++;
	t.name = str_sub(inner, 0, n);
	t.args = str_trim(str_skip(inner, n));
	if (inner.len > 0 && inner.p[inner.len - 1] == '/' && inner.len > n) {
		char before = inner.p[inner.len - 2];
		t.is_self_closing =
		    inner.len == n + 1 || before == ' ' || before == '\t' || before == '"';
	}
	if (t.is_self_closing)
		t.args = str_trim(str_sub(t.args, 0, t.args.len - 1));
	return t;
}

/* ---- closing ---- */

static void
close_tag(struct parse *p, struct str inner, struct conf_at at)
{
	struct str tag = str_trim(inner), word;
	size_t floor = p->n_sources == 0 ? 1 : p->sources[p->n_sources - 1].depth, d;

	if (!str_next_word(&tag, &word))
		word = STR_NULL;
	for (d = p->depth; d > floor; d--)
		if (str_ieq(str_of(p->stack[d - 1].tag), word))
			break;
	if (d <= floor) {
		conf_error(p->l, at, "</%.*s> closes nothing%s%s%s", STR_ARG(str_sub(word, 0, 100)),
		    p->depth > floor ? ": the open block is <" : "",
		    p->depth > floor ? parse_top(p)->tag : "", p->depth > floor ? ">" : "");
		return;
	}
	while (p->depth > d) {
		conf_error(p->l, at, "<%s> of line %u is not closed", parse_top(p)->tag,
		    parse_top(p)->at.line);
		parse_pop(p);
	}
	parse_pop(p);
}

/* ---- opening ---- */

static bool
is_attribute(struct str word)
{
	size_t n = 0;

	while (n < word.len && is_tag_char(word.p[n]))
		n++;
	return n > 0 && n < word.len && word.p[n] == '=' && !ascii_is_digit(word.p[0]);
}

static size_t
read_args(struct parse *p, struct conf_blk *b, struct str args, struct attribute *list)
{
	struct conf_word w;
	size_t n = 0, eq;

	if (conf_block_row(b->kind)->naming == CONF_NAME_RAW && !is_attribute(args)) {
		struct str all = args;
		if (args.len > 0 && args.p[0] == '"' &&
		    conf_lex_word(&p->l->c->mem, &all, '\0', &w) && all.len == 0)
			args = w.text;
		if (args.len > 0)
			conf_blk_add_name(p->l->c, b, args);
		return 0;
	}
	while (conf_lex_word(&p->l->c->mem, &args, '\0', &w)) {
		eq = str_find(w.text, '=');
		if (!is_attribute(w.raw))
			conf_blk_add_name(p->l->c, b, w.text);
		else if (str_ieq(str_sub(w.text, 0, eq), STR("name")))
			conf_blk_add_name(p->l->c, b, str_skip(w.text, eq + 1));
		else if (n < ATTRIBUTES_MAX)
			list[n++] =
			    (struct attribute){str_sub(w.raw, 0, eq), str_skip(w.raw, eq + 1)};
	}
	return n;
}

static void
check_naming(struct parse *p, struct conf_blk *b)
{
	enum conf_naming naming = conf_block_row(b->kind)->naming;
	const char *tag = conf_block_row(b->kind)->tag;

	if (naming == CONF_NAME_NONE && b->n_names > 0)
		conf_error(p->l, b->at, "<%s> takes no name", tag);
	else if ((naming == CONF_NAME_ONE || naming == CONF_NAME_SOME || naming == CONF_NAME_RAW) &&
		 b->n_names == 0)
		conf_error(p->l, b->at, "<%s> needs a name", tag);
	else if ((naming == CONF_NAME_ONE || naming == CONF_NAME_MAYBE) && b->n_names > 1)
		conf_error(p->l, b->at, "<%s> takes one name, not \"%.*s\"", tag, STR_ARG(b->name));
	for (size_t i = 0; i < b->n_names; i++)
		if (b->names[i].len == 0)
			conf_error(p->l, b->at, "<%s> has an empty name", tag);
}

static void
say_idle(struct parse *p, enum conf_block kind, struct conf_at at)
{
	enum conf_status status;
	enum conf_key first = p->l->c->range[kind].first;

	if (p->l->said_block[kind] || !conf_block_is_idle(kind, &status))
		return;
	p->l->said_block[kind] = true;
	if (status == CONF_IGNORED)
		conf_note(p->l, at, "<%s> is ignored: %s", conf_block_row(kind)->tag,
		    conf_row(first)->help);
	else
		conf_note(p->l, at, "<%s> is not yet honoured", conf_block_row(kind)->tag);
}

/* Lists that may stand in another block become lists of their own; the block refers to them by name. */
static struct conf_blk *
new_block(struct parse *p, enum conf_block kind, struct conf_at at)
{
	bool is_hoisted = kind == CONF_BLOCK_REPLIES || kind == CONF_BLOCK_PATTERNS;

	if (kind == CONF_BLOCK_CATEGORIES && parse_top(p)->kind == kind)
		return parse_blk(p);
	return conf_blk_new(p->l->c, kind, is_hoisted ? 0 : parse_top(p)->blk, at);
}

static bool
is_taken(const struct conf *c, const struct conf_blk *own)
{
	for (size_t i = 0; i < c->n_blocks; i++)
		if (c->blocks[i] != own && c->blocks[i]->kind == own->kind &&
		    str_ieq(c->blocks[i]->name, own->name))
			return true;
	return false;
}

static void
refer_to(struct parse *p, struct conf_blk *b, struct frame *outer, struct conf_at at)
{
	if (b->kind != CONF_BLOCK_REPLIES || outer->kind != CONF_BLOCK_DOMAIN)
		return;
	/* it is this domain's alone: another one's list may have the same name */
	if (is_taken(p->l->c, b)) {
		b->n_names = 0;
		conf_blk_add_name(p->l->c, b, parse_made_name(p, p->base));
	}
	parse_put(
	    p, p->l->c->blocks[outer->blk], conf_row(CONF_DOMAIN_SMTP_PATTERN_LIST), b->name, at);
}

static void
open_block(struct parse *p, enum conf_block kind, const struct tag *t, struct conf_at at)
{
	struct attribute list[ATTRIBUTES_MAX];
	struct frame *outer = parse_top(p);
	struct conf_blk *b = new_block(p, kind, at);
	size_t n, depth = p->depth;

	say_idle(p, kind, at);
	lines_block(p->l, kind);
	p->is_said = true;
	n = read_args(p, b, t->args, list);
	if (b->n_names == 0 && (kind == CONF_BLOCK_REPLIES || kind == CONF_BLOCK_PATTERNS))
		conf_blk_add_name(p->l->c, b, parse_made_name(p, t->name.p));
	check_naming(p, b);
	refer_to(p, b, outer, at);
	p->is_said = false;
	parse_push(p, kind, b->index, t->name, at);
	if (p->depth == depth)
		return;
	p->in_element = true;
	for (size_t i = 0; i < n; i++)
		parse_directive(p, list[i].name, list[i].value);
	p->in_element = false;
}

static void
unknown_tag(struct parse *p, const struct tag *t, struct conf_at at)
{
	conf_error(p->l, at, "unknown block <%.*s>%s", STR_ARG(str_sub(t->name, 0, 100)),
	    conf_hint(parse_top(p)->kind, str_sub(t->name, 0, 100), true));
}

static void
open_tag(struct parse *p, const struct tag *t, struct conf_at at)
{
	enum conf_block kind = conf_block_find(t->name), top = parse_top(p)->kind;
	bool is_same = kind == CONF_BLOCK_CATEGORIES && top == kind;

	lines_begin_block(p, t->name, t->args, at);
	if (parse_top(p)->is_unknown) {
		push_unknown(p, t->name, at);
		return;
	}
	if (kind == CONF_N_BLOCKS) {
		unknown_tag(p, t, at);
		push_unknown(p, t->name, at);
		return;
	}
	if (!conf_block_has(top, kind) && !is_same) {
		if (top == CONF_BLOCK_GLOBAL)
			conf_error(p->l, at, "<%s> may not stand outside of other blocks",
			    conf_block_row(kind)->tag);
		else
			conf_error(p->l, at, "<%s> may not stand in <%s>%s",
			    conf_block_row(kind)->tag, conf_block_row(top)->tag,
			    parse_top(p)->at.line == 0 ? "" : "; is that one not closed?");
		push_unknown(p, t->name, at);
		return;
	}
	open_block(p, kind, t, at);
}

/* ---- elements: <directive>value</directive> and <directive name="value"/> ---- */

/* index of "</name" with what follows it up to '>' */
size_t
parse_find_closing(struct str s, struct str name, size_t *end)
{
	for (size_t i = 0; i + 2 + name.len <= s.len; i++) {
		struct str rest = str_skip(s, i);
		if (rest.p[0] != '<' || rest.p[1] != '/' ||
		    !str_ieq(str_sub(rest, 2, name.len), name))
			continue;
		rest = str_skip(rest, 2 + name.len);
		if (rest.len == 0 || is_tag_char(rest.p[0]))
			continue;
		*end = str_find(rest, '>');
		if (*end == STR_NPOS)
			return STR_NPOS;
		*end += i + 2 + name.len;
		return i;
	}
	return STR_NPOS;
}

static void
element(struct parse *p, const struct tag *t, struct str value)
{
	p->in_element = true;
	parse_directive(p, t->name, str_trim(value));
	p->in_element = false;
}

static void
self_closing(struct parse *p, const struct tag *t, struct conf_at at)
{
	size_t depth = p->depth;

	if (parse_top(p)->is_unknown)
		return;
	if (parse_knows(parse_top(p)->kind, t->name)) {
		element(p, t, t->args);
		return;
	}
	open_tag(p, t, at);
	while (p->depth > depth)
		parse_pop(p);
}

struct str
parse_tag(struct parse *p, struct str s)
{
	struct conf_at at = parse_at(p, s.p);
	size_t end = conf_lex_tag_end(s), close, close_end;
	struct tag t;
	struct str after;

	if (end == STR_NPOS) {
		conf_error(p->l, at, "the end of the tag, \">\", is missing");
		return STR_NULL;
	}
	after = str_skip(s, end + 1);
	if (s.p[1] == '/') {
		close_tag(p, str_sub(s, 2, end - 2), at);
		return after;
	}
	t = tag_at(s, end);
	if (t.is_self_closing) {
		self_closing(p, &t, at);
		return after;
	}
	close = parse_find_closing(after, t.name, &close_end);
	if (close != STR_NPOS && t.args.len == 0 && parse_knows(parse_top(p)->kind, t.name) &&
	    !parse_top(p)->is_unknown) {
		element(p, &t, str_sub(after, 0, close));
		return str_skip(after, close_end + 1);
	}
	if (close != STR_NPOS && t.args.len == 0 && conf_block_find(t.name) == CONF_N_BLOCKS) {
		if (!parse_top(p)->is_unknown)
			conf_error(p->l, at, "unknown directive \"%.*s\"%s",
			    STR_ARG(str_sub(t.name, 0, 100)),
			    conf_hint(parse_top(p)->kind, str_sub(t.name, 0, 100), false));
		return str_skip(after, close_end + 1);
	}
	open_tag(p, &t, at);
	return after;
}
