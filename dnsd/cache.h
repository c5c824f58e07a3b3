/*
 * Answers by (name, type) until their time is over; when there are too many, the least recently used go. An entry
 * is stored as small as it is.
 */
#ifndef PH_DNSD_CACHE_H
#define PH_DNSD_CACHE_H

#include <sys/queue.h>

#include "dnsd/wire.h"
#include "lib/base/hmap.h"
#include "lib/base/slab.h"

#define CACHE_MAX 200000u

struct cache_entry;
struct cache {
	TAILQ_HEAD(cache_lru, cache_entry) lru; /* the one used last is first */
	struct hmap map;
	struct slab slots; /* struct cache_entry * */
};

void cache_init(struct cache *c);
void cache_clear(struct cache *c);
/* Unpacks into *a, with the time that is left; false: it is not there, or over. */
bool cache_find(struct cache *c, const char *name, enum wire_type type, struct wire_answer *a);
/* In place of what was there. Time 0 is not kept. */
void cache_add(struct cache *c, const char *name, enum wire_type type, const struct wire_answer *a);
/* All types of that name; NULL: everything. */
void cache_forget(struct cache *c, const char *name);
uint32_t cache_n(const struct cache *c);

#endif
