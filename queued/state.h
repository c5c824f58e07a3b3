/*
 * The one struct of state of queued.
 */
#ifndef PH_QUEUED_STATE_H
#define PH_QUEUED_STATE_H

#include "lib/base/hmap.h"
#include "lib/base/slab.h"
#include "lib/ipc/ipc.h"
#include "lib/spool/store.h"
#include "lib/stats/stats.h"
#include "queued/queue.h"

#define MAX_PEERS 64

struct peer {
	struct ipc_chan *chan; /* NULL: away */
	uint32_t n_conns;      /* deliverd: connections granted */
	bool is_slow;	       /* above the high mark */
};

struct queued {
	struct slab messages, rcpts, queues, jobs, segments;
	struct hmap queue_map, job_map, segment_map;
	struct {
		struct hmap map;
		struct str *texts;
		uint32_t n;
	} names;
	struct {
		struct vmta **list;
		size_t n;
	} vmtas;

	struct peer injectors[MAX_PEERS]; /* by instance */
	struct peer deliverers[MAX_PEERS];
	struct peer dns, acct, bounce, fbl;
	struct {
		uint32_t generation;
		uint64_t offset; /* behind the last record that the writer told */
		uint32_t
		    open; /* generation of the segment that the writer appends to, 0: not known */
	} told[16];

	struct limit total_out;	 /* total-max-smtp-out */
	struct limit total_file; /* total-max-file */
	struct limit accounting; /* records not yet acknowledged */
	struct limit judging;	 /* outcomes not yet judged */
	struct limit no_deliverd;

	TAILQ_HEAD(, queue) run_line;
	struct ev_defer run;

	int spool_fd;
	struct spool_store *store;
	struct spool_reader *reader;
	uint64_t n_queued_bytes;
	uint32_t n_queues_empty; /* that were without mail when they were last looked at */
	uint16_t acct_wants;	 /* 1 << enum acct_type: some file records it */
	bool started, stopping;
};
extern struct queued qd;

/* The limit of all deliveries of that type (enum delivery_type) together. */
struct limit *limit_of_all(unsigned type);
/* Makes the tables; before anything else. */
void state_init(void);
/* Reads what concerns the whole server; at the start and after a reload. */
void state_configure(void);

#endif
