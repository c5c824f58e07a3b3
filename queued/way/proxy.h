/*
 * Which proxies do not answer: those are passed over for a while in favour of the next in order. Nothing is known of
 * what lies behind a proxy.
 */
#ifndef PH_QUEUED_WAY_PROXY_H
#define PH_QUEUED_WAY_PROXY_H

#include "queued/vmta.h"

/* A connection to it was refused, or timed out. */
void proxy_failed(const struct net_addr *server);
bool proxy_is_bad(const struct net_addr *server);
/* The rank of the sources to use now: the lowest with a proxy that answers, or the lowest of all. */
uint32_t proxy_rank(const struct vmta *v, uint8_t family);
/* Is there a source of that family whose proxy is not known bad? */
bool proxy_is_left(const struct vmta *v, uint8_t family);

#endif
