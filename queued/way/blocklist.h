/*
 * Source addresses of ours that DNS block lists name, as dnsd finds them: an alert for each, and where dnsbl-action is
 * hold nothing is sent from the address until it is listed nowhere any more.
 */
#ifndef PH_QUEUED_BLOCKLIST_H
#define PH_QUEUED_BLOCKLIST_H

#include "lib/ipc/ipc.h"
#include "lib/net/addr.h"

struct control;

/* From dnsd. */
void blocklist_told(const struct ipc_dnsbl *d, struct str zone);
/* Is any address held? */
bool blocklist_is_holding(void);
/* Is this one? */
bool blocklist_holds(const struct net_addr *a);
/* dnsbl-action may be another, and what is not watched any more is forgotten. */
void blocklist_configure(void);
/* Rows source[n] and on of "show disabled sources"; how many. */
uint32_t blocklist_show(struct control *c, uint32_t n);

#endif
