/*
 * From a regex to its automaton. Groups nest on a stack of their own; what was read last is a part of the automaton with
 * one way in and one way out, so that a quantifier can copy it.
 */
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/classify/language_int.h"

#define MAX_DEPTH  40
#define MAX_REPEAT 1000u
#define NO_END	   UINT32_MAX

/* nodes from `low` on, up to the newest when it was made */
struct part {
	uint16_t low, high, in, out;
};
enum group_kind {
	GROUP_PLAIN,
	GROUP_LOOK,   /* what stands inside is asked for, and not taken */
	GROUP_ATOMIC, /* takes what comes first, and nothing else */
};
struct group {
	enum group_kind kind;
	uint16_t low, split, out, at; /* at: where the alternative goes on */
};
struct parser {
	struct language *l;
	struct str s;
	size_t i;
	struct group stack[MAX_DEPTH];
	unsigned depth;
	bool is_lost;	/* nothing can be said */
	bool has_lines; /* (?m) */
};

static bool
is_at_least(const struct parser *p)
{
	return (p->l->kind & LANGUAGE_AT_LEAST) != 0;
}

/* ---- nodes ---- */

static uint16_t
node_new(struct parser *p, enum node_kind kind)
{
	struct language *l = p->l;

	if (l->n == LANGUAGE_MAX_NODES) {
		p->is_lost = true;
		return 0;
	}
	if ((l->n & (l->n - 1)) == 0)
		l->nodes = xreallocarray(l->nodes, PH_MAX(l->n * 2, 16u), sizeof *l->nodes);
	l->nodes[l->n] = (struct node){.kind = (uint8_t)kind};
	return (uint16_t)l->n++;
}

static void
join(struct parser *p, uint16_t from, uint16_t to)
{
	if (!p->is_lost)
		p->l->nodes[from].a = to;
}

/* of one node, with the way out behind it */
static struct part
part_of(struct parser *p, enum node_kind kind, const struct byte_set *set)
{
	struct part t = {.low = (uint16_t)p->l->n};

	t.in = node_new(p, kind);
	t.out = node_new(p, NODE_PASS);
	join(p, t.in, t.out);
	if (set != NULL && !p->is_lost)
		p->l->nodes[t.in].set = *set;
	t.high = (uint16_t)p->l->n;
	return t;
}

/* what cannot be said: always, or never */
static struct part
unsaid(struct parser *p)
{
	return part_of(p, is_at_least(p) ? NODE_PASS : NODE_NEVER, NULL);
}

static uint16_t
moved(const struct part *t, uint16_t node, uint32_t by)
{
	return node >= t->low && node < t->high ? (uint16_t)(node + by) : node;
}

static struct part
copy(struct parser *p, const struct part *t)
{
	uint32_t by = p->l->n - t->low;
	struct part c = {(uint16_t)(t->low + by), (uint16_t)(t->high + by), (uint16_t)(t->in + by),
	    (uint16_t)(t->out + by)};

	for (uint32_t i = t->low; i < t->high && !p->is_lost; i++) {
		uint16_t n = node_new(p, NODE_PASS);
		struct node one = p->l->nodes[i];
		one.a = moved(t, one.a, by);
		one.b = moved(t, one.b, by);
		p->l->nodes[n] = one;
	}
	join(p, c.out, 0);
	return c;
}

/* ---- quantifiers ---- */

/* {2} {2,} {2,5}; false: it is a "{" as such */
static bool
take_counts(struct parser *p, uint32_t *least, uint32_t *most)
{
	struct str rest = str_skip(p->s, p->i + 1), low, high;
	size_t end = str_find(rest, '}'), comma;

	if (end == STR_NPOS)
		return false;
	rest = str_sub(rest, 0, end);
	comma = str_find(rest, ',');
	low = str_sub(rest, 0, comma);
	high = comma == STR_NPOS ? low : str_skip(rest, comma + 1);
	if (!parse_u32(low, 0, UINT16_MAX, least))
		return false;
	*most = NO_END;
	if (high.len > 0 && !parse_u32(high, 0, UINT16_MAX, most))
		return false;
	p->i += end + 2;
	return true;
}

/* false: there is none */
static bool
take_quantifier(struct parser *p, uint32_t *least, uint32_t *most)
{
	char c = p->i < p->s.len ? p->s.p[p->i] : '\0';

	if (c == '{')
		return take_counts(p, least, most);
	if (c != '?' && c != '*' && c != '+')
		return false;
	p->i++;
	*least = c == '+';
	*most = c == '?' ? 1 : NO_END;
	return true;
}

/* the copies one after the other; those above `least` may be left out */
static struct part
repeat(struct parser *p, struct part t, uint32_t least, uint32_t most)
{
	struct part all = {.low = t.low}, one;
	uint32_t n = most == NO_END ? least + 1 : most;
	uint16_t at, split;

	if (n > MAX_REPEAT || (uint64_t)n * (t.high - t.low) > LANGUAGE_MAX_NODES) {
		p->is_lost = true;
		return t;
	}
	all.in = at = node_new(p, NODE_PASS);
	all.out = node_new(p, NODE_PASS);
	for (uint32_t i = 0; i < n && !p->is_lost; i++) {
		one = copy(p, &t);
		if (i < least) {
			join(p, at, one.in);
			at = one.out;
			continue;
		}
		split = node_new(p, NODE_SPLIT);
		join(p, at, split);
		if (p->is_lost)
			break;
		p->l->nodes[split].a = one.in;
		p->l->nodes[split].b = all.out;
		if (most == NO_END)
			join(p, one.out, split);
		at = one.out;
	}
	if (most != NO_END)
		join(p, at, all.out);
	all.high = (uint16_t)p->l->n;
	return all;
}

/* what was read, with its quantifier, goes to the end of the alternative */
static void
append(struct parser *p, struct part t)
{
	struct group *g = &p->stack[p->depth];
	uint32_t least, most;

	if (!p->is_lost && take_quantifier(p, &least, &most)) {
		char c = p->i < p->s.len ? p->s.p[p->i] : '\0';
		p->i += c == '?' || c == '+';
		t = c == '+' && !is_at_least(p) ? unsaid(p) : repeat(p, t, least, most);
	}
	join(p, g->at, t.in);
	g->at = t.out;
}

/* ---- groups ---- */

static void
open_group(struct parser *p, enum group_kind kind)
{
	struct group *g;

	if (p->depth + 1 == MAX_DEPTH) {
		p->is_lost = true;
		return;
	}
	g = &p->stack[++p->depth];
	*g = (struct group){.kind = kind, .low = (uint16_t)p->l->n};
	g->split = node_new(p, NODE_SPLIT);
	g->out = node_new(p, NODE_PASS);
	g->at = node_new(p, NODE_PASS);
	join(p, g->split, g->at);
}

static void
next_alternative(struct parser *p)
{
	struct group *g = &p->stack[p->depth];
	uint16_t split = node_new(p, NODE_SPLIT), at = node_new(p, NODE_PASS);

	join(p, g->at, g->out);
	if (p->is_lost)
		return;
	p->l->nodes[g->split].b = split;
	g->split = split;
	g->at = at;
	join(p, split, at);
}

static struct part
close_group(struct parser *p)
{
	struct group *g = &p->stack[p->depth--];

	join(p, g->at, g->out);
	if (g->kind == GROUP_LOOK || (g->kind == GROUP_ATOMIC && !is_at_least(p)))
		return unsaid(p);
	return (struct part){g->low, (uint16_t)p->l->n, g->low, g->out};
}

/* (?i) (?s-i:   False: with what cannot be said, as x. Case is as it is for the whole. */
static bool
take_flags(struct parser *p)
{
	bool is_on = true;
	char c = ')';

	for (; p->i < p->s.len; p->i++) {
		c = p->s.p[p->i];
		if (c == '-')
			is_on = false;
		else if ((c == 'i' && is_on) || c == 's' || (c == 'm' && !is_on))
			continue;
		else if ((c == 'i' || c == 'm') && is_at_least(p))
			p->has_lines |= c == 'm';
		else
			break;
	}
	p->i++;
	if (c == ':')
		open_group(p, GROUP_PLAIN);
	return c == ':' || c == ')';
}

static bool
take_prefix(struct parser *p, const char *prefix)
{
	if (!str_has_prefix(str_skip(p->s, p->i), str_of(prefix)))
		return false;
	p->i += strlen(prefix);
	return true;
}

static bool
skip_behind(struct parser *p, char end)
{
	size_t n = str_find(str_skip(p->s, p->i), end);

	if (n == STR_NPOS)
		return false;
	p->i += n + 1;
	return true;
}

/* from the "(" on */
static void
take_group(struct parser *p)
{
	static const struct {
		const char *prefix;
		enum group_kind kind;
		char end; /* of the name that follows; 0: none */
	} rows[] = {
	    {"(?:", GROUP_PLAIN, 0},
	    {"(?|", GROUP_PLAIN, 0},
	    {"(?>", GROUP_ATOMIC, 0},
	    {"(?=", GROUP_LOOK, 0},
	    {"(?!", GROUP_LOOK, 0},
	    {"(?<=", GROUP_LOOK, 0},
	    {"(?<!", GROUP_LOOK, 0},
	    {"(?<", GROUP_PLAIN, '>'},
	    {"(?P<", GROUP_PLAIN, '>'},
	    {"(?'", GROUP_PLAIN, '\''},
	};

	if (take_prefix(p, "(?!)")) {
		append(p, part_of(p, NODE_NEVER, NULL));
		return;
	}
	for (size_t i = 0; i < countof(rows); i++) {
		if (!take_prefix(p, rows[i].prefix))
			continue;
		p->is_lost |= rows[i].end != 0 && !skip_behind(p, rows[i].end);
		open_group(p, rows[i].kind);
		return;
	}
	if (take_prefix(p, "(?#"))
		p->is_lost |= !skip_behind(p, ')');
	else if (take_prefix(p, "(*"))
		p->is_lost = true;
	else if (take_prefix(p, "(?"))
		p->is_lost |= !take_flags(p);
	else if (take_prefix(p, "("))
		open_group(p, GROUP_PLAIN);
}

/* ---- all else ---- */

static const struct {
	char c;
	enum node_kind kind;
} marks[] = {
    {'b', NODE_BOUNDARY},
    {'B', NODE_NO_BOUNDARY},
    {'A', NODE_BEGIN},
    {'z', NODE_END},
    {'Z', NODE_NEAR_END},
    {'K', NODE_PASS},
};

/*
 * The end with a newline behind it is taken for none where less must be said; and a rule's subject, which ends with what
 * follows the text's line, has none there.
 */
static struct part
mark(struct parser *p, enum node_kind kind, bool is_of_line)
{
	if (is_of_line && p->has_lines)
		return unsaid(p);
	if (kind == NODE_NEAR_END && (!is_at_least(p) || (p->l->kind & LANGUAGE_WORDS) != 0))
		kind = NODE_END;
	return part_of(p, kind, NULL);
}

/* \1 to \9: what a group took, which may be anything */
static struct part
reference(struct parser *p)
{
	struct byte_set all = {0};

	p->is_lost |= p->i < p->s.len && ascii_is_digit(p->s.p[p->i]);
	if (!is_at_least(p))
		return unsaid(p);
	byte_set_negate(&all);
	return repeat(p, part_of(p, NODE_BYTE, &all), 0, NO_END);
}

/* from behind the backslash on */
static struct part
take_escape(struct parser *p)
{
	char c = p->i < p->s.len ? p->s.p[p->i] : '\0';
	struct byte_set set;
	int byte;

	for (size_t i = 0; i < countof(marks); i++)
		if (c == marks[i].c) {
			p->i++;
			return mark(p, marks[i].kind, false);
		}
	if (c >= '1' && c <= '9') {
		p->i++;
		return reference(p);
	}
	if (byte_set_of_escape(c, &set)) {
		p->i++;
		return part_of(p, NODE_BYTE, &set);
	}
	byte = byte_of_escape(p->s, &p->i);
	p->is_lost |= byte < 0;
	set = (struct byte_set){0};
	byte_set_add(&set, (unsigned)byte & 255, (unsigned)byte & 255);
	byte_set_fold(&set);
	return part_of(p, NODE_BYTE, &set);
}

static struct part
take_one(struct parser *p)
{
	char c = p->s.p[p->i++];
	struct byte_set set = {0};

	if (c == '^')
		return mark(p, NODE_BEGIN, true);
	if (c == '$')
		return mark(p, NODE_NEAR_END, true);
	if (c == '\\')
		return take_escape(p);
	if (c == '[') {
		p->is_lost |= !byte_set_of_class(p->s, &p->i, &set);
	} else if (c == '.') {
		if (!is_at_least(p))
			byte_set_add(&set, '\n', '\n');
		byte_set_negate(&set);
	} else {
		byte_set_add(&set, (unsigned char)c, (unsigned char)c);
		byte_set_fold(&set);
	}
	return part_of(p, NODE_BYTE, &set);
}

static void
parse(struct parser *p)
{
	while (p->i < p->s.len && !p->is_lost) {
		char c = p->s.p[p->i];
		if (c == '(') {
			take_group(p);
		} else if (c == '|') {
			p->i++;
			next_alternative(p);
		} else if (c == ')') {
			p->i++;
			p->is_lost |= p->depth == 0;
			if (!p->is_lost)
				append(p, close_group(p));
		} else {
			append(p, take_one(p));
		}
	}
	p->is_lost |= p->depth != 0;
}

struct language *
language_new(struct str regex, unsigned kind)
{
	struct language *l = xcalloc(1, sizeof *l);
	struct parser p = {.l = l, .s = regex};
	struct group *all = p.stack;

	l->kind = kind;
	(void)node_new(&p, NODE_NEVER);
	l->start = node_new(&p, (kind & LANGUAGE_WORDS) != 0 ? NODE_WORD : NODE_PASS);
	all->split = node_new(&p, NODE_SPLIT);
	all->out = l->found = node_new(&p, NODE_FOUND);
	all->at = node_new(&p, NODE_PASS);
	join(&p, l->start, all->split);
	join(&p, all->split, all->at);
	parse(&p);
	join(&p, all->at, all->out);
	if (p.is_lost)
		language_free(&l);
	return l;
}

void
language_free(struct language **lp)
{
	struct language *l = *lp;

	if (l == NULL)
		return;
	free(l->nodes);
	xfree(lp);
}
