#include <unistd.h>

#include "lib/auth/verify.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/sandbox.h"
#include "lib/tls/server.h"
#include "webd/given.h"
#include "webd/webd.h"

#define MAX_FILES 4096

struct webd webd;

static void
on_give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	if (what->kind == FD_LISTEN_HTTP)
		conns_listen(fd);
	else if (what->kind == FD_TLS_FILE)
		given_take(text, fd);
	else if (what->kind == FD_STATS_PAGE)
		live_page(what->role, what->index, fd);
	else if (what->kind == FD_LOG_READ)
		log_page_use(fd);
	else
		close(fd);
}

static void
on_take_fd(const struct ipc_fd *what, struct str text)
{
	if (what->kind == FD_LISTEN_HTTP)
		conns_unlisten();
}

static void
on_peer(enum ipc_role role, uint32_t instance, int fd)
{
	if (role == ROLE_QUEUE)
		ask_add_channel(instance, fd);
	else
		close(fd);
}

/* where passwords are hashes, the thread that tries them */
static void
use_conf(void)
{
	const struct conf *c = daemon_conf();
	struct str path = conf_str(conf_merged(c, CONF_BLOCK_HTTP), CONF_HTTP_ACCESS_FILE);

	access_use_conf(c, given_file(path));
	conns_use_tls(given_context(c));
	given_forget();
	session_use_conf();
}

static void
on_config(const struct conf *old)
{
	use_conf();
}

static void
on_stop(int64_t drain_ms)
{
	conns_unlisten();
	daemon_exit();
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	if (m->type == IPC_EDIT_ANSWER)
		edit_answered(m);
}

static const struct daemon_ops webd_daemon = {
    .role = ROLE_WEB,
    .give_fd = on_give_fd,
    .take_fd = on_take_fd,
    .peer = on_peer,
    .config = on_config,
    .stop = on_stop,
    .msg = on_msg,
};

static const struct sandbox webd_box = {
    .user = "pmta-web",
    .calls = BOX_LOOP | BOX_ACCEPT | BOX_PAIRS | BOX_CONFIG | BOX_THREADS,
    .max_files = MAX_FILES,
};

static void
init(void)
{
	tls_server_init();
	verify_open();
	server_open();
	session_init();
	live_init();
	use_conf();
}

int
main(int argc, char **argv)
{
	conns_init();
	ask_init();
	daemon_begin(argc, argv, &webd_daemon);
	init();
	sandbox_enter(&webd_box);
	daemon_ready();
	daemon_run();
	conns_free();
	server_close();
	ask_free();
	verify_close();
	access_clear();
	return 0;
}
