#include "queued/events.h"

#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "queued/queue.h"

#define EVENT_TEXT_MAX 300

void
events_add(struct queue *q, struct str text)
{
	struct event *e;

	if (q->events == NULL)
		q->events = xcalloc(1, sizeof *q->events);
	e = &q->events->ring[q->events->n++ % EVENTS_KEPT];
	free(e->text);
	e->text = xstrdup_str(str_sub(text, 0, EVENT_TEXT_MAX));
	e->when = ev_wall();
}

const struct event *
events_last(const struct queue *q, uint32_t i)
{
	if (q->events == NULL || i >= q->events->n || i >= EVENTS_KEPT)
		return NULL;
	return &q->events->ring[(q->events->n - 1 - i) % EVENTS_KEPT];
}

void
events_free(struct queue *q)
{
	if (q->events == NULL)
		return;
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		free(q->events->ring[i].text);
	xfree(&q->events);
}
