#include "lib/classify/finder.h"

#include "lib/base/xalloc.h"

struct finder_state {
	uint16_t child, sibling; /* 0: none */
	uint8_t class;
};
struct finder_pair {
	uint32_t state, number;
};

#define OTHER (FINDER_CLASSES - 1) /* in the plain table: bytes that no word of it has */

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

static bool
are_plain(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!finder_is_plain(p[i]))
			return false;
	return true;
}

bool
finder_has_other(struct str text)
{
	uint64_t eight;
	size_t i = 0;

	/* a byte's highest bit: it is set, it would be with one more, or it is less than a blank */
	for (; i + 8 <= text.len; i += 8) {
		memcpy(&eight, text.p + i, 8);
		if (((eight | (eight + EACH(1)) | ((eight - EACH(' ')) & ~eight)) & EACH(0x80)) !=
			0 &&
		    !are_plain(text.p + i, 8))
			return true;
	}
	return !are_plain(text.p + i, text.len - i);
}

static uint8_t
class_of(unsigned byte, bool is_of_plain)
{
	char c = ascii_lower((char)byte);

	if (c >= 'a' && c <= 'z')
		return (uint8_t)(c - 'a');
	if (ascii_is_digit(c))
		return (uint8_t)(26 + c - '0');
	if (!is_of_plain)
		return (uint8_t)(36 + byte % 28);
	return (uint8_t)(finder_is_plain(c) ? 36 + byte % 27 : OTHER);
}

static void
table_init(struct finder_table *t, bool is_plain_one)
{
	*t = (struct finder_table){.n_states = 1};
	t->states = xcalloc(1, sizeof *t->states);
	for (unsigned c = 0; c < 256; c++)
		t->class[c] = class_of(c, is_plain_one);
}

void
finder_init(struct finder *f)
{
	table_init(&f->plain, true);
	table_init(&f->other, false);
}

static void
table_clear(struct finder_table *t)
{
	xfree(&t->states);
	xfree(&t->next);
	xfree(&t->first);
	xfree(&t->numbers);
	xfree(&t->shorter);
	xfree(&t->pairs);
}

void
finder_clear(struct finder *f)
{
	table_clear(&f->plain);
	table_clear(&f->other);
}

/* ---- adding ---- */

/* the state behind a byte of that class; 0: there is no room */
static uint32_t
state_behind(struct finder_table *t, uint32_t state, uint8_t class)
{
	uint32_t n = t->states[state].child;

	while (n != 0 && t->states[n].class != class)
		n = t->states[n].sibling;
	if (n != 0 || t->n_states == FINDER_MAX_STATES)
		return n;
	/* room for 1, 2, 4, …: it is full when their number is a power of two */
	if ((t->n_states & (t->n_states - 1)) == 0)
		t->states = xreallocarray(t->states, 2 * t->n_states, sizeof *t->states);
	n = (uint32_t)t->n_states++;
	t->states[n] = (struct finder_state){.class = class, .sibling = t->states[state].child};
	t->states[state].child = (uint16_t)n;
	return n;
}

bool
finder_add(struct finder *f, struct str word, uint32_t number)
{
	struct finder_table *t = finder_has_other(word) ? &f->other : &f->plain;
	uint32_t state = 0;

	if (word.len > FINDER_WORD)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		state = state_behind(t, state, t->class[(unsigned char)word.p[i]]);
		if (state == 0)
			return false;
	}
	if ((t->n_pairs & (t->n_pairs - 1)) == 0)
		t->pairs =
		    xreallocarray(t->pairs, PH_MAX(2 * t->n_pairs, (size_t)1), sizeof *t->pairs);
	t->pairs[t->n_pairs++] = (struct finder_pair){state, number};
	return true;
}

/* ---- making the tables ---- */

/* States get their places breadth first: those that texts come to most often then lie together. */
static uint16_t *
make_steps(struct finder_table *t)
{
	uint16_t *place = xcalloc(t->n_states, sizeof *place);
	uint16_t *queue = xcalloc(t->n_states, sizeof *queue);
	size_t n = 1;

	t->next = xcalloc(t->n_states, sizeof *t->next);
	for (size_t head = 0; head < n; head++) {
		for (uint16_t k = t->states[queue[head]].child; k != 0; k = t->states[k].sibling) {
			place[k] = (uint16_t)n;
			t->next[head][t->states[k].class] = (uint16_t)n;
			queue[n++] = k;
		}
	}
	free(queue);
	return place;
}

/* in the order of their states, those of one state in the order in which they were added */
static void
make_numbers(struct finder_table *t, const uint16_t *place)
{
	t->first = xcalloc(t->n_states + 1, sizeof *t->first);
	t->numbers = xcalloc(t->n_pairs + 1, sizeof *t->numbers);
	for (size_t i = 0; i < t->n_pairs; i++)
		t->first[place[t->pairs[i].state] + 1]++;
	for (size_t i = 0; i < t->n_states; i++)
		t->first[i + 1] += t->first[i];
	for (size_t i = t->n_pairs; i > 0; i--) {
		const struct finder_pair *p = &t->pairs[i - 1];
		t->numbers[--t->first[place[p->state] + 1]] = p->number;
	}
	/* each now says where its own begin, one place too late */
	memmove(t->first, t->first + 1, t->n_states * sizeof *t->first);
	t->first[t->n_states] = (uint32_t)t->n_pairs;
}

static bool
has_numbers(const struct finder_table *t, size_t state)
{
	return t->first[state] != t->first[state + 1];
}

/* Where a word does not go on, its longest end does that another one begins with: shorter ones, whose rows are made. */
static void
make_ends(struct finder_table *t)
{
	uint16_t *end = xcalloc(t->n_states, sizeof *end);

	for (size_t at = 0; at < t->n_states; at++) {
		for (size_t c = 0; c < FINDER_CLASSES; c++) {
			uint16_t *to = &t->next[at][c];
			uint16_t other = at == 0 ? 0 : t->next[end[at]][c];
			if (*to == 0) {
				*to = other;
				continue;
			}
			end[*to] = other;
			t->shorter[*to] = has_numbers(t, other) ? other : t->shorter[other];
		}
	}
	free(end);
}

/* bytes that no word has are passed over */
static void
pass_over(struct finder_table *t)
{
	for (size_t i = 0; i < t->n_states; i++)
		t->next[i][OTHER] = (uint16_t)i;
}

static void
table_finish(struct finder_table *t, bool is_anywhere)
{
	uint16_t *place = make_steps(t);

	make_numbers(t, place);
	free(place);
	t->shorter = xcalloc(t->n_states, sizeof *t->shorter);
	if (is_anywhere)
		make_ends(t);
	for (size_t i = 0; i < t->n_states; i++)
		for (size_t c = 0; c < FINDER_CLASSES; c++)
			if (has_numbers(t, t->next[i][c]) || t->shorter[t->next[i][c]] != 0)
				t->next[i][c] |= FINDER_TELLS;
	xfree(&t->states);
	xfree(&t->pairs);
}

void
finder_finish(struct finder *f, bool is_anywhere)
{
	table_finish(&f->plain, is_anywhere);
	pass_over(&f->plain);
	table_finish(&f->other, is_anywhere);
}

/* ---- looking ---- */

unsigned
finder_shift(size_t len)
{
	unsigned shift = 0;

	while (len > (size_t)64 << shift)
		shift++;
	return shift;
}

static void
mark_state(const struct finder_table *t, uint32_t state, uint64_t bit, uint64_t *where)
{
	for (; state != 0; state = t->shorter[state])
		for (uint32_t i = t->first[state]; i < t->first[state + 1]; i++)
			where[t->numbers[i]] |= bit;
}

/* the state behind the byte at i, whose words are marked */
static inline uint32_t
mark_byte(const struct finder_table *t, uint32_t state, struct str text, size_t i, unsigned shift,
    uint64_t *where)
{
	state = t->next[state][t->class[(unsigned char)text.p[i]]];
	if ((state & FINDER_TELLS) == 0)
		return state;
	state &= ~FINDER_TELLS;
	mark_state(t, state, UINT64_C(1) << (i >> shift), where);
	return state;
}

static void
mark(const struct finder_table *t, struct str text, unsigned shift, uint64_t *where)
{
	uint32_t state = 0;

	for (size_t i = 0; i < text.len; i++)
		state = mark_byte(t, state, text, i, shift, where);
}

/*
 * The same in both halves at once, for each step waits for the one before. The second begins where a word may that ends in
 * it; no byte is passed over.
 */
static void
mark_halves(const struct finder_table *t, struct str text, unsigned shift, uint64_t *where)
{
	size_t half = (text.len + FINDER_WORD + 1) / 2, second = half - FINDER_WORD;
	uint32_t a = 0, b = 0;

	for (size_t i = 0; i < half; i++) {
		a = mark_byte(t, a, text, i, shift, where);
		if (second + i < text.len)
			b = mark_byte(t, b, text, second + i, shift, where);
	}
}

void
finder_mark(
    const struct finder *f, struct str text, bool has_other, unsigned shift, uint64_t *where)
{
	if (has_other || text.len < (size_t)4 * FINDER_WORD)
		mark(&f->plain, text, shift, where);
	else
		mark_halves(&f->plain, text, shift, where);
	if (has_other && f->other.n_states > 1)
		mark(&f->other, text, shift, where);
}
