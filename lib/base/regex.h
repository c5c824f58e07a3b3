/*
 * A compiled pattern of the operator's, held against text of strangers: Perl's syntax, without ASCII case unless the
 * pattern says (?-i), over bytes. One match takes a bounded number of steps and a bounded amount of memory, and counts
 * as no match beyond that, so that no text can hold a daemon up. Memory that can be executed is made only while that is
 * allowed (before a daemon's sandbox); without it a match takes longer and says the same.
 */
#ifndef PH_BASE_REGEX_H
#define PH_BASE_REGEX_H

#include "lib/base/str.h"
#include "lib/base/why.h"

#define REGEX_MAX 4096 /* bytes of a pattern */

struct regex;
/* Compiles the pattern (without its slashes). NULL with `why`: "at byte 3 of the pattern: …". Returns owned. */
struct regex *regex_new(struct str pattern, struct why *why) PH_MUST_CHECK;
void regex_free(struct regex **r);
/* Does it compile? -1 with `why`, as above. */
int regex_check(struct str pattern, struct why *why) PH_MUST_CHECK;
/* Is the pattern found in the text, of which the first 4 KB are looked at? */
bool regex_finds(const struct regex *r, struct str text);
/*
 * The same in the first 32 KB, with more room to search: true, and a call for each named group that took part.
 */
typedef void regex_group_cb(void *ctx, const char *name, struct str value);
bool regex_groups(const struct regex *r, struct str text, regex_group_cb *cb, void *ctx);
/* May patterns that are compiled from now on be translated to machine code? Yes at first. */
void regex_allow_jit(bool allow);
bool regex_may_jit(void);

#endif
