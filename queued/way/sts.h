/*
 * MTA-STS (RFC 8461): what the policies of recipients' domains say about their mail exchangers. Each domain's record is
 * asked for through dnsd, its policy got by posthttp, which execd starts as a user of its own: no byte of HTTP or of a
 * policy's text is read here. A policy is kept for its max_age, over restarts too (spool/state/mta-sts), and got again
 * when the record has another id, and long before it ends. One question at a time a domain; whoever waits is kicked when it is answered. What
 * cannot be got counts as no policy, unless an earlier one still holds; but while execd or dnsd is away, it is waited.
 */
#ifndef PH_QUEUED_WAY_STS_H
#define PH_QUEUED_WAY_STS_H

#include "lib/ipc/ipc.h"
#include "queued/queue.h"

/* 0: it is being found out, and the queue is kicked then. Else a number for what is known, never the same again. */
uint32_t sts_ask(struct queue *q);
/* May mail of the domain go to that host? By what is known; true without a policy that is to be enforced. */
bool sts_allows(struct str domain, struct str host);
bool sts_is_enforced(struct str domain);

/* For explain. */
bool sts_is_asked(const struct queue *q);
void sts_text(const struct queue *q, char text[200]);

void sts_start(int spool_fd);
void sts_stop(void);
/* From dnsd: is that request of this file's? */
bool sts_is_mine(uint32_t req);
void sts_dns_addr(const struct ipc_msg *m);
void sts_dns_done(const struct ipc_msg *m);
void sts_checked(const struct ipc_msg *m);
void sts_dns_gone(void);

#endif
