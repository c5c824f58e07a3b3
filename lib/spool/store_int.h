/*
 * What the files of the store share. Everything here belongs to the loop; a job that is out carries copies of what
 * it needs.
 */
#ifndef PH_SPOOL_STORE_INT_H
#define PH_SPOOL_STORE_INT_H

#include "lib/ev/ev.h"
#include "lib/spool/done_int.h"
#include "lib/spool/gone_int.h"
#include "lib/spool/needs_int.h"
#include "lib/spool/store.h"
#include "lib/ev/worker.h"

#define DONE_FILES   16 /* with more, the oldest is rewritten */
#define N_QUEUE_DIRS 256

/* a done-log file that exists */
struct log_file {
	struct needs needs;
	uint32_t number;
	size_t n_lines;
	size_t capacity; /* in lines */
	bool may_go_on;	 /* its header is good and no write failed */
};
struct line_list {
	struct done_line *line;
	size_t n, cap;
};
struct finished {
	uint64_t id;
	uint32_t rcpt;
	uint32_t kind;
};
struct waiter {
	spool_synced_cb *cb;
	void *ctx;
	uint64_t upto; /* lines */
	bool has_failed;
};

struct done_log {
	struct log_file *file; /* ascending; the last is the current one if `fd` is open */
	size_t n_files, cap_files;
	int fd; /* of the current one; -1: the next sync begins a new one */
	struct line_list pending;
	uint64_t n_appended, n_synced; /* lines, ever */
	uint64_t totals[FINAL_MAX];    /* on disk */
	struct waiter *waiter;
	size_t n_waiters, cap_waiters;
	struct ev_defer kick;
	bool syncing, recycling, compacting;
	bool stays;	/* in the last file: there is no room for a new one */
	struct why why; /* of the last failure */
};

struct move; /* store_move.c */

struct spool_store {
	int dirfd; /* borrowed */
	int done_fd, queue_fd, tmp_fd, bad_fd, journal_fd;
	struct ev_worker *syncer; /* the done log */
	struct ev_worker *mover;  /* what takes longer */
	struct done_log log;
	struct gone gone; /* with what is pending */
	struct spool_ledger ledger;

	/* removed queue files whose directory was not synced yet: their lines must stay */
	uint64_t *limbo;
	size_t n_limbo, cap_limbo;
	bool is_dirty[N_QUEUE_DIRS];

	/* until spool_recovered() */
	struct finished *finished;
	size_t n_finished, cap_finished;

	struct move *moves;   /* under way */
	struct move *telling; /* whose caller is being told just now */
};

/* store.c */
/* A queue file was removed, its directory not yet synced. */
void store_add_limbo(struct spool_store *s, uint64_t id);

/* store_log.c */
int log_load(struct spool_store *s, struct why *why) PH_MUST_CHECK;
void log_clear(struct spool_store *s);
/* What the loop does at the end of a turn: goes on with what waits. */
void log_kick(struct spool_store *s);
void log_append(struct spool_store *s, const struct done_line *l);
void lines_add(struct line_list *list, const struct done_line *l);

/* store_recycle.c */
/* A new file is durable: what only older ones were needed for may go. */
void recycle_start(struct spool_store *s);
/* Room for the next file, so that a full disk does not keep finished mail from being marked. Blocks. */
void make_spare(int done_fd);

/* store_move.c */
/* Is this message being moved out just now? */
bool move_has(const struct spool_store *s, uint64_t id);
/* If that happens while a move's caller is told: the message stays where it was. */
void move_file_removed(struct spool_store *s, uint64_t id);

#endif
