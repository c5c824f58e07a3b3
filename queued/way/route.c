#include "queued/way/route.h"

#include "lib/base/num.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/move.h"
#include "queued/way/own.h"
#include "queued/place.h"
#include "queued/state.h"
#include "queued/control/trace.h"
#include "queued/way/sts.h"
#include "queued/vmta.h"

#define ROUTE_MIN_MS 1000
#define ROUTE_MAX_MS (24 * 3600 * 1000)
/* a host that failed is left alone so long, unless all have */
#define HOST_BAD_MS (60 * 1000)
/* what was known is used so much longer when the name servers do not answer */
#define STALE_MS (60 * 1000)

/* look-ups under way, by request number */
struct asked {
	uint32_t chain;	 /* the slab's, of a free one */
	uint32_t serial; /* of the route that asked; 0: free */
	uint32_t queue;
	uint16_t pref;
	uint16_t port;
};
static struct {
	struct slab slab;
	uint32_t serial;
	bool made;
} asked;

static struct asked *
asked_at(uint32_t req)
{
	struct asked *a;

	if (!asked.made || req == 0 || req >= slab_end(&asked.slab))
		return NULL;
	a = slab_at(&asked.slab, req);
	return a->serial != 0 ? a : NULL;
}

static void
ask(struct queue *q, struct str name, enum dns_kind kind, uint16_t pref, uint16_t port)
{
	struct ipc_resolve msg = {.kind = (uint8_t)kind,
	    .families = vmta_families(q->vmta),
	    .tlsa_port = q->policy->use_dane ? port : 0};
	struct asked *a;

	if (!asked.made)
		slab_init(&asked.slab, sizeof(struct asked));
	asked.made = true;
	msg.req = slab_new(&asked.slab);
	a = slab_at(&asked.slab, msg.req);
	*a = (struct asked){
	    .serial = q->asking->serial, .queue = q->handle, .pref = pref, .port = port};
	q->asking->n_pending++;
	ipc_send(qd.dns.chan, IPC_RESOLVE, &msg, &name, -1);
}

static void
free_host(struct route_host *h)
{
	free(h->name);
	free(h->tlsa);
}

static void
add_host(
    struct route *r, const struct net_addr *addr, uint16_t pref, struct str name, struct str tlsa)
{
	uint32_t at = r->n;

	if (r->n >= ROUTE_MAX_HOSTS)
		return;
	r->hosts = xreallocarray(r->hosts, r->n + 1, sizeof *r->hosts);
	while (at > 0 && r->hosts[at - 1].pref > pref) {
		r->hosts[at] = r->hosts[at - 1];
		at--;
	}
	r->hosts[at] = (struct route_host){
	    .addr = *addr, .pref = pref, .name = xstrdup_str(name), .bad_until = {.t = INT32_MIN}};
	if (tlsa.len > 0) {
		r->hosts[at].tlsa = xmalloc(tlsa.len);
		memcpy(r->hosts[at].tlsa, tlsa.p, tlsa.len);
		r->hosts[at].tlsa_len = tlsa.len;
	}
	r->n++;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]", or a bare address */
static bool
parse_literal(struct str s, struct net_addr *addr)
{
	if (s.len >= 2 && s.p[0] == '[' && s.p[s.len - 1] == ']')
		s = str_sub(s, 1, s.len - 2);
	if (str_has_iprefix(s, STR("ipv6:")))
		s = str_skip(s, 5);
	return net_addr_parse(s, addr);
}

/* splits "host:port" and "[…]:port" */
static struct str
split_port(struct str s, uint16_t *port)
{
	size_t colon = str_rfind(s, ':'), bracket = str_rfind(s, ']');
	uint32_t n;

	if (colon == STR_NPOS || (bracket != STR_NPOS && colon < bracket) ||
	    (bracket == STR_NPOS && str_find(s, ':') != colon))
		return s;
	if (!parse_u32(str_skip(s, colon + 1), 1, 65535, &n))
		return s;
	*port = (uint16_t)n;
	return str_sub(s, 0, colon);
}

static void
add_configured(struct queue *q, struct str item, uint16_t pref)
{
	uint16_t port = q->policy->port;
	struct net_addr addr;

	if (str_has_iprefix(item, STR("lookup-mx:"))) {
		ask(q, str_trim(str_skip(item, 10)), DNS_MX, pref, port);
		return;
	}
	item = split_port(item, &port);
	if (parse_literal(item, &addr)) {
		addr.port = port;
		add_host(q->asking, &addr, pref, item, STR(""));
		return;
	}
	ask(q, item, DNS_HOST, pref, port);
}

/* smtp-hosts a,b;c: "," parts hosts of one preference, ";" begins the next */
static void
use_configured(struct queue *q, struct str hosts)
{
	struct str group, item;
	uint16_t pref = 0;

	while (str_next(&hosts, ';', &group)) {
		while (str_next(&group, ',', &item)) {
			item = str_trim(item);
			if (item.len > 0)
				add_configured(q, item, pref);
		}
		pref = (uint16_t)(pref + 10);
	}
}

static struct str
configured_hosts(const struct queue *q)
{
	const struct conf_set *set = q->policy->set;

	if (conf_is_set(set, CONF_DOMAIN_SMTP_HOSTS))
		return conf_str(set, CONF_DOMAIN_SMTP_HOSTS);
	return STR("");
}

static void
use_rollup(struct queue *q, struct str name)
{
	struct str host;

	for (uint32_t i = 0; rollup_host(name, i, &host); i++)
		ask(q, host, DNS_HOST, 0, q->policy->port);
}

static void
route_free(struct route **r)
{
	if (*r == NULL)
		return;
	for (uint32_t i = 0; i < (*r)->n; i++)
		free_host(&(*r)->hosts[i]);
	free((*r)->hosts);
	rollup_mx_clear(&(*r)->mx);
	xfree(r);
}

static void
start(struct queue *q)
{
	struct str hosts = configured_hosts(q), domain = queue_domain(q);
	struct net_addr addr;

	if (++asked.serial == 0)
		asked.serial = 1;
	q->asking = xcalloc(1, sizeof *q->asking);
	q->asking->serial = asked.serial;
	q->asking->valid_until = tick_in_ms(ROUTE_MAX_MS);
	/* so that the queues together do not all begin with the first of several equal hosts */
	q->asking->turn = q->route != NULL ? q->route->turn : q->handle - 1;
	if (hosts.len > 0) {
		q->asking->is_static = true;
		use_configured(q, hosts);
	} else if (rollup_has(domain)) {
		q->asking->is_static = true;
		use_rollup(q, domain);
	} else if (domain.len > 0 && domain.p[0] == '[' && parse_literal(domain, &addr)) {
		addr.port = q->policy->port;
		add_host(q->asking, &addr, 0, domain, STR(""));
	} else
		ask(q, domain, DNS_MX, 0, q->policy->port);
}

static bool
is_temporary(uint8_t status)
{
	return status == DNS_SERVFAIL || status == DNS_TIMEOUT;
}

/* RFC 5321 5.1: hosts with the preference of our own, or a higher one, would send the mail back to us */
static void
drop_own(struct queue *q, struct route *r)
{
	uint32_t n = r->n;

	for (uint32_t i = 0; i < r->n && n == r->n; i++) {
		if (own_is_host(q->vmta, str_of(r->hosts[i].name), &r->hosts[i].addr))
			n = i;
	}
	if (n == r->n)
		return;
	while (n > 0 && r->hosts[n - 1].pref >= r->hosts[n].pref)
		n--;
	if (n == 0) {
		r->status = ROUTE_TO_SELF;
		why_set(&r->why, "mail for %.*s loops back to this server (MX %s)",
		    STR_ARG(queue_domain(q)), r->hosts[0].name);
	}
	for (uint32_t i = n; i < r->n; i++)
		free_host(&r->hosts[i]);
	r->n = n;
}

/* what is known of a host does not end with its time to live */
static void
carry_marks(struct queue *q, struct route *to)
{
	for (uint32_t i = 0; i < to->n; i++) {
		const struct route_host *old = route_find(q, &to->hosts[i].addr);
		if (old == NULL)
			continue;
		to->hosts[i].bad_until = old->bad_until;
		to->hosts[i].tls_failed = old->tls_failed;
	}
}

/* all answers are here */
static void
complete(struct queue *q)
{
	struct route *r = q->asking;

	q->asking = NULL;
	if (!r->is_static)
		drop_own(q, r);
	if (r->n == 0 && is_temporary(r->status) && q->route != NULL && q->route->n > 0) {
		q->route->valid_until = tick_in_ms(STALE_MS);
		route_free(&r);
		return;
	}
	carry_marks(q, r);
	route_free(&q->route);
	q->route = r;
	if (place_mx_known(q, r))
		rollup_mx_clear(&r->mx);
}

enum route_state
route_ensure(struct queue *q)
{
	bool known = q->route != NULL && !tick_is_due(q->route->valid_until);

	if (!known && q->asking == NULL && qd.dns.chan != NULL) {
		start(q);
		if (q->asking->n_pending == 0)
			complete(q);
		known = q->asking == NULL;
	}
	/* connections show that the hosts are good: no need to wait for the answer that confirms them */
	if (!known && (q->route == NULL || q->n_conns == 0 || q->route->n == 0))
		return ROUTE_WAIT;
	return q->route->n > 0 ? ROUTE_READY : ROUTE_FAILED;
}

void
route_drop(struct queue *q)
{
	route_free(&q->route);
	route_free(&q->asking);
}

static bool
is_usable(const struct route_host *h, uint8_t families)
{
	return !h->is_barred && (h->addr.family == 4 ? families & 1u : families & 2u) != 0;
}

/* DANE stands above it (RFC 8461 2): where a host has TLSA records they say what its connection must be like */
static bool
mark(struct queue *q, struct route *r)
{
	bool is_left = false;

	for (uint32_t i = 0; i < r->n; i++) {
		struct route_host *h = &r->hosts[i];
		bool fits = h->tlsa != NULL || sts_allows(queue_domain(q), str_of(h->name));
		h->is_barred = !fits;
		h->is_verified = h->tlsa == NULL && sts_is_enforced(queue_domain(q));
		is_left |= fits;
	}
	return is_left;
}

enum route_state
route_by_policy(struct queue *q)
{
	struct route *r = q->route;
	uint32_t serial;

	/* where the operator names the hosts there is nothing to be found out about them */
	if (!q->policy->use_mta_sts || r->is_static)
		return ROUTE_READY;
	serial = sts_ask(q);
	if (serial == 0)
		return ROUTE_WAIT;
	if (r->mx.n > 0 && place_mx_known(q, r)) {
		/* whether it rolls up had to wait for this */
		rollup_mx_clear(&r->mx);
		if (move_where(q).len > 0)
			return ROUTE_WAIT;
	}
	if (r->policy == serial)
		return ROUTE_READY;
	if (mark(q, r)) {
		r->policy = serial;
		return ROUTE_READY;
	}
	r->status = ROUTE_BARRED;
	why_set(&r->why,
	    "MTA-STS: the policy of %.*s names none of its mail exchangers (such as %s)",
	    STR_ARG(queue_domain(q)), r->hosts[0].name);
	return ROUTE_FAILED;
}

bool
route_has_family(const struct queue *q)
{
	uint8_t families = vmta_families(q->vmta);

	for (uint32_t i = 0; q->route != NULL && i < q->route->n; i++) {
		if (is_usable(&q->route->hosts[i], families))
			return true;
	}
	return false;
}

/* the best preference among the hosts that are not known bad; -1: there is none */
static int
best_pref(const struct route *r, uint8_t families)
{
	for (uint32_t i = 0; i < r->n; i++) {
		if (tick_is_due(r->hosts[i].bad_until) && is_usable(&r->hosts[i], families))
			return r->hosts[i].pref;
	}
	return -1;
}

struct route_host *
route_next(struct queue *q)
{
	struct route *r = q->route;
	uint8_t families = vmta_families(q->vmta);
	int pref = best_pref(r, families);

	for (uint32_t i = 0; pref >= 0 && i < r->n; i++) {
		struct route_host *h = &r->hosts[r->turn++ % r->n];
		if (h->pref == pref && tick_is_due(h->bad_until) && is_usable(h, families))
			return h;
	}
	return NULL;
}

struct route_host *
route_find(struct queue *q, const struct net_addr *addr)
{
	for (uint32_t i = 0; q->route != NULL && i < q->route->n; i++) {
		if (net_addr_eq(&q->route->hosts[i].addr, addr) &&
		    q->route->hosts[i].addr.port == addr->port)
			return &q->route->hosts[i];
	}
	return NULL;
}

void
route_host_failed(struct queue *q, const struct net_addr *addr)
{
	struct route_host *h = route_find(q, addr);

	if (h != NULL)
		h->bad_until = tick_in_ms(HOST_BAD_MS);
}

void
route_host_worked(struct queue *q, const struct net_addr *addr)
{
	struct route_host *h = route_find(q, addr);

	if (h != NULL)
		h->bad_until = (struct tick){.t = INT32_MIN};
}

void
route_forgive(struct queue *q)
{
	for (uint32_t i = 0; q->route != NULL && i < q->route->n; i++)
		q->route->hosts[i].bad_until = (struct tick){.t = INT32_MIN};
}

/* the queue that a look-up is for, if it still wants the answer */
static struct queue *
asker(const struct asked *a)
{
	struct queue *q = queue_try(a->queue);

	return q != NULL && q->asking != NULL && q->asking->serial == a->serial ? q : NULL;
}

void
route_dns_addr(const struct ipc_msg *m)
{
	const struct ipc_dns_addr *d = m->head;
	const struct asked *a = asked_at(d->req);
	struct queue *q = a == NULL ? NULL : asker(a);
	struct net_addr addr;

	if (q == NULL)
		return;
	if (!q->asking->is_static && rollup_is_on())
		rollup_mx_add(&q->asking->mx, d->pref, m->text[0]);
	if (d->addr.family == 0)
		return; /* an exchanger without an address */
	net_from_ipc(&d->addr, &addr);
	addr.port = a->port;
	/* smtp-hosts: the configured preference leads; otherwise the MX's own */
	add_host(
	    q->asking, &addr, q->asking->is_static ? a->pref : d->pref, m->text[0], m->text[1]);
}

/* log-resolution, and who traces the queue */
static void
tell_answer(const struct queue *q, const struct ipc_dns_done *d, struct str text)
{
	const struct route *r = q->asking;
	char line[400], addr[NET_ADDR_TEXT];
	int n;

	if (!q->policy->logs_resolution && !trace_wants_resolution(q))
		return;
	n = snprintf(line, sizeof line, "resolved: %u address%s, %us to live%s%s%.*s", r->n,
	    r->n == 1 ? "" : "es", d->ttl_s, d->ad ? ", authenticated" : "",
	    text.len > 0 ? ", " : "", STR_ARG(str_sub(text, 0, 200)));
	for (uint32_t i = 0;; i++) {
		struct str s = str_from(line, PH_MIN((size_t)n, sizeof line - 1));
		if (q->policy->logs_resolution)
			log_info("event=resolution queue=%s text=%s", q->name, log_quote(s));
		trace_resolution(q, s);
		if (i >= r->n)
			return;
		n = snprintf(line, sizeof line, "host: preference %u %.255s (%s)", r->hosts[i].pref,
		    r->hosts[i].name, net_addr_text(&r->hosts[i].addr, addr));
	}
}

static void
take_answer(struct queue *q, const struct ipc_dns_done *d, struct str text)
{
	struct route *r = q->asking;
	struct tick until = tick_in_ms(
	    PH_MAX(PH_MIN((int64_t)d->ttl_s * 1000, (int64_t)ROUTE_MAX_MS), (int64_t)ROUTE_MIN_MS));

	r->n_pending--;
	if (d->status != DNS_OK && !is_temporary(r->status)) {
		r->status = d->status;
		why_set(&r->why, "%.*s", STR_ARG(text));
	}
	if (until.t < r->valid_until.t)
		r->valid_until = until;
	tell_answer(q, d, text);
	if (r->n_pending > 0)
		return;
	complete(q);
	queue_kick(q);
}

void
route_dns_done(const struct ipc_msg *m)
{
	const struct ipc_dns_done *d = m->head;
	struct asked *a = asked_at(d->req);
	struct queue *q = a == NULL ? NULL : asker(a);

	if (a == NULL)
		return;
	slab_free(&asked.slab, d->req);
	if (q != NULL)
		take_answer(q, d, m->text[0]);
}

void
route_dns_gone(void)
{
	if (!asked.made)
		return;
	slab_clear(&asked.slab);
	for (uint32_t h = 0; (h = queue_next(h)) != 0;) {
		struct queue *q = queue_at(h);
		if (q->asking == NULL)
			continue;
		route_free(&q->asking);
		queue_kick(q);
	}
}
