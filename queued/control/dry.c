/* --dry-run of what changes or destroys: the same selection, and nothing is done */
#include "queued/control/control_int.h"
#include "queued/job.h"
#include "queued/control/pause.h"
#include "queued/state.h"
#include "queued/vmta.h"

/* of queues whose name fits; VirtualMTA commands name it alone */
static void
count_queues(struct control *c, bool by_vmta)
{
	struct str what = control_arg(c, ARG_TARGET);
	uint32_t n = 0, n_all = 0;
	uint64_t rcpts = 0;

	for (uint32_t h = 0; (h = queue_next(h)) != 0; n_all++) {
		const struct queue *q = queue_at(h);
		struct str name = str_of(q->name);
		bool fits = by_vmta ? pause_glob(what, str_skip(name, (size_t)q->domain_len + 1))
				    : pause_match(what, name);
		if (!fits)
			continue;
		n++;
		rcpts += queue_n_rcpts(q);
	}
	control_end(c, true,
	    "Would change %u of %u queues, in which %lu recipients wait; nothing was changed.", n,
	    n_all, rcpts);
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
