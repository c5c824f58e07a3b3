/* list and cat */
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/mail/schedule.h"
#include "queued/control/control_int.h"
#include "queued/job.h"
#include "queued/control/pause.h"
#include "queued/peek.h"
#include "queued/state.h"
#include "queued/window.h"

#define LIST_DEFAULT 100
/* what telling of one weighs against looking at one */
#define TELL_COST   100
#define CATS_A_TURN 20000

/* ---- list ---- */

/* the windows, in the form of x-schedule */
static void
show_schedule(struct control *c, const struct message *m, uint32_t i)
{
	struct schedule s = {0};
	char from[32], until[32], text[SCHEDULE_MAX * 48] = "";
	size_t n = 0;

	if (m->windows != 0 && schedule_parse(window_text(m->windows), &s) == -1)
		s.n = 0;
	for (uint32_t k = 0; k < s.n; k++) {
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s / %.*s",
		    k == 0 ? "" : ", ", STR_ARG(control_time(s.window[k].from, from)),
		    STR_ARG(control_time(s.window[k].until, until)));
	}
	control_text(c, str_of(text), "rcpt[%u].schedule", i);
}

static bool
show(struct walk *w, struct control *c, uint32_t rcpt, struct str address, struct str sender)
{
	static const char *const states[] = {"?", "ready", "deferred", "held", "sending", "ending"};
	const struct rcpt *r = rcpt_at(rcpt);
	const struct message *m = message_at(r->message);
	char id[20], when[32];

	if (r->state == RCPT_ENDING)
		return true; /* it has ended, only not yet on disk */
	w->n_vain--;
	snprintf(id, sizeof id, "%016lx", m->id);
	control_text(c, str_of(id), "rcpt[%u].id", w->n);
	control_text(c, address, "rcpt[%u].rcpt", w->n);
	control_text(c, sender, "rcpt[%u].orig", w->n);
	control_text(c, str_of(queue_at(r->queue)->name), "rcpt[%u].queue", w->n);
	control_text(
	    c, m->job == 0 ? STR("") : str_of(job_at(m->job)->name), "rcpt[%u].jobId", w->n);
	control_text(c, control_time(tick_to_wall(m->born), when), "rcpt[%u].timeQueued", w->n);
	control_text(
	    c, str_of(r->cancel != 0 ? "deleted" : states[r->state]), "rcpt[%u].state", w->n);
	control_number(c, r->tries, "rcpt[%u].attempts", w->n);
	if (control_flag(c, "priority"))
		control_number(c, r->priority, "rcpt[%u].priority", w->n);
	if (control_flag(c, "pause"))
		control_bool(c, queue_at(r->queue)->paused || job_is_paused(m->job),
		    "rcpt[%u].paused", w->n);
	if (control_flag(c, "schedule"))
		show_schedule(c, m, w->n);
	/* the last: who shows rows as they come waits for it */
	control_number(c, (m->len + 1023) / 1024, "rcpt[%u].kb", w->n);
	return ++w->n < w->max;
}

static bool
step_list(struct control *c, void *state)
{
	struct walk *w = state;

	if (!walk_step(w, c, show))
		return false;
	if (w->n == 0)
		control_no_rows(c, "rcpt");
	walk_say_cut(w, c);
	if (w->is_cut)
		control_end(
		    c, true, "%u recipients shown: " WALK_CUT WALK_ALL, w->n, walk_per_cent(w));
	else
		control_end(c, true, "%u recipients shown.", w->n);
	return true;
}

/* the selection borrows from the arguments, which only the steps have for long */
static bool
begin_list(struct control *c, void *state)
{
	struct walk *w = state;

	if (w->next != 0)
		return step_list(c, state);
	walk_init(w, c);
	w->max = c->req->max == 0 ? LIST_DEFAULT : c->req->max;
	w->hit_cost = TELL_COST;
	w->tells = true;
	return step_list(c, state);
}

void
control_list(struct control *c)
{
	if (selection_is_good(c))
		control_go_on(c, begin_list, walk_free, xcalloc(1, sizeof(struct walk)));
}

/* ---- cat ---- */

struct cat {
	uint64_t id;
	uint32_t next; /* message */
};

static void
tell_place(struct control *c, const struct message *m)
{
	struct spool_place p = message_place(m);

	control_number(c, p.kind, "place.kind");
	control_number(c, p.writer, "place.writer");
	control_number(c, p.segment, "place.segment");
	control_number(c, p.generation, "place.generation");
	control_number(c, p.offset, "place.offset");
	control_number(c, p.len, "place.len");
	control_number(c, p.env_len, "place.envLen");
	control_end(c, true, "%s", "");
}

static bool
step_cat(struct control *c, void *state)
{
	struct cat *cat = state;

	for (int n = 0; n < CATS_A_TURN && cat->next < slab_end(&qd.messages); n++, cat->next++) {
		const struct message *m = message_at(cat->next);
		if (m->id != cat->id || m->n_open == 0)
			continue;
		tell_place(c, m);
		return true;
	}
	if (cat->next < slab_end(&qd.messages))
		return false;
	control_end(c, false, "No queued message has this id.");
	return true;
}

void
control_cat(struct control *c)
{
	struct cat *cat;
	uint64_t id;

	if (!parse_hex64(control_arg(c, ARG_TARGET), 16, &id)) {
		control_end(c, false, "An id is 16 hexadecimal digits.");
		return;
	}
	cat = xcalloc(1, sizeof *cat);
	*cat = (struct cat){.id = id, .next = 1};
	control_go_on(c, step_cat, NULL, cat);
}
