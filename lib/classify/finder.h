/*
 * Which of many words stand in a text, in one pass over it, whatever their number (Aho and Corasick's automaton). Words
 * are bytes, letters in lower case; the text's case does not matter. Each word stands for a number of the caller's.
 *
 * None that is there is missed, but one may be told that is not: a word of plain bytes is found, too, where other
 * bytes stand between its own (so a regex for "a letter with a sign" needs no words of its own), and in a word with such
 * bytes some of them count as the same, as the tables have to be small.
 */
#ifndef PH_CLASSIFY_FINDER_H
#define PH_CLASSIFY_FINDER_H

#include "lib/base/str.h"

#define FINDER_WORD	  16u /* bytes of a word at most */
#define FINDER_CLASSES	  64u
#define FINDER_MAX_STATES 16384u
#define FINDER_TELLS	  0x8000u /* in a state: it has numbers */

struct finder_table {
	struct finder_state *states; /* while words are added */
	uint16_t (
	    *next)[FINDER_CLASSES]; /* by state, then by the byte's class: the state behind it */
	uint32_t *
	    first; /* by state: where its numbers begin in `numbers`; they end where the next's begin */
	uint32_t *numbers;
	uint16_t *shorter; /* by state: the next one whose numbers stand there, too; 0: none */
	struct finder_pair *pairs;
	size_t n_states, n_pairs;
	uint8_t class[256]; /* by byte */
};
struct finder {
	struct finder_table plain, other; /* words of plain bytes; those with others */
};

void finder_init(struct finder *f);
void finder_clear(struct finder *f);
/* False: there are too many, or it is too long, and this one is not found. `word` has a byte at least. */
bool finder_add(struct finder *f, struct str word, uint32_t number) PH_MUST_CHECK;
/*
 * After the last word, and before the first look. is_anywhere: for finder_mark(); else for finder_step(), from a place of
 * the caller's on.
 */
void finder_finish(struct finder *f, bool is_anywhere);

/*
 * Where words end in the text: a bit of where[number] for each, of which bit i stands for the bytes from i << shift on; the
 * text must not be longer than 64 << shift. `where` has a place for each number, which is added to. `has_other`: as
 * finder_has_other() says, or true.
 */
void finder_mark(
    const struct finder *f, struct str text, bool has_other, unsigned shift, uint64_t *where);
/* The least shift for a text of that length. */
unsigned finder_shift(size_t len);
/* Does it have bytes that are not plain? Otherwise no word of f->other is there. */
bool finder_has_other(struct str text);

/* printable ASCII, and what ends a line */
static inline bool
finder_is_plain(char c)
{
	return (unsigned char)c - 32u < 95 || c == '\n';
}

static inline bool
finder_is_alnum(const struct finder *f, char c)
{
	return f->plain.class[(unsigned char)c] < 36;
}

/* The state behind a byte, from 0 on; 0: no word goes on so. With FINDER_TELLS words end there, see finder_numbers(). */
static inline uint32_t
finder_step(const struct finder_table *t, uint32_t state, char c)
{
	return t->next[state & ~FINDER_TELLS][t->class[(unsigned char)c]];
}

/* Their numbers, in the order in which they were added. */
static inline const uint32_t *
finder_numbers(const struct finder_table *t, uint32_t state, size_t *n)
{
	const uint32_t *first = &t->first[state & ~FINDER_TELLS];

	*n = first[1] - first[0];
	return t->numbers + first[0];
}

#endif
