/*
 * From a RESOLVE to addresses in the order in which they should be tried (RFC 5321 5.1): MX by preference, equals
 * shuffled; the domain's own addresses where there is no MX; nothing at all for a null MX (RFC 7505). Every RESOLVE
 * ends with one DNS_DONE within its deadline.
 */
#ifndef PH_DNSD_RESOLVE_H
#define PH_DNSD_RESOLVE_H

#include "dnsd/lookup.h"
#include "lib/ipc/ipc.h"

#define RESOLVE_MAX_ADDRS   100	  /* in one answer */
#define RESOLVE_MAX	    20000 /* at a time: above, queued is not listened to */
#define RESOLVE_DEADLINE_MS 20000

struct checks;
struct blocklist;
struct precache;
struct resolver {
	struct ipc_chan *queue; /* NULL: away */
	struct lookup lookup;
	struct slab slots; /* struct resolve_slot */
	uint64_t ticket;
	struct checks *checks;	     /* the other asker of `lookup`; borrowed, may be NULL */
	struct blocklist *blocklist; /* the watch over block lists; borrowed, may be NULL */
	struct precache *precache;   /* for who asks for it; borrowed, may be NULL */
	bool is_held;
};

/* As lookup_init(). */
int resolver_init(struct resolver *r, int edns_bytes, struct why *why) PH_MUST_CHECK;
void resolver_clear(struct resolver *r);
void resolver_queue_up(struct resolver *r, int fd); /* takes fd */
/* The same for a channel that was made already (tests); takes it. Its handlers are resolver_events, its context `r`. */
void resolver_queue_chan(struct resolver *r, struct ipc_chan *c);
extern const struct ipc_events resolver_events;

#endif
