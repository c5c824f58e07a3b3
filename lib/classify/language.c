/*
 * The walk through all texts at once: from the empty one byte by byte, each with the nodes that every automaton may be
 * at. Texts that lead to the same nodes are one. Breadth first, so that the first that answers is a shortest.
 */
#include <xxhash.h>

#include "lib/base/hmap.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/classify/language_int.h"

#define MAX_PLACES  4000u
#define MAX_STEPS   1000000u /* nodes looked at: some milliseconds */
#define MAX_ALL	    (LANGUAGE_MAX_IN + 1)
#define END_OF_TEXT 256u

/* what stands before a place */
enum before { BEFORE_BEGIN, BEFORE_ALNUM, BEFORE_UNDERSCORE, BEFORE_OTHER, BEFORE_LATER = 4 };

struct place {
	uint32_t from; /* its index, by `byte` */
	uint8_t byte, before;
};
struct walk {
	const struct language *all[MAX_ALL];
	size_t n, n_in;				   /* the last is `out` when n > n_in */
	size_t words[MAX_ALL], at[MAX_ALL], total; /* of each one's set of nodes, in 64-bit words */
	struct place *places;
	uint64_t *sets; /* `total` words for each place */
	uint32_t n_places;
	struct hmap known;
	uint64_t *closed,
	    *next; /* a place's sets with all that is reached without a byte; those behind one */
	uint16_t *stack;
	uint64_t n_steps;
	uint8_t bytes[256]; /* one of all that no automaton tells apart */
	size_t n_bytes;
	bool asks_before; /* does any automaton ask what stands before? */
};

/* ---- kinds of bytes ---- */

/* as automata ask for it that stand before such a byte */
enum ahead { AHEAD_WORD, AHEAD_NEWLINE, AHEAD_BLANK, AHEAD_OTHER, AHEAD_KINDS };

static bool
is_word_byte(unsigned c)
{
	return c != END_OF_TEXT && (ascii_is_alnum((char)c) || c == '_');
}

static enum ahead
ahead_of(unsigned byte)
{
	if (is_word_byte(byte))
		return AHEAD_WORD;
	return byte == '\n' ? AHEAD_NEWLINE : byte == ' ' ? AHEAD_BLANK : AHEAD_OTHER;
}

static uint8_t
before_of(unsigned byte)
{
	if (ascii_is_alnum((char)byte))
		return BEFORE_ALNUM;
	return byte == '_' ? BEFORE_UNDERSCORE : BEFORE_OTHER;
}

static void
mix_sets(const struct language *l, uint64_t mark[256])
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (l->nodes[i].kind != NODE_BYTE)
			continue;
		for (unsigned c = 0; c < 256; c++)
			mark[c] = (mark[c] ^ byte_set_has(&l->nodes[i].set, c)) *
				  UINT64_C(0x9e3779b97f4a7c15);
	}
}

/* letters first, so that an answer can be read */
static void
find_bytes(struct walk *w)
{
	uint64_t mark[256];
	bool is_known;

	for (unsigned c = 0; c < 256; c++)
		mark[c] = 4u * before_of(c) + ahead_of(c) + 1;
	for (size_t i = 0; i < w->n; i++)
		mix_sets(w->all[i], mark);
	for (unsigned i = 0; i < 256; i++) {
		unsigned c = (i + 'a') & 255;
		is_known = false;
		for (size_t k = 0; k < w->n_bytes && !is_known; k++)
			is_known = mark[w->bytes[k]] == mark[c];
		if (!is_known)
			w->bytes[w->n_bytes++] = (uint8_t)c;
	}
}

/* ---- sets of nodes ---- */

static bool
has(const uint64_t *set, uint32_t node)
{
	return (set[node / 64] >> (node % 64) & 1) != 0;
}

static void
put(uint64_t *set, uint32_t node)
{
	set[node / 64] |= UINT64_C(1) << (node % 64);
}

/* does what the node asks for hold between these two? */
static bool
holds(const struct node *n, uint8_t before, unsigned next)
{
	bool is_behind_word = (before & 3) == BEFORE_ALNUM || (before & 3) == BEFORE_UNDERSCORE;

	switch ((enum node_kind)n->kind) {
	case NODE_PASS:
	case NODE_SPLIT:
		return true;
	case NODE_BEGIN:
		return before == BEFORE_BEGIN;
	case NODE_END:
		return next == END_OF_TEXT;
	case NODE_NEAR_END:
		return next == END_OF_TEXT || next == '\n';
	case NODE_BOUNDARY:
		return is_behind_word != is_word_byte(next);
	case NODE_NO_BOUNDARY:
		return is_behind_word == is_word_byte(next);
	case NODE_WORD:
		return (before & BEFORE_LATER) == 0 && (before & 3) != BEFORE_ALNUM && next != ' ';
	case NODE_NEVER:
	case NODE_BYTE:
	case NODE_FOUND:
		break;
	}
	return false;
}

/* The closed set of one automaton: from its set, and from its start where a match may begin. */
static void
close_one(struct walk *w, size_t i, const uint64_t *set, uint8_t before, unsigned next)
{
	const struct language *l = w->all[i];
	uint64_t *closed = w->closed + w->at[i];
	size_t n = 0;

	memcpy(closed, set + w->at[i], w->words[i] * sizeof *closed);
	if ((l->kind & LANGUAGE_WHOLE) == 0 || before == BEFORE_BEGIN)
		put(closed, l->start);
	for (uint32_t k = 0; k < l->n; k++)
		if (has(closed, k))
			w->stack[n++] = (uint16_t)k;
	w->n_steps += n + w->words[i];
	while (n > 0) {
		const struct node *one = &l->nodes[w->stack[--n]];
		uint16_t to[2] = {one->a, one->kind == NODE_SPLIT ? one->b : 0};
		for (size_t k = 0; k < 2 && holds(one, before, next); k++) {
			if (to[k] == 0 || has(closed, to[k]))
				continue;
			put(closed, to[k]);
			w->stack[n++] = to[k];
			w->n_steps++;
		}
	}
}

static bool
is_found(const struct walk *w, size_t i, const uint64_t *sets)
{
	return has(sets + w->at[i], w->all[i]->found);
}

/* what is found stays so, whatever follows. False: nothing can follow from it any more. */
static bool
step_one(struct walk *w, size_t i, unsigned byte)
{
	const struct language *l = w->all[i];
	uint64_t *next = w->next + w->at[i];
	bool any = false;

	memset(next, 0, w->words[i] * sizeof *next);
	if (is_found(w, i, w->closed)) {
		put(next, l->found);
		return true;
	}
	for (uint32_t k = 0; k < l->n; k++) {
		if (!has(w->closed + w->at[i], k) || l->nodes[k].kind != NODE_BYTE ||
		    !byte_set_has(&l->nodes[k].set, byte))
			continue;
		put(next, l->nodes[k].a);
		any = true;
	}
	w->n_steps += w->words[i];
	return any || (l->kind & LANGUAGE_WHOLE) == 0;
}

/* ---- places ---- */

struct key {
	const struct walk *w;
	const uint64_t *sets;
	uint8_t before;
};

static bool
is_place(const void *arg, uint32_t handle)
{
	const struct key *k = arg;

	return k->w->places[handle - 1].before == k->before &&
	       memcmp(k->w->sets + (handle - 1) * k->w->total, k->sets,
		   k->w->total * sizeof *k->sets) == 0;
}

static void
add_place(struct walk *w, uint32_t from, uint8_t byte, uint8_t before)
{
	const struct key key = {w, w->next, before};
	uint64_t hash = XXH3_64bits(w->next, w->total * sizeof *w->next) ^ before;

	if (hmap_find(&w->known, hash, is_place, &key) != 0 || w->n_places == MAX_PLACES)
		return;
	memcpy(w->sets + w->n_places * w->total, w->next, w->total * sizeof *w->next);
	w->places[w->n_places++] = (struct place){.from = from, .byte = byte, .before = before};
	hmap_add(&w->known, hash, w->n_places);
}

static void
close_all(struct walk *w, uint32_t at, unsigned next)
{
	for (size_t i = 0; i < w->n; i++)
		close_one(w, i, w->sets + at * w->total, w->places[at].before, next);
}

/* the closed sets are those of a text: is it in all of `in`, and not in `out`? */
static bool
is_answer(const struct walk *w)
{
	for (size_t i = 0; i < w->n_in; i++)
		if (!is_found(w, i, w->closed))
			return false;
	return w->n == w->n_in || !is_found(w, w->n_in, w->closed);
}

static void
go_by(struct walk *w, uint32_t at, unsigned byte)
{
	uint8_t before = BEFORE_OTHER;

	for (size_t i = 0; i < w->n; i++)
		if (!step_one(w, i, byte) && i < w->n_in)
			return;
	if (w->asks_before)
		before = (uint8_t)(before_of(byte) | (w->places[at].before & BEFORE_LATER) |
				   (byte == '\n' ? BEFORE_LATER : 0));
	add_place(w, at, (uint8_t)byte, before);
}

/* Is a text that ends here the answer? Otherwise all that comes after it by one byte is added. */
static bool
visit(struct walk *w, uint32_t at)
{
	static const char one[AHEAD_KINDS] = {'a', '\n', ' ', '-'};

	close_all(w, at, END_OF_TEXT);
	if (is_answer(w))
		return true;
	for (unsigned kind = 0; kind < AHEAD_KINDS; kind++) {
		close_all(w, at, (unsigned char)one[kind]);
		if (w->n > w->n_in && is_found(w, w->n_in, w->closed))
			continue;
		for (size_t k = 0; k < w->n_bytes; k++)
			if (ahead_of(w->bytes[k]) == kind)
				go_by(w, at, w->bytes[k]);
	}
	return false;
}

static void
tell(const struct walk *w, uint32_t at, char *text, size_t size)
{
	size_t len = 0;

	for (uint32_t i = at; i != 0; i = w->places[i].from)
		len++;
	text[PH_MIN(len, size - 1)] = '\0';
	for (uint32_t i = at; i != 0; i = w->places[i].from)
		if (--len < size - 1)
			text[len] = (char)w->places[i].byte;
}

/* ---- life ---- */

static bool
asks_before(const struct language *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->nodes[i].kind == NODE_BOUNDARY || l->nodes[i].kind == NODE_NO_BOUNDARY ||
		    l->nodes[i].kind == NODE_WORD)
			return true;
	return false;
}

static void
begin(struct walk *w)
{
	size_t most = 0;

	for (size_t i = 0; i < w->n; i++) {
		w->words[i] = (w->all[i]->n + 63) / 64;
		w->at[i] = w->total;
		w->total += w->words[i];
		w->asks_before |= asks_before(w->all[i]);
		most = PH_MAX(most, (size_t)w->all[i]->n);
	}
	find_bytes(w);
	w->places = xcalloc(MAX_PLACES, sizeof *w->places);
	w->sets = xcalloc(MAX_PLACES * w->total, sizeof *w->sets);
	w->closed = xcalloc(w->total, sizeof *w->closed);
	w->next = xcalloc(w->total, sizeof *w->next);
	w->stack = xcalloc(most, sizeof *w->stack);
	hmap_init(&w->known);
}

static void
end(struct walk *w)
{
	free(w->places);
	free(w->sets);
	free(w->closed);
	free(w->next);
	free(w->stack);
	hmap_clear(&w->known);
}

enum language_answer
language_ask(const struct language *const *in, size_t n_in, const struct language *out, char *text,
    size_t size)
{
	struct walk w = {.n = n_in, .n_in = n_in};
	enum language_answer answer = LANGUAGE_NONE;

	ph_assert(n_in <= LANGUAGE_MAX_IN);
	for (size_t i = 0; i < n_in; i++)
		w.all[i] = in[i];
	if (out != NULL)
		w.all[w.n++] = out;
	begin(&w);
	add_place(&w, 0, 0, BEFORE_BEGIN);
	for (uint32_t at = 0; at < w.n_places && answer == LANGUAGE_NONE; at++) {
		if (visit(&w, at)) {
			tell(&w, at, text, size);
			answer = LANGUAGE_SOME;
		} else if (w.n_steps > MAX_STEPS || w.n_places == MAX_PLACES) {
			answer = LANGUAGE_UNKNOWN;
		}
	}
	end(&w);
	return answer;
}
