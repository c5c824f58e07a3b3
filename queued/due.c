#include "queued/due.h"

#include "lib/base/xalloc.h"

#define WAYS	4 /* below each place: flatter than two, and a row is half a cache line */
#define CAP_MIN 16

static bool
is_sooner(uint32_t a, uint32_t b)
{
	const struct rcpt *x = rcpt_at(a), *y = rcpt_at(b);
	const struct message *m, *n;

	if (x->due.t != y->due.t)
		return x->due.t < y->due.t;
	m = message_at(x->message);
	n = message_at(y->message);
	return m->id != n->id ? m->id < n->id : x->index < y->index;
}

static void
put(struct due *d, uint32_t place, uint32_t rcpt)
{
	d->heap[place] = rcpt;
	rcpt_at(rcpt)->at = place;
}

static void
rise(struct due *d, uint32_t place, uint32_t rcpt)
{
	while (place > 0 && is_sooner(rcpt, d->heap[(place - 1) / WAYS])) {
		put(d, place, d->heap[(place - 1) / WAYS]);
		place = (place - 1) / WAYS;
	}
	put(d, place, rcpt);
}

/* the soonest of those below, or UINT32_MAX */
static uint32_t
soonest_below(const struct due *d, uint32_t place)
{
	uint64_t from = (uint64_t)place * WAYS + 1;
	uint32_t best = UINT32_MAX;

	for (uint64_t i = from; i < from + WAYS && i < d->n; i++) {
		if (best == UINT32_MAX || is_sooner(d->heap[i], d->heap[best]))
			best = (uint32_t)i;
	}
	return best;
}

static void
sink(struct due *d, uint32_t place, uint32_t rcpt)
{
	uint32_t below;

	while ((below = soonest_below(d, place)) != UINT32_MAX && is_sooner(d->heap[below], rcpt)) {
		put(d, place, d->heap[below]);
		place = below;
	}
	put(d, place, rcpt);
}

static void
resize(struct due *d, uint32_t cap)
{
	d->heap = xreallocarray(d->heap, cap, sizeof *d->heap);
	d->cap = cap;
}

void
due_add(struct due *d, uint32_t rcpt)
{
	if (d->n == d->cap)
		resize(d, d->cap == 0 ? CAP_MIN : d->cap * 2);
	rlist_push_back(&d->all, rcpt);
	d->n++;
	rise(d, d->n - 1, rcpt);
}

void
due_remove(struct due *d, uint32_t rcpt)
{
	uint32_t place = rcpt_at(rcpt)->at, last = d->heap[d->n - 1];

	rlist_remove(&d->all, rcpt);
	d->n--;
	rcpt_at(rcpt)->at = 0;
	if (last != rcpt) {
		if (place > 0 && is_sooner(last, d->heap[(place - 1) / WAYS]))
			rise(d, place, last);
		else
			sink(d, place, last);
	}
	if (d->cap > CAP_MIN && d->n < d->cap / 4)
		resize(d, d->cap / 2);
}

uint32_t
due_first(const struct due *d)
{
	return d->n == 0 ? 0 : d->heap[0];
}

void
due_clear(struct due *d)
{
	d->cap = 0;
	xfree(&d->heap);
}
