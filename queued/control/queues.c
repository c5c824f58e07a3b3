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
#define ROWS_A_TURN 400

/* ---- what is asked for ---- */

static int
yes_or_no(struct str s, const char *yes)
{
	return s.len == 0 ? -1 : str_ieq(s, str_of(yes));
}

void
queue_filter_init(struct queue_filter *f, const struct control *c)
{
	struct str sort = control_arg(c, ARG_SORT);
	bool top = c->req->command == CTL_SHOW_TOPQUEUES || c->req->command == CTL_SHOW_TOPDOMAINS;

	*f = (struct queue_filter){.what = control_arg(c, ARG_TARGET),
	    .vmta = control_arg(c, ARG_VMTA),
	    .connected = yes_or_no(control_arg(c, ARG_CONNECTED), "yes"),
	    .paused = yes_or_no(control_arg(c, ARG_PAUSED), "yes"),
	    .backoff = yes_or_no(control_arg(c, ARG_MODE), "backoff")};
	if (str_ieq(sort, STR("size")))
		f->key = KEY_BYTES;
	else if (str_ieq(sort, STR("bounces")))
		f->key = KEY_BOUNCES;
	else if (str_ieq(sort, STR("rcpt")) || (top && sort.len == 0))
		f->key = KEY_RCPTS;
}

static bool
is_as(int wanted, bool value)
{
	return wanted == -1 || wanted == value;
}

bool
queue_filter_fits(const struct queue_filter *f, const struct queue_brief *b)
{
	if (!is_as(f->connected, b->n_conns > 0) || !is_as(f->paused, b->paused) ||
	    !is_as(f->backoff, b->backoff))
		return false;
	if (f->what.len > 0 && !pause_match(f->what, str_of(b->q->name)))
		return false;
	return f->vmta.len == 0 ||
	       pause_glob(f->vmta, str_skip(str_of(b->q->name), (size_t)b->q->domain_len + 1));
}

uint64_t
queue_filter_key(const struct queue_filter *f, uint64_t rcpts, uint64_t bytes)
{
	return f->key == KEY_RCPTS ? rcpts : f->key == KEY_BYTES ? bytes : 0;
}

static bool
is_one_of(struct str s, const char *a, const char *b, const char *otherwise)
{
	return s.len == 0 || str_ieq(s, str_of(a)) || str_ieq(s, str_of(b)) ||
	       str_ieq(s, str_of(otherwise));
}

static bool
is_order_good(struct control *c)
{
	struct str sort = control_arg(c, ARG_SORT);
	bool of_domains =
	    c->req->command == CTL_SHOW_DOMAINS || c->req->command == CTL_SHOW_TOPDOMAINS;

	if (is_one_of(sort, "name", "rcpt", "size") ||
	    (of_domains && str_ieq(sort, STR("bounces"))))
		return true;
	control_end(c, false, "--sort is name, rcpt%s size%s.", of_domains ? "," : " or",
	    of_domains ? " or bounces" : "");
	return false;
}

bool
control_are_options_good(struct control *c)
{
	if (!is_one_of(control_arg(c, ARG_CONNECTED), "yes", "no", "no") ||
	    !is_one_of(control_arg(c, ARG_PAUSED), "yes", "no", "no"))
		control_end(c, false, "--connected and --paused are yes or no.");
	else if (!is_one_of(control_arg(c, ARG_MODE), "normal", "backoff", "normal"))
		control_end(c, false, "--mode is normal or backoff.");
	return !c->later && is_order_good(c);
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
	struct queue_filter filter;
	struct queue_walk walk;
	struct pick pick;
	uint32_t at, n_all; /* row; that match */
	uint64_t n_rcpts;
	bool is_picked;
};

static bool
look_at(struct control *c, const struct queue_brief *b, void *state)
{
	struct queues *s = state;
	uint64_t key = queue_filter_key(&s->filter, b->n_rcpts, b->bytes);

	if (!queue_filter_fits(&s->filter, b))
		return true;
	s->n_all++;
	s->n_rcpts += b->n_rcpts;
	if (pick_wants(&s->pick, key, b->name_begin))
		pick_add(&s->pick, key, str_of(b->q->name), b->q->handle);
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

	if (s->walk.last == 0)
		queue_filter_init(&s->filter, c);
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
