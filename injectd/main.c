#include <malloc.h>
#include <unistd.h>

#include "injectd/api.h"
#include "injectd/checker.h"
#include "injectd/injectd.h"
#include "injectd/pickup.h"
#include "injectd/suppressed.h"
#include "lib/auth/verify.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/sandbox.h"
#include "lib/dkim/hash.h"
#include "lib/tls/server.h"

#define MAX_FILES  65536
#define KEPT_BYTES (32 * 1024 * 1024)
/* for sessions to end their message, when the process has to begin anew */
#define RENEW_MS 10000

/* after the sandbox was entered, only those that are what they were can be used */
static void
take_pickup(const struct ipc_fd *what, int fd)
{
	if (!sandbox_reaches(fd)) {
		injectd.must_renew = true;
		close(fd);
		return;
	}
	sandbox_allow_dir(fd);
	if (what->kind == FD_PICKUP_DIR)
		pickup_take_dir(fd);
	else
		pickup_take_bad_dir(fd);
}

static void
on_give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	if (what->kind == FD_LISTEN_SMTP)
		listen_add(text, fd);
	else if (what->kind == FD_LISTEN_DUMMY)
		dummy_add(fd);
	else if (what->kind == FD_INJECT_BOARD && injectd.board == NULL)
		injectd.board = board_map(fd);
	else if (what->kind == FD_TLS_FILE)
		tls_in_take(text, fd);
	else if (what->kind == FD_LISTEN_API)
		api_add(text, fd);
	else if (what->kind == FD_PICKUP_DIR || what->kind == FD_PICKUP_BAD)
		take_pickup(what, fd);
	else if (what->kind == FD_SUPPRESS_FILTER)
		suppressed_take_filter(what->index, fd);
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
	else if (what->kind == FD_LISTEN_DUMMY)
		dummy_remove();
	else if (what->kind == FD_LISTEN_API)
		api_remove(text);
}

static void
on_peer(enum ipc_role role, uint32_t instance, int fd)
{
	if (role == ROLE_DNS) {
		checker_up(fd);
	} else if (role == ROLE_BOUNCE) {
		suppressed_up(fd);
	} else if (role != ROLE_QUEUE) {
		close(fd);
	} else if (injectd.journal != NULL) {
		intake_queue_up(fd);
	} else {
		if (injectd.queue_fd != -1)
			close(injectd.queue_fd);
		injectd.queue_fd = fd;
	}
}

/* Of those who log in by a certificate, the certificate; where there are hashes, the thread that tries them. */
static void
use_users(void)
{
	struct users *u = &injectd.world.users;

	for (size_t i = 0; i < u->n; i++) {
		const struct conf_set *set = conf_block_at(daemon_conf(), CONF_BLOCK_USER, i);
		char *path = xstrdup_str(conf_str(set, CONF_USER_TLS_CERTIFICATE));
		users_set_certificate(u, i, tls_in_file(path));
		free(path);
	}
	if (u->has[USER_HASH])
		verify_open();
}

static void
on_config(const struct conf *old)
{
	world_use_conf(&injectd.world, daemon_conf());
	conns_forget_conf();
	pickup_forget_conf();
	api_forget_conf();
	use_users();
	dummy_use_conf();
	tls_in_use_conf();
	api_use_conf();
	listen_use_conf();
	listen_slot_freed();
	space_check();
	if (!injectd.must_renew) {
		pickup_use_conf();
		return;
	}
	log_info("event=begins-anew why=\"new pickup directories\"");
	stop_begin(RENEW_MS);
}

static void
on_stop(int64_t drain_ms)
{
	injectd.must_renew = false;
	stop_begin(drain_ms);
}

static const struct daemon_ops injectd_daemon = {
    .role = ROLE_INJECT,
    .give_fd = on_give_fd,
    .take_fd = on_take_fd,
    .peer = on_peer,
    .config = on_config,
    .stop = on_stop,
};

static const struct sandbox injectd_box = {
    .user = "pmta-inject",
    .root_spool = true,
    .calls = BOX_LOOP | BOX_FILES_READ | BOX_FILES_WRITE | BOX_ACCEPT | BOX_THREADS | BOX_CONFIG,
    .max_files = MAX_FILES,
};

/* Messages of a group are freed together: their memory is not given back each time, only to be asked for again. */
static void
keep_memory(void)
{
	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	mallopt(M_MMAP_THRESHOLD, KEPT_BYTES / 16);
}

static void
init(void)
{
	keep_memory();
	if (injectd.spool_fd == -1)
		fatal("master gave no spool directory");
	if (injectd.board == NULL)
		fatal("master gave no common memory");
	slots_init(&injectd.slots, &injectd.board->slots, daemon_instance());
	injectd.world.failures = &injectd.board->failures;
	stop_init();
	tls_server_init();
	dkim_hash_prepare();
	world_use_conf(&injectd.world, daemon_conf());
	use_users();
	dummy_use_conf();
	tls_in_use_conf();
	space_init();
}

/* only with the rights that remain */
static void
begin(void)
{
	(void)intake_open();
	injectd.has_begun = true;
	listen_use_conf();
	space_check();
	listen_start();
	dummy_start();
	api_use_conf();
	api_start();
}

int
main(int argc, char **argv)
{
	world_init(&injectd.world, &intake_ops, NULL);
	checker_init(&injectd.world);
	suppressed_init(&injectd.world);
	daemon_begin(argc, argv, &injectd_daemon);
	listen_init();
	pickup_init();
	init();
	sandbox_enter(&injectd_box);
	begin();
	daemon_ready();
	daemon_run();
	park_free();
	dummy_stop();
	conns_free();
	api_close();
	verify_close();
	checker_close();
	suppressed_close();
	intake_close();
	pickup_close();
	tls_in_free();
	world_clear(&injectd.world);
	return injectd.must_renew ? EXIT_AGAIN : 0;
}
