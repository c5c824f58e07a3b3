/*
 * The PROXY protocol's header, as haproxy.org's proxy-protocol.txt has it: what a proxy is told first, so that it
 * connects from one address to another. Versions 1 (text) and 2 (binary).
 */
#ifndef PH_DELIVERD_PROXY_H
#define PH_DELIVERD_PROXY_H

#include "deliverd/outq.h"
#include "lib/net/addr.h"

/* Both of the same family; a port 0 of the client leaves the choice to the proxy. */
void proxy_say(
    struct outq *q, unsigned version, const struct net_addr *client, const struct net_addr *dst);

#endif
