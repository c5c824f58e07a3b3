#include <unistd.h>

#include "acctd/acctd.h"
#include "lib/base/log.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/sandbox.h"

/* for what is under way, when it has to begin anew */
#define RENEW_MS 5000

static struct {
	struct acctd acctd;
	bool is_up;	 /* acctd_init() was called */
	bool must_renew; /* a directory came that this process cannot reach */
	int spool_fd, queue_fd, exec_fd;
} state = {.spool_fd = -1, .queue_fd = -1, .exec_fd = -1};

static void
take_dir(const struct ipc_fd *what, struct str path, int fd)
{
	if (!sandbox_reaches(fd)) {
		state.must_renew = true;
		close(fd);
		return;
	}
	dirs_give(&state.acctd.dirs, what, path, fd);
	acctd_dirs_changed(&state.acctd);
}

static void
on_give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	if (what->kind == FD_ACCT_DIR || what->kind == FD_MOVE_DIR) {
		take_dir(what, text, fd);
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
	int *early = role == ROLE_QUEUE ? &state.queue_fd : &state.exec_fd;

	if (role != ROLE_QUEUE && role != ROLE_EXEC) {
		close(fd);
	} else if (!state.is_up) {
		if (*early != -1)
			close(*early);
		*early = fd;
	} else if (role == ROLE_QUEUE) {
		acctd_queue_up(&state.acctd, fd);
	} else {
		runner_peer(&state.acctd.runner, ROLE_ACCT, fd);
	}
}

/* the same command twice: each has records of its own */
static void
count_same(struct acct_def *const *defs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (defs[k]->kind == defs[i]->kind &&
			    strcmp(defs[k]->path, defs[i]->path) == 0)
				defs[i]->same = defs[k]->same + 1;
}

static void
load_files(void)
{
	const struct conf *c = daemon_conf();
	struct acct_def *defs[ACCTD_MAX_FILES], *d;
	struct commands list;
	size_t n = 0, n_blocks = conf_n_blocks(c, CONF_BLOCK_ACCT);

	commands_make(&list, c);
	for (size_t i = 0; i < n_blocks && n < ACCTD_MAX_FILES; i++) {
		d = acct_def_load(c, i, &list);
		if (d != NULL)
			defs[n++] = d;
	}
	commands_clear(&list);
	count_same(defs, n);
	if (n_blocks > ACCTD_MAX_FILES)
		log_error("acct more than %d files: the others are not written", ACCTD_MAX_FILES);
	acctd_set_files(&state.acctd, defs, n);
}

static void
on_config(const struct conf *old)
{
	if (!state.must_renew) {
		load_files();
		return;
	}
	log_info("acct begins anew reason=\"new directories\"");
	acctd_stop(&state.acctd, RENEW_MS);
}

static void
on_stop(int64_t drain_ms)
{
	state.must_renew = false;
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
	sandbox_allow_dir(state.spool_fd);
	dirs_each(&state.acctd.dirs, sandbox_allow_dir);
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
	if (state.exec_fd != -1)
		runner_peer(&state.acctd.runner, ROLE_ACCT, state.exec_fd);
	state.exec_fd = -1;
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
	return state.must_renew ? EXIT_AGAIN : 0;
}
