#include "queued/move.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "queued/names.h"
#include "queued/state.h"
#include "queued/vmta.h"

#define MOVES_A_TURN 4096

/* where a queue's mail goes; most have none */
struct move_target {
	char *domain;	 /* owned; NULL: the queue's own */
	struct str vmta; /* of the names table */
	struct tick until;
};

void
move_rcpt(struct queue *from, uint32_t rcpt, struct queue *to)
{
	struct rcpt *r = rcpt_at(rcpt);
	enum rcpt_state state = (enum rcpt_state)r->state;
	uint32_t len = message_at(r->message)->len;

	queue_take(from, rcpt);
	from->bytes -= len;
	to->bytes += len;
	if (state == RCPT_READY)
		queue_add_ready(to, rcpt, false);
	else if (state == RCPT_DEFERRED)
		queue_add_deferred(to, rcpt, r->due);
	else
		queue_add_held(to, rcpt);
	queue_kick(to);
}

void
move_all(struct queue *from, struct str domain, struct str vmta, struct tick until)
{
	move_stop(from);
	from->leaves = xcalloc(1, sizeof *from->leaves);
	if (domain.len > 0)
		from->leaves->domain = xstrdup_str(domain);
	from->leaves->vmta = name_text(name_number(vmta));
	from->leaves->until = until;
	queue_kick(from);
}

void
move_stop(struct queue *from)
{
	if (from->leaves == NULL)
		return;
	free(from->leaves->domain);
	xfree(&from->leaves);
}

struct str
move_where(const struct queue *from)
{
	if (from->leaves == NULL)
		return STR("");
	return from->leaves->domain == NULL ? queue_domain(from) : str_of(from->leaves->domain);
}

static bool
move_some(struct queue *from, enum rcpt_state state, struct queue *to, int *left)
{
	uint32_t next;

	for (uint32_t h = queue_first(from, state); h != 0; h = next) {
		if ((*left)-- == 0)
			return false;
		next = queue_after(from, h);
		move_rcpt(from, h, to);
	}
	return true;
}

bool
move_run(struct queue *from)
{
	const struct move_target *t = from->leaves;
	int left = MOVES_A_TURN;
	struct queue *to;

	if (t == NULL)
		return false;
	if (tick_is_due(t->until)) {
		move_stop(from);
		return false;
	}
	if (from->ready.n + from->deferred.n + from->held.n == 0)
		return true;
	to = queue_get(move_where(from), t->vmta);
	if (to == from)
		panic("queue %s is to move into itself", from->name);
	if (!move_some(from, RCPT_READY, to, &left) || !move_some(from, RCPT_DEFERRED, to, &left) ||
	    !move_some(from, RCPT_HELD, to, &left))
		queue_kick(from);
	return true;
}
