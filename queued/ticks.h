/*
 * Time as stored in millions of objects: eighths of a second since queued began, 32 bits, negative for what is
 * older. It follows the monotonic clock, so a step of the wall clock expires nothing.
 */
#ifndef PH_QUEUED_TICKS_H
#define PH_QUEUED_TICKS_H

#include "lib/base/clock.h"

#define TICK_MS 125

struct tick {
	int32_t t;
};

void ticks_init(void);
struct tick tick_now(void);
/* now + ms, rounded up so that nothing is early */
struct tick tick_in_ms(int64_t ms);
struct tick tick_add_ms(struct tick t, int64_t ms);
/* So long ago. */
struct tick tick_ago_ms(int64_t ms);
struct wall tick_to_wall(struct tick t);
struct mono tick_to_mono(struct tick t);
/* b - a */
int64_t tick_diff_ms(struct tick a, struct tick b);

static inline bool
tick_is_due(struct tick t)
{
	return t.t <= tick_now().t;
}

#endif
