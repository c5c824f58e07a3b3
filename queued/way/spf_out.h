/*
 * check-spf-outbound: before a message goes over a connection it is asked (dnsd, lib/spf) whether its sender's domain
 * lets our address send for it: what the receiver will find out, found out by us. Only a pass lets it go; an error of
 * the moment defers the recipient, all else bounces it. Answers are kept a while by address, EHLO name and domain of
 * the sender. Local parts do not matter to it, as they do only to the rarest of records (macros of RFC 7208 7).
 */
#ifndef PH_QUEUED_WAY_SPF_OUT_H
#define PH_QUEUED_WAY_SPF_OUT_H

#include "lib/ipc/ipc.h"
#include "queued/queue.h"

struct conn;

/* The recipient stands in front of the connection's queue. True: it may not go over it now, and stands there no more. */
bool spf_out_stops(struct conn *c, uint32_t rcpt);
/* From dnsd. */
void spf_out_checked(const struct ipc_msg *m);

#endif
