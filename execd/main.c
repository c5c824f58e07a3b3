/*
 * execd: starts what the configuration names. See README beside this file.
 */
#include <signal.h>
#include <unistd.h>

#include "execd/execd.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/sandbox.h"

struct execd execd;

/* ---- those who ask ---- */

static void
drop(struct asker *a, const char *why)
{
	log_info("event=asker-lost peer=%s instance=%u reason=\"%s\"",
	    ipc_role_name(ipc_peer(a->chan)), ipc_peer_instance(a->chan), why);
	ipc_chan_free(&a->chan);
	job_asker_gone(a);
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	struct asker *a = ipc_ctx(c);

	if (m->type == IPC_EXEC_RUN)
		job_order(a, m->head, m->text);
	else if (m->type == IPC_EXEC_INPUT_ENDS)
		job_input_ends(a, ((const struct ipc_exec_job *)m->head)->job);
	else if (m->type == IPC_EXEC_KILL)
		job_kill(a, ((const struct ipc_exec_job *)m->head)->job);
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	drop(ipc_ctx(c), why->text);
}

static const struct ipc_events asker_events = {.msg = on_msg, .down = on_down};

static void
on_peer(enum ipc_role role, uint32_t instance, int fd)
{
	struct asker *free_slot = NULL;

	for (size_t i = 0; i < EXECD_MAX_PEERS; i++) {
		struct asker *a = &execd.askers[i];
		if (a->chan != NULL && ipc_peer(a->chan) == role &&
		    ipc_peer_instance(a->chan) == instance)
			drop(a, "master gave a new one");
		if (a->chan == NULL && free_slot == NULL)
			free_slot = a;
	}
	if (free_slot == NULL)
		fatal("event=too-many-askers");
	free_slot->chan = ipc_chan_new(fd, ROLE_EXEC, role, instance, &asker_events, free_slot);
}

/* ---- the configuration ---- */

static void
use_conf(void)
{
	for (size_t i = 0; i < execd.commands.n; i++)
		account_clear(&execd.accounts[i]);
	xfree(&execd.accounts);
	commands_clear(&execd.commands);
	commands_make(&execd.commands, daemon_conf());
	execd.accounts = xcalloc(PH_MAX(execd.commands.n, (size_t)1), sizeof *execd.accounts);
	for (size_t i = 0; i < execd.commands.n; i++) {
		account_load(&execd.accounts[i], execd.commands.list[i].user);
		if (!execd.accounts[i].is_known)
			log_error("event=command-unusable command=%s reason=\"%s\"",
			    log_quote(execd.commands.list[i].text), execd.accounts[i].why.text);
	}
}

static void
on_config(const struct conf *old)
{
	use_conf();
}

/* ---- life ---- */

static void
on_give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	close(fd); /* it needs none */
}

static void
on_leave(struct ev_timer *t)
{
	job_end_all(true);
	daemon_exit();
}

static void
on_stop(int64_t drain_ms)
{
	execd.is_stopping = true;
	job_end_all(drain_ms == 0);
	ev_timer_in_ms(&execd.leave, execd.n_jobs == 0 ? 0 : PH_MIN(drain_ms, INT64_C(5000)));
}

static const struct daemon_ops execd_daemon = {
    .role = ROLE_EXEC,
    .give_fd = on_give_fd,
    .peer = on_peer,
    .config = on_config,
    .stop = on_stop,
};

static const struct sandbox box = {
    .calls = BOX_COMMANDS,
};

/* our own programs lie beside this one */
static char *
own_folder(void)
{
	char *self = realpath("/proc/self/exe", NULL);
	char *folder;

	if (self == NULL)
		fatal("event=no-own-path");
	folder = xstrdup_str(str_sub(str_of(self), 0, str_rfind(str_of(self), '/')));
	free(self);
	return folder;
}

int
main(int argc, char **argv)
{
	TAILQ_INIT(&execd.jobs);
	ev_timer_init(&execd.leave, on_leave);
	daemon_begin(argc, argv, &execd_daemon);
	execd.is_root = !daemon_is_unprivileged();
	execd.libexec = own_folder();
	ev_signal(SIGCHLD, job_on_child, NULL);
	use_conf();
	sandbox_enter(&box);
	daemon_ready();
	daemon_run();
	job_end_all(true);
	return 0;
}
