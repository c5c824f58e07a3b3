#include "queued/control/traffic.h"

/* empties the slots of the units that passed since the last look */
static void
turn_to(struct traffic_ring *r, int64_t unit)
{
	int64_t passed = unit - r->now;

	if (passed <= 0)
		return;
	passed = PH_MIN(passed, (int64_t)TRAFFIC_SLOTS);
	for (int64_t i = 0; i < passed; i++) {
		struct traffic_sum *slot = &r->slots[(unit - i) % TRAFFIC_SLOTS];
		for (size_t k = 0; k < TRAFFIC_COLUMNS; k++)
			r->sum.v[k] -= slot->v[k];
		*slot = (struct traffic_sum){0};
	}
	r->now = unit;
}

static void
add(struct traffic_ring *r, const struct traffic_sum *came)
{
	struct traffic_sum *slot = &r->slots[r->now % TRAFFIC_SLOTS];

	for (size_t k = 0; k < TRAFFIC_COLUMNS; k++) {
		slot->v[k] += came->v[k];
		r->sum.v[k] += came->v[k];
		r->top.v[k] = PH_MAX(r->top.v[k], r->sum.v[k]);
	}
}

void
traffic_reset(struct traffic *t, int64_t second, const struct traffic_sum *totals)
{
	*t = (struct traffic){.base = *totals, .last = *totals, .began = true};
	t->minute.now = second;
	t->hour.now = second / 60;
}

void
traffic_look(struct traffic *t, int64_t second, const struct traffic_sum *totals)
{
	struct traffic_sum came;

	if (!t->began) {
		traffic_reset(t, second, totals);
		t->base = (struct traffic_sum){0};
		return;
	}
	for (size_t k = 0; k < TRAFFIC_COLUMNS; k++) {
		/* a page may have been lost with its counts */
		came.v[k] = totals->v[k] > t->last.v[k] ? totals->v[k] - t->last.v[k] : 0;
		t->base.v[k] = PH_MIN(t->base.v[k], totals->v[k]);
	}
	t->last = *totals;
	turn_to(&t->minute, second);
	turn_to(&t->hour, second / 60);
	add(&t->minute, &came);
	add(&t->hour, &came);
}

struct traffic_sum
traffic_total(const struct traffic *t)
{
	struct traffic_sum s;

	for (size_t k = 0; k < TRAFFIC_COLUMNS; k++)
		s.v[k] = t->last.v[k] - t->base.v[k];
	return s;
}
