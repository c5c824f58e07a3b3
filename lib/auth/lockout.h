/*
 * Failed log-ins by client address, for all processes of injectd: a table in memory that they share. From the first
 * failure on a window runs; at its end the count begins anew. Its size is fixed: of two addresses that fall on one
 * slot the one with the older window is forgotten. It never blocks anybody by itself.
 */
#ifndef PH_AUTH_LOCKOUT_H
#define PH_AUTH_LOCKOUT_H

#include <stdatomic.h>

#include "lib/net/addr.h"

#define LOCKOUT_SLOTS 4096

/* key 0: free. Each word by itself is whole; a race costs a count. */
struct lockout_slot {
	_Atomic uint64_t key;
	_Atomic int64_t began_ns; /* monotonic, the same for all processes */
	_Atomic uint64_t count;
};
struct lockout {
	struct lockout_slot slots[LOCKOUT_SLOTS];
};

/* Failures of this client (an IPv6 client: of its /64) in the window that runs. */
uint64_t lockout_count(const struct lockout *l, const struct net_addr *client, int64_t window_ms);
void lockout_add(struct lockout *l, const struct net_addr *client, int64_t window_ms);

#endif
