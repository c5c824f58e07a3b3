/*
 * queued's question about each failure: its category, and what follows by the configuration. Where an address is to be
 * suppressed, the answer waits until that is on disk; everything else is answered at once.
 */
#ifndef PH_BOUNCED_FAILURES_H
#define PH_BOUNCED_FAILURES_H

#include "bounced/actions.h"
#include "bounced/judge.h"
#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"
#include "lib/spool/envelope.h"
#include "lib/spool/reader.h"
#include "lib/suppress/suppress.h"

struct bounced;

struct failures {
	struct judge judge;
	struct actions actions;
	/* the cap on what reports may suppress: so many until then (proof.c) */
	struct conf_rate cap;
	struct mono cap_until;
	uint64_t n_capped_from;
	/* the envelope that was read last, and how far: recipients fail in their order */
	struct buf raw, scratch;
	struct envelope env;
	struct env_iter it;
	struct env_rcpt rcpt;
	uint64_t id; /* 0: none */
	uint32_t next;
};

void failures_init(struct failures *f);
void failures_clear(struct failures *f);
void failures_use_conf(struct failures *f, const struct conf *c);
void failures_judge(struct bounced *b, const struct ipc_msg *m);
/* Scope and end of the entry, as the action says. No pool: the first that the VirtualMTA belongs to. */
void failures_limit(
    const struct action *a, struct str vmta, struct str pool, struct suppression *e);

#endif
