#include "lib/daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/ev/ev.h"
#include "lib/stats/stats.h"

/* how long the last words to master may take */
#define LAST_FLUSH_MS 1000

static struct {
	const struct daemon_ops *ops;
	struct ipc_chan *master;
	struct conf *conf, *pending;
	uint64_t generation, pending_generation;
	uint32_t instance;
	int log_fd;
	bool is_started;
	bool is_unprivileged;
	char name[32];
} self = {.log_fd = -1};

typedef void msg_handler(struct ipc_msg *m);

const struct conf *
daemon_conf(void)
{
	return self.conf;
}

uint64_t
daemon_generation(void)
{
	return self.generation;
}

uint32_t
daemon_instance(void)
{
	return self.instance;
}

struct ipc_chan *
daemon_master(void)
{
	return self.master;
}

bool
daemon_is_unprivileged(void)
{
	return self.is_unprivileged;
}

/* ---- configuration ---- */

static void
say_bad(const struct ipc_config *head, const struct conf_messages *list)
{
	struct str why = STR("the snapshot of the configuration cannot be read");

	for (size_t i = 0; i < list->n; i++) {
		if (!list->list[i].is_error)
			continue;
		why = str_sub(str_of(list->list[i].text), 0, 1000);
		break;
	}
	log_error("configuration refused: %.*s", STR_ARG(why));
	ipc_send(self.master, IPC_CONFIG_BAD, head, &why, -1);
}

static void
on_config(struct ipc_msg *m)
{
	const struct ipc_config head = *(const struct ipc_config *)m->head;
	struct conf_messages list = {0};

	conf_free(&self.pending);
	self.pending = conf_load_fd(m->fd, &list);
	self.pending_generation = head.generation;
	if (self.pending == NULL)
		say_bad(&head, &list);
	else
		ipc_send(self.master, IPC_CONFIG_OK, &head, NULL, -1);
	conf_messages_clear(&list);
}

static void
switch_conf(void)
{
	struct conf *old = self.conf;

	self.conf = self.pending;
	self.generation = self.pending_generation;
	self.pending = NULL;
	if (self.is_started && self.ops->config != NULL)
		self.ops->config(old);
	conf_free(&old);
}

static void
on_config_use(struct ipc_msg *m)
{
	const struct ipc_config *head = m->head;

	if (self.pending == NULL || head->generation != self.pending_generation)
		fatal("told to use configuration %llu, which it does not have",
		    (unsigned long long)head->generation);
	switch_conf();
	ipc_send(self.master, IPC_CONFIG_USED, head, NULL, -1);
	if (self.is_started)
		log_info(
		    "configuration in use generation=%llu", (unsigned long long)head->generation);
}

/* ---- descriptors ---- */

static int
take_fd(struct ipc_msg *m)
{
	int fd = m->fd;

	m->fd = -1;
	return fd;
}

static void
on_give_fd(struct ipc_msg *m)
{
	const struct ipc_fd *what = m->head;
	int fd = take_fd(m), old;

	if (what->kind == FD_LOG) {
		old = self.log_fd;
		self.log_fd = fd;
		log_to_fd(fd, true);
		log_also_to_stderr(what->index != 0);
		if (old != -1)
			close(old);
		return;
	}
	if (what->kind == FD_STATS_PAGE && what->role == self.ops->role &&
	    what->index == self.instance) {
		if (stats_map_own(fd) == -1)
			fatal(
			    "its page of statistics cannot be mapped: %s", strerrordesc_np(errno));
		stats_own->started_ns = ev_wall().ns;
		/* a queued that shows its own page keeps it like the others' */
		if (self.ops->role != ROLE_QUEUE) {
			close(fd);
			return;
		}
	}
	self.ops->give_fd(what, m->text[0], fd);
}

static void
on_take_fd(struct ipc_msg *m)
{
	if (self.ops->take_fd != NULL)
		self.ops->take_fd(m->head, m->text[0]);
}

static void
on_peer(struct ipc_msg *m)
{
	const struct ipc_peer *p = m->head;
	int fd = take_fd(m);

	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		fatal("a channel cannot be made non-blocking: %s", strerrordesc_np(errno));
	self.ops->peer((enum ipc_role)p->role, p->instance, fd);
}

/* ---- start and stop ---- */

static void
on_ping(struct ipc_msg *m)
{
	stats_note_use();
	ipc_send(self.master, IPC_PONG, NULL, NULL, -1);
}

static void
on_start(struct ipc_msg *m)
{
	if (self.pending != NULL)
		switch_conf();
	if (self.conf == NULL)
		fatal("started without a configuration");
	self.is_started = true;
}

static void
on_stop(struct ipc_msg *m)
{
	const struct ipc_stop *s = m->head;

	if (!self.is_started)
		_exit(0);
	self.ops->stop((int64_t)PH_MIN(s->drain_ms, (uint64_t)INT32_MAX));
}

static msg_handler *const handlers[] = {
    [IPC_CONFIG] = on_config,
    [IPC_CONFIG_USE] = on_config_use,
    [IPC_GIVE_FD] = on_give_fd,
    [IPC_TAKE_FD] = on_take_fd,
    [IPC_PEER] = on_peer,
    [IPC_START] = on_start,
    [IPC_STOP] = on_stop,
    [IPC_PING] = on_ping,
};

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	if ((size_t)m->type < countof(handlers) && handlers[m->type] != NULL)
		handlers[m->type](m);
	else if (self.ops->msg != NULL)
		self.ops->msg(c, m);
	else
		fatal("master sent %s, which is not for it", ipc_type_name(m->type));
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	/* nobody is left to order anything: the next start recovers from the spool */
	log_warn("exit reason=\"%s\"", why->text);
	_exit(EXIT_WORLD);
}

static const struct ipc_events master_events = {.msg = on_msg, .down = on_down};

static void
parse_args(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "i:")) != -1) {
		if (o != 'i' || !parse_u32(str_of(optarg), 0, 255, &self.instance))
			fatal_conf("usage: %s -i instance", self.name);
	}
	if (self.instance > 0)
		snprintf(self.name, sizeof self.name, "%s.%u", ipc_role_name(self.ops->role),
		    self.instance);
}

static void
prepare_process(void)
{
	struct stat st;

	if (fstat(DAEMON_CHANNEL_FD, &st) == -1 || !S_ISSOCK(st.st_mode))
		fatal_conf("this program is started by posthaste(8), not by hand");
	/* what master may have left open; its own are all close-on-exec */
	if (close_range(DAEMON_LOCK_FD + 1, ~0U, 0) == -1)
		fatal("unknown descriptors cannot be closed: %s", strerrordesc_np(errno));
	if (fcntl(DAEMON_CHANNEL_FD, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(DAEMON_CHANNEL_FD, F_SETFL, O_NONBLOCK) == -1)
		fatal("descriptor 3: %s", strerrordesc_np(errno));
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		fatal("the parent-death signal cannot be set: %s", strerrordesc_np(errno));
	/* master alone says when and in which order daemons end; a signal to the whole group is for master */
	for (size_t i = 0; i < 4; i++) {
		static const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM};
		struct sigaction sa = {.sa_handler = SIG_IGN};
		if (sigaction(ignored[i], &sa, NULL) == -1)
			fatal(
			    "signal %d cannot be ignored: %s", ignored[i], strerrordesc_np(errno));
	}
}

void
daemon_begin(int argc, char **argv, const struct daemon_ops *ops)
{
	struct ipc_msg m;
	struct why why;

	self.ops = ops;
	snprintf(self.name, sizeof self.name, "%s", ipc_role_name(ops->role));
	log_init(self.name, LOG_LEVEL_INFO);
	parse_args(argc, argv);
	prepare_process();
	self.is_unprivileged = geteuid() != 0;
	ev_init();
	self.master =
	    ipc_chan_new(DAEMON_CHANNEL_FD, ops->role, ROLE_MASTER, 0, &master_events, NULL);
	while (!self.is_started) {
		if (ipc_read_blocking(self.master, &m, -1, &why) == -1)
			fatal("before its start: %s", why.text);
		on_msg(self.master, &m);
		if (m.fd != -1)
			close(m.fd);
	}
	ev_update_time();
}

void
daemon_ready(void)
{
	ipc_send(self.master, IPC_READY, NULL, NULL, -1);
	log_info("ready pid=%d", (int)getpid());
}

void
daemon_run(void)
{
	struct why why;

	ev_run();
	if (ipc_flush_blocking(self.master, LAST_FLUSH_MS, &why) == -1)
		log_warn("last words not delivered reason=\"%s\"", why.text);
	log_info("stopped");
}

void
daemon_exit(void)
{
	ev_stop();
}
