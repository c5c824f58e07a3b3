/*
 * The life of a daemon, the same for all: main() is
 *
 *	daemon_begin(argc, argv, &x_daemon);	arguments, log, channel on descriptor 3, all that master gives until START
 *	x_init();				open what still needs rights, compile, make threads
 *	sandbox_enter(&x_box);			the one order of losing rights
 *	daemon_ready();
 *	daemon_run();				the loop, until STOP was obeyed
 *	x_finish();
 */
#ifndef PH_DAEMON_DAEMON_H
#define PH_DAEMON_DAEMON_H

#include "lib/conf/conf.h"
#include "lib/ipc/ipc.h"

#define DAEMON_CHANNEL_FD 3
/* Held open and never used: master's lock of the spool lasts until the last of its daemons is gone. */
#define DAEMON_LOCK_FD 4

struct daemon_ops {
	enum ipc_role role;
	/* master's GIVE_FD; takes fd. Also called later: new log, new directories after a reload. FD_LOG and FD_STATS_PAGE
	 * of its own are dealt with by the module itself; other daemons' pages come here (for queued, its own too).
	 * In a reload, directories come before config(), and FD_LISTEN_SMTP after it, with the new indices. */
	void (*give_fd)(const struct ipc_fd *what, struct str text, int fd);
	/* may be NULL. In a reload that changes the listeners, all old ones are taken before config(). */
	void (*take_fd)(const struct ipc_fd *what, struct str text);
	/* A new channel to that daemon (again after it died and was restarted); takes it: make it with ipc_chan_new. */
	void (*peer)(enum ipc_role role, uint32_t instance, int fd);
	/* A new configuration was parsed and found good by all; switch. daemon_conf() is already the new one; `old` is
	 * freed after the call: let go of every pointer into it. */
	void (*config)(const struct conf *old);
	/* Leave: finish what is in flight within drain_ms, then daemon_exit(). A second STOP comes with 0. */
	void (*stop)(int64_t drain_ms);
	/* any other message from master, also before START (ANSWER for queued, …); may be NULL */
	ipc_msg_cb *msg;
};

void daemon_begin(int argc, char **argv, const struct daemon_ops *ops);
void daemon_ready(void);
void daemon_run(void);
/* Ends the loop: daemon_run() returns. */
void daemon_exit(void);

/* The configuration in force; never NULL after daemon_begin. */
const struct conf *daemon_conf(void);
/* Its number: master's, rising with every reload. */
uint64_t daemon_generation(void);
uint32_t daemon_instance(void);
struct ipc_chan *daemon_master(void);
/* Running without root: one uid for all, nothing can be dropped. */
bool daemon_is_unprivileged(void);

#endif
