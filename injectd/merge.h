/*
 * A mail merge on its way in (XMRG, XDFN, XPRT): what is defined for each recipient, the parts, and then a message of its
 * own for each of them, written to the spool as any other. Every message is made once without being stored before the
 * first is stored, so that what cannot be made is refused while nothing was taken; the last is stored when all others
 * are on the disk. docs/mailmerge.md says why it is so.
 */
#ifndef PH_INJECTD_MERGE_H
#define PH_INJECTD_MERGE_H

#include "injectd/txn.h"

#define MERGE_MAX_TEXT (16u * 1024 * 1024)  /* of all parts: 552 5.3.4 beyond */
#define MERGE_MAX_DEFS (16u * 1024 * 1024)  /* of all recipients: 452 4.5.3 beyond */
#define MERGE_MAX_HELD (256u * 1024 * 1024) /* of all merges of a process: 452 4.3.1 beyond */
#define MERGE_MAX_MADE (64u * 1024 * 1024)  /* of one recipient's message: 552 5.3.4 beyond */

struct merge;

/* May this client have it (allow-mailmerge)? */
bool merge_is_offered(struct session *s);

/* Makes the transaction a merge; t->merge is its. */
void merge_start(struct txn *t);
void merge_free(struct merge **m);

/* ---- its recipients: called for each that is added to the transaction, dropped again, or refused ---- */

/* Are the reserved variables of the next recipient right? -1 with `why`. */
int merge_check_rcpt(struct txn *t, struct why *why) PH_MUST_CHECK;
void merge_add_rcpt(struct merge *m);
void merge_drop_rcpt(struct merge *m);
void merge_refuse_rcpt(struct merge *m);

/* ---- its parts ---- */

/* The part that was begun is whole: replies, or goes on to the messages (the state is WAIT then). */
void merge_end_part(struct session *s);
/* Another part is to follow the one that was begun. */
bool merge_wants_part(const struct merge *m);

/* The spool's answer for one of its messages; why NULL: it is durable. */
void merge_settled(struct merge *m, uint64_t id, uint64_t bytes, const struct why *why);

/* ---- commands ---- */

void merge_xmrg(struct session *s, struct str arg);
void merge_xdfn(struct session *s, struct str arg);
void merge_xprt(struct session *s, struct str arg);
void merge_xack(struct session *s, struct str arg);

#endif
