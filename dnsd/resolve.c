#include "dnsd/resolve.h"

#include <sodium.h>

#include "dnsd/blocklist.h"
#include "dnsd/check.h"
#include "dnsd/precache.h"
#include "dnsd/resolve_int.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/stats/stats.h"

#define FAMILY_A    1
#define FAMILY_AAAA 2
#define AGAIN_S	    10u /* what queued may remember a failure for */
#define MAX_AT_ONCE 50	/* questions for addresses of one domain */

/* the slab writes into the first bytes of what is free */
struct resolve_slot {
	uint64_t link;
	struct resolve *r;
};

/* ---- tokens: ticket, handle, is it TLSA, host, family ---- */

#define TOKEN_MX 127u

_Static_assert(WIRE_MAX_RRS < TOKEN_MX, "hosts have 7 bits");
_Static_assert(RESOLVE_MAX * 8 < 1 << 20, "handles have 20 bits");

uint64_t
resolve_token(const struct resolve *r, uint32_t host, bool is_v6, bool is_tlsa)
{
	return r->ticket << 29 | (uint64_t)r->handle << 9 | (is_tlsa ? 1u << 8 : 0) |
	       (uint64_t)host << 1 | (is_v6 ? 1 : 0);
}

static struct resolve *
find(const struct resolver *o, uint64_t token)
{
	uint32_t handle = (uint32_t)(token >> 9 & 0xfffff);
	struct resolve_slot *s;

	if (handle == 0 || handle >= slab_end(&o->slots))
		return NULL;
	s = slab_at(&o->slots, handle);
	return s->r != NULL && s->r->ticket == token >> 29 ? s->r : NULL;
}

/* ---- ends ---- */

static const char *const sentences[DNS_STATUS_MAX] = {
    [DNS_OK] = "",
    [DNS_NXDOMAIN] = "The domain %s does not exist.",
    [DNS_NODATA] = "The domain %s has neither a mail exchanger nor an address.",
    [DNS_NULL_MX] = "The domain %s accepts no mail (null MX).",
    [DNS_SERVFAIL] = "The name servers cannot answer for %s now.",
    [DNS_TIMEOUT] = "The name servers did not answer for %s in time.",
    [DNS_NO_ADDR] = "None of the mail exchangers of %s has an address.",
    [DNS_BAD_NAME] = "\"%s\" is not a domain name.",
};

static void
set_hold(struct resolver *o)
{
	bool hold = o->slots.n_used > (o->is_held ? RESOLVE_MAX / 2 : RESOLVE_MAX);

	if (hold == o->is_held || o->queue == NULL)
		return;
	o->is_held = hold;
	ipc_hold(o->queue, hold);
}

static void
resolve_free(struct resolve *r)
{
	struct resolver *o = r->owner;
	struct resolve_slot *s = slab_at(&o->slots, r->handle);

	s->r = NULL;
	slab_free(&o->slots, r->handle);
	ev_timer_stop(&r->deadline);
	for (size_t i = 0; i < r->n_hosts; i++) {
		buf_clear(&r->hosts[i].tlsa);
		free(r->hosts[i].target);
	}
	free(r->hosts);
	free(r->found);
	free(r);
}

static const char *
sentence(enum dns_status status, const char *name, char *text, size_t size)
{
	const char *form = sentences[status], *at = strstr(form, "%s");

	if (at == NULL)
		return form;
	snprintf(text, size, "%.*s%s%s", (int)(at - form), form, name, at + 2);
	return text;
}

static void
send_done(struct resolver *o, const struct ipc_dns_done *d, const char *name)
{
	char text[WIRE_NAME_MAX + 100];
	struct str why = str_of(sentence((enum dns_status)d->status, name, text, sizeof text));

	ipc_send(o->queue, IPC_DNS_DONE, d, &why, -1);
}

static void
finish(struct resolve *r, enum dns_status status)
{
	struct resolver *o = r->owner;
	struct ipc_dns_done d = {.req = r->req,
	    .status = (uint8_t)status,
	    .ad = r->ad,
	    .ttl_s = r->ttl_s,
	    .n_addrs = (uint16_t)(status == DNS_OK ? r->n_found : 0)};

	if (status == DNS_SERVFAIL || status == DNS_TIMEOUT) {
		d.ttl_s = PH_MIN(d.ttl_s, AGAIN_S);
		d.ad = 0;
	}
	stat_took(HIST_DNS, mono_diff_ms(r->began, ev_now()));
	send_done(o, &d, r->name);
	resolve_free(r);
	set_hold(o);
}

static int
by_order(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->host != y->host)
		return x->host > y->host ? 1 : -1;
	return (x->order > y->order) - (x->order < y->order);
}

static bool
has_address(const struct resolve *r, uint32_t host)
{
	for (size_t i = 0; i < r->n_found; i++) {
		if (r->found[i].host == host)
			return true;
	}
	return false;
}

/* of the best exchangers the asker wants to know all, for which queue the mail belongs to depends on their names */
static void
send_without_address(struct resolve *r)
{
	for (size_t i = 0; i < r->n_hosts && !r->is_implicit; i++) {
		const struct host *h = &r->hosts[i];
		struct ipc_dns_addr a = {.req = r->req, .pref = h->pref};
		struct str texts[2] = {str_of(h->name), STR("")};

		if (h->pref == r->hosts[0].pref && !has_address(r, (uint32_t)i))
			ipc_send(r->owner->queue, IPC_DNS_ADDR, &a, texts, -1);
	}
}

/* those whose TLSA records cannot be had are not used (RFC 7672 2.1.2) */
static void
drop_lost(struct resolve *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_found; i++) {
		if (r->hosts[r->found[i].host].is_lost)
			continue;
		r->found[n++] = r->found[i];
	}
	r->n_found = n;
}

void
resolve_send(struct resolve *r)
{
	drop_lost(r);
	send_without_address(r);
	if (r->n_found == 0) {
		finish(r, DNS_SERVFAIL);
		return;
	}
	qsort(r->found, r->n_found, sizeof *r->found, by_order);
	r->n_found = PH_MIN(r->n_found, (size_t)RESOLVE_MAX_ADDRS);
	for (size_t i = 0; i < r->n_found; i++) {
		const struct host *h = &r->hosts[r->found[i].host];
		struct ipc_dns_addr a = {.req = r->req, .pref = h->pref};
		struct str texts[2] = {str_of(h->name), buf_str(&h->tlsa)};

		net_to_ipc(&r->found[i].addr, &a.addr);
		ipc_send(r->owner->queue, IPC_DNS_ADDR, &a, texts, -1);
	}
	finish(r, DNS_OK);
}

static void
all_answered(struct resolve *r)
{
	if (r->n_found > 0) {
		if (!resolve_ask_tlsa(r))
			resolve_send(r);
		return;
	}
	send_without_address(r);
	if (r->trouble != DNS_OK)
		finish(r, r->trouble);
	else
		finish(r, r->is_implicit ? DNS_NODATA : DNS_NO_ADDR);
}

/* ---- addresses ---- */

static enum dns_status
status_of(enum wire_status s)
{
	static const enum dns_status statuses[] = {
	    [WIRE_OK] = DNS_OK,
	    [WIRE_NODATA] = DNS_NODATA,
	    [WIRE_NXDOMAIN] = DNS_NXDOMAIN,
	    [WIRE_FAILED] = DNS_SERVFAIL,
	    [WIRE_MALFORMED] = DNS_SERVFAIL,
	    [WIRE_TIMEOUT] = DNS_TIMEOUT,
	};

	return statuses[s];
}

void
resolve_note(struct resolve *r, const struct wire_answer *a)
{
	enum dns_status status = status_of(a->status);

	r->ttl_s = PH_MIN(r->ttl_s, a->ttl_s);
	r->ad = r->ad && a->ad;
	if (status == DNS_SERVFAIL || status == DNS_TIMEOUT)
		r->trouble = status;
}

static void
add_found(struct resolve *r, uint32_t host, bool is_v6, const struct wire_answer *a)
{
	uint32_t first;

	if (a->n == 0)
		return;
	if (r->n_found + a->n > r->cap_found) {
		r->cap_found = (r->n_found + a->n) * 2;
		r->found = xreallocarray(r->found, r->cap_found, sizeof *r->found);
	}
	/* a host's addresses share the load */
	first = randombytes_uniform((uint32_t)a->n);
	for (size_t i = 0; i < a->n; i++)
		r->found[r->n_found++] = (struct found){.addr = a->rr.addr[(first + i) % a->n],
		    .host = host,
		    .order = (uint32_t)(i * 2 + (is_v6 ? 1 : 0))};
}

static void
take_addresses(struct resolve *r, uint32_t host, bool is_v6, const struct wire_answer *a)
{
	struct host *h = &r->hosts[host];

	resolve_note(r, a);
	/* what failed says nothing: a lost answer must not turn DANE off */
	if (!a->ad &&
	    (a->status == WIRE_OK || a->status == WIRE_NODATA || a->status == WIRE_NXDOMAIN))
		h->is_insecure = true;
	h->has_addr = h->has_addr || a->n > 0;
	if (a->n > 0 && a->target[0] != '\0' && h->target == NULL)
		h->target = xstrdup(a->target);
	add_found(r, host, is_v6, a);
}

static void
ask_address(struct resolve *r, uint32_t host, bool is_v6)
{
	struct wire_answer a;

	if ((r->families & (is_v6 ? FAMILY_AAAA : FAMILY_A)) == 0)
		return;
	if (lookup_ask(&r->owner->lookup, r->hosts[host].name, is_v6 ? WIRE_AAAA : WIRE_A,
		resolve_token(r, host, is_v6, false), &a))
		take_addresses(r, host, is_v6, &a);
	else
		r->n_pending++;
}

/* A domain with hundreds of hosts must not flood the name servers. */
static void
ask_addresses(struct resolve *r)
{
	for (; r->n_asked < 2 * r->n_hosts && r->n_pending < MAX_AT_ONCE; r->n_asked++)
		ask_address(r, (uint32_t)r->n_asked / 2, (r->n_asked & 1) != 0);
	if (r->n_pending == 0)
		all_answered(r);
}

static void
on_addresses(struct resolve *r, uint32_t host, bool is_v6, const struct wire_answer *a)
{
	take_addresses(r, host, is_v6, a);
	r->n_pending--;
	ask_addresses(r);
}

static void
use_own_address(struct resolve *r)
{
	r->is_implicit = true;
	r->hosts = xcalloc(1, sizeof *r->hosts);
	r->n_hosts = 1;
	str_copy(r->hosts[0].name, sizeof r->hosts[0].name, str_of(r->name));
	ask_addresses(r);
}

/* ---- mail exchangers ---- */

static bool
has_host(const struct resolve *r, const char *name)
{
	for (size_t i = 0; i < r->n_hosts; i++) {
		if (strcmp(r->hosts[i].name, name) == 0)
			return true;
	}
	return false;
}

/* those of one preference, from `first` on, in random order (RFC 5321 5.1) */
static void
shuffle(struct resolve *r, size_t first)
{
	for (size_t i = r->n_hosts; i > first + 1; i--) {
		size_t k = first + randombytes_uniform((uint32_t)(i - first));
		struct host h = r->hosts[k];

		r->hosts[k] = r->hosts[i - 1];
		r->hosts[i - 1] = h;
	}
}

/* in order of preference already; a name that comes again later is left out, and so is what is no host's name */
static void
take_hosts(struct resolve *r, const struct wire_answer *a)
{
	size_t first = 0;

	r->hosts = xcalloc(a->n, sizeof *r->hosts);
	for (size_t i = 0; i < a->n; i++) {
		const struct wire_mx *mx = &a->rr.mx[i];

		if (r->n_hosts > first && r->hosts[first].pref != mx->pref) {
			shuffle(r, first);
			first = r->n_hosts;
		}
		if (mx->host[0] == '\0' || mx->host[0] == '.' || has_host(r, mx->host))
			continue;
		r->hosts[r->n_hosts].pref = mx->pref;
		str_copy(r->hosts[r->n_hosts++].name, WIRE_NAME_MAX, str_of(mx->host));
	}
	shuffle(r, first);
}

static void
on_mx(struct resolve *r, const struct wire_answer *a)
{
	resolve_note(r, a);
	if (!a->ad)
		r->tlsa_port = 0; /* who the hosts are is not sure */
	if (a->status == WIRE_NODATA) {
		use_own_address(r);
	} else if (a->status != WIRE_OK) {
		finish(r, status_of(a->status));
	} else if (a->n == 1 && strcmp(a->rr.mx[0].host, ".") == 0) {
		finish(r, DNS_NULL_MX);
	} else {
		take_hosts(r, a);
		ask_addresses(r);
	}
}

static void
on_answer(void *ctx, uint64_t token, const struct wire_answer *a)
{
	struct resolver *o = ctx;
	struct resolve *r = (token & (CHECKS_TOKEN | BLOCKLIST_TOKEN)) != 0 ? NULL : find(o, token);
	uint32_t host = token >> 1 & 127;

	if ((token & CHECKS_TOKEN) != 0)
		checks_on_answer(o->checks, token, a);
	else if ((token & BLOCKLIST_TOKEN) != 0)
		blocklist_on_answer(o->blocklist, token, a);
	if (r == NULL)
		return; /* its deadline was over */
	if ((token >> 8 & 1) != 0)
		resolve_on_tlsa(r, host, a);
	else if (host == TOKEN_MX)
		on_mx(r, a);
	else
		on_addresses(r, host, (token & 1) != 0, a);
}

/* ---- beginnings ---- */

static void
on_deadline(struct ev_timer *t)
{
	finish(ph_container_of(t, struct resolve, deadline), DNS_TIMEOUT);
}

static struct resolve *
resolve_new(struct resolver *o, const struct ipc_resolve *q)
{
	struct resolve *r = xcalloc(1, sizeof *r);
	struct resolve_slot *s;

	r->owner = o;
	r->req = q->req;
	r->families = q->families;
	r->ad = true;
	r->ttl_s = WIRE_MAX_TTL;
	r->ticket = ++o->ticket & 0x1ffffffff; /* 33 bits: above are the marks of other askers */
	r->tlsa_port = o->lookup.is_trusted ? q->tlsa_port : 0;
	r->handle = slab_new(&o->slots);
	s = slab_at(&o->slots, r->handle);
	s->r = r;
	r->began = ev_now();
	ev_timer_init(&r->deadline, on_deadline);
	ev_timer_in_ms(&r->deadline, RESOLVE_DEADLINE_MS);
	return r;
}

static void
refuse(struct resolver *o, const struct ipc_resolve *q, struct str name)
{
	struct ipc_dns_done d = {.req = q->req, .status = DNS_BAD_NAME, .ttl_s = WIRE_MAX_TTL};
	char safe[WIRE_NAME_MAX];

	str_copy(safe, sizeof safe, name);
	for (char *p = safe; *p != '\0'; p++)
		*p = ascii_is_print(*p) ? *p : '?';
	send_done(o, &d, safe);
}

static void
start(struct resolver *o, const struct ipc_resolve *q, struct str name)
{
	struct resolve *r;
	struct wire_answer a;
	char normal[WIRE_NAME_MAX];

	if (!wire_name_normal(name, normal)) {
		refuse(o, q, name);
		return;
	}
	r = resolve_new(o, q);
	str_copy(r->name, sizeof r->name, str_of(normal));
	set_hold(o);
	if (q->kind == DNS_HOST)
		use_own_address(r);
	else if (lookup_ask(
		     &o->lookup, r->name, WIRE_MX, resolve_token(r, TOKEN_MX, false, false), &a))
		on_mx(r, &a);
}

static void
forget(struct resolver *o, struct str name)
{
	char normal[WIRE_NAME_MAX];

	if (str_eq(name, STR("*")))
		lookup_forget(&o->lookup, NULL);
	else if (wire_name_normal(name, normal))
		lookup_forget(&o->lookup, normal);
}

/* ---- queued ---- */

static void
drop_queue(struct resolver *o)
{
	for (uint32_t h = 1; h < slab_end(&o->slots); h++) {
		struct resolve_slot *s = slab_at(&o->slots, h);
		if (s->r != NULL)
			resolve_free(s->r);
	}
	if (o->checks != NULL)
		checks_drop(o->checks, o->queue);
	if (o->blocklist != NULL)
		blocklist_queue(o->blocklist, NULL);
	ipc_chan_free(&o->queue);
	o->is_held = false;
}

/* "show precache", "check spf" */
static void
answer(struct resolver *o, const struct ipc_ask *ask, struct str argument)
{
	struct ipc_answer a = {.token = ask->token, .ok = 1};
	struct buf b;
	struct str text;

	if (ask->what == ASK_SPF && o->checks != NULL) {
		checks_ask_spf(o->checks, o->queue, ask->token, argument);
		return;
	}
	buf_init(&b, 60000);
	if (ask->what == ASK_PRECACHE && o->precache != NULL)
		precache_show(o->precache, &b);
	text = buf_str(&b);
	ipc_send(o->queue, IPC_ANSWER, &a, &text, -1);
	buf_clear(&b);
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	struct resolver *o = ipc_ctx(c);
	const struct ipc_resolve *q = m->head;

	if (m->type == IPC_DNS_CLEAR) {
		forget(o, m->text[0]);
		return;
	}
	if (m->type == IPC_ASK) {
		answer(o, m->head, m->text[0]);
		return;
	}
	if (m->type == IPC_CHECK && o->checks != NULL) {
		checks_start(o->checks, c, m->head, m->text);
		return;
	}
	if (m->type != IPC_RESOLVE)
		return;
	if ((q->kind != DNS_MX && q->kind != DNS_HOST) ||
	    (q->families & (FAMILY_A | FAMILY_AAAA)) == 0) {
		log_error("event=queued-dropped text=\"a question of no known kind\"");
		drop_queue(o);
		return;
	}
	start(o, q, m->text[0]);
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	log_info("event=queued-gone text=\"%s\"", why->text);
	drop_queue(ipc_ctx(c));
}

const struct ipc_events resolver_events = {.msg = on_msg, .down = on_down};

void
resolver_queue_chan(struct resolver *o, struct ipc_chan *c)
{
	drop_queue(o);
	o->queue = c;
	if (o->blocklist != NULL)
		blocklist_queue(o->blocklist, c);
}

void
resolver_queue_up(struct resolver *o, int fd)
{
	resolver_queue_chan(o, ipc_chan_new(fd, ROLE_DNS, ROLE_QUEUE, 0, &resolver_events, o));
}

int
resolver_init(struct resolver *o, int edns_bytes, struct why *why)
{
	o->queue = NULL;
	o->checks = NULL;
	o->blocklist = NULL;
	o->ticket = 0;
	o->is_held = false;
	slab_init(&o->slots, sizeof(struct resolve_slot));
	return lookup_init(&o->lookup, on_answer, o, edns_bytes, why);
}

void
resolver_clear(struct resolver *o)
{
	drop_queue(o);
	lookup_clear(&o->lookup);
	slab_clear(&o->slots);
}
