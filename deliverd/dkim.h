/*
 * DKIM at delivery: what is to be sent is hashed here, signd signs the digests, and the finished fields go in front of
 * the message. Nothing here blocks: a message that waits for its signature is MAIL_WAITS, and whoever loaded it is
 * called when that is over. A message that has to be signed is never sent unsigned: without signd it waits, and then
 * it fails for now.
 */
#ifndef PH_DELIVERD_DKIM_H
#define PH_DELIVERD_DKIM_H

#include <sys/queue.h>

#include "lib/base/slab.h"
#include "lib/conf/conf.h"
#include "lib/dkim/plan.h"
#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"

#define DKIM_SIGNERS  16
#define DKIM_KNOWN    3	    /* configurations whose keys a signd has told of */
#define DKIM_WAIT_MS  20000 /* without any answer from a signd */
#define DKIM_CACHE    256   /* fields kept for further transactions of the same message */
#define DKIM_CACHE_MS 60000
#define DKIM_STEP_MS  1000 /* more than that no clock is adjusted in a minute */

struct mail;
struct dkim_job;
TAILQ_HEAD(dkim_jobs, dkim_job);

/* what a signd has said of the keys of one configuration */
struct dkim_known {
	uint64_t generation, hash;
	uint8_t *kinds; /* enum dkim_algorithm, by the key's number */
	uint32_t n, total;
};
struct dkim_signer {
	struct ipc_chan *chan; /* NULL: away */
	struct dkim_known known[DKIM_KNOWN];
	uint32_t next_known; /* the one to be replaced */
	uint32_t n_asked;
};
struct dkim_cached {
	uint64_t id, generation;
	const void *queue; /* the set of its queue: told apart, never followed */
	uint64_t names;	   /* hash of VirtualMTA and pool */
	struct mono made;
	struct wall made_wall; /* what t= and x= were reckoned from */
	char *text;	       /* owned */
	size_t len;
};
/*
 * May these fields still be used? Not when the wall clock was set since they were made: their t= could be in the future
 * by now, or their x= in the past (RFC 6376 3.5).
 */
bool dkim_is_fresh(const struct dkim_cached *c, struct mono now, struct wall wall);
/* a part of struct deliver */
struct dkim {
	struct dkim_keys *keys;
	uint64_t files_hash; /* of the files that the configuration names */
	struct dkim_signer signers[DKIM_SIGNERS];
	struct slab slab; /* struct dkim_job */
	struct dkim_jobs ready, parked, asked;
	struct ev_defer work;
	struct ev_timer limit;
	struct mono progress; /* when a signd was heard last, or the first began to wait */
	struct dkim_cached cache[DKIM_CACHE];
	uint32_t serial;
};

/* Before any message can come. */
void dkim_prepare(struct dkim *d);
void dkim_clear(struct dkim *d);
/* The configuration in force has changed (also at the start). */
void dkim_config(struct dkim *d);
/* A channel to a signd; takes it. */
void dkim_peer(struct dkim *d, uint32_t instance, int fd);

/* For whom: borrowed as long as the message waits. `done` is called once, never before dkim_seal() has returned. */
struct dkim_ask {
	struct str domain, vmta; /* of the queue */
	void (*done)(void *ctx);
	void *ctx;
};
/* Signs as the configuration says: the message is MAIL_SEALED afterwards, or MAIL_WAITS. */
void dkim_seal(struct dkim *d, struct mail *m, uint64_t id, const struct dkim_ask *ask);

#endif
