#include <unistd.h>

#include "acctd/acctd.h"
#include "lib/base/log.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/sandbox.h"

static struct {
	struct acctd acctd;
	bool is_up; /* acctd_init() was called */
	int spool_fd, queue_fd;
} state = {.spool_fd = -1, .queue_fd = -1};

static void
on_give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	if (what->kind == FD_ACCT_DIR || what->kind == FD_MOVE_DIR) {
		dirs_give(&state.acctd.dirs, what, text, fd);
		acctd_dirs_changed(&state.acctd);
	} else if (what->kind == FD_SPOOL_DIR && state.spool_fd == -1) {
		state.spool_fd = fd;
	} else {
		close(fd);
	}
}

static void
on_take_fd(const struct ipc_fd *what, struct str text)
{
	if (what->kind == FD_ACCT_DIR || what->kind == FD_MOVE_DIR)
		dirs_take(&state.acctd.dirs, what);
}

static void
on_peer(enum ipc_role role, uint32_t instance, int fd)
{
	if (role != ROLE_QUEUE) {
		close(fd);
	} else if (state.is_up) {
		acctd_queue_up(&state.acctd, fd);
	} else {
		if (state.queue_fd != -1)
			close(state.queue_fd);
		state.queue_fd = fd;
	}
}

static void
load_files(void)
{
	const struct conf *c = daemon_conf();
	struct acct_def *defs[ACCTD_MAX_FILES], *d;
	size_t n = 0, n_blocks = conf_n_blocks(c, CONF_BLOCK_ACCT);

	for (size_t i = 0; i < n_blocks && n < ACCTD_MAX_FILES; i++) {
		d = acct_def_load(c, i);
		if (d != NULL)
			defs[n++] = d;
	}
	if (n_blocks > ACCTD_MAX_FILES)
		log_error("acct more than %d files: the others are not written", ACCTD_MAX_FILES);
	acctd_set_files(&state.acctd, defs, n);
}

static void
on_config(const struct conf *old)
{
	load_files();
}

static void
on_stop(int64_t drain_ms)
{
	acctd_stop(&state.acctd, drain_ms);
}

static const struct daemon_ops acctd_daemon = {
    .role = ROLE_ACCT,
    .give_fd = on_give_fd,
    .take_fd = on_take_fd,
    .peer = on_peer,
    .config = on_config,
    .stop = on_stop,
};

static const struct sandbox acctd_box = {
    .user = "pmta-acct",
    .calls = BOX_LOOP | BOX_FILES_READ | BOX_FILES_WRITE | BOX_THREADS | BOX_CONFIG,
};

static void
init(void)
{
	if (state.spool_fd == -1)
		fatal("acct master gave no spool directory");
	acctd_init(&state.acctd, state.spool_fd, daemon_exit);
	state.is_up = true;
}

/* only with the rights that remain */
static void
begin(void)
{
	load_files();
	if (state.queue_fd != -1)
		acctd_queue_up(&state.acctd, state.queue_fd);
	state.queue_fd = -1;
}

int
main(int argc, char **argv)
{
	daemon_begin(argc, argv, &acctd_daemon);
	init();
	sandbox_enter(&acctd_box);
	begin();
	daemon_ready();
	daemon_run();
	acctd_clear(&state.acctd);
	return 0;
}
