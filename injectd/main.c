#include <unistd.h>

#include "injectd/injectd.h"
#include "lib/base/log.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/processes.h"
#include "lib/daemon/sandbox.h"
#include "lib/tls/server.h"

#define MAX_FILES 65536

static void
on_give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	if (what->kind == FD_LISTEN_SMTP)
		listen_add(text, fd);
	else if (what->kind == FD_TLS_FILE)
		tls_in_take(text, fd);
	else if (what->kind == FD_SPOOL_DIR && injectd.spool_fd == -1)
		injectd.spool_fd = fd;
	else
		close(fd);
}

static void
on_take_fd(const struct ipc_fd *what, struct str text)
{
	if (what->kind == FD_LISTEN_SMTP)
		listen_remove(text);
}

static void
on_peer(enum ipc_role role, uint32_t instance, int fd)
{
	if (role != ROLE_QUEUE) {
		close(fd);
	} else if (injectd.journal != NULL) {
		intake_queue_up(fd);
	} else {
		if (injectd.queue_fd != -1)
			close(injectd.queue_fd);
		injectd.queue_fd = fd;
	}
}

static void
on_config(const struct conf *old)
{
	world_use_conf(&injectd.world, daemon_conf());
	conns_forget_conf();
	tls_in_use_conf();
	listen_use_conf();
	listen_slot_freed();
	space_check();
}

static const struct daemon_ops injectd_daemon = {
    .role = ROLE_INJECT,
    .give_fd = on_give_fd,
    .take_fd = on_take_fd,
    .peer = on_peer,
    .config = on_config,
    .stop = stop_begin,
};

static const struct sandbox injectd_box = {
    .user = "pmta-inject",
    .root_spool = true,
    .calls = BOX_LOOP | BOX_FILES_READ | BOX_FILES_WRITE | BOX_ACCEPT | BOX_THREADS | BOX_CONFIG,
    .max_files = MAX_FILES,
};

static void
init(void)
{
	if (injectd.spool_fd == -1)
		fatal("master gave no spool directory");
	injectd.n_processes = processes_wanted(daemon_conf(), ROLE_INJECT);
	stop_init();
	tls_server_init();
	tls_in_use_conf();
	world_use_conf(&injectd.world, daemon_conf());
	space_init();
}

/* only with the rights that remain */
static void
begin(void)
{
	intake_open();
	if (injectd.queue_fd != -1)
		intake_queue_up(injectd.queue_fd);
	injectd.queue_fd = -1;
	listen_use_conf();
	space_check();
	listen_start();
}

int
main(int argc, char **argv)
{
	world_init(&injectd.world, &intake_ops, NULL);
	daemon_begin(argc, argv, &injectd_daemon);
	listen_init();
	init();
	sandbox_enter(&injectd_box);
	begin();
	daemon_ready();
	daemon_run();
	conns_free();
	intake_close();
	tls_in_free();
	world_clear(&injectd.world);
	return 0;
}
