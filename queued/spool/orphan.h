/*
 * What the deliverds tell at the start of what an earlier queued had ordered: final results that it may not have made
 * durable, and recipients whose transactions are still under way. The first scan waits for it and takes from here what
 * it finds in the spool, so that nobody gets a second copy because queued died.
 */
#ifndef PH_QUEUED_SPOOL_ORPHAN_H
#define PH_QUEUED_SPOOL_ORPHAN_H

#include "lib/ipc/ipc.h"
#include "lib/net/addr.h"
#include "queued/conn.h"

struct orphan;

/* At the start, when master has given all that there is; the scan begins with recover_go(), at the latest in 3 s. */
void orphan_start(void);
/* The first scan has not begun: no connection may be opened. */
bool orphan_is_awaited(void);
void orphan_deliverer_came(uint32_t instance);
/* What is pending there will never be told: it is queued. */
void orphan_deliverer_gone(uint32_t instance);

/* From deliverd; false: it breaks the protocol. */
bool orphan_result(uint32_t instance, const struct ipc_msg *m, struct why *why);
bool orphan_pending(uint32_t instance, const struct ipc_msg *m, struct why *why);
void orphan_untried(const struct ipc_msg *m);
void orphan_end(uint32_t instance);

/* NULL: none for this recipient. */
struct orphan *orphan_find(uint64_t id, uint32_t rcpt);
/* The VirtualMTA by which it went. */
struct str orphan_vmta(const struct orphan *o);
/* The recipient, on no list yet, is that one: it ends at once, or when the deliverd says how. Takes the orphan. */
void orphan_claim(struct orphan *o, struct queue *q, uint32_t rcpt);
/* The first scan is over: what was not found has ended. */
void orphan_scan_over(void);

#endif
