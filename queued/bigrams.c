#include "queued/bigrams.h"

/* no letters: the ends, and what a wildcard stands for */
enum { BEGIN = 256, END, ANY };

static uint64_t
pair(unsigned a, unsigned b)
{
	return UINT64_C(1) << ((a << 9 | b) * 0x9e3779b1u >> 26);
}

/* few patterns tell more of the beginning than one letter: that one has two bits */
static uint64_t
first(unsigned a)
{
	return pair(BEGIN, a) | pair(a, BEGIN);
}

static uint64_t
add(uint64_t bits, unsigned before, unsigned ch)
{
	if (before == ANY || ch == ANY)
		return bits;
	return bits | (before == BEGIN ? first(ch) : pair(before, ch));
}

static uint64_t
gather(struct str s, enum bigrams_ends ends, bool is_pattern)
{
	unsigned before = (ends & BIGRAMS_BEGINS) != 0 ? BEGIN : ANY;
	uint64_t bits = 0;

	for (size_t i = 0; i < s.len; i++) {
		bool is_wild = is_pattern && (s.p[i] == '*' || s.p[i] == '?');
		unsigned ch = is_wild ? ANY : (unsigned char)ascii_lower(s.p[i]);
		bits = add(bits, before, ch);
		before = ch;
	}
	return (ends & BIGRAMS_ENDS) != 0 ? add(bits, before, END) : bits;
}

uint64_t
bigrams_of(struct str text, enum bigrams_ends ends)
{
	return gather(text, ends, false);
}

uint64_t
bigrams_asked(struct str pattern, enum bigrams_ends ends)
{
	return gather(pattern, ends, true);
}

uint64_t
bigrams_of_local_part(struct str address)
{
	size_t at = str_rfind(address, '@');

	if (at == STR_NPOS)
		return bigrams_of(address, BIGRAMS_WHOLE);
	return bigrams_of(str_sub(address, 0, at + 1), BIGRAMS_BEGINS);
}
