/*
 * The last stage of a look-up where DANE is wanted (RFC 7672 2.2): TLSA records of each host whose name and addresses
 * are authentic, first below what its alias leads to, then below its own name.
 */
#include "dnsd/resolve_int.h"
#include "lib/base/xalloc.h"

static void
keep(struct host *h, const char *base, const struct wire_answer *a)
{
	buf_clear(&h->tlsa);
	buf_init(&h->tlsa, TLSA_MAX_BYTES + 256);
	if (tlsa_put_base(&h->tlsa, str_of(base)) == -1 ||
	    buf_add(&h->tlsa, a->rr.tlsa.bytes, a->rr.tlsa.len) == -1)
		buf_clear(&h->tlsa);
}

static bool ask(struct resolve *r, uint32_t host, bool as_alias);

static void
take(struct resolve *r, uint32_t host, const struct wire_answer *a)
{
	struct host *h = &r->hosts[host];
	bool as_alias = h->was_asked_as_alias;

	resolve_note(r, a);
	if (a->status == WIRE_OK && a->ad)
		keep(h, as_alias ? h->target : h->name, a);
	else if (a->status != WIRE_OK && a->status != WIRE_NODATA && a->status != WIRE_NXDOMAIN)
		h->is_lost = true;
	else if (as_alias)
		ask(r, host, false);
}

/* True: the answer is awaited. */
static bool
ask(struct resolve *r, uint32_t host, bool as_alias)
{
	struct host *h = &r->hosts[host];
	char name[WIRE_NAME_MAX];
	struct wire_answer a;
	int n = snprintf(
	    name, sizeof name, "_%u._tcp.%s", r->tlsa_port, as_alias ? h->target : h->name);

	/* too long to have any */
	if (n < 0 || n > 253)
		return false;
	h->was_asked_as_alias = as_alias;
	if (lookup_ask(&r->owner->lookup, name, WIRE_TLSA,
		resolve_token(r, host, false, RESOLVE_TLSA), &a)) {
		take(r, host, &a);
		return false;
	}
	r->n_pending++;
	return true;
}

bool
resolve_ask_tlsa(struct resolve *r)
{
	for (uint32_t i = 0; r->tlsa_port != 0 && i < r->n_hosts; i++) {
		struct host *h = &r->hosts[i];

		if (!h->is_insecure && h->has_addr)
			ask(r, i, h->target != NULL);
	}
	return r->n_pending > 0;
}

void
resolve_on_tlsa(struct resolve *r, uint32_t host, const struct wire_answer *a)
{
	take(r, host, a);
	if (--r->n_pending == 0)
		resolve_send(r);
}
