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

static bool
set_one(struct walk *w, struct control *c, uint32_t rcpt, struct str address, struct str sender)
{
	struct rcpt *r = rcpt_at(rcpt);
	struct queue *q = queue_at(r->queue);
	uint32_t priority;

	if (r->state == RCPT_ENDING || !is_priority(c, &priority))
		return true;
	w->n++;
	if (control_flag(c, "dry-run"))
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

static bool
step_set(struct control *c, void *state)
{
	struct walk *w = state;

	if (w->next == 0) {
		walk_init(w, c);
		w->hit_cost = control_flag(c, "dry-run") ? 0 : SET_COST;
	}
	if (!walk_step(w, c, set_one))
		return false;
	control_end(c, true,
	    control_flag(c, "dry-run") ? "The priority of %u recipients would be set."
				       : "Priority of %u recipients set.",
	    w->n);
	return true;
}

void
control_set_priority(struct control *c)
{
	struct selection s;
	uint32_t priority;

	if (!selection_is_good(c))
		return;
	selection_init(&s, c);
	if (!is_priority(c, &priority))
		control_end(c, false, "A priority is a number from 0 to 100.");
	else if (selection_is_empty(&s))
		control_end(c, false, "At least one selector is required.");
	else
		control_go_on(c, step_set, NULL, xcalloc(1, sizeof(struct walk)));
}
