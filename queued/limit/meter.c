#include "queued/limit/meter.h"

#include "lib/base/xalloc.h"
#include "queued/limit/keep.h"

#define FIRST_CAP 4
#define MAX_CAP	  256

void
meter_set(struct meter *m, uint64_t max, int64_t period_ms)
{
	m->max = max == 0 ? METER_NO_LIMIT : max;
	if (m->max != METER_NO_LIMIT)
		m->period_ns = PH_MAX(period_ms, (int64_t)1) * NS_PER_MS;
}

void
meter_clear(struct meter *m)
{
	keep_detach(m);
	free(m->ring);
	*m = (struct meter){0};
}

static const struct meter_sum *
nth(const struct meter *m, uint32_t i)
{
	return m->ring == NULL ? &m->one : &m->ring[(m->head + i) & (m->cap - 1u)];
}

static struct meter_sum *
last(struct meter *m)
{
	return m->ring == NULL ? &m->one : &m->ring[(m->head + m->n - 1u) & (m->cap - 1u)];
}

static void
expire(struct meter *m, struct mono now)
{
	while (m->n > 0 && nth(m, 0)->ns + m->period_ns <= now.ns) {
		m->past -= nth(m, 0)->n;
		m->head = m->ring == NULL ? 0 : (uint16_t)((m->head + 1u) & (m->cap - 1u));
		m->n--;
	}
}

uint64_t
meter_room(struct meter *m, struct mono now)
{
	uint64_t counted;

	if (!meter_is_on(m))
		return METER_NO_LIMIT;
	expire(m, now);
	counted = m->flying + m->past;
	return m->max - PH_MIN(counted, m->max);
}

bool
meter_fits(struct meter *m, uint64_t need, struct mono now)
{
	uint64_t room = meter_room(m, now);

	return room >= need || (need > m->max && m->flying + m->past == 0);
}

struct mono
meter_due(const struct meter *m, uint64_t need)
{
	uint64_t keep = need > m->max ? 0 : m->max - need; /* may still count then */
	uint64_t counted = m->flying + m->past;
	struct mono at = {.ns = 0};

	if (!meter_is_on(m))
		return at;
	for (uint32_t i = 0; i < m->n && counted > keep; i++) {
		counted -= nth(m, i)->n;
		at.ns = nth(m, i)->ns + m->period_ns;
	}
	return counted > keep ? MONO_NEVER : at;
}

void
meter_take(struct meter *m, uint64_t n)
{
	m->flying += n;
	if (m->keep != NULL)
		keep_take(m->keep, n);
}

static void
grow(struct meter *m)
{
	uint16_t cap = m->cap == 0 ? FIRST_CAP : (uint16_t)(m->cap * 2u);
	struct meter_sum *ring = xcalloc(cap, sizeof *ring);

	for (uint32_t i = 0; i < m->n; i++)
		ring[i] = *nth(m, i);
	free(m->ring);
	m->ring = ring;
	m->head = 0;
	m->cap = cap;
}

/* to the last one, if it is near enough or there is no room for more */
static bool
joins_last(const struct meter *m, int64_t now_ns)
{
	if (m->n == 0)
		return false;
	if (m->n == MAX_CAP || nth(m, m->n - 1u)->ns == now_ns)
		return true;
	return m->max > METER_EXACT && now_ns - m->last_began_ns < m->period_ns / METER_EXACT;
}

void
meter_answer(struct meter *m, uint64_t taken, uint64_t seen, struct mono now)
{
	m->flying -= PH_MIN(taken, m->flying);
	if (m->keep != NULL)
		keep_answer(m->keep, taken, seen);
	if (seen == 0 || !meter_is_on(m))
		return;
	expire(m, now);
	m->past += seen;
	if (joins_last(m, now.ns)) {
		last(m)->ns = PH_MAX(last(m)->ns, now.ns);
		last(m)->n += seen;
		return;
	}
	if (m->n == (m->ring == NULL ? 1 : m->cap))
		grow(m);
	m->n++;
	*last(m) = (struct meter_sum){.ns = now.ns, .n = seen};
	m->last_began_ns = now.ns;
}

struct mono
meter_over(const struct meter *m)
{
	if (m->flying > 0)
		return MONO_NEVER;
	if (m->n == 0)
		return (struct mono){.ns = 0};
	return (struct mono){.ns = nth(m, m->n - 1u)->ns + m->period_ns};
}
