/*
 * A toy daemon for the tests of master: it takes what it is given, meets its peers, says all of it in the log, and is
 * ill when the configuration's host-name is "ill." and its name, and slow to switch when it is "slow." and its name.
 * Included by run_test.c alone.
 */
#ifndef PH_TEST_MASTER_TOY_H
#define PH_TEST_MASTER_TOY_H

#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/sandbox.h"
#include "lib/ev/ev.h"

static struct {
	struct ipc_chan *peers[64];
	size_t n_peers;
	unsigned n_listeners;
} toy;

static void
toy_peer_msg(struct ipc_chan *c, struct ipc_msg *m)
{
}

static void
toy_peer_down(struct ipc_chan *c, const struct why *why)
{
	log_info("toy lost %s.%u", ipc_role_name(ipc_peer(c)), ipc_peer_instance(c));
	for (size_t i = 0; i < toy.n_peers; i++) {
		if (toy.peers[i] == c)
			toy.peers[i] = toy.peers[--toy.n_peers];
	}
	ipc_chan_free(&c);
}

static enum ipc_role toy_role;

static void
toy_peer(enum ipc_role role, uint32_t instance, int fd)
{
	static const struct ipc_events ev = {.msg = toy_peer_msg, .down = toy_peer_down};

	log_info("toy met %s.%u", ipc_role_name(role), instance);
	toy.peers[toy.n_peers++] = ipc_chan_new(fd, toy_role, role, instance, &ev, NULL);
}

static void
toy_give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	log_info("toy got kind=%u index=%u text=%s", what->kind, what->index, log_quote(text));
	toy.n_listeners += what->kind == FD_LISTEN_SMTP;
	close(fd);
}

static void
toy_take_fd(const struct ipc_fd *what, struct str text)
{
	log_info(
	    "toy gives back kind=%u index=%u text=%s", what->kind, what->index, log_quote(text));
}

/* is it me whom the host's name has behind this prefix? */
static bool
toy_is_meant(const char *prefix)
{
	struct str host = conf_str(conf_global(daemon_conf()), CONF_GLOBAL_HOST_NAME);

	return str_has_prefix(host, str_of(prefix)) &&
	       str_has_prefix(str_skip(host, strlen(prefix)), str_of(ipc_role_name(toy_role)));
}

static void
toy_config(const struct conf *old)
{
	const struct timespec nap = {.tv_sec = 1};

	log_info("toy switched host=%.*s",
	    STR_ARG(conf_str(conf_global(daemon_conf()), CONF_GLOBAL_HOST_NAME)));
	/* until it is killed */
	while (toy_is_meant("slow."))
		nanosleep(&nap, NULL);
}

static void
toy_stop(int64_t drain_ms)
{
	log_info("toy stops");
	daemon_exit();
}

/* what a client asks, the toy queued hands on: each byte written to the control socket is an ask_what digit,
 * or "r": injectd broke the protocol */
static struct ev_io toy_control;

static void
toy_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	const struct ipc_answer *a = m->head;

	if (m->type == IPC_KEYS) {
		log_info("toy got keys");
		return;
	}
	log_info("toy answered token=%u ok=%u text=%s", a->token, a->ok, log_quote(m->text[0]));
}

static void
toy_on_control(struct ev_io *io, int what)
{
	const struct ipc_peer injector = {.role = ROLE_INJECT};
	struct ipc_ask ask = {.token = 77};
	struct str none = STR_NULL;
	char byte;
	int fd = accept4(io->fd, NULL, NULL, 0);

	if (fd == -1)
		return;
	if (read(fd, &byte, 1) != 1)
		byte = '\0';
	if (byte == 'r') {
		ipc_send(daemon_master(), IPC_RENEW, &injector, NULL, -1);
	} else if (byte != '\0') {
		ask.what = (uint32_t)(byte - '0');
		ipc_send(daemon_master(), IPC_ASK, &ask, &none, -1);
	}
	close(fd);
}

static void
toy_give_queue(const struct ipc_fd *what, struct str text, int fd)
{
	if (what->kind != FD_LISTEN_CONTROL) {
		toy_give_fd(what, text, fd);
		return;
	}
	ev_io_init(&toy_control, fd, toy_on_control);
	ev_io_want(&toy_control, EV_IN);
}

static struct daemon_ops toy_ops = {.give_fd = toy_give_fd,
    .take_fd = toy_take_fd,
    .peer = toy_peer,
    .config = toy_config,
    .stop = toy_stop,
    .msg = toy_msg};

static int
toy_main(enum ipc_role role, int argc, char **argv)
{
	static const char *const users[] = {[ROLE_INJECT] = "pmta-inject",
	    [ROLE_QUEUE] = "pmta-queue",
	    [ROLE_DNS] = "pmta-dns",
	    [ROLE_DELIVER] = "pmta-deliver",
	    [ROLE_BOUNCE] = "pmta-bounce",
	    [ROLE_ACCT] = "pmta-acct",
	    [ROLE_SIGN] = "pmta-sign",
	    [ROLE_EXEC] = "pmta-exec",
	    [ROLE_FBL] = "pmta-fbl",
	    [ROLE_WEB] = "pmta-web"};
	const struct sandbox box = {
	    .user = users[role], .calls = BOX_LOOP | BOX_ACCEPT | BOX_CONFIG, .max_files = 100};

	toy_role = toy_ops.role = role;
	if (role == ROLE_QUEUE)
		toy_ops.give_fd = toy_give_queue;
	daemon_begin(argc, argv, &toy_ops);
	for (char **e = environ; *e != NULL; e++)
		log_info("toy environment %s", *e);
	if (toy_is_meant("ill."))
		fatal("toy is ill");
	sandbox_enter(&box);
	daemon_ready();
	daemon_run();
	return 0;
}

#endif
