/*
 * What the files of master share: its one state, and what each file offers to the others. Master has root's
 * rights as long as it lives: it parses the configuration and nothing that a stranger sent.
 */
#ifndef PH_MASTER_MASTER_H
#define PH_MASTER_MASTER_H

#include <sys/types.h>

#include "lib/conf/conf.h"
#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"
#include "master/backoff.h"
#include "master/options.h"
#include "master/watch.h"

struct buf;

#define MASTER_MAX_LISTENERS 256
#define MASTER_FILTERS	     2 /* of bounced, for others */

enum kid_state {
	KID_DOWN,     /* not started yet, or ended and not wanted */
	KID_STARTING, /* runs, has not said READY */
	KID_READY,
	KID_ENDING,	/* its channel is closed; if it does not end soon, it is killed */
	KID_WAITS,	/* died; its timer runs */
	KID_WAITS_CONF, /* said that the configuration is wrong: until the next one */
};
struct kid {
	enum ipc_role role;
	uint32_t instance;
	enum kid_state state;
	pid_t pid;	       /* 0: none */
	struct ipc_chan *chan; /* NULL: none */
	struct backoff backoff;
	struct ev_timer restart; /* in KID_WAITS: start it; in KID_ENDING: kill it */
	struct mono started;
	struct watch watch;
	int stats_fd;
	bool said_ok; /* to the configuration that is on trial, then: that it is in use */
};

struct listener {
	struct net_addr addr;
	int fd;
	enum ipc_fd_kind kind;
};
struct listeners {
	struct listener *list;
	size_t n;
};

/* A file that master alone may read: its contents in sealed memory. */
struct tls_file {
	char *path;
	int fd;
	unsigned roles; /* ROLE_BIT()s of those who get it */
};
struct tls_files {
	struct tls_file *list;
	size_t n;
};

/* SWITCHING: the new one is in force, and awaited is only that all say so */
enum reload_state { RELOAD_NONE, RELOAD_CHECKING, RELOAD_ASKING, RELOAD_SWITCHING };
struct reload {
	enum reload_state state;
	struct conf *conf; /* on trial */
	uint64_t generation;
	struct listeners listeners;
	struct tls_files tls_files;
	int keys_fd;
	pid_t checker;
	uint32_t token; /* queued's, when it asked */
	bool is_asked;
	bool is_wanted_again; /* SIGHUP came meanwhile */
	struct ev_timer limit;
};

enum phase { PHASE_STARTING, PHASE_RUNNING, PHASE_STOPPING };
struct stop {
	size_t stage;	      /* index into the order of roles */
	struct mono deadline; /* until when what is in flight may finish */
	struct ev_timer kill;
	int exit_status;
};

struct master {
	struct options options;
	struct conf *conf;
	uint64_t generation;
	struct kid *kids;
	size_t n_kids;
	struct listeners listeners;
	struct tls_files tls_files;
	enum phase phase;
	struct reload reload;
	struct stop stop;
	struct ev_timer midnight;
	int log_day; /* YYYYMMDD of the last look */
	struct ev_timer guard;
	char *libexec; /* where the daemons' programs are */
	int spool_fd, control_fd, stats_fd;
	int board_fd; /* injectd's common memory */
	int track_fd; /* the key of lib/track */
	int lock_fd;  /* shared with the daemons */
	int own_lock_fd;
	int log_fd;
	int filter_fd[MASTER_FILTERS]; /* -1: none came yet */
	int keys_fd;		       /* of the configuration in force; -1: none yet */
	int ready_fd;		       /* the waiting parent's pipe, -1 in the foreground */
	bool is_root;
};
extern struct master master;

/* ---- run.c ---- */
/* The whole program; main.c only calls it, so that tests can too. */
int master_main(int argc, char **argv);

/* ---- track_key.c ---- */
/* Reads or makes it, into master.track_fd. */
int track_key_load(struct why *why) PH_MUST_CHECK;

/* ---- users.c ---- */
/* Ids of a user or group; fatal with what to do when it is missing. Without root: our own. */
uid_t users_uid(const char *name);
gid_t users_gid(void);
/* Do all of them exist? Otherwise `why`. Without root: always. */
int users_check(struct why *why) PH_MUST_CHECK;

/* ---- config.c ---- */
/* Prints all messages to standard error; after the log is open, into the log. */
struct conf *config_load(const char *path, struct why *why);
/* -t: the same, or with -l and -m what became of each line on standard output, and how many there are of each kind. */
struct conf *config_test(const struct options *o, struct why *why);
/* To the same place: a finished sentence, an error or a note. */
void config_say(bool is_error, const char *text);

/* ---- keys.c ---- */
/* All private keys that it names, checked, in a sealed memfd; what is wrong was said. -1 with why: the first error. */
int keys_load(const struct conf *c, struct why *why) PH_MUST_CHECK;

/* ---- dirs.c ---- */
/* Makes and corrects the spool's directories; opens master.spool_fd. */
int dirs_prepare(const struct conf *c, struct why *why) PH_MUST_CHECK;

/* ---- named_dirs.c ---- */
/* A directory of accounting, made if it is missing: a descriptor, or -1 with why. */
int dirs_open_acct(const char *path, struct why *why) PH_MUST_CHECK;
/*
 * A directory of pickup, made if only its last part is missing; other_fd: one that must be on the same file system, or
 * -1. A descriptor, or -1 with why.
 */
int dirs_open_pickup(const char *path, int other_fd, struct why *why) PH_MUST_CHECK;

/* ---- lock.c ---- */
/* Refuses a second instance, waits for the daemons of an earlier one to be gone. */
int lock_take(struct why *why) PH_MUST_CHECK;
void lock_write_pid(void);
void lock_remove_pid(void);

/* ---- log_file.c ---- */
int log_file_open(const struct conf *c, struct why *why) PH_MUST_CHECK;
/* Could it be opened? Changes nothing in what is open now. */
int log_file_check(const struct conf *c, struct why *why) PH_MUST_CHECK;
/* log.1 becomes log.2 and so on, a new one is opened and given to all. */
int log_file_rotate(struct why *why) PH_MUST_CHECK;
void log_file_arm_midnight(void);
/* When to look at date and size again: at midnight, and every ten seconds, for the clock may be set. */
int64_t log_file_next_look_ms(int64_t now_sec);
/* Is it a later day, as people here count, than at the last look? *day: 0 before the first one. */
bool log_file_is_new_day(int *day, int64_t now_sec);
/* Is a log of that size to be rotated now? */
bool log_file_is_due(const struct conf *c, bool is_new_day, uint64_t size);

/* ---- listeners.c ---- */
/*
 * Binds what `c` wants; what `old` already has under the same address is duplicated. On failure nothing stays open.
 */
int listeners_open(const struct conf *c, const struct listeners *old, struct listeners *l,
    struct why *why) PH_MUST_CHECK;
void listeners_close(struct listeners *l);
/* The same addresses in the same order? */
bool listeners_are_same(const struct listeners *a, const struct listeners *b);
int listeners_open_control(struct why *why) PH_MUST_CHECK;

/* ---- tls_files.c ---- */
/*
 * Reads what listeners and users name, and tries whether TLS can be served with it: `why` names file and line. On
 * failure nothing stays open.
 */
/* When they run out, onto the statistics page. */
void certificates_tell(const struct tls_files *files);
int tls_files_open(const struct conf *c, struct tls_files *f, struct why *why) PH_MUST_CHECK;
void tls_files_close(struct tls_files *f);
/* Into `to` and the list, for those roles; an empty path is nothing. */
int tls_files_take(struct tls_files *f, const char *path, unsigned roles, struct buf *to,
    struct why *why) PH_MUST_CHECK;
void tls_files_wipe(struct buf *b);

/* ---- tls_out.c ---- */
/* The same of what every <domain> names, for deliverd. */
int tls_out_take(const struct conf *c, struct tls_files *f, struct why *why) PH_MUST_CHECK;

/* ---- kids.c ---- */
/* The table of daemons, by the number of CPUs and the configuration. */
void kids_plan(const struct conf *c);
void kids_start_all(void);
/* Starts those that wait for a new configuration. */
void kids_start_waiting(void);
/* SIGCHLD */
void kids_on_child(int signo, void *arg);
/* It has a process and a channel. */
bool kid_is_running(const struct kid *k);
void kid_kill(struct kid *k);
/* Starts none of them again. */
void kids_give_up_restarts(void);
/* "injectd.1" as in the log; one static buffer */
const char *kid_name(const struct kid *k);

/* ---- guard.c ---- */
/* From now on each daemon is asked regularly whether it lives, and killed when it does not answer (watch.h). */
void guard_start(void);

/* ---- give.c ---- */
/* Everything but peers that it needs before START. */
int give_start_set(struct kid *k, struct why *why) PH_MUST_CHECK;
int give_config(
    struct kid *k, const struct conf *c, uint64_t generation, struct why *why) PH_MUST_CHECK;
/* signd's alone. */
void give_keys(struct kid *k, const struct conf *c, uint64_t generation, int fd);
void give_log(struct kid *k);
void give_tls_files(struct kid *k, const struct tls_files *f);
void give_listeners(struct kid *k);
void take_listeners(struct kid *k);
/* The directories of `c`'s accounting files. k NULL: only makes and opens them, as a check. */
int give_acct_dirs(struct kid *k, const struct conf *c, struct why *why) PH_MUST_CHECK;
/* The pickup directories of `c`, if it has any. k NULL: only opens them, as a check. */
int give_pickup_dirs(struct kid *k, const struct conf *c, struct why *why) PH_MUST_CHECK;
/* ---- suppress.c ---- */
/* The files of `c`'s address lists, for bounced. k NULL: only opens them, as a check. */
int give_address_files(struct kid *k, const struct conf *c, struct why *why) PH_MUST_CHECK;
/* To injectd and queued: what bounced told last. */
void give_filters(struct kid *k);
/* From bounced: kept, and given to all who use it. */
void filter_came(struct kid *k, struct ipc_msg *m);

/* ---- give.c, again ---- */
/* Socket pairs between k and each of its peers that runs, both ends given. */
void give_peers(struct kid *k);
/* The same for all, each pair once. */
void give_all_peers(void);

/* ---- reload.c ---- */
void reload_start(bool is_asked, uint32_t token);
/* A daemon's verdict on that generation; why NULL: it is good. */
void reload_on_answer(struct kid *k, uint64_t generation, const struct str *why);
/* The process that read it first ended with this wait status. */
void reload_on_checked(int status);
/* A daemon uses that generation. Who asked is told when all that run do, or after 3 s who does not. */
void reload_on_used(struct kid *k, uint64_t generation);
/* A daemon died meanwhile, or we stop. */
void reload_cancel(const char *reason);

/* ---- edit.c ---- */
/* The monitor asks for the configuration's files, or to change one. */
void edit_handle(struct kid *k, struct ipc_msg *m);
/* A checking process ended with this wait status; false: it was none. */
bool edit_on_child(pid_t pid, int status);

/* ---- edit_files.c: one file of the configuration, and its earlier versions ---- */
#define EDIT_MAX_FILE (4u * 1024 * 1024)
/* Is it one of the files that the configuration in force was read from? */
bool edit_is_file(const char *name);
int edit_read(const char *name, struct buf *to, struct why *why) PH_MUST_CHECK;
/* Keeps what the file holds now as an earlier version, then replaces it whole, on disk when this returns. */
int edit_replace(const char *name, struct str content, struct why *why) PH_MUST_CHECK;
/* "file NAME" and "backup NAME" lines, the newest version first. */
void edit_list(struct buf *to);
/* An earlier version: its content, and whose it is. */
int edit_read_backup(
    const char *backup, char *name, size_t size, struct buf *to, struct why *why) PH_MUST_CHECK;

/* ---- ask.c ---- */
void ask_handle(struct kid *k, struct ipc_msg *m);
void ask_answer(uint32_t token, bool ok, const char *text);

/* ---- stop.c ---- */
/* Begins to stop in order; a second time: at once. */
void stop_begin(int exit_status);
/* A daemon is gone: perhaps the next stage. */
void stop_on_exit(void);

/* ---- notify.c ---- */
/* systemd's sd_notify(3) by hand; nothing happens without NOTIFY_SOCKET. */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

/* ---- background.c ---- */
/* Goes to the background; the first process waits for the report and ends with this status. */
void background_enter(void);
/* 0: all are ready, the terminal is left. Once; nothing happens in the foreground. */
void background_report(int status);

#endif
