#include "queued/route.h"

#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/state.h"
#include "queued/vmta.h"

#define ROUTE_MIN_MS	1000
#define ROUTE_MAX_MS	(24 * 3600 * 1000)
/* a host that failed is left alone so long, unless all have */
#define HOST_BAD_MS (60 * 1000)

/* look-ups under way, by request number */
struct asked {
	uint32_t queue; /* 0: free */
	uint16_t pref;
	uint16_t port;
};
static struct {
	struct slab slab;
	bool	    made;
} asked;

static struct asked *
asked_at(uint32_t req)
{
	if (!asked.made || req == 0 || req >= slab_end(&asked.slab))
		return NULL;
	return slab_at(&asked.slab, req);
}

static void
ask(struct queue *q, struct str name, enum dns_kind kind, uint16_t pref, uint16_t port)
{
	struct ipc_resolve msg = {.kind = (uint8_t)kind, .families = vmta_families(q->vmta)};

	if (!asked.made)
		slab_init(&asked.slab, sizeof(struct asked));
	asked.made = true;
	msg.req = slab_new(&asked.slab);
	*asked_at(msg.req) = (struct asked){.queue = q->handle, .pref = pref, .port = port};
	q->route->n_pending++;
	ipc_send(qd.dns.chan, IPC_RESOLVE, &msg, &name, -1);
}

static void
add_host(struct route *r, const struct net_addr *addr, uint16_t pref, struct str name)
{
	uint32_t at = r->n;

	if (r->n >= ROUTE_MAX_HOSTS)
		return;
	r->hosts = xreallocarray(r->hosts, r->n + 1, sizeof *r->hosts);
	while (at > 0 && r->hosts[at - 1].pref > pref) {
		r->hosts[at] = r->hosts[at - 1];
		at--;
	}
	r->hosts[at] = (struct route_host){.addr = *addr, .pref = pref,
	    .name = xstrdup_str(name), .bad_until = {.t = INT32_MIN}};
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
	size_t	 colon = str_rfind(s, ':'), bracket = str_rfind(s, ']');
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
	uint16_t	port = q->policy->port;
	struct net_addr addr;

	if (str_has_iprefix(item, STR("lookup-mx:"))) {
		ask(q, str_trim(str_skip(item, 10)), DNS_MX, pref, port);
		return;
	}
	item = split_port(item, &port);
	if (parse_literal(item, &addr)) {
		addr.port = port;
		add_host(q->route, &addr, pref, item);
		return;
	}
	ask(q, item, DNS_HOST, pref, port);
}

/* smtp-hosts a,b;c: "," parts hosts of one preference, ";" begins the next */
static void
use_configured(struct queue *q, struct str hosts)
{
	struct str group, item;
	uint16_t   pref = 0;

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
start(struct queue *q)
{
	struct str	hosts = configured_hosts(q), domain = queue_domain(q);
	struct net_addr addr;

	q->route = xcalloc(1, sizeof *q->route);
	q->route->valid_until = tick_in_ms(ROUTE_MAX_MS);
	if (hosts.len > 0) {
		q->route->is_static = true;
		use_configured(q, hosts);
	} else if (domain.len > 0 && domain.p[0] == '[' && parse_literal(domain, &addr)) {
		q->route->is_static = true;
		addr.port = q->policy->port;
		add_host(q->route, &addr, 0, domain);
	} else
		ask(q, domain, DNS_MX, 0, q->policy->port);
}

enum route_state
route_ensure(struct queue *q)
{
	bool old = q->route != NULL && q->route->n_pending == 0 && tick_is_due(q->route->valid_until);

	if (old && q->n_conns == 0)
		route_drop(q);
	if (q->route == NULL) {
		if (qd.dns.chan == NULL)
			return ROUTE_WAIT;
		start(q);
	}
	if (q->route->n_pending > 0)
		return ROUTE_WAIT;
	return q->route->n > 0 ? ROUTE_READY : ROUTE_FAILED;
}

void
route_drop(struct queue *q)
{
	if (q->route == NULL)
		return;
	for (uint32_t i = 0; i < q->route->n; i++)
		free(q->route->hosts[i].name);
	free(q->route->hosts);
	xfree(&q->route);
}

/* the best preference among the hosts that are not known bad; -1: there is none */
static int
best_pref(const struct route *r)
{
	for (uint32_t i = 0; i < r->n; i++) {
		if (tick_is_due(r->hosts[i].bad_until))
			return r->hosts[i].pref;
	}
	return -1;
}

struct route_host *
route_next(struct queue *q)
{
	struct route *r = q->route;
	int	      pref = best_pref(r);

	for (uint32_t i = 0; pref >= 0 && i < r->n; i++) {
		struct route_host *h = &r->hosts[r->turn++ % r->n];
		if (h->pref == pref && tick_is_due(h->bad_until))
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

static struct queue *
asker(uint32_t req)
{
	struct asked *a = asked_at(req);
	struct queue *q;

	if (a == NULL || a->queue == 0)
		return NULL;
	q = queue_at(a->queue);
	return q->route != NULL && q->route->n_pending > 0 ? q : NULL;
}

void
route_dns_addr(const struct ipc_msg *m)
{
	const struct ipc_dns_addr *d = m->head;
	struct queue		  *q = asker(d->req);
	const struct asked	  *a = asked_at(d->req);
	struct net_addr		   addr;
	uint32_t		   pref;

	if (q == NULL)
		return;
	net_from_ipc(&d->addr, &addr);
	addr.port = a->port;
	/* smtp-hosts: the configured preference leads; otherwise the MX's own */
	pref = q->route->is_static ? a->pref : d->pref;
	add_host(q->route, &addr, (uint16_t)pref, m->text[0]);
}

void
route_dns_done(const struct ipc_msg *m)
{
	const struct ipc_dns_done *d = m->head;
	struct queue		  *q = asker(d->req);
	struct tick		   until = tick_in_ms(
	    PH_MAX(PH_MIN((int64_t)d->ttl_s * 1000, (int64_t)ROUTE_MAX_MS), (int64_t)ROUTE_MIN_MS));

	if (q == NULL)
		return;
	asked_at(d->req)->queue = 0;
	slab_free(&asked.slab, d->req);
	q->route->n_pending--;
	if (d->status != DNS_OK) {
		q->route->status = d->status;
		why_set(&q->route->why, "%.*s", STR_ARG(m->text[0]));
	}
	if (until.t < q->route->valid_until.t)
		q->route->valid_until = until;
	queue_kick(q);
}

void
route_dns_gone(void)
{
	if (!asked.made)
		return;
	slab_clear(&asked.slab);
	for (uint32_t h = 0; (h = queue_next(h)) != 0;) {
		struct queue *q = queue_at(h);
		if (q->route == NULL || q->route->n_pending == 0)
			continue;
		route_drop(q);
		queue_kick(q);
	}
}
