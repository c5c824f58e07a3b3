/*
 * The meter against its promise, by force: grants as early as it lets, answers at random times, and the receiver
 * sees each unit at any moment in between. No window may hold more than the limit, and not much less gets through
 * than the limit allows.
 */
#include "queued/limit/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/base/xalloc.h"

#define MAX_UNITS 60000

struct unit {
	int64_t granted, answered, seen;
	uint64_t n;
};
static struct unit units[MAX_UNITS];
static uint32_t seed;

static uint32_t
dice(uint32_t sides)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % sides;
}

static int
by_seen(const void *a, const void *b)
{
	const struct unit *x = a, *y = b;

	return (x->seen > y->seen) - (x->seen < y->seen);
}

/* the most that any window [t, t + period) holds */
static uint64_t
densest(size_t n, int64_t period_ns)
{
	uint64_t sum = 0, most = 0;

	qsort(units, n, sizeof units[0], by_seen);
	for (size_t i = 0, from = 0; i < n; i++) {
		sum += units[i].n;
		while (units[from].seen + period_ns <= units[i].seen)
			sum -= units[from++].n;
		most = PH_MAX(most, sum);
	}
	return most;
}

struct flight {
	size_t list[64];
	size_t n;
};

/* answers what is due before `now`, in order of time */
static void
land(struct meter *m, struct flight *f, int64_t now)
{
	for (;;) {
		size_t best = f->n;
		for (size_t i = 0; i < f->n; i++)
			if (units[f->list[i]].answered <= now &&
			    (best == f->n ||
				units[f->list[i]].answered < units[f->list[best]].answered))
				best = i;
		if (best == f->n)
			return;
		struct unit *u = &units[f->list[best]];
		meter_answer(m, u->n, u->n, (struct mono){u->answered});
		f->list[best] = f->list[--f->n];
	}
}

struct trial {
	const char *name;
	uint64_t max;
	int64_t period_ms;
	uint32_t latency_ms;	/* at most */
	uint32_t sizes;		/* units of 1 to this */
	uint32_t least_percent; /* of the limit that gets through */
};

static void
grant(struct meter *m, struct flight *f, const struct trial *t, size_t n, int64_t now)
{
	struct unit *u = &units[n];
	int64_t latency = (int64_t)dice(t->latency_ms * 1000 + 1) * 1000;

	u->granted = now;
	u->answered = now + latency;
	u->seen = now + (latency == 0 ? 0 : (int64_t)dice((uint32_t)(latency / 1000) + 1) * 1000);
	meter_take(m, u->n);
	f->list[f->n++] = n;
}

static void
try(const struct trial *t)
{
	struct meter m = {0};
	struct flight f = {.n = 0};
	int64_t now = 0, end = t->period_ms * NS_PER_MS * 12;
	size_t n = 0;
	uint64_t sum = 0, most;

	meter_set(&m, t->max, t->period_ms);
	while (now < end && n < MAX_UNITS) {
		units[n].n = 1 + dice(t->sizes);
		land(&m, &f, now);
		if (f.n < countof(f.list) && meter_fits(&m, units[n].n, (struct mono){now})) {
			grant(&m, &f, t, n, now);
			sum += units[n++].n;
			if (dice(50) == 0)
				now += (int64_t)dice((uint32_t)t->period_ms) * NS_PER_MS / 20;
			continue;
		}
		struct mono due = f.n < countof(f.list) ? meter_due(&m, units[n].n) : MONO_NEVER;
		for (size_t i = 0; i < f.n; i++)
			due.ns = PH_MIN(due.ns, units[f.list[i]].answered);
		assert_true(due.ns < INT64_MAX);
		now = PH_MAX(due.ns, now + 1);
	}
	most = densest(n, t->period_ms * NS_PER_MS);
	if (most > t->max)
		fail_msg("%s: %lu in a window, %lu allowed", t->name, most, t->max);
	if (sum * 100 < t->max * 12 * t->least_percent)
		fail_msg("%s: only %lu got through in 12 periods of %lu", t->name, sum, t->max);
	meter_clear(&m);
}

static void
no_window_holds_more_than_the_limit(void **state)
{
	static const struct trial trials[] = {
	    {"1/36s", 1, 36000, 300, 1, 90},
	    {"83/5s", 83, 5000, 200, 1, 80},
	    {"10/s, slow answers", 10, 1000, 900, 1, 40},
	    {"100/15m", 100, 900000, 2000, 1, 80},
	    {"1000/m", 1000, 60000, 100, 1, 80},
	    {"4000/m, slow answers", 4000, 60000, 3000, 1, 20},
	    {"bytes: 1M/m", 1048576, 60000, 500, 20000, 75},
	    {"bytes: 10k/h, large ones", 10240, 3600000, 500, 9000, 40},
	    {"7/3s, at once", 7, 3000, 0, 1, 95},
	};

	for (size_t i = 0; i < countof(trials); i++) {
		for (seed = 1; seed < 2000000; seed += 400000)
			try(&trials[i]);
	}
}

static void
what_is_not_answered_counts_until_it_is(void **state)
{
	struct meter m = {0};
	struct mono hour = {3600 * NS_PER_SEC};

	meter_set(&m, 2, 1000);
	meter_take(&m, 2);
	assert_int_equal(meter_room(&m, hour), 0);
	assert_int_equal(meter_due(&m, 1).ns, INT64_MAX);
	meter_answer(&m, 2, 1, hour);
	assert_int_equal(meter_room(&m, hour), 1);
	assert_int_equal(meter_due(&m, 2).ns, hour.ns + NS_PER_SEC);
	assert_int_equal(meter_room(&m, mono_add_ms(hour, 999)), 1);
	assert_int_equal(meter_room(&m, mono_add_ms(hour, 1000)), 2);
	assert_int_equal(meter_over(&m).ns, 0);
	meter_clear(&m);
}

static void
what_is_larger_than_the_limit_goes_alone(void **state)
{
	struct meter m = {0};
	struct mono t = {0};

	meter_set(&m, 1000, 60000);
	assert_true(meter_fits(&m, 5000, t));
	meter_take(&m, 5000);
	assert_false(meter_fits(&m, 1, t));
	meter_answer(&m, 5000, 5100, t);
	assert_int_equal(meter_due(&m, 1).ns, 60000 * NS_PER_MS);
	assert_true(meter_fits(&m, 5000, mono_add_ms(t, 60000)));
	meter_clear(&m);
}

static void
no_limit_is_no_limit(void **state)
{
	struct meter m = {0};
	struct mono t = {0};

	assert_int_equal(meter_room(&m, t), METER_NO_LIMIT);
	meter_set(&m, 0, 1000);
	assert_int_equal(meter_room(&m, t), METER_NO_LIMIT);
	meter_set(&m, 5, 1000);
	meter_answer(&m, 0, 7, t); /* counted beyond it: another limit held then */
	assert_int_equal(meter_room(&m, t), 0);
	assert_int_equal(meter_over(&m).ns, 1000 * NS_PER_MS);
	meter_clear(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_window_holds_more_than_the_limit),
	    cmocka_unit_test(what_is_not_answered_counts_until_it_is),
	    cmocka_unit_test(what_is_larger_than_the_limit_goes_alone),
	    cmocka_unit_test(no_limit_is_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
