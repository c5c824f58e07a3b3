/* set priority: who leaves a queue first */
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "queued/control/control_int.h"
#include "queued/state.h"

/* what giving one another place weighs against looking at one */
#define SET_COST 20

static bool
is_priority(struct control *c, uint32_t *priority)
{
	return parse_u32(control_arg(c, ARG_PRIORITY), 0, 100, priority);
}

/* the walk's max is the priority */
static bool
set_one(struct walk *w, struct control *c, uint32_t rcpt, struct str address, struct str sender)
{
	struct rcpt *r = rcpt_at(rcpt);
	struct queue *q = queue_at(r->queue);
	uint32_t priority = w->max;

	if (r->state == RCPT_ENDING)
		return true;
	w->n++;
	if (w->is_dry)
		return true;
	if (r->state != RCPT_READY) {
		r->priority = (uint8_t)priority;
		return true;
	}
	queue_take(q, rcpt);
	r->priority = (uint8_t)priority;
	queue_add_ready(q, rcpt, false);
	return true;
}

static void
say_set(struct control *c, const struct walk *w)
{
	walk_say_cut(w, c);
	if (w->is_cut)
		control_end(c, true,
		    "The priority of at least %u recipients would be set: " WALK_CUT WALK_ALL, w->n,
		    walk_per_cent(w));
	else
		control_end(c, true,
		    w->is_dry ? "The priority of %u recipients would be set."
			      : "Priority of %u recipients set.",
		    w->n);
}

static bool
step_set(struct control *c, void *state)
{
	struct walk *w = state;

	if (w->next == 0) {
		walk_init(w, c);
		w->is_thorough |= !w->is_dry;
		w->hit_cost = w->is_dry ? 0 : SET_COST;
	}
	if (!walk_step(w, c, set_one))
		return false;
	say_set(c, w);
	return true;
}

void
control_set_priority(struct control *c)
{
	struct selection s;
	struct walk *w;
	uint32_t priority;

	if (!selection_is_good(c))
		return;
	selection_init(&s, c);
	if (!is_priority(c, &priority)) {
		control_end(c, false, "A priority is a number from 0 to 100.");
		return;
	}
	if (selection_is_empty(&s)) {
		control_end(c, false, "At least one selector is required.");
		return;
	}
	w = xcalloc(1, sizeof *w);
	w->max = priority;
	control_go_on(c, step_set, walk_free, w);
}
