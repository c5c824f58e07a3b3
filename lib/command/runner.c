#include "lib/command/runner.h"

#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define VALUE_MAX 2048

struct run {
	TAILQ_ENTRY(run) link;
	struct runner *runner;
	uint32_t job;
	run_started_cb *started;
	run_done_cb *done;
	void *ctx;
};

static struct run *
find(struct runner *r, uint32_t job)
{
	struct run *run;

	TAILQ_FOREACH(run, &r->runs, link)
	{
		if (run->job == job)
			return run;
	}
	return NULL;
}

static void
end(struct runner *r, struct run *run, const struct run_end *how)
{
	run_done_cb *done = run->done;
	void *ctx = run->ctx;

	TAILQ_REMOVE(&r->runs, run, link);
	free(run);
	if (done != NULL)
		done(ctx, how);
}

static void
on_started(struct runner *r, struct ipc_msg *m)
{
	const struct ipc_exec_job *j = m->head;
	struct run *run = find(r, j->job);
	int fd = m->fd;

	if (run == NULL || run->started == NULL)
		return; /* cancelled: the message's owner closes it */
	m->fd = -1;
	run->started(run->ctx, fd);
}

static void
on_done(struct runner *r, const struct ipc_msg *m)
{
	const struct ipc_exec_done *d = m->head;
	struct run *run = find(r, d->job);
	struct run_end how = {.status = d->status, .output = m->text[0]};

	if (run == NULL)
		return;
	how.how = d->end >= EXEC_EXITED && d->end < EXEC_LOST ? (enum exec_end)d->end : EXEC_LOST;
	end(r, run, &how);
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	struct runner *r = ipc_ctx(c);

	if (m->type == IPC_EXEC_STARTED)
		on_started(r, m);
	else if (m->type == IPC_EXEC_DONE)
		on_done(r, m);
}

/* whoever is told may start another: those that are there now end, no others */
static void
lose_all(struct runner *r)
{
	const struct run_end lost = {.how = EXEC_LOST, .output = STR("execd is away.")};
	struct run_list gone = TAILQ_HEAD_INITIALIZER(gone);
	struct run *run;

	TAILQ_CONCAT(&gone, &r->runs, link);
	while ((run = TAILQ_FIRST(&gone)) != NULL) {
		TAILQ_REMOVE(&gone, run, link);
		TAILQ_INSERT_HEAD(&r->runs, run, link);
		end(r, run, &lost);
	}
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	struct runner *r = ipc_ctx(c);

	log_warn("event=execd-lost reason=\"%s\"", why->text);
	ipc_chan_free(&r->chan);
	lose_all(r);
	if (r->changed != NULL)
		r->changed(r);
}

const struct ipc_events runner_events = {.msg = on_msg, .down = on_down};

void
runner_init(struct runner *r, void (*changed)(struct runner *r))
{
	*r = (struct runner){.changed = changed};
	TAILQ_INIT(&r->runs);
}

void
runner_clear(struct runner *r)
{
	struct run *run;

	while ((run = TAILQ_FIRST(&r->runs)) != NULL) {
		TAILQ_REMOVE(&r->runs, run, link);
		free(run);
	}
	ipc_chan_free(&r->chan);
}

void
runner_chan(struct runner *r, struct ipc_chan *c)
{
	ipc_chan_free(&r->chan);
	lose_all(r);
	r->chan = c;
	if (r->changed != NULL)
		r->changed(r);
}

void
runner_peer(struct runner *r, enum ipc_role self, int fd)
{
	runner_chan(r, ipc_chan_new(fd, self, ROLE_EXEC, 0, &runner_events, r));
}

bool
runner_is_up(const struct runner *r)
{
	return r->chan != NULL;
}

struct run *
run_start(struct runner *r, const struct run_order *o, run_started_cb *started, run_done_cb *done,
    void *ctx)
{
	struct ipc_exec_run head = {
	    .hash = o->hash, .number = o->number, .option = o->option, .flags = o->flags};
	struct str texts[COMMAND_VALUES] = {STR_NULL};
	struct run *run;

	if (r->chan == NULL)
		return NULL;
	run = xcalloc(1, sizeof *run);
	*run = (struct run){
	    .runner = r, .job = ++r->next_job, .started = started, .done = done, .ctx = ctx};
	TAILQ_INSERT_TAIL(&r->runs, run, link);
	for (size_t i = 0; o->values != NULL && i < COMMAND_VALUES; i++)
		texts[i] = str_sub(o->values[i], 0, VALUE_MAX);
	head.job = run->job;
	ipc_send(r->chan, IPC_EXEC_RUN, &head, texts, -1);
	return run;
}

static void
say(const struct run *run, enum ipc_type type)
{
	const struct ipc_exec_job head = {.job = run->job};

	if (run->runner->chan != NULL)
		ipc_send(run->runner->chan, type, &head, NULL, -1);
}

void
run_input_ends(struct run *run)
{
	say(run, IPC_EXEC_INPUT_ENDS);
}

void
run_kill(struct run *run)
{
	say(run, IPC_EXEC_KILL);
}

void
run_cancel(struct run **runp)
{
	struct run *run = *runp;

	*runp = NULL;
	if (run == NULL)
		return;
	run_kill(run);
	run_forget(&run);
}

void
run_forget(struct run **runp)
{
	struct run *run = *runp;

	*runp = NULL;
	if (run == NULL)
		return;
	run->started = NULL;
	run->done = NULL;
}

void
run_end_text(const struct run_end *e, struct why *text)
{
	static const char *const words[EXEC_END_MAX] = {[EXEC_EXITED] = "It ended with status",
	    [EXEC_SIGNALED] = "It was ended by signal",
	    [EXEC_NOT_STARTED] = "It could not be started",
	    [EXEC_BAD_VALUE] = "A value cannot be given to it",
	    [EXEC_REFUSED] = "It could not be started now",
	    [EXEC_LOST] = "What starts commands is away"};
	bool has_status = e->how == EXEC_EXITED || e->how == EXEC_SIGNALED;
	char status[16] = "";

	if (has_status)
		snprintf(status, sizeof status, " %u", e->status);
	(void)why_set(text, "%s%s%s%s.", words[e->how], status, e->output.len > 0 ? ": " : "",
	    e->output.len > 0 ? log_quote(e->output) : "");
}
