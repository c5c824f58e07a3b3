/*
 * What memory holds of a text that lies on disk (an address, an envelope id): which letters and which pairs of neighbouring
 * ones it has, as 64 bits. Who looks for a pattern among a million reads only those that have all of the pattern's. It never
 * says that a text fits, only that it cannot.
 */
#ifndef PH_QUEUED_BIGRAMS_H
#define PH_QUEUED_BIGRAMS_H

#include <stdint.h>

#include "lib/base/str.h"

/* which ends of the text are ends of the whole: they count as letters of their own */
enum bigrams_ends { BIGRAMS_BEGINS = 1, BIGRAMS_ENDS = 2, BIGRAMS_WHOLE = 3 };

/* The letters and pairs of a text, in any case of ASCII letters. Those of its pieces, the last letter of one the first of the next,
 * are together those of the text. */
uint64_t bigrams_of(struct str text, enum bigrams_ends ends);
/* Those that each text has which fits a pattern of `*` and `?`. */
uint64_t bigrams_asked(struct str pattern, enum bigrams_ends ends);
/* Of an address: what stands before its `@`, and that letter; BIGRAMS_UNKNOWN when it has several. The rest is its
 * domain's (domain.h). */
uint64_t bigrams_of_local_part(struct str address);
#define BIGRAMS_UNKNOWN UINT64_MAX

static inline bool
bigrams_may_fit(uint64_t has, uint64_t asked)
{
	return (has & asked) == asked;
}

/* what a pattern of addresses asks of their parts, and of the two together */
struct bigrams_address {
	uint64_t local_part, domain, whole;
};
void bigrams_ask_address(struct bigrams_address *a, struct str pattern);

/* domain: of `@` and its name; either may be BIGRAMS_UNKNOWN. */
static inline bool
bigrams_may_be(const struct bigrams_address *a, uint64_t local_part, uint64_t domain)
{
	if (local_part == BIGRAMS_UNKNOWN)
		return true;
	return bigrams_may_fit(local_part, a->local_part) && bigrams_may_fit(domain, a->domain) &&
	       bigrams_may_fit(local_part | domain, a->whole);
}

#endif
