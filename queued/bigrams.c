#include "queued/bigrams.h"

/* no letters: the ends, and what a wildcard stands for */
enum { BEGIN = 256, END, ANY };

/* each letter has a bit of its own, digits one, and what is neither and not in most addresses; pairs share the rest */
enum { BIT_DIGIT = 26, BIT_OTHER, FIRST_PAIR, N_PAIRS = 64 - FIRST_PAIR };

static uint64_t
single(unsigned ch)
{
	if (ascii_is_digit((char)ch))
		return UINT64_C(1) << BIT_DIGIT;
	if (ch >= 'a' && ch <= 'z')
		return UINT64_C(1) << (ch - 'a');
	return ch == '@' || ch == '.' || ch == '-' ? 0 : UINT64_C(1) << BIT_OTHER;
}

static uint64_t
pair(unsigned a, unsigned b)
{
	uint64_t hash = (a << 9 | b) * 0x9e3779b1u;

	return UINT64_C(1) << (FIRST_PAIR + (hash * N_PAIRS >> 32));
}

/* some patterns tell no more than the first letter: it has three bits */
static uint64_t
first(unsigned a)
{
	return pair(BEGIN, a) | pair(a, BEGIN) | pair(ANY, a);
}

static uint64_t
add(uint64_t bits, unsigned before, unsigned ch)
{
	if (ch != ANY && ch != END)
		bits |= single(ch);
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
	if (at != str_find(address, '@'))
		return BIGRAMS_UNKNOWN;
	return bigrams_of(str_sub(address, 0, at + 1), BIGRAMS_BEGINS);
}

/* where the pattern has its last `@` an address that fits has its only one */
static void
ask_parts(struct bigrams_address *a, struct str pattern, size_t at)
{
	a->local_part = bigrams_asked(str_sub(pattern, 0, at + 1), BIGRAMS_BEGINS);
	a->domain = bigrams_asked(str_skip(pattern, at), BIGRAMS_ENDS);
}

void
bigrams_ask_address(struct bigrams_address *a, struct str pattern)
{
	size_t at = str_rfind(pattern, '@'), n = 0;

	*a = (struct bigrams_address){0};
	if (pattern.len == 0)
		return;
	if (at != STR_NPOS) {
		ask_parts(a, pattern, at);
		return;
	}
	/* what stands before the first wildcard has no `@` either, so it is in the local part */
	while (n < pattern.len && pattern.p[n] != '*' && pattern.p[n] != '?')
		n++;
	a->local_part = bigrams_asked(str_sub(pattern, 0, n), BIGRAMS_BEGINS);
	a->whole = bigrams_asked(pattern, BIGRAMS_WHOLE);
}
