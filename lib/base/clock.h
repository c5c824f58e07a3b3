/*
 * Two kinds of time that must not mix: `struct mono` for deadlines and intervals (nanoseconds of
 * CLOCK_MONOTONIC), `struct wall` for what people read and what is stored (nanoseconds since 1970, UTC). Only
 * lib/ev reads the clocks (ev_now, ev_wall), so that tests can turn them.
 */
#ifndef PH_BASE_CLOCK_H
#define PH_BASE_CLOCK_H

#include "lib/base/base.h"

struct mono {
	int64_t ns;
};
struct wall {
	int64_t ns;
};

#define NS_PER_SEC INT64_C(1000000000)
#define NS_PER_MS  INT64_C(1000000)
#define MONO_NEVER ((struct mono){.ns = INT64_MAX})

static inline struct mono
mono_add_ms(struct mono t, int64_t ms)
{
	return (struct mono){.ns = t.ns + ms * NS_PER_MS};
}

/* b - a in milliseconds, rounded down */
static inline int64_t
mono_diff_ms(struct mono a, struct mono b)
{
	return (b.ns - a.ns) / NS_PER_MS;
}

static inline bool
mono_is_before(struct mono a, struct mono b)
{
	return a.ns < b.ns;
}

static inline struct wall
wall_from_sec(int64_t sec)
{
	return (struct wall){.ns = sec * NS_PER_SEC};
}

static inline int64_t
wall_sec(struct wall t)
{
	return t.ns / NS_PER_SEC;
}

#endif
