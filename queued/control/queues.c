/* show queues and topqueues, and which queues the options of show choose */
#include "lib/base/xalloc.h"
#include "queued/control/control_int.h"
#include "queued/control/events.h"
#include "queued/control/happen.h"
#include "queued/control/pause.h"
#include "queued/control/pick.h"
#include "queued/state.h"
#include "queued/control/tail.h"

#define SHOW_DEFAULT 20
/* rows of an answer in one turn of the loop */
#define ROWS_A_TURN 50

/* ---- what is asked for ---- */

static bool
is_yes(struct str s, bool value)
{
	return s.len == 0 || str_ieq(s, value ? STR("yes") : STR("no"));
}

static bool
has_mode(const struct queue *q, struct str mode)
{
	return mode.len == 0 || str_ieq(mode, STR("backoff")) == q->backoff;
}

bool
control_is_shown(struct control *c, const struct queue *q)
{
	struct str what = control_arg(c, ARG_TARGET), vmta = control_arg(c, ARG_VMTA);

	if (what.len > 0 && !pause_match(what, str_of(q->name)))
		return false;
	if (vmta.len > 0 && !pause_glob(vmta, str_skip(str_of(q->name), (size_t)q->domain_len + 1)))
		return false;
	return is_yes(control_arg(c, ARG_CONNECTED), q->n_conns > 0) &&
	       is_yes(control_arg(c, ARG_PAUSED), q->paused) &&
	       has_mode(q, control_arg(c, ARG_MODE));
}

static bool
is_one_of(struct str s, const char *a, const char *b, const char *otherwise)
{
	return s.len == 0 || str_ieq(s, str_of(a)) || str_ieq(s, str_of(b)) ||
	       str_ieq(s, str_of(otherwise));
}

bool
control_are_options_good(struct control *c)
{
	if (!is_one_of(control_arg(c, ARG_CONNECTED), "yes", "no", "no") ||
	    !is_one_of(control_arg(c, ARG_PAUSED), "yes", "no", "no"))
		control_end(c, false, "--connected and --paused are yes or no.");
	else if (!is_one_of(control_arg(c, ARG_SORT), "name", "rcpt", "size"))
		control_end(c, false, "--sort is name, rcpt or size.");
	else if (!is_one_of(control_arg(c, ARG_MODE), "normal", "backoff", "normal"))
		control_end(c, false, "--mode is normal or backoff.");
	return !c->later;
}

uint64_t
control_sort_key(const struct control *c, uint64_t rcpts, uint64_t bytes)
{
	struct str sort = control_arg(c, ARG_SORT);
	bool top = c->req->command == CTL_SHOW_TOPQUEUES || c->req->command == CTL_SHOW_TOPDOMAINS;

	if (str_ieq(sort, STR("size")))
		return bytes;
	return str_ieq(sort, STR("rcpt")) || (top && sort.len == 0) ? rcpts : 0;
}

uint32_t
control_rows_wanted(const struct control *c)
{
	return c->req->max == 0 ? SHOW_DEFAULT : c->req->max;
}

/* ---- one queue ---- */

static void
show_errors(struct control *c, const struct queue *q, uint32_t i)
{
	const struct event *e;
	char when[32];

	for (uint32_t k = 0; (e = events_last(q, k)) != NULL; k++) {
		control_text(c, STR("error"), "queue[%u].event[%u].type", i, k);
		control_text(c, control_time(e->when, when), "queue[%u].event[%u].time", i, k);
		control_text(c, str_of(e->text), "queue[%u].event[%u].text", i, k);
	}
}

static struct wall
next_try(const struct queue *q)
{
	if (q->retrying)
		return tick_to_wall(q->retry_at);
	if (q->ready.n == 0 && q->deferred.n > 0)
		return tick_to_wall(rcpt_at(due_first(&q->deferred))->due);
	return (struct wall){0};
}

static void
show_rcpt_events(struct control *c, const struct queue *q, uint32_t i)
{
	const struct rcpt_event *e;
	char when[32];

	for (uint32_t k = 0; (e = happen_event(q, k)) != NULL; k++) {
		control_text(c, str_of(tail_kind_name((enum tail_kind)e->kind)),
		    "queue[%u].rcptEvent[%u].type", i, k);
		control_text(c, control_time(e->when, when), "queue[%u].rcptEvent[%u].time", i, k);
		control_text(c, str_of(e->source), "queue[%u].rcptEvent[%u].source", i, k);
		control_text(c, str_of(e->rcpt), "queue[%u].rcptEvent[%u].rcpt", i, k);
		control_text(c, str_of(e->job), "queue[%u].rcptEvent[%u].jobId", i, k);
		control_text(c, str_of(e->host), "queue[%u].rcptEvent[%u].host", i, k);
		control_text(c, str_of(e->text), "queue[%u].rcptEvent[%u].text", i, k);
	}
}

static void
show_queue(struct control *c, const struct queue *q, uint32_t i)
{
	const struct event *e = events_last(q, 0);
	char when[32];

	control_text(c, str_of(q->name), "queue[%u].name", i);
	control_number(c, queue_n_rcpts(q), "queue[%u].rcp", i);
	control_number(c, q->bytes / 1024, "queue[%u].kb", i);
	control_number(c, q->n_conns, "queue[%u].conn", i);
	control_bool(c, q->paused, "queue[%u].paused", i);
	control_text(c, q->backoff ? STR("backoff") : STR("normal"), "queue[%u].mode", i);
	control_text(c, str_of(hold_name((enum queue_hold)q->hold)), "queue[%u].state", i);
	control_text(c, control_time(next_try(q), when), "queue[%u].retryTime", i);
	control_number(c, q->n_delivered, "queue[%u].deliveries", i);
	control_number(c, q->n_bounced, "queue[%u].bounces", i);
	control_number(c, q->n_deferred, "queue[%u].deferrals", i);
	control_text(c, e == NULL ? STR("") : str_of(e->text), "queue[%u].lastError", i);
	if (control_flag(c, "errors"))
		show_errors(c, q, i);
	if (control_flag(c, "mode-events"))
		control_mode_events(c, q, i);
	if (!control_flag(c, "no-rcpt-events"))
		show_rcpt_events(c, q, i);
}

/* ---- all ---- */

struct queues {
	struct queue_walk walk;
	struct pick pick;
	uint32_t at, n_all; /* row; that match */
	uint64_t n_rcpts;
	bool is_picked;
};

static bool
look_at(struct control *c, struct queue *q, void *state)
{
	struct queues *s = state;

	if (!control_is_shown(c, q))
		return true;
	s->n_all++;
	s->n_rcpts += queue_n_rcpts(q);
	pick_add(
	    &s->pick, control_sort_key(c, queue_n_rcpts(q), q->bytes), str_of(q->name), q->handle);
	return true;
}

static bool
tell(struct control *c, struct queues *s)
{
	uint32_t max = PH_MIN(s->n_all, control_rows_wanted(c));
	struct pick_row row;

	for (uint32_t k = 0; k < ROWS_A_TURN && s->at < max && pick_take(&s->pick, &row); k++) {
		const struct queue *q = queue_try(row.handle);
		/* gone while the answer was under way: its place stays in the numbering, for the client to see */
		if (q != NULL && str_eq(str_of(q->name), str_of(row.name)))
			show_queue(c, q, s->at);
		s->at++;
		free(row.name);
	}
	return s->at >= max;
}

static bool
step_queues(struct control *c, void *state)
{
	struct queues *s = state;

	if (!s->is_picked)
		s->is_picked = queue_walk_step(&s->walk, c, look_at, s);
	if (!s->is_picked || !tell(c, s))
		return false;
	if (s->at == 0)
		control_no_rows(c, "queue");
	control_number(c, s->n_rcpts, "totalRcp");
	control_number(c, s->n_all, "totalQueuesWithRcp");
	control_end(c, true, "%u of %u matching queues.", s->at, s->n_all);
	return true;
}

static void
free_queues(void *state)
{
	struct queues *s = state;

	pick_clear(&s->pick);
	free(s);
}

void
control_show_queues(struct control *c)
{
	struct queues *s;

	if (!control_are_options_good(c))
		return;
	s = xcalloc(1, sizeof *s);
	pick_init(&s->pick, control_rows_wanted(c));
	control_go_on(c, step_queues, free_queues, s);
}
