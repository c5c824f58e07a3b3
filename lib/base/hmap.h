/*
 * A hash table from a 64-bit hash to a 32-bit handle (eight bytes an entry at full load). It holds no keys: the
 * caller compares. Use str_hash() for keys that strangers choose.
 */
#ifndef PH_BASE_HMAP_H
#define PH_BASE_HMAP_H

#include "lib/base/base.h"

struct hmap_slot {
	uint32_t handle; /* 0: empty */
	uint32_t hash;
};
struct hmap {
	struct hmap_slot *slots;
	uint32_t size; /* power of two, or 0 */
	uint32_t n;
};
/* Is `handle` the one that `key` looks for? */
typedef bool hmap_eq(const void *key, uint32_t handle);

void hmap_init(struct hmap *m);
void hmap_clear(struct hmap *m);
/* 0: not there */
uint32_t hmap_find(const struct hmap *m, uint64_t hash, hmap_eq *eq, const void *key);
/* The key must not be there yet. handle != 0. */
void hmap_add(struct hmap *m, uint64_t hash, uint32_t handle);
/* Removes exactly this handle; panics when it is not there. */
void hmap_remove(struct hmap *m, uint64_t hash, uint32_t handle);

#endif
