/* the part of audit.h that judges */
#include "lib/base/clock.h"
#include "lib/base/xalloc.h"
#include "pmtactl/audit.h"

#define MS_A_DAY (INT64_C(86400) * 1000)

static uint64_t
n_final(const struct spool_ledger *l)
{
	uint64_t n = 0;

	for (int k = FINAL_NONE + 1; k < FINAL_MAX; k++)
		n += l->by_kind[k];
	return n;
}

static bool
is_balanced(const struct spool_audit *a)
{
	return a->ledger.accepted == n_final(&a->ledger) + a->queued && a->set_aside == 0;
}

/* Of what ended with a record, by the done log; whether a deletion has one is left open. */
static bool
fits_records(const struct spool_audit *a, const struct audit_records *r)
{
	const uint64_t *k = a->ledger.by_kind;
	bool is_lacking =
	    r->delivered < k[FINAL_DELIVERED] || r->bounced < k[FINAL_BOUNCED] + k[FINAL_EXPIRED];

	if (!r->has_ids)
		return true;
	/* what lacks may have been in files that are gone; too many there cannot be */
	return (!is_lacking || r->deleted) && r->delivered + r->bounced <= a->ledger.accepted;
}

bool
audit_fits(const struct spool_audit *a, const struct audit_records *r)
{
	return is_balanced(a) && fits_records(a, r);
}

uint64_t
audit_ahead(const struct spool_audit *a, const struct audit_records *r)
{
	const uint64_t *k = a->ledger.by_kind;
	uint64_t bounced = k[FINAL_BOUNCED] + k[FINAL_EXPIRED] + k[FINAL_DELETED];

	if (!r->has_ids)
		return 0;
	return (r->delivered > k[FINAL_DELIVERED] ? r->delivered - k[FINAL_DELIVERED] : 0) +
	       (r->bounced > bounced ? r->bounced - bounced : 0);
}

static char *
balanced(const struct spool_audit *a, const struct audit_records *r)
{
	const struct spool_ledger *l = &a->ledger;
	uint64_t wanted =
	    l->by_kind[FINAL_DELIVERED] + l->by_kind[FINAL_BOUNCED] + l->by_kind[FINAL_EXPIRED];
	uint64_t there = r->delivered + r->bounced;
	char *more, *text;

	if (!r->has_ids || !r->deleted || there >= wanted)
		more = xstrdup("");
	else
		more =
		    xasprintf(" Only %lu of %lu final records could be compared: accounting files "
			      "are deleted after %ld days.",
			there, wanted, (long)(r->kept_ms / MS_A_DAY));
	text = xasprintf("Balanced: %lu accepted = %lu delivered + %lu bounced + %lu expired + %lu "
			 "deleted + %lu queued.%s",
	    l->accepted, spool_ledger_ended(l, FINAL_DELIVERED),
	    spool_ledger_ended(l, FINAL_BOUNCED), spool_ledger_ended(l, FINAL_EXPIRED),
	    spool_ledger_ended(l, FINAL_DELETED), a->queued, more);
	free(more);
	return text;
}

char *
audit_verdict(const struct spool_audit *a, const struct audit_records *r, uint64_t n_missing)
{
	uint64_t accepted = a->ledger.accepted;
	uint64_t sum = n_final(&a->ledger) + a->queued;

	if (accepted != sum)
		return xasprintf("NOT BALANCED: %lu accepted, %lu accounted for (difference %ld).",
		    accepted, sum, (long)(accepted - sum));
	if (a->set_aside > 0)
		return xasprintf(
		    "NOT CLEAN: %lu broken records were set aside (spool/bad).", a->set_aside);
	if (!audit_fits(a, r))
		return xasprintf("NOT BALANCED: the accounting files do not agree with the spool.");
	if (n_missing > 0)
		return xasprintf(
		    "NOT BALANCED: %lu recipients have a final record but no done mark.",
		    n_missing);
	return balanced(a, r);
}
