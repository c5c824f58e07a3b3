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

bool
limit_has_room_for(const struct limit *l, const struct queue *q)
{
	return q->kept == l || limit_has_room(l);
}

void
limit_take(struct limit *l)
{
	l->used++;
}

void
limit_take_for(struct limit *l, struct queue *q)
{
	if (q->kept == l)
		q->kept = NULL;
	else
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
	q->woken_by = l;
	if (!l->is_shared) {
		l->used++;
		q->kept = l;
	}
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
	while (!TAILQ_EMPTY(&l->line) && (l->is_shared || limit_has_room(l)))
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

void
limit_settle(struct queue *q)
{
	struct limit *kept = q->kept, *l = q->woken_by;

	q->kept = NULL;
	q->woken_by = NULL;
	if (kept != NULL)
		limit_give(kept);
	else if (l != NULL && l->is_shared && limit_has_room(l))
		wake_first(l);
}

bool
limit_has_others(const struct limit *l, const struct queue *q)
{
	const struct queue *first = TAILQ_FIRST(&l->line);

	return first != NULL && (first != q || TAILQ_NEXT(first, line_link) != NULL);
}
