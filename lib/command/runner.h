/*
 * The asker's side of execd: a daemon has one runner, orders runs by the numbers of commands.h, writes to each its
 * standard input, and hears how it ended. It starts nothing itself, never waits, and keeps nothing over a restart:
 * what must not be lost is the asker's to remember until `done` says EXEC_EXITED with status 0.
 */
#ifndef PH_COMMAND_RUNNER_H
#define PH_COMMAND_RUNNER_H

#include <sys/queue.h>

#include "lib/base/buf.h"
#include "lib/command/commands.h"
#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"

struct run;
struct run_end {
	enum exec_end how;
	uint32_t status; /* exit status or signal */
	struct str
	    output; /* some of what it wrote, or why it was not started; outside text; borrowed */
};
/* It runs; takes fd, the non-blocking writing end of its standard input. Close it and say run_input_ends(). */
typedef void run_started_cb(void *ctx, int fd);
/* The end: exactly once for each run_start() that is not cancelled, never from inside a call. The run is gone. */
typedef void run_done_cb(void *ctx, const struct run_end *end);

struct run_order {
	uint64_t hash; /* of the list that `number` is from */
	uint32_t number;
	uint32_t option;	  /* what the kind makes of it */
	uint32_t flags;		  /* enum exec_flag */
	const struct str *values; /* COMMAND_VALUES of them, borrowed for the call; NULL: none */
};

struct runner {
	struct ipc_chan *chan; /* NULL: execd is away */
	TAILQ_HEAD(run_list, run) runs;
	uint32_t next_job;
	void (*changed)(struct runner *r); /* execd came or went; may be NULL */
};

void runner_init(struct runner *r, void (*changed)(struct runner *r));
/* All runs are forgotten without a word; execd ends them. */
void runner_clear(struct runner *r);
/* master's PEER of ROLE_EXEC; takes fd. Runs of the execd before end with EXEC_LOST. */
void runner_peer(struct runner *r, enum ipc_role self, int fd);
/* The same for a channel made already (tests); takes it. Its handlers are runner_events, its context `r`. */
void runner_chan(struct runner *r, struct ipc_chan *c);
extern const struct ipc_events runner_events;
bool runner_is_up(const struct runner *r);

/* NULL: execd is away. A value longer than fits is cut. */
struct run *run_start(struct runner *r, const struct run_order *o, run_started_cb *started,
    run_done_cb *done, void *ctx);
/* All was written and the descriptor is closed. */
void run_input_ends(struct run *run);
/* SIGTERM, and soon SIGKILL; `done` still comes. */
void run_kill(struct run *run);
/* The same, but neither callback comes any more. Sets NULL; accepts NULL. */
void run_cancel(struct run **run);

/* It goes on, and neither callback comes any more. Sets NULL; accepts NULL. */
void run_forget(struct run **run);

/*
 * A run with a text on its standard input: what handlers and alerts need. `done` as above, exactly once (also when
 * execd is away: EXEC_LOST). Killed after timeout_ms. Takes the text's bytes. The caller may forget about it.
 */
struct run_text;
void run_text(struct runner *r, const struct run_order *o, struct buf *text, int64_t timeout_ms,
    run_done_cb *done, void *ctx);

/* A finished sentence for the log: how it ended, and its output in quotes if there is any. */
void run_end_text(const struct run_end *end, struct why *text);

#endif
