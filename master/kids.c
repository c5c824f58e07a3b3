#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/processes.h"
#include "lib/stats/stats.h"

/* from the end of its channel to the end of its process */
#define END_LIMIT_MS 10000

static void on_restart(struct ev_timer *t);

/* ---- the table ---- */

static const enum ipc_role start_order[] = {ROLE_DNS, ROLE_EXEC, ROLE_ACCT, ROLE_BOUNCE, ROLE_FBL,
    ROLE_SIGN, ROLE_QUEUE, ROLE_DELIVER, ROLE_INJECT, ROLE_WEB};

const char *
kid_name(const struct kid *k)
{
	static char name[32];

	if (k->instance == 0)
		return ipc_role_name(k->role);
	snprintf(name, sizeof name, "%s.%u", ipc_role_name(k->role), k->instance);
	return name;
}

static void
add_kid(enum ipc_role role, uint32_t instance)
{
	struct kid *k = &master.kids[master.n_kids++];

	*k = (struct kid){.role = role, .instance = instance};
	ev_timer_init(&k->restart, on_restart);
	k->stats_fd = stats_create(role, instance);
	if (k->stats_fd == -1)
		fatal("a page of statistics cannot be made: %s", strerrordesc_np(errno));
}

void
kids_plan(const struct conf *c)
{
	/* timers and channels point into it: it never moves */
	master.kids = xcalloc(countof(start_order) * PROCESSES_MAX_PER_ROLE, sizeof *master.kids);
	for (size_t i = 0; i < countof(start_order); i++) {
		size_t n = processes_wanted(c, start_order[i]);
		for (uint32_t k = 0; k < n; k++)
			add_kid(start_order[i], k);
	}
}

bool
kid_is_running(const struct kid *k)
{
	return k->pid != 0 && k->chan != NULL;
}

void
kid_kill(struct kid *k)
{
	if (k->pid != 0 && kill(k->pid, SIGKILL) == -1)
		log_warn("%s cannot be killed: %s", kid_name(k), strerrordesc_np(errno));
}

/* ---- messages from them ---- */

static void
check_all_ready(void)
{
	if (master.phase != PHASE_STARTING)
		return;
	for (size_t i = 0; i < master.n_kids; i++) {
		if (master.kids[i].state != KID_READY)
			return;
	}
	master.phase = PHASE_RUNNING;
	log_info("ready processes=%zu listeners=%zu", master.n_kids, master.listeners.n);
	notify_ready();
	background_report(0);
	/* a SIGHUP that came meanwhile */
	if (master.reload.is_wanted_again) {
		master.reload.is_wanted_again = false;
		reload_start(false, 0);
	}
}

static void
on_ready(struct kid *k, struct ipc_msg *m)
{
	if (k->state == KID_STARTING)
		k->state = KID_READY;
	watch_heard(&k->watch);
	check_all_ready();
}

static void
on_pong(struct kid *k, struct ipc_msg *m)
{
	watch_heard(&k->watch);
}

static void
on_config_answer(struct kid *k, struct ipc_msg *m)
{
	const struct ipc_config *c = m->head;
	bool ok = m->type == IPC_CONFIG_OK;

	/* what belongs to its own start, or to a reload that was given up, tells nothing */
	if (c->generation > master.generation)
		reload_on_answer(k, c->generation, ok ? NULL : &m->text[0]);
	else if (!ok)
		log_error("%s refused the configuration: %.*s", kid_name(k), STR_ARG(m->text[0]));
}

static void
on_config_used(struct kid *k, struct ipc_msg *m)
{
	reload_on_used(k, ((const struct ipc_config *)m->head)->generation);
}

/* Without its channel it would go on as if all was well: an injector would take mail that nobody learns of. */
static void
on_renew(struct kid *from, struct ipc_msg *m)
{
	const struct ipc_peer *p = m->head;

	for (size_t i = 0; i < master.n_kids; i++) {
		struct kid *k = &master.kids[i];
		if (k->role != p->role || k->instance != p->instance || k == from ||
		    !kid_is_running(k))
			continue;
		log_error("%s broke the protocol and is ended pid=%d", kid_name(k), (int)k->pid);
		kid_kill(k);
	}
}

typedef void kid_msg_handler(struct kid *k, struct ipc_msg *m);
static kid_msg_handler *const handlers[] = {
    [IPC_CONFIG_OK] = on_config_answer,
    [IPC_CONFIG_BAD] = on_config_answer,
    [IPC_CONFIG_USED] = on_config_used,
    [IPC_READY] = on_ready,
    [IPC_PONG] = on_pong,
    [IPC_ASK] = ask_handle,
    [IPC_RENEW] = on_renew,
    [IPC_EDIT_ASK] = edit_handle,
    [IPC_EDIT_PUT] = edit_handle,
    [IPC_FILTER] = filter_came,
};

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	struct kid *k = ipc_ctx(c);

	if ((size_t)m->type < countof(handlers) && handlers[m->type] != NULL)
		handlers[m->type](k, m);
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	struct kid *k = ipc_ctx(c);

	/* most often it has just ended, and SIGCHLD follows; it may be in the middle of its last flush */
	ipc_chan_free(&k->chan);
	k->state = KID_ENDING;
	ev_timer_in_ms(&k->restart, END_LIMIT_MS);
	if (master.phase != PHASE_STOPPING)
		log_warn("channel closed reason=\"%s\"", why->text);
}

static const struct ipc_events kid_events = {.msg = on_msg, .down = on_down};

/* ---- starting ---- */

/* What daemons get of master's own environment: nothing that says where code or configuration is. */
static const char *const passed_on[] = {
    "TZ=",
#ifdef __SANITIZE_ADDRESS__
    "ASAN_OPTIONS=",
    "LSAN_OPTIONS=",
    "UBSAN_OPTIONS=",
#endif
};

/* `to` has room for all of passed_on, one more, and the NULL at the end */
static void
make_environment(char **to)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

	*to++ = path;
	for (size_t i = 0; i < countof(passed_on); i++) {
		for (char **e = environ; *e != NULL; e++) {
			if (strncmp(*e, passed_on[i], strlen(passed_on[i])) != 0)
				continue;
			*to++ = *e;
			break;
		}
	}
	*to = NULL;
}

static void PH_NORETURN
run_program(const struct kid *k, int channel)
{
	const char *role = ipc_role_name(k->role);
	char *path = xasprintf("%s/%s", master.libexec, role);
	char instance[16], *environment[countof(passed_on) + 2];
	sigset_t none;
	int null = open("/dev/null", O_RDWR);
	int lock = fcntl(master.lock_fd, F_DUPFD, DAEMON_LOCK_FD + 1);
	int chan = fcntl(channel, F_DUPFD, DAEMON_LOCK_FD + 1);

	/* in the background the terminal is not theirs; what they say before they have a log is not lost */
	if (!master.options.foreground && dup2(master.log_fd, STDERR_FILENO) == -1)
		fatal("%s: no standard error: %s", role, strerrordesc_np(errno));
	snprintf(instance, sizeof instance, "%u", k->instance);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	make_environment(environment);
	if (null == -1 || lock == -1 || chan == -1 || dup2(null, STDIN_FILENO) == -1 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) == -1 || dup2(chan, DAEMON_CHANNEL_FD) == -1 ||
	    dup2(lock, DAEMON_LOCK_FD) == -1 || close_range(DAEMON_LOCK_FD + 1, ~0U, 0) == -1)
		fatal("%s: descriptors cannot be prepared: %s", role, strerrordesc_np(errno));
	execle(path, role, "-i", instance, (char *)NULL, environment);
	fatal("%s cannot be run: %s", path, strerrordesc_np(errno));
}

/* forks it, without anything given yet; -1 with errno */
static int
spawn(struct kid *k)
{
	int fds[2], saved;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == -1)
		return -1;
	pid = fork();
	if (pid == -1) {
		saved = errno;
		close(fds[0]);
		close(fds[1]);
		errno = saved;
		return -1;
	}
	if (pid == 0)
		run_program(k, fds[1]);
	close(fds[1]);
	k->pid = pid;
	k->chan = ipc_chan_new(fds[0], ROLE_MASTER, k->role, k->instance, &kid_events, k);
	k->state = KID_STARTING;
	k->said_ok = true; /* it gets what is in force */
	k->started = ev_now();
	watch_heard(&k->watch);
	return 0;
}

static void
must_give_start_set(struct kid *k)
{
	struct why why;

	if (give_start_set(k, &why) == -1) {
		log_error("%s cannot be started: %s", kid_name(k), why.text);
		kid_kill(k);
	}
}

static void
say_start(struct kid *k)
{
	if (k->chan != NULL)
		ipc_send(k->chan, IPC_START, NULL, NULL, -1);
}

void
kids_start_all(void)
{
	for (size_t i = 0; i < master.n_kids; i++) {
		if (spawn(&master.kids[i]) == -1)
			fatal("%s cannot be started: %s", kid_name(&master.kids[i]),
			    strerrordesc_np(errno));
	}
	for (size_t i = 0; i < master.n_kids; i++)
		must_give_start_set(&master.kids[i]);
	give_all_peers();
	for (size_t i = 0; i < master.n_kids; i++)
		say_start(&master.kids[i]);
}

static void
start_again(struct kid *k)
{
	reload_cancel("a daemon was started again meanwhile");
	if (spawn(k) == -1) {
		/* the others go on; what is short may come back */
		log_error("%s cannot be started: %s", kid_name(k), strerrordesc_np(errno));
		k->state = KID_WAITS;
		ev_timer_in_ms(&k->restart, backoff_next_ms(&k->backoff, 0));
		return;
	}
	must_give_start_set(k);
	give_peers(k);
	say_start(k);
	log_info("%s started again pid=%d", kid_name(k), (int)k->pid);
}

static void
on_restart(struct ev_timer *t)
{
	struct kid *k = ph_container_of(t, struct kid, restart);

	if (k->state == KID_ENDING)
		kid_kill(k);
	else
		start_again(k);
}

void
kids_start_waiting(void)
{
	for (size_t i = 0; i < master.n_kids; i++) {
		if (master.kids[i].state == KID_WAITS_CONF)
			start_again(&master.kids[i]);
	}
}

void
kids_give_up_restarts(void)
{
	for (size_t i = 0; i < master.n_kids; i++) {
		struct kid *k = &master.kids[i];
		if (k->state != KID_WAITS && k->state != KID_WAITS_CONF)
			continue;
		ev_timer_stop(&k->restart);
		k->state = KID_DOWN;
	}
}

/* ---- ends ---- */

static void
log_end(const struct kid *k, int status)
{
	if (WIFSIGNALED(status))
		log_error("%s died pid=%d signal=%d%s", kid_name(k), (int)k->pid, WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS ? " reason=\"a forbidden system call\"" : "");
	else if (WEXITSTATUS(status) == (master.phase == PHASE_STOPPING ? 0 : EXIT_AGAIN))
		log_info("%s ended pid=%d", kid_name(k), (int)k->pid);
	else
		log_error(
		    "%s died pid=%d status=%d", kid_name(k), (int)k->pid, WEXITSTATUS(status));
}

static void
plan_restart(struct kid *k, int status)
{
	int64_t ms, ran_ms;

	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONF) {
		k->state = KID_WAITS_CONF;
		log_error("%s waits for a new configuration", kid_name(k));
		return;
	}
	ran_ms = mono_diff_ms(k->started, ev_now());
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_AGAIN && ran_ms > BACKOFF_FIRST_MS)
		ms = 0;
	else
		ms = backoff_next_ms(&k->backoff, ran_ms);
	k->state = KID_WAITS;
	ev_timer_in_ms(&k->restart, ms);
	log_info("%s will be started again in_ms=%lld", kid_name(k), (long long)ms);
}

static void
kid_ended(struct kid *k, int status)
{
	log_end(k, status);
	ipc_chan_free(&k->chan);
	ev_timer_stop(&k->restart);
	k->pid = 0;
	k->state = KID_DOWN;
	reload_cancel("a daemon died meanwhile");
	if (master.phase == PHASE_STOPPING) {
		stop_on_exit();
	} else if (master.phase == PHASE_STARTING && WIFEXITED(status)) {
		log_error("start given up: %s ended with status %d; its reason is in the log",
		    kid_name(k), WEXITSTATUS(status));
		stop_begin(WEXITSTATUS(status) == EXIT_CONF ? EXIT_CONF : EXIT_WORLD);
	} else {
		plan_restart(k, status);
	}
}

static struct kid *
find_pid(pid_t pid)
{
	for (size_t i = 0; i < master.n_kids; i++) {
		if (master.kids[i].pid == pid)
			return &master.kids[i];
	}
	return NULL;
}

void
kids_on_child(int signo, void *arg)
{
	struct kid *k;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		k = find_pid(pid);
		if (k != NULL)
			kid_ended(k, status);
		else if (pid == master.reload.checker)
			reload_on_checked(status);
		else if (!edit_on_child(pid, status))
			log_debug("event=unknown-child pid=%d", (int)pid);
	}
}
