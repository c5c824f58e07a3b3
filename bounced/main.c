#include <unistd.h>

#include "bounced/bounced.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/paths.h"
#include "lib/daemon/sandbox.h"

#define AGAIN_MS 1000

static struct {
	struct bounced bounced;
	bool is_open; /* so is the suppression database, and who asks of it is listened to */
	struct ev_timer again;
	bool was_full;
	int spool_fd, queue_fd, exec_fd;
	int inject_fd[BOUNCED_INJECTORS]; /* plus one; 0: none came yet */
	struct list_file *files;	  /* of the configuration that comes next */
	size_t n_files;
} state = {.spool_fd = -1, .queue_fd = -1, .exec_fd = -1};

/* to master, who gives it to those who ask us */
static void
tell_filter(enum suppressed_filter which, const struct filter *f)
{
	const struct ipc_filter head = {.index = which};
	struct filter *none;
	struct why why;

	if (f != NULL) {
		ipc_send(daemon_master(), IPC_FILTER, &head, NULL, filter_fd(f));
		return;
	}
	none = filter_new(1, suppress_key(state.bounced.suppressed.store), &why);
	if (none == NULL)
		fatal("event=no-filter text=\"%s\"", why.text);
	ipc_send(daemon_master(), IPC_FILTER, &head, NULL, filter_fd(none));
	filter_free(&none);
}

/* the last of each path: what came before the database could be opened is old */
static void
add_file(struct str path, int fd)
{
	for (size_t i = 0; i < state.n_files; i++) {
		if (!str_eq(path, str_of(state.files[i].path)))
			continue;
		close(state.files[i].fd);
		state.files[i].fd = fd;
		return;
	}
	state.files = xreallocarray(state.files, state.n_files + 1, sizeof *state.files);
	state.files[state.n_files++] = (struct list_file){.path = xstrdup_str(path), .fd = fd};
}

/* those that nobody took are of paths that are named no more */
static void
drop_files(void)
{
	for (size_t i = 0; i < state.n_files; i++) {
		if (state.files[i].fd != -1)
			close(state.files[i].fd);
		free(state.files[i].path);
	}
	xfree(&state.files);
	state.n_files = 0;
}

static void
on_give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	if (what->kind == FD_SPOOL_DIR && state.spool_fd == -1)
		state.spool_fd = fd;
	else if (what->kind == FD_TRACK_KEY)
		bounced_take_key(&state.bounced, fd);
	else if (what->kind == FD_ADDRESS_FILE)
		add_file(text, fd);
	else
		close(fd);
}

static void
inject_came(uint32_t instance, int fd)
{
	if (state.is_open) {
		bounced_inject_up(&state.bounced, instance, fd);
	} else if (instance >= BOUNCED_INJECTORS) {
		close(fd);
	} else {
		if (state.inject_fd[instance] != 0)
			close(state.inject_fd[instance] - 1);
		state.inject_fd[instance] = fd + 1;
	}
}

static void
exec_came(int fd)
{
	if (state.is_open) {
		bounced_exec_up(&state.bounced, fd);
		return;
	}
	if (state.exec_fd != -1)
		close(state.exec_fd);
	state.exec_fd = fd;
}

static void
on_peer(enum ipc_role role, uint32_t instance, int fd)
{
	if (role == ROLE_INJECT) {
		inject_came(instance, fd);
	} else if (role == ROLE_EXEC) {
		exec_came(fd);
	} else if (role != ROLE_QUEUE) {
		close(fd);
	} else if (state.is_open) {
		bounced_queue_up(&state.bounced, fd);
	} else {
		if (state.queue_fd != -1)
			close(state.queue_fd);
		state.queue_fd = fd;
	}
}

static void
on_config(const struct conf *old)
{
	bounced_use_conf(&state.bounced, daemon_conf());
	if (!state.is_open)
		return;
	suppressed_use_conf(
	    &state.bounced.suppressed, daemon_conf(), state.files, state.n_files, false);
	drop_files();
}

static void
on_stop(int64_t drain_ms)
{
	bounced_stop(&state.bounced, drain_ms);
}

static const struct daemon_ops bounced_daemon = {
    .role = ROLE_BOUNCE,
    .give_fd = on_give_fd,
    .peer = on_peer,
    .config = on_config,
    .stop = on_stop,
};

static const struct sandbox bounced_box = {
    .user = "pmta-bounce",
    .root_spool = true,
    .calls = BOX_LOOP | BOX_FILES_READ | BOX_FILES_WRITE | BOX_THREADS | BOX_CONFIG | BOX_STORE,
};

static void on_again(struct ev_timer *t);

static void
init(void)
{
	uint64_t host_id = conf_u64(conf_global(daemon_conf()), CONF_GLOBAL_HOST_ID);

	if (state.spool_fd == -1)
		fatal("event=no-spool text=\"master gave no spool directory\"");
	bounced_init(&state.bounced, state.spool_fd, (uint16_t)(host_id & 1023), daemon_exit);
	bounced_use_conf(&state.bounced, daemon_conf());
	suppressed_init(&state.bounced.suppressed, tell_filter);
	ev_timer_init(&state.again, on_again);
}

/* Berkeley DB goes by paths: as they are behind the walls. False: the disk is full. */
static bool
open_store(void)
{
	char *dir = daemon_is_unprivileged() ? paths_in_spool(daemon_conf(), "suppress")
					     : xstrdup("/suppress");
	struct why why = {0};
	int r = suppressed_open(&state.bounced.suppressed, dir, &why);

	free(dir);
	if (r == -1 && why.smtp_code != 452)
		fatal("event=no-suppression-database text=\"%s\"", why.text);
	if (r == -1 && !state.was_full)
		log_error("event=no-suppression-database text=\"%s\" until=\"there is room on the "
			  "disk: no mail is sent\"",
		    why.text);
	if (r == 0 && state.was_full)
		log_info("event=suppression-database-opened");
	state.was_full = r == -1;
	return r == 0;
}

static void
listen_to_all(void)
{
	for (uint32_t i = 0; i < BOUNCED_INJECTORS; i++)
		if (state.inject_fd[i] != 0)
			bounced_inject_up(&state.bounced, i, state.inject_fd[i] - 1);
	if (state.exec_fd != -1)
		bounced_exec_up(&state.bounced, state.exec_fd);
	if (state.queue_fd != -1)
		bounced_queue_up(&state.bounced, state.queue_fd);
	state.exec_fd = state.queue_fd = -1;
}

/* Where it cannot be opened for want of room, nobody is answered, and so nothing is sent, until it can. */
static void
begin(void)
{
	if (!open_store()) {
		ev_timer_in_ms(&state.again, AGAIN_MS);
		return;
	}
	suppressed_use_conf(
	    &state.bounced.suppressed, daemon_conf(), state.files, state.n_files, true);
	drop_files();
	state.is_open = true;
	listen_to_all();
}

static void
on_again(struct ev_timer *t)
{
	begin();
}

int
main(int argc, char **argv)
{
	daemon_begin(argc, argv, &bounced_daemon);
	init();
	sandbox_enter(&bounced_box);
	begin();
	daemon_ready();
	daemon_run();
	suppressed_close(&state.bounced.suppressed);
	bounced_clear(&state.bounced);
	return 0;
}
