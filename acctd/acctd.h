/*
 * acctd: turns RECORDs into lines of accounting files and acknowledges them once they are on disk. It decides
 * nothing about mail; while a file cannot be written nothing is acknowledged.
 */
#ifndef PH_ACCTD_ACCTD_H
#define PH_ACCTD_ACCTD_H

#include "acctd/dirs.h"
#include "acctd/source.h"
#include "acctd/writer.h"
#include "lib/ipc/ipc.h"

#define ACCTD_MAX_ASKS 16

struct acctd {
	struct ipc_chan *queue; /* NULL while queued is away */
	struct source source;
	struct runner runner; /* of commands and posts */
	int spool_fd;
	struct dirs dirs;
	struct slot slots[ACCTD_MAX_FILES];
	size_t n_slots;
	struct acct_def *next[ACCTD_MAX_FILES]; /* after a reload, until the writer is idle */
	size_t n_next;
	struct writer *writer;
	struct ev_timer tick;  /* the batch begins */
	struct ev_timer retry; /* after a failure */
	struct ev_timer care;  /* midnight, intervals */
	struct ev_timer leave; /* STOP's time is over */
	struct ev_defer soon;  /* a file with `sync`, or much waits */
	struct buf scratch;
	uint32_t asks[ACCTD_MAX_ASKS], asks_batch[ACCTD_MAX_ASKS]; /* tokens to answer */
	size_t n_asks, n_asks_batch;
	uint64_t seq, seq_batch; /* highest received, highest in the batch */
	uint64_t lines, lines_batch;
	size_t bytes, bytes_batch;
	uint64_t n_unread; /* records whose message could not be read, not yet logged */
	struct mono unread_logged;
	struct mono due;   /* when the next batch must begin */
	struct mono began; /* the batch that is being written */
	bool has_unacked;  /* something came since the batch began */
	bool is_ours;	   /* the batch's records are of this queued */
	bool in_batch;	   /* a batch was made and is not yet on disk */
	bool is_reloading, is_blocked, is_held, is_stopping, is_ending;
	void (*leave_cb)(void); /* ends the daemon */
};

/*
 * *a is zero but for the directories that were given already; spool_fd is borrowed. Makes the thread; starts nothing
 * before acctd_set_files().
 */
void acctd_init(struct acctd *a, int spool_fd, void (*leave)(void));
void acctd_clear(struct acctd *a);
/* Takes the definitions; they come into force when what came before is on disk. Ends the process when a reload comes
 * while files cannot be written: the next one starts with the new files and gets all records again. */
void acctd_set_files(struct acctd *a, struct acct_def **defs, size_t n);
/* Directories have come or gone. */
void acctd_dirs_changed(struct acctd *a);
/* Takes the channel's descriptor. */
void acctd_queue_up(struct acctd *a, int fd);
/* The same for a channel that was made already (tests); takes it. Its handlers are acctd_events, its context `a`. */
void acctd_queue_chan(struct acctd *a, struct ipc_chan *c);
extern const struct ipc_events acctd_events;
/* Writes what is there and leaves, at the latest after drain_ms. */
void acctd_stop(struct acctd *a, int64_t drain_ms);

#endif
