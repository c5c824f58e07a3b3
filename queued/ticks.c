#include "queued/ticks.h"

#include "lib/ev/ev.h"

static struct mono start;

void
ticks_init(void)
{
	start = ev_now();
}

static int32_t
clamp(int64_t t)
{
	return (int32_t)PH_MAX(PH_MIN(t, INT32_MAX), INT32_MIN);
}

struct tick
tick_now(void)
{
	return (struct tick){.t = clamp(mono_diff_ms(start, ev_now()) / TICK_MS)};
}

struct tick
tick_add_ms(struct tick t, int64_t ms)
{
	return (struct tick){.t = clamp(t.t + (PH_MIN(ms, INT64_MAX / 2) + TICK_MS - 1) / TICK_MS)};
}

struct tick
tick_in_ms(int64_t ms)
{
	int64_t since = mono_diff_ms(start, ev_now());

	return (struct tick){
	    .t = clamp((since + PH_MIN(ms, INT64_MAX / 2) + TICK_MS - 1) / TICK_MS)};
}

struct tick
tick_ago_ms(int64_t ms)
{
	return (struct tick){.t = clamp(tick_now().t - ms / TICK_MS)};
}

struct wall
tick_to_wall(struct tick t)
{
	return (struct wall){.ns = ev_wall().ns + tick_diff_ms(tick_now(), t) * NS_PER_MS};
}

struct mono
tick_to_mono(struct tick t)
{
	return mono_add_ms(start, (int64_t)t.t * TICK_MS);
}

int64_t
tick_diff_ms(struct tick a, struct tick b)
{
	return ((int64_t)b.t - a.t) * TICK_MS;
}
