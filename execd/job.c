#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "execd/execd.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/stats/stats.h"

#define KILL_AFTER_MS  5000  /* from SIGTERM to SIGKILL */
#define STREAM_REST_MS 30000 /* from its asker's end to SIGTERM */
#define READ_BYTES     16384

/* ---- the table ---- */

static struct job *
find(const struct asker *a, uint32_t number)
{
	struct job *j;

	TAILQ_FOREACH(j, &execd.jobs, link)
	{
		if (j->asker == a && j->job == number)
			return j;
	}
	return NULL;
}

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
close_output(struct job *j)
{
	if (j->output != -1)
		ev_io_stop(&j->io);
	close_fd(&j->output);
}

static void
forget(struct job *j)
{
	TAILQ_REMOVE(&execd.jobs, j, link);
	execd.n_jobs--;
	stat_set(STAT_COMMANDS_RUNNING, execd.n_jobs);
	close_output(j);
	close_fd(&j->input);
	close_fd(&j->failed);
	ev_timer_stop(&j->kill);
	free(j);
}

/* ---- telling the asker ---- */

static void
tell_end(struct asker *a, uint32_t job, enum exec_end end, uint32_t status, struct str text)
{
	struct ipc_exec_done head = {.job = job, .status = status, .end = (uint32_t)end};

	text = str_sub(text, 0, EXECD_MAX_POLICY);
	if (a != NULL && a->chan != NULL)
		ipc_send(a->chan, IPC_EXEC_DONE, &head, &text, -1);
}

static void
tell_started(struct job *j, int input)
{
	const struct ipc_exec_job head = {.job = j->job};

	ipc_send(j->asker->chan, IPC_EXEC_STARTED, &head, NULL, input);
	/* the message has a copy of its own */
	if ((j->flags & EXEC_IS_STREAM) != 0)
		close(input);
	else
		j->input = input;
}

/* ---- what it writes ---- */

/* of a stream the last words count, of others the first */
static void
keep_said(struct job *j, const char *p, size_t n)
{
	size_t room = j->max_said - j->n_said, over;

	if (n > room && (j->flags & EXEC_IS_STREAM) != 0) {
		if (n >= j->max_said) {
			memcpy(j->said, p + n - j->max_said, j->max_said);
			j->n_said = j->max_said;
			return;
		}
		over = n - room;
		memmove(j->said, j->said + over, j->n_said - over);
		j->n_said -= over;
		room = n;
	}
	memcpy(j->said + j->n_said, p, PH_MIN(n, room));
	j->n_said += PH_MIN(n, room);
}

static ssize_t
read_some(struct job *j)
{
	static char bytes[READ_BYTES];
	ssize_t n = read(j->output, bytes, sizeof bytes);

	if (n > 0)
		keep_said(j, bytes, (size_t)n);
	return n;
}

static void
on_output(struct ev_io *io, int what)
{
	struct job *j = ph_container_of(io, struct job, io);
	ssize_t n = read_some(j);

	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		close_output(j);
}

/* ---- ends ---- */

static void
signal_group(const struct job *j, int signo)
{
	/* its process is there, if only as what is left to be waited for: the number is its own */
	if (j->pid > 0 && killpg(j->pid, signo) == -1 && errno == ESRCH)
		(void)kill(j->pid, signo); /* it has no group of its own yet */
}

static void
end_it(struct job *j, bool at_once)
{
	signal_group(j, at_once ? SIGKILL : SIGTERM);
	j->is_told_to_end = true;
	if (at_once)
		ev_timer_stop(&j->kill);
	else
		ev_timer_in_ms(&j->kill, KILL_AFTER_MS);
}

static void
on_kill(struct ev_timer *t)
{
	struct job *j = ph_container_of(t, struct job, kill);

	end_it(j, j->is_told_to_end);
}

static void
report(struct job *j, const siginfo_t *info)
{
	int err = start_errno(j);
	bool is_exit = info->si_code == CLD_EXITED;
	struct str said = str_from(j->said, j->n_said);

	if (err != 0)
		tell_end(j->asker, j->job, EXEC_NOT_STARTED, 0, str_of(strerror(err)));
	else
		tell_end(j->asker, j->job, is_exit ? EXEC_EXITED : EXEC_SIGNALED,
		    (uint32_t)info->si_status, str_trim(said));
	if (j->asker == NULL)
		log_info("event=command-ended pid=%d status=%d text=%s", (int)j->pid,
		    info->si_status, log_quote(str_trim(said)));
}

static void
ended(struct job *j, const siginfo_t *info)
{
	int status;

	/* what it left behind in its group ends with it, while the number is still its own */
	signal_group(j, SIGKILL);
	if (waitpid(j->pid, &status, 0) == -1)
		log_warn("event=wait-failed pid=%d", (int)j->pid);
	while (j->output != -1 && j->n_said < j->max_said && read_some(j) > 0)
		;
	report(j, info);
	forget(j);
}

void
job_on_child(int signo, void *arg)
{
	struct job *j, *next;
	siginfo_t info;

	for (j = TAILQ_FIRST(&execd.jobs); j != NULL; j = next) {
		next = TAILQ_NEXT(j, link);
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)j->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    info.si_pid == j->pid)
			ended(j, &info);
	}
	if (execd.is_stopping && TAILQ_EMPTY(&execd.jobs))
		ev_timer_in_ms(&execd.leave, 0);
}

/* ---- orders ---- */

/* does an earlier run of the same stream still live, whose asker is gone? */
static bool
is_still_running(const struct ipc_exec_run *run)
{
	const struct job *j;

	TAILQ_FOREACH(j, &execd.jobs, link)
	{
		if (j->asker == NULL && j->number == run->number && j->hash == run->hash)
			return true;
	}
	return false;
}

static const char *
refusal(const struct ipc_exec_run *run)
{
	if (execd.is_stopping)
		return "The server stops.";
	if (run->hash != execd.commands.hash || run->number >= execd.commands.n)
		return "Another configuration is in force.";
	if (execd.n_jobs >= EXECD_MAX_JOBS)
		return "Too many commands run.";
	if ((run->flags & EXEC_IS_STREAM) != 0 && is_still_running(run))
		return "The one before has not ended yet.";
	return NULL;
}

static struct job *
make(struct asker *a, const struct ipc_exec_run *run)
{
	struct job *j = xcalloc(1, sizeof *j);

	*j = (struct job){.asker = a,
	    .hash = run->hash,
	    .number = run->number,
	    .job = run->job,
	    .flags = run->flags,
	    .max_said = execd.commands.list[run->number].kind == COMMAND_STS ? EXECD_MAX_POLICY
									     : EXECD_MAX_OUTPUT,
	    .input = -1,
	    .output = -1,
	    .failed = -1};
	ev_timer_init(&j->kill, on_kill);
	return j;
}

static void
start(struct asker *a, const struct ipc_exec_run *run, const struct command_words *w)
{
	struct job *j = make(a, run);
	struct why why;
	int input;

	if (start_job(j, &execd.accounts[run->number], w, &input, &why) == -1) {
		tell_end(a, run->job, EXEC_REFUSED, 0, str_of(why.text));
		free(j);
		return;
	}
	TAILQ_INSERT_TAIL(&execd.jobs, j, link);
	execd.n_jobs++;
	stat_inc(STAT_COMMANDS_STARTED);
	stat_set(STAT_COMMANDS_RUNNING, execd.n_jobs);
	ev_io_init(&j->io, j->output, on_output);
	ev_io_want(&j->io, EV_IN);
	tell_started(j, input);
}

void
job_order(struct asker *a, const struct ipc_exec_run *run, const struct str *values)
{
	static struct command_words words;
	const char *no = refusal(run);
	const struct account *who;
	struct why why;

	if (no != NULL) {
		tell_end(a, run->job, EXEC_REFUSED, 0, str_of(no));
		return;
	}
	who = &execd.accounts[run->number];
	if (!who->is_known)
		tell_end(a, run->job, EXEC_NOT_STARTED, 0, str_of(who->why.text));
	else if (!words_make(&execd.commands.list[run->number], run, values, &words, &why))
		tell_end(a, run->job, EXEC_BAD_VALUE, 0, str_of(why.text));
	else
		start(a, run, &words);
}

void
job_input_ends(struct asker *a, uint32_t job)
{
	struct job *j = find(a, job);

	if (j != NULL)
		close_fd(&j->input);
}

void
job_kill(struct asker *a, uint32_t job)
{
	struct job *j = find(a, job);

	if (j != NULL && !j->is_told_to_end)
		end_it(j, false);
}

void
job_asker_gone(struct asker *a)
{
	struct job *j;

	TAILQ_FOREACH(j, &execd.jobs, link)
	{
		if (j->asker != a)
			continue;
		j->asker = NULL;
		/* what has not all of its input must not take a piece of it for the whole */
		if ((j->flags & EXEC_IS_STREAM) == 0)
			end_it(j, true);
		else if (!j->is_told_to_end)
			ev_timer_in_ms(&j->kill, STREAM_REST_MS);
	}
}

void
job_end_all(bool at_once)
{
	struct job *j;

	TAILQ_FOREACH(j, &execd.jobs, link)
	end_it(j, at_once);
}
