/*
 * What the files of one look-up share: its hosts and addresses as they are found, and the stage that asks for TLSA.
 */
#ifndef PH_DNSD_RESOLVE_INT_H
#define PH_DNSD_RESOLVE_INT_H

#include "dnsd/resolve.h"
#include "lib/base/buf.h"

struct host {
	uint16_t pref;
	bool is_insecure; /* some answer about it was not authenticated */
	bool has_addr;
	bool is_lost; /* its TLSA records cannot be had: it must not be used */
	bool was_asked_as_alias;
	char name[WIRE_NAME_MAX];
	char *target;	 /* owned; what its alias leads to, or NULL */
	struct buf tlsa; /* base domain and records, packed */
};
struct found {
	struct net_addr addr;
	uint32_t host, order; /* index of the host; order within it */
};

/* one RESOLVE under way */
struct resolve {
	struct resolver *owner;
	struct ev_timer deadline;
	struct mono began;
	uint64_t ticket; /* of this use of the handle: late answers carry an older one */
	uint32_t handle, req;
	size_t n_asked;
	uint32_t n_pending, ttl_s;
	uint8_t families;
	uint16_t tlsa_port; /* 0: TLSA is not wanted */
	bool is_implicit;   /* no MX: the domain's own addresses */
	bool ad;
	enum dns_status trouble; /* DNS_OK, or the temporary failure of some part */
	struct host *hosts;
	size_t n_hosts;
	struct found *found;
	size_t n_found, cap_found;
	char name[WIRE_NAME_MAX];
};

/* Asks for the TLSA records of every host whose name and addresses are authentic; false: nothing is awaited. */
bool resolve_ask_tlsa(struct resolve *r);
void resolve_on_tlsa(struct resolve *r, uint32_t host, const struct wire_answer *a);

/* ---- resolve.c ---- */
#define RESOLVE_TLSA true
uint64_t resolve_token(const struct resolve *r, uint32_t host, bool is_v6, bool is_tlsa);
/* A temporary failure of some part, the time to live, and whether it was authentic. */
void resolve_note(struct resolve *r, const struct wire_answer *a);
/* Nothing is awaited any more. */
void resolve_send(struct resolve *r);

#endif
