#include "queued/control/events.h"

#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "queued/queue.h"

#define EVENT_TEXT_MAX 300

/* another room after a reload: the newest stay, in their order */
static void
resize(struct queue *q, uint32_t room)
{
	struct events *old = q->events, *fresh = xcalloc(1, sizeof *fresh);
	uint32_t n = old == NULL ? 0 : PH_MIN(PH_MIN(old->n, old->room), room);

	fresh->ring = xcalloc(room, sizeof *fresh->ring);
	fresh->room = room;
	for (uint32_t i = n; i-- > 0;) {
		struct event *e = &old->ring[(old->n - 1 - i) % old->room];
		fresh->ring[fresh->n++] = *e;
		e->text = NULL;
	}
	events_free(q);
	q->events = fresh;
}

void
events_add(struct queue *q, struct str text)
{
	struct event *e;

	if (q->events == NULL || q->events->room != q->policy->max_events)
		resize(q, q->policy->max_events);
	e = &q->events->ring[q->events->n++ % q->events->room];
	free(e->text);
	e->text = xstrdup_str(str_sub(text, 0, EVENT_TEXT_MAX));
	e->when = ev_wall();
}

const struct event *
events_last(const struct queue *q, uint32_t i)
{
	if (q->events == NULL || i >= q->events->n || i >= q->events->room)
		return NULL;
	return &q->events->ring[(q->events->n - 1 - i) % q->events->room];
}

void
events_free(struct queue *q)
{
	if (q->events == NULL)
		return;
	for (uint32_t i = 0; i < q->events->room; i++)
		free(q->events->ring[i].text);
	free(q->events->ring);
	xfree(&q->events);
}
