/*
 * What every request must pass before any function answers it: an address with rights, our own name, the encrypted way,
 * a right key or session, and for a change the proof that our own page asked for it.
 */
#ifndef PH_WEBD_GUARD_H
#define PH_WEBD_GUARD_H

#include "lib/net/addr.h"

struct request;

/* False: it was answered. Otherwise the request's rights are set. */
bool guard_lets_in(struct request *r);
/* Has this client failed too often of late? Then it was told so. */
bool guard_is_locked_out(struct request *r);
void guard_count_failure(const struct net_addr *client);

#endif
