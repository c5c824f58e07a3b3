/*
 * A table from 64-bit hashes to counters or times, open addressing, never shrinks. The keys must be well mixed
 * already (XXH3); a collision of two keys is taken for one (1 in 2^40 for a million keys).
 */
#ifndef PH_MXSIM_TABLE64_H
#define PH_MXSIM_TABLE64_H

#include "lib/base/base.h"

struct table64_slot {
	uint64_t key; /* 0: empty */
	int64_t value;
};
struct table64 {
	struct table64_slot *slots;
	size_t size; /* power of two, or 0 */
	size_t n;
};

/* The value's place, made with 0 when it was not there; good until the next call. */
int64_t *table64_at(struct table64 *t, uint64_t key);
void table64_clear(struct table64 *t);

#endif
