/* show jobs */
#include "lib/base/xalloc.h"
#include "queued/control/control_int.h"
#include "queued/job.h"
#include "queued/control/pick.h"
#include "queued/state.h"

/* a turn's work: jobs looked at, rows told */
#define JOBS_A_TURN 10000
#define ROWS_A_TURN 100

struct jobs {
	struct queue_filter filter; /* only how to sort */
	struct pick pick;
	uint32_t next, at, max, n; /* next: job; n: of all */
	bool is_picked;
};

/* in the order of their coming, unless --sort says another */
static void
look_at(struct control *c, struct jobs *s, uint32_t h)
{
	struct str sort = control_arg(c, ARG_SORT);
	const struct job *j = job_at(h);
	uint64_t key = UINT64_MAX - h;

	if (sort.len > 0)
		key = queue_filter_key(&s->filter, j->n_rcpts, j->bytes);
	pick_add(&s->pick, key, str_of(j->name), h);
	s->n++;
}

static void
show_job(struct control *c, const struct job *j, uint32_t i)
{
	control_text(c, str_of(j->name), "job[%u].name", i);
	control_number(c, j->n_rcpts, "job[%u].rcp", i);
	control_number(c, j->bytes / 1024, "job[%u].kb", i);
	control_bool(c, j->paused, "job[%u].paused", i);
}

static bool
tell(struct control *c, struct jobs *s)
{
	struct pick_row row;

	for (int k = 0; k < ROWS_A_TURN && s->at < s->max && pick_take(&s->pick, &row); k++) {
		uint32_t h = job_find(str_of(row.name));
		free(row.name);
		/* what has gone meanwhile has no mail any more */
		if (h != 0)
			show_job(c, job_at(h), s->at++);
	}
	return s->at >= s->max || s->pick.n == 0;
}

static bool
step_jobs(struct control *c, void *state)
{
	struct jobs *s = state;

	if (s->next == 0)
		queue_filter_init(&s->filter, c);
	for (int k = 0; k < JOBS_A_TURN && !s->is_picked; k++) {
		s->next = job_next(s->next);
		if (s->next == 0)
			s->is_picked = true;
		else
			look_at(c, s, s->next);
	}
	if (!s->is_picked || !tell(c, s))
		return false;
	if (s->at == 0)
		control_no_rows(c, "job");
	control_end(c, true, "Total of %u job(s).", s->n);
	return true;
}

static void
free_jobs(void *state)
{
	struct jobs *s = state;

	pick_clear(&s->pick);
	free(s);
}

void
control_show_jobs(struct control *c)
{
	struct jobs *s;

	if (!control_are_options_good(c))
		return;
	s = xcalloc(1, sizeof *s);
	s->max = c->req->max == 0 ? UINT32_MAX : c->req->max;
	pick_init(&s->pick, s->max);
	control_go_on(c, step_jobs, free_jobs, s);
}
