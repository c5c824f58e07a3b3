#include "queued/way/preempt.h"

#include "lib/base/xalloc.h"
#include "queued/conn.h"
#include "queued/state.h"
#include "queued/vmta.h"

void
preempt_init(struct preempt *p)
{
	TAILQ_INIT(&p->idle);
	p->by_priority = NULL;
}

static struct using_queues *
level(struct preempt *p, uint8_t priority)
{
	if (p->by_priority == NULL) {
		p->by_priority = xcalloc(PREEMPT_LEVELS, sizeof p->by_priority[0]);
		for (int i = 0; i < PREEMPT_LEVELS; i++)
			TAILQ_INIT(&p->by_priority[i]);
	}
	return &p->by_priority[PH_MIN(priority, PREEMPT_LEVELS - 1)];
}

static void
forget(struct queue *q)
{
	if (!q->is_using)
		return;
	TAILQ_REMOVE(level(&q->vmta->preempt, q->using_priority), q, using_link);
	q->is_using = false;
}

void
preempt_note(struct queue *q)
{
	bool may = q->policy->may_interrupt && q->n_conns > q->n_interrupted;

	if (may && q->is_using && q->using_priority == q->policy->priority)
		return;
	forget(q);
	if (!may)
		return;
	q->using_priority = q->policy->priority;
	TAILQ_INSERT_TAIL(level(&q->vmta->preempt, q->using_priority), q, using_link);
	q->is_using = true;
}

void
preempt_idle(struct conn *c)
{
	if (c->is_idle)
		return;
	c->is_idle = true;
	TAILQ_INSERT_TAIL(&c->queue->vmta->preempt.idle, c, idle_link);
}

void
preempt_busy(struct conn *c)
{
	if (!c->is_idle)
		return;
	c->is_idle = false;
	TAILQ_REMOVE(&c->queue->vmta->preempt.idle, c, idle_link);
}

/* the lowest priority below `than` that uses a connection; PREEMPT_LEVELS: none */
static uint32_t
lowest(const struct preempt *p, uint32_t than)
{
	for (uint32_t i = 0; p->by_priority != NULL && i < than; i++) {
		if (!TAILQ_EMPTY(&p->by_priority[i]))
			return i;
	}
	return PREEMPT_LEVELS;
}

static bool
is_of_pool(const struct vmta *v, const struct limit *l)
{
	for (size_t i = 0; i < v->pools.n; i++) {
		if (l == &v->pools.list[i]->out)
			return true;
	}
	return false;
}

/* does the limit count that VirtualMTA's connections? */
static bool
counts(const struct limit *l, const struct vmta *v)
{
	return l == &qd.total_out || l == &v->out || is_of_pool(v, l);
}

static bool
end_idle(struct vmta *v)
{
	struct conn *c = TAILQ_FIRST(&v->preempt.idle);

	if (c == NULL)
		return false;
	conn_close(c, CONN_QUIT);
	return true;
}

static void
end_one_of(struct queue *q)
{
	struct conn *c;

	TAILQ_FOREACH(c, &q->conns, link)
	{
		if (c->closing)
			continue;
		conn_close(c, q->policy->may_interrupt_transfer ? CONN_INTERRUPT : CONN_LEAVE);
		return;
	}
}

static struct vmta *
with_lowest(const struct limit *l, uint32_t than)
{
	struct vmta *found = NULL;

	for (size_t i = 0; i < vmta_n(); i++) {
		struct vmta *v = vmta_at(i);
		uint32_t low = counts(l, v) ? lowest(&v->preempt, than) : PREEMPT_LEVELS;
		if (low >= than)
			continue;
		found = v;
		than = low;
	}
	return found;
}

void
preempt_for(struct queue *q, const struct limit *l)
{
	struct vmta *v;

	if (q->preempts)
		return;
	q->preempts = true;
	for (size_t i = 0; i < vmta_n(); i++) {
		if (counts(l, vmta_at(i)) && end_idle(vmta_at(i)))
			return;
	}
	v = with_lowest(l, q->policy->priority);
	if (v != NULL)
		end_one_of(
		    TAILQ_FIRST(&v->preempt.by_priority[lowest(&v->preempt, q->policy->priority)]));
}
