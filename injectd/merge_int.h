/* What injectd/merge.c and merge_commands.c share. */
#ifndef PH_INJECTD_MERGE_INT_H
#define PH_INJECTD_MERGE_INT_H

#include "injectd/merge.h"
#include "injectd/session.h"
#include "lib/ev/ev.h"
#include "lib/mail/merge.h"

struct merge {
	struct txn *txn; /* that it belongs to: sender, recipients, options */
	struct merge_text text;
	struct buf part; /* the one under way, in the spool's form */
	struct buf defs; /* of the recipients, one after the other */
	struct buf next; /* of the recipient to come */
	uint32_t *ends;	 /* for each recipient: where its definitions end */
	uint32_t n, cap; /* recipients */
	size_t held;	 /* of the process's share */
	uint32_t number; /* of the part under way */
	bool is_last_part;

	/* making the messages */
	struct ev_defer later;
	struct env_iter it;
	struct str *values;
	uint32_t at;	    /* the recipient that is next */
	bool is_trial;	    /* nothing is stored yet */
	uint32_t n_pending; /* of the spool's answers */
	uint32_t n_stored;
	uint64_t pending_bytes;
	uint64_t id;	/* of the message that was stored last */
	struct why why; /* smtp_code != 0: it has failed */
};

/* The reserved variables that mean something. */
enum merge_own {
	OWN_FROM,
	OWN_ENVID,
	OWN_VMTA,
	OWN_JOB,
	OWN_PARTS,
	OWN_SCHEDULE,
	OWN_PRIORITY,
	OWN_MAX
};
/* What of them is defined; p NULL: not. */
void merge_own_of(struct str defs, struct str own[OWN_MAX]);

/* Holds so many bytes more of the process's share. -1 with `why`. */
int merge_hold(struct merge *m, size_t n, struct why *why) PH_MUST_CHECK;
/* The definitions of recipient i. */
struct str merge_defs_of(const struct merge *m, uint32_t i);
/* All parts have come: begins with the messages. */
void merge_make_all(struct merge *m);

#endif
