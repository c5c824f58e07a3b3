/*
 * The conservation audit: accepted = delivered + bounced + expired + deleted + queued, to the recipient, from the
 * spool's own records, and compared with the accounting files where these carry recordId.
 */
#ifndef PH_PMTACTL_AUDIT_H
#define PH_PMTACTL_AUDIT_H

#include "lib/conf/conf.h"
#include "lib/ctl/tree.h"

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

#endif
