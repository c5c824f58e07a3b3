#include "queued/message.h"

#include "queued/domain.h"
#include "queued/end/first.h"
#include "queued/job.h"
#include "queued/spool/segment.h"
#include "queued/state.h"
#include "queued/window.h"

struct message *
message_at(uint32_t handle)
{
	return slab_at(&qd.messages, handle);
}

struct rcpt *
rcpt_at(uint32_t handle)
{
	return slab_at(&qd.rcpts, handle);
}

uint32_t
message_new(void)
{
	return slab_new(&qd.messages);
}

uint32_t
rcpt_new(void)
{
	return slab_new(&qd.rcpts);
}

struct spool_place
message_place(const struct message *m)
{
	struct spool_place p = {.id = m->id, .len = m->len, .env_len = m->env_len};

	if (m->segment == 0) {
		p.kind = SPOOL_FILE;
		return p;
	}
	p.kind = SPOOL_JOURNAL;
	p.offset = m->offset;
	segment_fill_place(m->segment, &p);
	return p;
}

/* puts `rcpt` behind `after` (0: at the front) */
static void
insert_after(struct rlist *l, uint32_t after, uint32_t rcpt)
{
	struct rcpt *r = rcpt_at(rcpt);
	uint32_t next = after == 0 ? l->head : rcpt_at(after)->next;

	r->prev = after;
	r->next = next;
	if (after == 0)
		l->head = rcpt;
	else
		rcpt_at(after)->next = rcpt;
	if (next == 0)
		l->tail = rcpt;
	else
		rcpt_at(next)->prev = rcpt;
	l->n++;
}

void
rlist_push_back(struct rlist *l, uint32_t rcpt)
{
	insert_after(l, l->tail, rcpt);
}

void
rlist_push_front(struct rlist *l, uint32_t rcpt)
{
	insert_after(l, 0, rcpt);
}

void
rlist_remove(struct rlist *l, uint32_t rcpt)
{
	struct rcpt *r = rcpt_at(rcpt);

	if (r->prev == 0)
		l->head = r->next;
	else
		rcpt_at(r->prev)->next = r->next;
	if (r->next == 0)
		l->tail = r->prev;
	else
		rcpt_at(r->next)->prev = r->prev;
	r->next = r->prev = 0;
	l->n--;
}

static void
forget_if_done(uint32_t message)
{
	struct message *m = message_at(message);

	if (m->n_open > 0 || m->n_busy > 0)
		return;
	qd.n_queued_bytes -= m->len;
	segment_message_gone(message);
	window_put(m->windows);
	slab_free(&qd.messages, message);
}

void
message_release(uint32_t message)
{
	message_at(message)->n_busy--;
	forget_if_done(message);
}

void
rcpt_forget(uint32_t rcpt)
{
	uint32_t message = rcpt_at(rcpt)->message;
	struct message *m = message_at(message);

	domain_drop_rcpt(rcpt_at(rcpt)->domain);
	first_forget(rcpt);
	slab_free(&qd.rcpts, rcpt);
	m->n_busy--;
	m->n_open--;
	if (m->job != 0 && m->n_open == 0)
		job_at(m->job)->bytes -= m->len;
	if (m->job != 0)
		job_drop_rcpt(m->job);
	forget_if_done(message);
}
