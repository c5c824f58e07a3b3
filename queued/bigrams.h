/*
 * What memory holds of a text that lies on disk (an address, an envelope id): which pairs of neighbouring letters it has,
 * as 64 bits. Who looks for a pattern among a million reads only those that have all pairs of the pattern. It never says
 * that a text fits, only that it cannot.
 */
#ifndef PH_QUEUED_BIGRAMS_H
#define PH_QUEUED_BIGRAMS_H

#include <stdint.h>

#include "lib/base/str.h"

/* which ends of the text are ends of the whole: they count as letters of their own */
enum bigrams_ends { BIGRAMS_BEGINS = 1, BIGRAMS_ENDS = 2, BIGRAMS_WHOLE = 3 };

/* The pairs of a text, in any case of ASCII letters. Those of its pieces, the last letter of one the first of the next,
 * are together those of the text. */
uint64_t bigrams_of(struct str text, enum bigrams_ends ends);
/* The pairs that each text has which fits a pattern of `*` and `?`. */
uint64_t bigrams_asked(struct str pattern, enum bigrams_ends ends);
/* Of an address: what stands before its last `@`, and that letter. The rest is its domain's (domain.h). */
uint64_t bigrams_of_local_part(struct str address);

static inline bool
bigrams_may_fit(uint64_t has, uint64_t asked)
{
	return (has & asked) == asked;
}

#endif
