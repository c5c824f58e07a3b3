/*
 * Statistics: each daemon counts on its own shared page (a memfd that master made), the watchers map all pages
 * read-only and add up. Counting is a plain store, watching costs the watched nothing. `stats.def` has one row a
 * counter or gauge; names, help and every output are made from it.
 */
#ifndef PH_STATS_STATS_H
#define PH_STATS_STATS_H

#include "lib/base/base.h"

enum stat_id {
#define STAT(name, kind, text, help) STAT_##name,
#include "lib/stats/stats.def"
#undef STAT
	STAT_MAX
};

struct stats_page {
	uint64_t magic;
	uint64_t role, instance, pid;
	int64_t started_ns;
	uint64_t v[STAT_MAX];
};

/* The page of this process; before stats_map_own() a private one, so counting always works. */
extern struct stats_page *stats_own;

static inline void
stat_add(enum stat_id id, uint64_t n)
{
	__atomic_store_n(&stats_own->v[id], stats_own->v[id] + n, __ATOMIC_RELAXED);
}
static inline void
stat_inc(enum stat_id id)
{
	stat_add(id, 1);
}
static inline void
stat_set(enum stat_id id, uint64_t v)
{
	__atomic_store_n(&stats_own->v[id], v, __ATOMIC_RELAXED);
}

/* A new page in a sealed-size memfd; master's. Returns the descriptor, or -1 with errno. */
int stats_create(uint32_t role, uint32_t instance) PH_MUST_CHECK;
/* Maps the descriptor as this process's own page (read-write): counters go on, gauges begin at 0. -1 with errno. */
int stats_map_own(int fd) PH_MUST_CHECK;
/* Maps another's page read-only; NULL with errno. */
const struct stats_page *stats_map(int fd);
const char *stat_name(enum stat_id id); /* "smtp_in_messages" */
const char *stat_help(enum stat_id id);
bool stat_is_gauge(enum stat_id id);

#endif
