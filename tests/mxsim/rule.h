/*
 * Which rule of a provider applies to an event. The choice is by counting or by hashing, never by chance: the same
 * run gives the same events.
 */
#ifndef PH_MXSIM_RULE_H
#define PH_MXSIM_RULE_H

#include "tests/mxsim/provider.h"

/* The first rule from number `from` on that picks this event, or NULL. `key`: the recipient, sender or name in question. */
const struct rule *rule_pick(
    struct provider *p, size_t from, enum step step, struct str key, uint64_t seed);

#endif
