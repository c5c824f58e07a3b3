#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "execd/execd.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define MAX_FILES 1024
#define FAILED_FD 3 /* in the child, until it becomes another program */

struct pipes {
	int in[2], out[2], failed[2];
};

static void
close_pipes(struct pipes *p)
{
	int *all[] = {p->in, p->out, p->failed};

	for (size_t i = 0; i < countof(all); i++)
		for (size_t k = 0; k < 2; k++)
			if (all[i][k] != -1)
				close(all[i][k]);
}

/* nothing here is below 4: the child moves them to where they belong */
static int
make_pipe(int fds[2])
{
	int raw[2];

	if (pipe2(raw, O_CLOEXEC) == -1)
		return -1;
	for (size_t i = 0; i < 2; i++) {
		fds[i] = fcntl(raw[i], F_DUPFD_CLOEXEC, FAILED_FD + 2);
		close(raw[i]);
	}
	return fds[0] == -1 || fds[1] == -1 ? -1 : 0;
}

/* ---- in the child ---- */

static void PH_NORETURN
child_fails(void)
{
	int err = errno;

	if (write(FAILED_FD, &err, sizeof err) != sizeof err)
		_exit(126);
	_exit(127);
}

static int
take_rights(const struct account *a)
{
	uid_t r, e, s;

	if (!execd.is_root)
		return 0;
	if (setgroups((size_t)a->n_groups, a->groups) == -1 ||
	    setresgid(a->gid, a->gid, a->gid) == -1 || setresuid(a->uid, a->uid, a->uid) == -1)
		return -1;
	if (getresuid(&r, &e, &s) == -1 || r != a->uid || e != a->uid || s != a->uid ||
	    setuid(0) != -1) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

static int
set_limits(void)
{
	const struct rlimit core = {0, 0}, files = {MAX_FILES, MAX_FILES};

	return setrlimit(RLIMIT_CORE, &core) == -1 || setrlimit(RLIMIT_NOFILE, &files) == -1 ? -1
											     : 0;
}

static int
take_descriptors(const struct pipes *p)
{
	if (dup2(p->in[0], STDIN_FILENO) == -1 || dup2(p->out[1], STDOUT_FILENO) == -1 ||
	    dup2(p->out[1], STDERR_FILENO) == -1 || dup2(p->failed[1], FAILED_FD) == -1 ||
	    fcntl(FAILED_FD, F_SETFD, FD_CLOEXEC) == -1)
		return -1;
	return close_range(FAILED_FD + 1, ~0U, 0);
}

static void
forget_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	sigemptyset(&none);
	for (int s = 1; s < NSIG; s++) {
		if (s != SIGKILL && s != SIGSTOP && sigaction(s, &dfl, NULL) == -1)
			continue; /* the C library keeps two for itself */
	}
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void PH_NORETURN
run_child(const struct account *a, const struct command_words *w, const struct pipes *p)
{
	char *environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
	    xasprintf("HOME=%s", a->home), xasprintf("USER=%s", a->name),
	    xasprintf("LOGNAME=%s", a->name), "SHELL=/bin/sh", "LANG=C.UTF-8", NULL};
	pid_t parent = getppid();

	forget_signals();
	if (setsid() == -1 || set_limits() == -1 || chdir("/") == -1)
		child_fails();
	umask(0027);
	if (take_descriptors(p) == -1)
		_exit(126);
	/* taking on a user undoes the parent-death signal: it comes behind it */
	if (take_rights(a) == -1 || prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		child_fails();
	if (getppid() != parent)
		_exit(126);
	execvpe(w->word[0], w->word, environment);
	child_fails();
}

/* ---- in execd ---- */

static void
take_ends(struct job *j, struct pipes *p, int *input)
{
	j->output = p->out[0];
	j->failed = p->failed[0];
	*input = p->in[1];
	p->out[0] = p->failed[0] = p->in[1] = -1;
}

int
start_job(struct job *j, const struct account *a, const struct command_words *w, int *input,
    struct why *why)
{
	struct pipes p = {{-1, -1}, {-1, -1}, {-1, -1}};

	if (make_pipe(p.in) == -1 || make_pipe(p.out) == -1 || make_pipe(p.failed) == -1 ||
	    fcntl(p.in[1], F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(p.out[0], F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(p.failed[0], F_SETFL, O_NONBLOCK) == -1) {
		why_errno(why, "No pipes can be made");
		close_pipes(&p);
		return -1;
	}
	j->pid = fork();
	if (j->pid == 0)
		run_child(a, w, &p);
	if (j->pid == -1) {
		j->pid = 0;
		why_errno(why, "No process can be made");
		close_pipes(&p);
		return -1;
	}
	take_ends(j, &p, input);
	close_pipes(&p);
	return 0;
}

int
start_errno(struct job *j)
{
	int err = 0;

	if (j->failed == -1)
		return 0;
	if (read(j->failed, &err, sizeof err) != sizeof err)
		err = 0;
	close(j->failed);
	j->failed = -1;
	return err;
}
