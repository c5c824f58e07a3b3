/*
 * The conservation audit: accepted = delivered + bounced + expired + deleted + queued, to the recipient, from the
 * spool's own records, and compared with the accounting files where these carry recordId.
 */
#ifndef PH_PMTACTL_AUDIT_H
#define PH_PMTACTL_AUDIT_H

#include "lib/conf/conf.h"
#include "lib/ctl/tree.h"
#include "lib/spool/store.h"

/* Fills the answer (ok: it balances). -1 with `why` when something could not be read. */
int audit_run(const struct conf *c, struct tree *answer, struct why *why) PH_MUST_CHECK;

/* What the accounting files hold: distinct final records by recordId. */
struct audit_records {
	uint64_t delivered, bounced, repeated;
	int64_t kept_ms; /* how long files are kept; CONF_NEVER: for ever */
	bool has_ids;	 /* some file records d and b with recordId */
	bool deleted;	 /* older files may be gone: the sums are a lower bound */
};
int audit_records(const struct conf *c, struct audit_records *r, struct why *why) PH_MUST_CHECK;

/* ---- what the figures say ---- */

/* The spool balances by itself, and the records that are there agree with it. */
bool audit_fits(const struct spool_audit *a, const struct audit_records *r);
/*
 * Records without a done mark. On the way that is so for a moment, and after a crash until the next start, which
 * sends those again; but where a server runs and nothing moves, marks are missing.
 */
uint64_t audit_ahead(const struct spool_audit *a, const struct audit_records *r);
/* A sentence for people; n_missing: marks that are missing. Owned by the caller. */
char *audit_verdict(const struct spool_audit *a, const struct audit_records *r, uint64_t n_missing);

#endif
