/*
 * Where a queue's mail goes: the hosts in order of preference, from the name server, from smtp-hosts, or from an
 * address literal; and which of them failed lately. One look-up at a time a queue; while it runs, connections are
 * still opened by the route that was known before, if there are any.
 */
#ifndef PH_QUEUED_WAY_ROUTE_H
#define PH_QUEUED_WAY_ROUTE_H

#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"
#include "queued/queue.h"
#include "queued/way/rollup.h"

#define ROUTE_MAX_HOSTS 100
/* beside enum dns_status: the best mail exchanger is this server */
#define ROUTE_TO_SELF DNS_STATUS_MAX
/* the domain's MTA-STS policy names none of its hosts */
#define ROUTE_BARRED (DNS_STATUS_MAX + 1)

struct route_host {
	struct net_addr addr; /* with port */
	uint16_t pref;
	char *name; /* MX host name, owned */
	char *tlsa; /* its TLSA records as lib/net/tlsa.h packs them, owned; NULL: none */
	size_t tlsa_len;
	struct tick bad_until;
	struct mono tls_failed; /* when STARTTLS last failed there, 0: never */
	bool is_barred;		/* the domain's MTA-STS policy does not name it */
	bool is_verified;	/* only over TLS, with a good certificate of that name */
};
struct route {
	struct route_host *hosts; /* sorted by preference */
	uint32_t n;
	uint32_t turn;
	uint32_t serial;
	uint32_t n_pending; /* look-ups under way */
	uint32_t policy;    /* sts_serial() of what its hosts were marked by, 0: nothing yet */
	struct tick valid_until;
	bool is_static; /* the operator named the hosts */
	uint8_t
	    status; /* enum dns_status of what failed, a temporary one before others, or ROUTE_TO_SELF */
	struct rollup_mx
	    mx; /* the best exchangers, also those without an address; with roll-up lists only */
	struct why why;
};

enum route_state { ROUTE_READY, ROUTE_WAIT, ROUTE_FAILED };
/* Asks for the domain's MTA-STS policy, where that is wanted, and marks the hosts by it. ROUTE_FAILED: it leaves none. */
enum route_state route_by_policy(struct queue *q);
/* Makes sure that a route is there or on its way. */
enum route_state route_ensure(struct queue *q);
/* The next host to try: lowest preference that is not known bad, round robin among equals; NULL: all are bad now. */
struct route_host *route_next(struct queue *q);
/* Has it a host of an address family that the VirtualMTA can use? */
bool route_has_family(const struct queue *q);
void route_host_failed(struct queue *q, const struct net_addr *addr);
void route_host_worked(struct queue *q, const struct net_addr *addr);
struct route_host *route_find(struct queue *q, const struct net_addr *addr);
/* Forgets what failed. */
void route_forgive(struct queue *q);
/* Forgets it all, also a look-up under way. */
void route_drop(struct queue *q);

/* From dnsd. */
void route_dns_addr(const struct ipc_msg *m);
void route_dns_done(const struct ipc_msg *m);
/* dnsd is away: whoever waits for it asks again when it is back. */
void route_dns_gone(void);

#endif
