/*
 * Which hosts are this server itself: mail exchangers that lead back here are not connected to (RFC 5321 5.1).
 */
#ifndef PH_QUEUED_WAY_OWN_H
#define PH_QUEUED_WAY_OWN_H

#include "lib/conf/conf.h"
#include "queued/vmta.h"

/* Reads the machine's addresses; before the sandbox. */
void own_init(void);
/* One of our names (host-name, also the VirtualMTA's), or an address and port that we listen on. */
bool own_is_host(const struct vmta *v, struct str name, const struct net_addr *addr);

#endif
