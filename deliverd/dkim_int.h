/*
 * What the files of deliverd's DKIM share: a message on its way to its signatures.
 */
#ifndef PH_DELIVERD_DKIM_INT_H
#define PH_DELIVERD_DKIM_INT_H

#include "deliverd/dkim.h"
#include "deliverd/mail.h"

enum job_state { JOB_NEW, JOB_READY, JOB_PARKED, JOB_ASKED };

struct dkim_made {
	struct buf field; /* up to "b=", then whole */
	bool is_whole;
};
struct dkim_job {
	TAILQ_ENTRY(dkim_job) link;
	struct dkim *d;
	struct mail *mail;
	struct dkim_ask ask;
	uint64_t id; /* the message's */
	uint64_t
	    number; /* in questions to signd: the slab's handle, and a serial number above it */
	enum job_state state;
	struct buf header; /* read from the file, where the message is not in memory */
	uint64_t body_at;
	struct dkim_body_hash *hash[2]; /* by canonical form, while it is made */
	struct dkim_body_result body[2];
	bool has_body[2];
	uint64_t hashed; /* up to here */
	struct dkim_made made[DKIM_SIGNATURES];
	uint32_t n_made, n_missing;
	uint64_t generation;	    /* for which it asked */
	struct dkim_signer *signer; /* whom */
};

/* ---- dkim.c ---- */
/* The end: the message is sealed with what was made, or has failed. j is gone; its owner was called if it waits. */
void dkim_job_end(struct dkim_job *j, const char *why_not);
/* From the beginning, with the configuration in force. */
void dkim_job_again(struct dkim_job *j);
struct dkim_job *dkim_job_find(struct dkim *d, uint64_t number);
/* The parked may find what they wait for. */
void dkim_wake(struct dkim *d);

/* ---- dkim_signer.c ---- */
/* The signd to ask with this configuration's keys: the least busy one that has them. NULL: none. */
struct dkim_signer *dkim_signer_choose(struct dkim *d, const struct dkim_known **known);
void dkim_signer_ask(struct dkim_job *j, const struct ipc_sign *sign);
void dkim_signers_clear(struct dkim *d);

#endif
