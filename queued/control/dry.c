/* --dry-run of what changes or destroys: the same selection, and nothing is done */
#include "lib/base/xalloc.h"
#include "queued/control/control_int.h"
#include "queued/job.h"
#include "queued/control/pause.h"
#include "queued/state.h"
#include "queued/vmta.h"

/* of queues whose name fits; VirtualMTA commands name it alone */
struct count {
	struct queue_walk walk;
	bool by_vmta;
	uint32_t n, n_all;
	uint64_t rcpts;
};

static bool
count(struct control *c, const struct queue_brief *b, void *state)
{
	struct count *s = state;
	struct str what = control_arg(c, ARG_TARGET), name = str_of(b->q->name);

	s->n_all++;
	if (s->by_vmta ? !pause_glob(what, str_skip(name, (size_t)b->q->domain_len + 1))
		       : !pause_match(what, name))
		return true;
	s->n++;
	s->rcpts += b->n_rcpts;
	return true;
}

static bool
step_count(struct control *c, void *state)
{
	struct count *s = state;

	if (!queue_walk_step(&s->walk, c, count, s))
		return false;
	control_end(c, true,
	    "Would change %u of %u queues, in which %lu recipients wait; nothing was changed.",
	    s->n, s->n_all, s->rcpts);
	return true;
}

static void
count_queues(struct control *c, bool by_vmta)
{
	struct count *s = xcalloc(1, sizeof *s);

	s->by_vmta = by_vmta;
	control_go_on(c, step_count, NULL, s);
}

static void
count_of_queues(struct control *c)
{
	count_queues(c, false);
}

static void
count_of_vmta(struct control *c)
{
	count_queues(c, true);
}

static void
count_of_job(struct control *c)
{
	uint32_t job = job_find(control_arg(c, ARG_TARGET));

	control_end(c, true,
	    "Would change a job of which %u recipients are queued; nothing was changed.",
	    job == 0 ? 0 : job_at(job)->n_rcpts);
}

static void
say_only(struct control *c)
{
	control_end(c, true, "Would be done; nothing was changed.");
}

static const struct {
	enum ctl_command command;
	void (*fn)(struct control *c);
} rows[] = {
    {CTL_SCHEDULE, count_of_queues},
    {CTL_PAUSE_QUEUE, count_of_queues},
    {CTL_RESUME_QUEUE, count_of_queues},
    {CTL_PAUSE_DOMAIN, count_of_queues},
    {CTL_RESUME_DOMAIN, count_of_queues},
    {CTL_SET_QUEUE, count_of_queues},
    {CTL_DISABLE_SOURCE, count_of_queues},
    {CTL_ENABLE_SOURCE, count_of_queues},
    {CTL_HOLD, count_of_vmta},
    {CTL_RELEASE, count_of_vmta},
    {CTL_PAUSE_JOB, count_of_job},
    {CTL_RESUME_JOB, count_of_job},
    {CTL_CLEAR_DNSCACHE, say_only},
    {CTL_RESET_COUNTERS, say_only},
    {CTL_RESET_STATUS, say_only},
    {CTL_ROTATE_LOG, say_only},
    {CTL_ROTATE_ACCT, say_only},
    {CTL_STOP, say_only},
};

bool
control_dry_run(struct control *c, const struct ctl_row *row)
{
	for (size_t i = 0; i < countof(rows); i++) {
		if (rows[i].command == row->command) {
			rows[i].fn(c);
			return true;
		}
	}
	return false; /* it counts by itself, or destroys nothing */
}
