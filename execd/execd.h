/*
 * execd: starts commands of the configuration by their numbers, each with its own user's rights, a clean environment
 * and no descriptor but three, and tells how they end. It takes no command line from anybody, opens no file of mail
 * or keys and no socket. What a command reads and writes it does not look at, but for the first or last kilobyte of
 * its output, which goes to the asker as it is.
 */
#ifndef PH_EXECD_EXECD_H
#define PH_EXECD_EXECD_H

#include <sys/queue.h>
#include <sys/types.h>

#include "lib/command/commands.h"
#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"

#define EXECD_MAX_JOBS	 500
#define EXECD_MAX_OUTPUT 1000
#define EXECD_MAX_POLICY 4000 /* the same of what prints what is wanted (MTA-STS) */
#define EXECD_MAX_PEERS	 64

struct asker {
	struct ipc_chan *chan; /* NULL: a free slot */
};

/* a user as whom commands run, looked up before it is needed */
struct account {
	char *name; /* owned */
	char *home; /* owned */
	uid_t uid;
	gid_t gid;
	gid_t groups[64];
	int n_groups;
	bool is_known;
	struct why why; /* why it may not be used */
};

struct job {
	TAILQ_ENTRY(job) link;
	struct asker *asker; /* NULL: it is gone */
	uint64_t hash;	     /* with number: which command it is */
	uint32_t number;
	uint32_t job;
	uint32_t flags;
	pid_t pid;
	int input; /* our copy of the writing end of its standard input, so that a dying asker is no end of file; -1 */
	int output; /* what it writes, -1: its end */
	int failed; /* says why it could not be executed, -1: looked at */
	bool is_told_to_end;
	struct ev_io io;      /* of output */
	struct ev_timer kill; /* until SIGKILL */
	size_t n_said, max_said;
	char said[EXECD_MAX_POLICY];
};

struct execd {
	struct commands commands;
	struct account *accounts; /* of commands.list, the same index */
	struct asker askers[EXECD_MAX_PEERS];
	TAILQ_HEAD(job_list, job) jobs;
	size_t n_jobs;
	char *libexec; /* where our own programs are */
	bool is_root;
	bool is_stopping;
	struct ev_timer leave;
};
extern struct execd execd;

/* ---- account.c ---- */
/* Whose rights the command has; what is wrong with it stands in `why`. */
void account_load(struct account *a, struct str name);
void account_clear(struct account *a);

/* ---- start.c ---- */
/* Starts a job whose words were split; fills pid and descriptors. *input: its standard input's writing end, for the
 * asker. -1 with why. */
int start_job(struct job *j, const struct account *a, const struct command_words *w, int *input,
    struct why *why) PH_MUST_CHECK;
/* Why the program could not be executed; 0: it was. */
int start_errno(struct job *j);

/* ---- words.c ---- */
/* What is executed for a command of that kind with these values and that option. */
bool words_make(const struct command *c, const struct ipc_exec_run *run, const struct str *values,
    struct command_words *w, struct why *why);

/* ---- job.c ---- */
void job_order(struct asker *a, const struct ipc_exec_run *run, const struct str *values);
void job_input_ends(struct asker *a, uint32_t job);
void job_kill(struct asker *a, uint32_t job);
/* Nobody hears of its jobs any more: streams come to their end, the others are killed. */
void job_asker_gone(struct asker *a);
/* SIGCHLD. */
void job_on_child(int signo, void *arg);
/* All end: SIGTERM now, SIGKILL soon. */
void job_end_all(bool at_once);

#endif
