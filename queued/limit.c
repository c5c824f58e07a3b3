#include "queued/limit.h"

#include "queued/queue.h"

void
limit_init(struct limit *l, const char *what, struct str name)
{
	*l = (struct limit){.what = what, .name = name, .max = UINT64_MAX};
	TAILQ_INIT(&l->line);
}

bool
limit_has_room(const struct limit *l)
{
	return l->used < l->max;
}

void
limit_take(struct limit *l)
{
	l->used++;
}

void
limit_leave(struct queue *q)
{
	if (q->waits_for == NULL)
		return;
	TAILQ_REMOVE(&q->waits_for->line, q, line_link);
	q->waits_for = NULL;
}

static void
wake_first(struct limit *l)
{
	struct queue *q = TAILQ_FIRST(&l->line);

	if (q == NULL)
		return;
	limit_leave(q);
	queue_kick(q);
}

void
limit_give(struct limit *l)
{
	if (l->used > 0)
		l->used--;
	if (limit_has_room(l))
		wake_first(l);
}

void
limit_wake_all(struct limit *l)
{
	while (!TAILQ_EMPTY(&l->line))
		wake_first(l);
}

void
limit_wait(struct limit *l, struct queue *q)
{
	if (q->waits_for == l)
		return;
	limit_leave(q);
	q->waits_for = l;
	TAILQ_INSERT_TAIL(&l->line, q, line_link);
}
