#include <unistd.h>

#include "fbld/fbld.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/sandbox.h"

static struct fbld state = {.spool_fd = -1, .queue_fd = -1};

static void
on_give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	if (what->kind == FD_SPOOL_DIR && state.spool_fd == -1)
		state.spool_fd = fd;
	else if (what->kind == FD_TRACK_KEY)
		state.has_track = track_init_fd(&state.track, fd);
	else
		close(fd);
}

static void
on_peer(enum ipc_role role, uint32_t instance, int fd)
{
	if (role != ROLE_QUEUE) {
		close(fd);
	} else if (state.processor != NULL) {
		fbld_queue_up(&state, fd);
	} else {
		if (state.queue_fd != -1)
			close(state.queue_fd);
		state.queue_fd = fd;
	}
}

static void
on_config(const struct conf *old)
{
	processor_use_conf(state.processor, daemon_conf());
}

/* what is under way was answered in the same turn */
static void
on_stop(int64_t drain_ms)
{
	daemon_exit();
}

static const struct daemon_ops fbld_daemon = {
    .role = ROLE_FBL,
    .give_fd = on_give_fd,
    .peer = on_peer,
    .config = on_config,
    .stop = on_stop,
};

static const struct sandbox fbld_box = {
    .user = "pmta-fbl",
    .root_spool = true,
    .calls = BOX_LOOP | BOX_FILES_READ | BOX_CONFIG,
};

int
main(int argc, char **argv)
{
	daemon_begin(argc, argv, &fbld_daemon);
	fbld_init(&state);
	sandbox_enter(&fbld_box);
	if (state.queue_fd != -1)
		fbld_queue_up(&state, state.queue_fd);
	state.queue_fd = -1;
	daemon_ready();
	daemon_run();
	fbld_clear(&state);
	return 0;
}
