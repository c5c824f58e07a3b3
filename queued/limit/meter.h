/*
 * How much went through in the last period: a window that slides, not a bucket that is refilled. What is granted
 * counts at once, for as long as the receiver has not answered, and from the answer on for a whole period. So
 * whenever the receiver saw it in between, no window of the period's length, as the receiver sees it, holds more
 * than `max`. A meter knows neither clock nor queue; it must never let more through than that, it may let less
 * through: of more than METER_EXACT units a period, neighbours are kept as one and leave with the later of them.
 */
#ifndef PH_QUEUED_LIMIT_METER_H
#define PH_QUEUED_LIMIT_METER_H

#include "lib/base/clock.h"

#define METER_NO_LIMIT UINT64_MAX
/* as many answers are remembered one by one; of more, those within a 128th of the period as one */
#define METER_EXACT 128

struct keep;

struct meter_sum {
	int64_t ns; /* answered until then */
	uint64_t n;
};
struct meter {
	uint64_t max; /* units a period, METER_NO_LIMIT: none */
	int64_t period_ns;
	uint64_t flying;	/* granted, not yet answered */
	uint64_t past;		/* answered within the period */
	struct meter_sum one;	/* the only one, until there must be a ring */
	struct meter_sum *ring; /* NULL: not yet */
	struct keep *keep;	/* of keep.h: what survives a restart; NULL: nothing */
	int64_t last_began_ns;	/* of the ring's last */
	uint16_t head, n, cap;
	uint16_t pad[1];
};

/* A meter of zeros has no limit. `max` 0 or METER_NO_LIMIT: none. What was counted stays. */
void meter_set(struct meter *m, uint64_t max, int64_t period_ms);
void meter_clear(struct meter *m);
static inline bool
meter_is_on(const struct meter *m)
{
	return m->period_ns != 0 && m->max != METER_NO_LIMIT;
}
/* Units that may be granted now. */
uint64_t meter_room(struct meter *m, struct mono now);
/* May `need` units be granted together? What is larger than `max` goes alone. */
bool meter_fits(struct meter *m, uint64_t need, struct mono now);
/* When they may; MONO_NEVER: first an answer must come. */
struct mono meter_due(const struct meter *m, uint64_t need);
/* Grants. */
void meter_take(struct meter *m, uint64_t n);
/* `taken` units are answered, of which `seen` count from now on. */
void meter_answer(struct meter *m, uint64_t taken, uint64_t seen, struct mono now);
/* When nothing of it is left to remember; MONO_NEVER while something is not answered. */
struct mono meter_over(const struct meter *m);

#endif
