#include "tests/mxsim/rule.h"

#include <xxhash.h>

/*
 * For good (5xx at rcpt) the same recipient is refused at every attempt; anything else is chosen by the event's
 * number, so that a later attempt gets through.
 */
static bool
picks_percent(const struct rule *r, uint64_t nth, struct str key, uint64_t seed)
{
	uint64_t h;

	if (r->step == STEP_RCPT && r->act == ACT_REPLY && r->text[0] == '5')
		h = XXH3_64bits_withSeed(key.p, key.len, seed);
	else
		h = XXH3_64bits_withSeed(&nth, sizeof(nth), seed);
	return h % 10000 < r->n;
}

static bool
picks(struct provider *p, size_t number, struct str key, uint64_t seed)
{
	const struct rule *r = &p->policy->rules[number];
	uint64_t nth = p->rule_seen[number]++;
	uint64_t own_seed = seed * 1000003 + p->index * 1009 + number + 1;
	int64_t *times;

	switch (r->pick) {
	case PICK_ALWAYS:
		return true;
	case PICK_PERCENT:
		return picks_percent(r, nth, key, own_seed);
	case PICK_FIRST:
		return nth < r->n;
	case PICK_EVERY:
		return (nth + 1) % r->n == 0;
	case PICK_EACH:
		times = table64_at(&p->each, XXH3_64bits_withSeed(key.p, key.len, own_seed));
		return (uint64_t)(*times)++ < r->n;
	default:
		return pattern_matches(str_of(r->pattern), key);
	}
}

const struct rule *
rule_pick(struct provider *p, size_t from, enum step step, struct str key, uint64_t seed)
{
	for (size_t i = from; i < p->policy->n_rules; i++) {
		if (p->policy->rules[i].step == step && picks(p, i, key, seed))
			return &p->policy->rules[i];
	}
	return NULL;
}
