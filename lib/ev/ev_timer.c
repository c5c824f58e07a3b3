#include "lib/ev/ev_int.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define FIRST_SIZE 64
/* deferred calls may queue others a few times in one turn; more waits for the next turn, so that input is not starved */
#define MAX_PASSES 8

/* slot 0 is unused, so that heap_index 0 can mean "not armed" */
static struct {
	struct ev_timer **slot;
	uint32_t n, size;
} heap;

static struct {
	struct ev_defer *first;
	struct ev_defer **last;
	size_t n;
} deferred;

static void
put(uint32_t i, struct ev_timer *t)
{
	heap.slot[i] = t;
	t->heap_index = i;
}

static void
sift_up(uint32_t i)
{
	struct ev_timer *t = heap.slot[i];

	for (; i > 1 && mono_is_before(t->at, heap.slot[i / 2]->at); i /= 2)
		put(i, heap.slot[i / 2]);
	put(i, t);
}

static void
sift_down(uint32_t i)
{
	struct ev_timer *t = heap.slot[i];
	uint32_t child;

	while ((child = i * 2) <= heap.n) {
		if (child < heap.n &&
		    mono_is_before(heap.slot[child + 1]->at, heap.slot[child]->at))
			child++;
		if (!mono_is_before(heap.slot[child]->at, t->at))
			break;
		put(i, heap.slot[child]);
		i = child;
	}
	put(i, t);
}

void
ev_timer_init(struct ev_timer *t, ev_timer_cb *cb)
{
	*t = (struct ev_timer){.cb = cb};
}

void
ev_timer_at(struct ev_timer *t, struct mono at)
{
	if (t->heap_index == 0) {
		if (heap.n + 1 >= heap.size) {
			heap.size = heap.size == 0 ? FIRST_SIZE : heap.size * 2;
			heap.slot = xreallocarray(heap.slot, heap.size, sizeof *heap.slot);
		}
		t->at = at;
		put(++heap.n, t);
		sift_up(t->heap_index);
		return;
	}
	if (t->at.ns == at.ns)
		return;
	t->at = at;
	sift_up(t->heap_index);
	sift_down(t->heap_index);
}

void
ev_timer_in_ms(struct ev_timer *t, int64_t ms)
{
	ev_timer_at(t, mono_add_ms(ev_now(), ms));
}

void
ev_timer_stop(struct ev_timer *t)
{
	uint32_t i = t->heap_index;
	struct ev_timer *moved;

	if (i == 0)
		return;
	ph_assert(i <= heap.n && heap.slot[i] == t);
	t->heap_index = 0;
	moved = heap.slot[heap.n--];
	if (moved == t)
		return;
	put(i, moved);
	sift_up(i);
	sift_down(moved->heap_index);
}

bool
ev_timer_is_armed(const struct ev_timer *t)
{
	return t->heap_index != 0;
}

struct mono
ev_timers_next(void)
{
	return heap.n == 0 ? MONO_NEVER : heap.slot[1]->at;
}

void
ev_timers_run(struct mono now)
{
	/* a handler that arms a timer for "now" again and again must not keep the loop here */
	for (uint32_t left = heap.n; left > 0 && heap.n > 0; left--) {
		struct ev_timer *t = heap.slot[1];
		if (mono_is_before(now, t->at))
			break;
		ev_timer_stop(t);
		t->cb(t);
	}
}

void
ev_timers_clear(void)
{
	for (uint32_t i = 1; i <= heap.n; i++)
		heap.slot[i]->heap_index = 0;
	xfree(&heap.slot);
	heap.n = heap.size = 0;
}

void
ev_defer_init(struct ev_defer *d, ev_defer_cb *cb)
{
	*d = (struct ev_defer){.cb = cb};
}

void
ev_defer_queue(struct ev_defer *d)
{
	if (d->queued)
		return;
	if (deferred.first == NULL)
		deferred.last = &deferred.first;
	d->queued = true;
	d->next = NULL;
	d->back = deferred.last;
	*deferred.last = d;
	deferred.last = &d->next;
	deferred.n++;
}

void
ev_defer_cancel(struct ev_defer *d)
{
	if (!d->queued)
		return;
	*d->back = d->next;
	if (d->next != NULL)
		d->next->back = d->back;
	else
		deferred.last = d->back;
	d->queued = false;
	d->next = NULL;
	d->back = NULL;
	deferred.n--;
}

bool
ev_deferred_any(void)
{
	return deferred.first != NULL;
}

void
ev_deferred_run(void)
{
	for (unsigned pass = 0; pass < MAX_PASSES && deferred.first != NULL; pass++) {
		for (size_t left = deferred.n; left > 0 && deferred.first != NULL; left--) {
			struct ev_defer *d = deferred.first;
			ev_defer_cancel(d);
			d->cb(d);
		}
	}
}

void
ev_deferred_clear(void)
{
	while (deferred.first != NULL)
		ev_defer_cancel(deferred.first);
}
