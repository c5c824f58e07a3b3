/*
 * Words that a regex cannot do without. From a node on all ways through the automaton are followed at once, byte by byte:
 * a step is the beginning of a word, with the nodes that it may lead to. A word ends where too much may come next. From the
 * start these are the words that a match begins with; from any node that all ways lead by, words of which a match has one.
 */
#include "lib/base/xalloc.h"
#include "lib/classify/language_int.h"

#define MAX_FAN	  16u	  /* bytes that may come next, a letter counted once */
#define MAX_STEPS 4096u	  /* more than the words have bytes: each is a step of its own */
#define MAX_NODES 65536u  /* of all steps together */
#define MAX_WORK  400000u /* nodes looked at for one regex */
#define LONG	  4u	  /* bytes: such a word says enough */
#define COMMON                                                                                     \
	(UINT64_C(1)                                                                               \
	    << 43) /* frequency() of words that say nothing, as they are nearly everywhere */

struct step {
	uint32_t at, n;	 /* its nodes, in growth.nodes */
	uint16_t before; /* the step that it follows */
	uint8_t byte, len;
	bool is_last; /* what comes next may be anything, or nothing */
	bool is_passed, has_gap;
};
struct growth {
	const struct language *l;
	unsigned longest;
	bool is_at_start;      /* words count only where the growth begins */
	bool passes_over;      /* bytes that are not plain, as the finder does */
	const uint8_t *blanks; /* of count_blanks() */
	unsigned most_blanks;  /* before any word */
	struct step steps[MAX_STEPS];
	uint32_t n_steps, n_words, n_nodes, work;
	uint16_t nodes[MAX_NODES];
	uint32_t seen[LANGUAGE_MAX_NODES], now; /* by node: in which round */
	uint16_t stack[LANGUAGE_MAX_NODES];
	/* nodes that so much may stand for that the word ends before them, and another one is looked for behind */
	uint16_t gaps[LANGUAGE_MAX_NODES];
	uint32_t n_gaps, in_gaps[LANGUAGE_MAX_NODES]; /* by node: in which growth */
	uint32_t n_growths;
	struct language_words plain;
};

/* ---- steps ---- */

/* the bytes of which words are made: no capitals, for sets hold both forms of a letter */
static const struct byte_set all_bytes = {{[0 ... 7] = 0xff, 0x01, 0, 0, 0xf8, [12 ... 31] = 0xff}};
static const struct byte_set plain_bytes = {
    {[1] = 0x04, [4 ... 7] = 0xff, 0x01, 0, 0, 0xf8, 0xff, 0xff, 0xff, 0x7f}};

static struct byte_set
only(const struct byte_set *s, const struct byte_set *of)
{
	struct byte_set both;

	for (size_t i = 0; i < sizeof both.bits; i++)
		both.bits[i] = s->bits[i] & of->bits[i];
	return both;
}

static struct byte_set
bytes_of(const struct growth *g, const struct byte_set *s)
{
	return only(s, g->passes_over ? &plain_bytes : &all_bytes);
}

static unsigned
fan(const struct byte_set *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < sizeof s->bits; i++)
		for (unsigned bits = s->bits[i]; bits != 0; bits &= bits - 1)
			n++;
	return n;
}

static bool
has_others(const struct byte_set *s)
{
	struct byte_set all = only(s, &all_bytes), plain = only(s, &plain_bytes);

	return memcmp(&all, &plain, sizeof all) != 0;
}

static void
push(struct growth *g, uint16_t node, size_t *n)
{
	if (node == 0 || g->seen[node] == g->now)
		return;
	g->seen[node] = g->now;
	g->stack[(*n)++] = node;
}

static void
add_node(struct growth *g, struct step *s, uint16_t node)
{
	struct byte_set set = bytes_of(g, &g->l->nodes[node].set);
	unsigned n = fan(&set);

	if (n == 0)
		return;
	if (n > MAX_FAN && !g->is_at_start && s->len < LONG) {
		if (g->in_gaps[node] != g->n_growths)
			g->gaps[g->n_gaps++] = node;
		g->in_gaps[node] = g->n_growths;
		s->has_gap = true;
		return;
	}
	if (g->n_nodes == MAX_NODES || n > MAX_FAN) {
		s->is_last = true;
		return;
	}
	g->nodes[g->n_nodes++] = node;
	s->n++;
}

/* All nodes that are reached from there without a byte become the step's. */
static void
reach(struct growth *g, struct step *s, uint16_t node)
{
	size_t n = 0;

	push(g, node, &n);
	while (n > 0) {
		uint16_t at = g->stack[--n];
		const struct node *one = &g->l->nodes[at];
		g->work++;
		if (one->kind == NODE_BYTE) {
			add_node(g, s, at);
			if (g->passes_over && has_others(&one->set))
				push(g, one->a, &n);
		} else if (one->kind == NODE_FOUND) {
			s->is_last = true;
		} else if (one->kind != NODE_NEVER) {
			push(g, one->a, &n);
		}
		if (one->kind == NODE_SPLIT)
			push(g, one->b, &n);
	}
}

static struct step *
begin_step(struct growth *g, uint16_t before, uint8_t byte, uint8_t len)
{
	struct step *s = &g->steps[g->n_steps++];

	*s = (struct step){.at = g->n_nodes, .before = before, .byte = byte, .len = len};
	g->now++;
	return s;
}

/* what follows by this byte; nothing when it leads nowhere */
static void
follow_by(struct growth *g, uint32_t from, unsigned byte)
{
	const struct step *before = &g->steps[from];
	struct step *s = begin_step(g, (uint16_t)from, (uint8_t)byte, (uint8_t)(before->len + 1));

	for (uint32_t i = 0; i < before->n; i++) {
		const struct node *one = &g->l->nodes[g->nodes[before->at + i]];
		if (byte_set_has(&one->set, byte))
			reach(g, s, one->a);
	}
	g->work += before->n;
	if (s->n == 0 && !s->is_last && !s->has_gap)
		g->n_steps--;
	else
		g->n_words++;
}

/* False: it would become too much. */
static bool
follow(struct growth *g, uint32_t from)
{
	struct step *s = &g->steps[from];
	struct byte_set all = {0};
	unsigned n;

	if (s->is_last || s->len == g->longest)
		return true;
	for (uint32_t i = 0; i < s->n; i++)
		byte_set_merge(&all, &g->l->nodes[g->nodes[s->at + i]].set);
	all = bytes_of(g, &all);
	n = fan(&all);
	if (g->n_words + n > LANGUAGE_MAX_WORDS || g->n_steps + n > MAX_STEPS || g->work > MAX_WORK)
		return false;
	s->is_passed = true;
	g->n_words--;
	for (unsigned i = 0; i < sizeof all.bits; i++)
		for (unsigned bits = all.bits[i]; bits != 0; bits &= bits - 1)
			follow_by(g, from, 8 * i + (unsigned)__builtin_ctz(bits));
	return true;
}

/* ---- words ---- */

static void
write_word(const struct growth *g, uint32_t at, struct language_word *w)
{
	const struct step *s = &g->steps[at];

	for (w->len = s->len; s->len > 0; s = &g->steps[s->before])
		w->text[s->len - 1] = (char)s->byte;
}

/* how often one of them stands in a text by chance; a byte more makes it eight times as rare */
static uint64_t
frequency(const struct language_words *w)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < w->n; i++)
		sum += UINT64_C(1) << 3 * (LANGUAGE_WORD - w->list[i].len);
	return sum;
}

/* a word may begin behind that node, or at it when it is where all begins */
static void
begin_word(struct growth *g, uint16_t node)
{
	struct step *s = begin_step(g, 0, 0, 0);

	g->n_words++;
	reach(g, s, node);
	for (uint32_t i = 0; i < s->n && g->blanks != NULL; i++)
		g->most_blanks = PH_MAX(g->most_blanks, g->blanks[g->nodes[s->at + i]] - 1u);
}

/* behind two gaps the same words may come */
static bool
has_word(const struct language_words *w, const struct language_word *one)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->list[i].len == one->len && memcmp(w->list[i].text, one->text, one->len) == 0)
			return true;
	return false;
}

static bool
grow_once(struct growth *g, uint16_t node, struct language_words *w)
{
	uint32_t at = 0, gap = 0;
	bool is_known = true;

	g->n_steps = g->n_nodes = g->n_words = g->n_gaps = g->most_blanks = 0;
	g->n_growths++;
	begin_word(g, node);
	while (at < g->n_steps && follow(g, at)) {
		at++;
		/* what loops comes to an end: each gap counts once */
		if (at == g->n_steps && gap < g->n_gaps && g->n_steps < MAX_STEPS)
			begin_word(g, g->l->nodes[g->gaps[gap++]].a);
	}
	is_known = gap == g->n_gaps;
	w->n = 0;
	for (uint32_t i = 0; i < g->n_steps; i++) {
		if (g->steps[i].is_passed)
			continue;
		is_known = is_known && g->steps[i].len > 0;
		write_word(g, i, &w->list[w->n]);
		w->n += !has_word(w, &w->list[w->n]);
	}
	w->blanks = g->most_blanks;
	return is_known;
}

/*
 * The words one of which each way from the node on begins with. False: it may go on with anything. Where a letter may have
 * a sign those without their signs say more.
 */
static bool
grow(struct growth *g, uint16_t node, struct language_words *w)
{
	struct language_words *plain = &g->plain;
	bool is_known, is_plain_known;

	g->passes_over = false;
	is_known = grow_once(g, node, w);
	g->passes_over = true;
	is_plain_known = grow_once(g, node, plain);
	if (is_plain_known && (!is_known || frequency(plain) < frequency(w)))
		*w = *plain;
	return is_known || is_plain_known;
}

static struct growth *
growth_new(const struct language *l, unsigned longest)
{
	struct growth *g = xmalloc(sizeof *g);

	g->is_at_start = false;
	g->blanks = NULL;
	g->n_growths = 0;
	memset(g->in_gaps, 0, l->n * sizeof *g->in_gaps);
	g->l = l;
	g->longest = PH_MIN(longest, (unsigned)LANGUAGE_WORD);
	g->now = g->work = 0;
	memset(g->seen, 0, l->n * sizeof *g->seen);
	return g;
}

bool
language_begins(const struct language *l, unsigned longest, struct language_words *w)
{
	struct growth *g = growth_new(l, longest);
	bool is_known;

	g->is_at_start = true;
	is_known = grow(g, l->start, w);
	free(g);
	return is_known;
}

/* ---- nodes that all ways lead by ---- */

/* one way from the start to where it is found: place[node] is 1 + its place on it; 0: not on it. Returns its length. */
static size_t
find_way(const struct language *l, uint16_t *place, uint16_t *way)
{
	uint16_t *from = xcalloc(l->n, sizeof *from), *queue = xcalloc(l->n, sizeof *queue);
	size_t head = 0, n = 0, len = 0;

	from[l->start] = l->start;
	queue[n++] = l->start;
	while (head < n) {
		uint16_t at = queue[head++];
		const struct node *one = &l->nodes[at];
		uint16_t to[2] = {one->a, one->kind == NODE_SPLIT ? one->b : 0};
		for (size_t k = 0; k < 2; k++) {
			if (to[k] == 0 || from[to[k]] != 0)
				continue;
			from[to[k]] = at;
			queue[n++] = to[k];
		}
	}
	for (uint16_t at = l->found; from[at] != 0; at = from[at]) {
		way[len++] = at;
		if (at == l->start)
			break;
	}
	for (size_t i = 0; i < len / 2; i++) {
		uint16_t other = way[len - 1 - i];
		way[len - 1 - i] = way[i];
		way[i] = other;
	}
	for (size_t i = 0; i < len; i++)
		place[way[i]] = (uint16_t)(i + 1);
	free(from);
	free(queue);
	return len;
}

struct cuts {
	const struct language *l;
	uint16_t *place, *way, *stack;
	bool *seen;
	size_t n, far; /* far: the furthest place that is reached from those before */
};

/* all that is reached from there, as far as the way itself is not touched */
static void
explore(struct cuts *c, uint16_t from)
{
	size_t n = 0;

	c->stack[n++] = from;
	while (n > 0) {
		const struct node *one = &c->l->nodes[c->stack[--n]];
		uint16_t to[2] = {one->a, one->kind == NODE_SPLIT ? one->b : 0};
		for (size_t k = 0; k < 2; k++) {
			if (c->place[to[k]] != 0)
				c->far = PH_MAX(c->far, (size_t)c->place[to[k]] - 1);
			else if (to[k] != 0 && !c->seen[to[k]]) {
				c->seen[to[k]] = true;
				c->stack[n++] = to[k];
			}
		}
	}
}

/* Leaves in c->way the nodes that all ways lead by, in their order. */
static void
find_cuts(struct cuts *c, const struct language *l)
{
	size_t len;

	*c = (struct cuts){.l = l,
	    .place = xcalloc(l->n, sizeof *c->place),
	    .way = xcalloc(l->n, sizeof *c->way),
	    .stack = xcalloc(l->n + 1, sizeof *c->stack),
	    .seen = xcalloc(l->n, sizeof *c->seen)};
	len = find_way(l, c->place, c->way);
	for (size_t i = 0; i < len; i++) {
		uint16_t at = c->way[i];
		bool is_cut = c->far == i;
		explore(c, at);
		if (is_cut)
			c->way[c->n++] = at;
	}
}

static void
forget_cuts(struct cuts *c)
{
	free(c->place);
	free(c->way);
	free(c->stack);
	free(c->seen);
}

static bool
is_letter(const struct byte_set *s)
{
	struct byte_set all = only(s, &all_bytes);

	return fan(&all) <= MAX_FAN;
}

/* May words begin there that do not begin before? *is_in_word: of the node before, then of this one */
static bool
may_begin(const struct language *l, uint16_t node, bool *is_in_word)
{
	const struct node *one = &l->nodes[node];
	bool was_in_word = *is_in_word;

	if (one->kind == NODE_BYTE) {
		*is_in_word = is_letter(&one->set);
		return *is_in_word && !was_in_word;
	}
	if (one->kind != NODE_SPLIT || one->b == 0)
		return false;
	*is_in_word = false;
	return true;
}

/* how many blanks at most a way from the start to each node has, up to LANGUAGE_ANY */
static uint8_t *
count_blanks(const struct language *l)
{
	uint8_t *most = xcalloc(l->n, sizeof *most); /* 0: not reached, else one more */
	uint16_t *queue = xcalloc(l->n, sizeof *queue);
	size_t head = 0, n = 1; /* a ring: a node is in it once at most */
	bool *is_queued = xcalloc(l->n, sizeof *is_queued);

	most[l->start] = 1;
	queue[0] = l->start;
	for (; n > 0; n--, head++) {
		uint16_t at = queue[head % l->n];
		const struct node *one = &l->nodes[at];
		uint16_t to[2] = {one->a, one->kind == NODE_SPLIT ? one->b : 0};
		bool is_blank = one->kind == NODE_BYTE && byte_set_has(&one->set, ' ');
		unsigned here = PH_MIN((unsigned)most[at] + is_blank, LANGUAGE_ANY + 1u);
		is_queued[at] = false;
		for (size_t k = 0; k < 2; k++) {
			if (to[k] == 0 || most[to[k]] >= here)
				continue;
			most[to[k]] = (uint8_t)here;
			if (is_queued[to[k]])
				continue;
			is_queued[to[k]] = true;
			queue[(head + n++) % l->n] = to[k];
		}
	}
	free(queue);
	free(is_queued);
	return most;
}

bool
language_needs(
    const struct language *l, unsigned longest, bool is_begun, struct language_words *best)
{
	struct growth *g = growth_new(l, longest);
	struct language_words *w = xmalloc(sizeof *w);
	struct cuts cuts;
	bool is_in_word = false, is_first = true, is_known = false;
	uint8_t *blanks = count_blanks(l);
	uint64_t least = COMMON;

	g->blanks = blanks;
	find_cuts(&cuts, l);
	best->n = 0;
	for (size_t i = 0; i < cuts.n && g->work < MAX_WORK; i++) {
		if (!may_begin(l, cuts.way[i], &is_in_word))
			continue;
		if (!(is_first && is_begun) && grow(g, cuts.way[i], w) && frequency(w) < least) {
			*best = *w;
			least = frequency(w);
			is_known = true;
		}
		is_first = false;
	}
	forget_cuts(&cuts);
	free(blanks);
	free(g);
	free(w);
	return is_known;
}
