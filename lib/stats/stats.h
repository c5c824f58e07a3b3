/*
 * Statistics: each daemon counts on its own shared page (a memfd that master made), the watchers map all pages
 * read-only and add up. Counting is a plain store, watching costs the watched nothing. `stats.def` has one row a
 * counter, gauge, histogram or labelled value; names, help and every output are made from it. A page's size is fixed:
 * what outsiders name (domains, VirtualMTAs) can fill the places for labels, never more.
 */
#ifndef PH_STATS_STATS_H
#define PH_STATS_STATS_H

#include "lib/base/str.h"

enum stat_id {
#define STAT(name, kind, text, help) STAT_##name,
#include "lib/stats/stats.def"
	STAT_MAX
};
enum stat_hist {
#define HISTOGRAM(name, text, help) HIST_##name,
#include "lib/stats/stats.def"
	HIST_MAX
};
enum stat_family {
#define LABELLED(name, kind, text, label, help) FAMILY_##name,
#include "lib/stats/stats.def"
	FAMILY_MAX
};
enum stat_kind { STAT_COUNTER, STAT_GAUGE, STAT_LEVEL, STAT_USE_MS };

/* upper bounds of the histograms' classes in milliseconds; one more class is without a bound */
#define STATS_BOUNDS                                                                               \
	1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 900000,    \
	    3600000, 14400000, 86400000
#define STATS_N_BOUNDS 19
#define STATS_LABELS   48
/* the label of what has no place of its own any more */
#define STATS_OTHER "other"

struct stats_histogram {
	uint64_t n[STATS_N_BOUNDS + 1]; /* of each class alone */
	uint64_t sum_ms;
};
struct stats_label {
	uint64_t value;
	char text[72]; /* ends with NUL */
};
/* written by one process; `turn` is odd while labels are being put in place of others */
struct stats_labels {
	uint32_t turn, n;
	struct stats_label rows[STATS_LABELS];
};
struct stats_page {
	uint64_t magic;
	uint64_t role, instance, pid;
	int64_t started_ns;
	uint64_t v[STAT_MAX];
	struct stats_histogram histograms[HIST_MAX];
	struct stats_labels families[FAMILY_MAX];
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
/* One more that took so long; below 0 counts as 0. */
void stat_took(enum stat_hist h, int64_t ms);
/* n more for that label; when all places are taken, for STATS_OTHER. A label is cut to what has room. */
void stat_label_add(enum stat_family f, struct str label, uint64_t n);
/* A family of gauges as a whole, at most STATS_LABELS rows. */
void stat_labels_set(enum stat_family f, const struct stats_label *rows, size_t n);

/* A new page in a sealed-size memfd; master's. Returns the descriptor, or -1 with errno. */
int stats_create(uint32_t role, uint32_t instance) PH_MUST_CHECK;
/*
 * Maps the descriptor as this process's own page (read-write): counters go on, gauges begin at 0, its starts are one
 * more. -1 with errno.
 */
int stats_map_own(int fd) PH_MUST_CHECK;
/* Maps another's page read-only; NULL with errno. */
const struct stats_page *stats_map(int fd);
/* What the process has used so far, onto its own page; cheap enough for every second. */
void stats_note_use(void);
/* A copy of that page's labels of one family, complete in itself; false: its owner is writing it. */
bool stats_labels_read(const struct stats_page *p, enum stat_family f, struct stats_labels *copy);

const char *stat_name(enum stat_id id); /* "smtp_in_messages" */
const char *stat_help(enum stat_id id);
enum stat_kind stat_kind(enum stat_id id);
bool stat_is_gauge(enum stat_id id);
/* The i-th bound in milliseconds. */
uint64_t stats_bound(size_t i);

#endif
