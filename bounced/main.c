#include <unistd.h>

#include "bounced/bounced.h"
#include "lib/base/log.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/sandbox.h"

static struct {
	struct bounced bounced;
	bool is_up; /* bounced_init() was called */
	int spool_fd, queue_fd;
} state = {.spool_fd = -1, .queue_fd = -1};

static void
on_give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	if (what->kind == FD_SPOOL_DIR && state.spool_fd == -1)
		state.spool_fd = fd;
	else if (what->kind == FD_TRACK_KEY)
		bounced_take_key(&state.bounced, fd);
	else
		close(fd);
}

static void
on_peer(enum ipc_role role, uint32_t instance, int fd)
{
	if (role != ROLE_QUEUE) {
		close(fd);
	} else if (state.is_up) {
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
    .calls = BOX_LOOP | BOX_FILES_READ | BOX_FILES_WRITE | BOX_THREADS | BOX_CONFIG,
};

static void
init(void)
{
	uint64_t host_id = conf_u64(conf_global(daemon_conf()), CONF_GLOBAL_HOST_ID);

	if (state.spool_fd == -1)
		fatal("event=no-spool text=\"master gave no spool directory\"");
	bounced_init(&state.bounced, state.spool_fd, (uint16_t)(host_id & 1023), daemon_exit);
	bounced_use_conf(&state.bounced, daemon_conf());
	state.is_up = true;
}

static void
begin(void)
{
	if (state.queue_fd != -1)
		bounced_queue_up(&state.bounced, state.queue_fd);
	state.queue_fd = -1;
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
	bounced_clear(&state.bounced);
	return 0;
}
