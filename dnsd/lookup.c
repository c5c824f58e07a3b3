#include "dnsd/lookup.h"

#include <sodium.h>

#include "lib/base/buf.h"
#include "lib/base/xalloc.h"
#include "lib/stats/stats.h"

#define TRY_MS	       2000
#define TRIES	       3
#define CLASS_IN       1
#define QUERY_FLAG_AD  0x20 /* in byte 3: tell us whether it was authenticated (RFC 6840 5.7) */
#define MAX_NEGATIVE_S 900u
#define NO_SOA_S       5u /* a negative answer that does not say how long */
#define FAILED_S       10u
#define TIMEOUT_S      5u
#define IDLE_S	       5

struct waiter {
	struct waiter *next;
	uint64_t token;
};

/* a question under way */
struct lookup_flight {
	TAILQ_ENTRY(lookup_flight) link;
	struct ev_defer later; /* a failure within ares_send() is told afterwards */
	struct lookup *l;
	struct waiter *first, **last;
	uint32_t handle;
	enum wire_type type;
	int failure; /* what `later` tells */
	bool is_starting;
	bool is_cancelled; /* by a change of servers: it is asked anew */
	bool is_stale;	   /* forgotten meanwhile: not kept */
	uint32_t keep_s;   /* precached: kept so long, 0: as the answer says */
	char name[WIRE_NAME_MAX];
};

struct key {
	const struct lookup *l;
	const char *name;
	enum wire_type type;
};

static struct lookup_flight *
at(const struct lookup *l, uint32_t handle)
{
	return *(struct lookup_flight **)slab_at(&l->slots, handle);
}

static bool
is_flight(const void *key, uint32_t handle)
{
	const struct key *k = key;
	const struct lookup_flight *f = at(k->l, handle);

	return f->type == k->type && strcmp(f->name, k->name) == 0;
}

static uint64_t
hash_of(const struct key *k)
{
	return str_hash(str_of(k->name)) + (uint64_t)k->type;
}

/* ---- c-ares and the loop ---- */

static void
rearm(struct lookup *l)
{
	struct timeval max = {.tv_sec = IDLE_S}, tv, *next;

	if (l->slots.n_used == 0) {
		ev_timer_stop(&l->timer);
		return;
	}
	next = ares_timeout(l->channel, &max, &tv);
	ev_timer_in_ms(&l->timer, next->tv_sec * 1000 + next->tv_usec / 1000 + 1);
}

static void
on_timer(struct ev_timer *t)
{
	struct lookup *l = ph_container_of(t, struct lookup, timer);

	ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	rearm(l);
}

static void
on_socket(struct ev_io *io, int what)
{
	struct lookup *l = ph_container_of(io, struct lookup_socket, io)->l;

	ares_process_fd(l->channel, (what & EV_IN) != 0 ? io->fd : ARES_SOCKET_BAD,
	    (what & EV_OUT) != 0 ? io->fd : ARES_SOCKET_BAD);
	rearm(l);
}

/* c-ares says which sockets it wants watched; with neither it is about to close one */
static void
on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct lookup *l = data;
	int want = (readable ? EV_IN : 0) | (writable ? EV_OUT : 0);
	struct lookup_socket *s;

	if (fd < 0 || fd >= LOOKUP_MAX_SOCKETS)
		return; /* not watched: its questions time out */
	s = &l->sockets[fd];
	if (want == 0) {
		if (s->is_used)
			ev_io_stop(&s->io);
		s->is_used = false;
		return;
	}
	if (!s->is_used)
		ev_io_init(&s->io, fd, on_socket);
	s->l = l;
	s->is_used = true;
	ev_io_want(&s->io, want);
}

/* ---- flights ---- */

static void
flight_free(struct lookup_flight *f)
{
	struct lookup *l = f->l;
	struct key k = {.l = l, .name = f->name, .type = f->type};

	hmap_remove(&l->map, hash_of(&k), f->handle);
	slab_free(&l->slots, f->handle);
	TAILQ_REMOVE(&l->flights, f, link);
	ev_defer_cancel(&f->later);
	free(f);
	stat_set(STAT_DNS_PENDING, l->slots.n_used);
}

static void
remember(struct lookup_flight *f, const struct wire_answer *a)
{
	struct cache *c = &f->l->cache;
	bool is_good = a->status == WIRE_OK || a->status == WIRE_NODATA;
	struct wire_answer kept, old;

	if (f->is_stale)
		return;
	if (f->keep_s == 0) {
		cache_add(c, f->name, f->type, a);
		return;
	}
	if (!is_good && a->status != WIRE_NXDOMAIN && cache_find(c, f->name, f->type, &old))
		return;
	kept = *a;
	if (is_good)
		kept.ttl_s = f->keep_s;
	cache_add(c, f->name, f->type, &kept);
}

static void
land(struct lookup_flight *f, const struct wire_answer *a)
{
	struct lookup *l = f->l;
	struct waiter *w = f->first, *next;

	remember(f, a);
	stat_set(STAT_DNS_CACHED, cache_n(&l->cache));
	flight_free(f);
	for (; w != NULL; w = next) {
		next = w->next;
		l->cb(l->ctx, w->token, a);
		free(w);
	}
}

static void
land_failed(struct lookup_flight *f, int status)
{
	struct wire_answer a = {.status = WIRE_FAILED, .ttl_s = FAILED_S};

	if (status == ARES_ETIMEOUT) {
		a.status = WIRE_TIMEOUT;
		a.ttl_s = TIMEOUT_S;
	}
	stat_inc(STAT_DNS_FAILED);
	land(f, &a);
}

static uint32_t
time_to_keep(const struct wire_answer *a)
{
	if (a->status == WIRE_OK)
		return a->ttl_s;
	if (a->status == WIRE_NODATA || a->status == WIRE_NXDOMAIN)
		return a->ttl_s == 0 ? NO_SOA_S : PH_MIN(a->ttl_s, MAX_NEGATIVE_S);
	return FAILED_S;
}

static void
on_answer(void *arg, int status, int timeouts, unsigned char *abuf, int alen)
{
	struct lookup_flight *f = arg;
	struct wire_answer a;

	if (status == ARES_ECANCELLED || status == ARES_EDESTRUCTION) {
		f->is_cancelled = true;
		return;
	}
	if (f->is_starting) {
		f->failure = status;
		ev_defer_queue(&f->later);
		return;
	}
	if (status != ARES_SUCCESS || abuf == NULL || alen <= 0) {
		land_failed(f, status);
		return;
	}
	wire_read(str_from((const char *)abuf, (size_t)alen), f->name, f->type, &a);
	a.ad = a.ad && f->l->is_trusted;
	a.ttl_s = time_to_keep(&a);
	if (a.status == WIRE_FAILED || a.status == WIRE_MALFORMED)
		stat_inc(STAT_DNS_FAILED);
	land(f, &a);
}

static void
on_later(struct ev_defer *d)
{
	struct lookup_flight *f = ph_container_of(d, struct lookup_flight, later);

	land_failed(f, f->failure);
}

static void
fly(struct lookup_flight *f)
{
	struct lookup *l = f->l;
	unsigned char *query = NULL;
	int len = 0, r;

	f->is_cancelled = f->is_stale = false;
	f->is_starting = true;
	/* c-ares draws no number for a message made elsewhere */
	r = ares_create_query(f->name, CLASS_IN, (int)f->type,
	    (unsigned short)randombytes_uniform(65536), 1, &query, &len, l->edns_bytes);
	if (r == ARES_SUCCESS && len >= 12) {
		query[3] |= QUERY_FLAG_AD;
		stat_inc(STAT_DNS_QUERIES);
		ares_send(l->channel, query, len, on_answer, f);
	} else {
		on_answer(f, ARES_EBADNAME, 0, NULL, 0);
	}
	if (query != NULL)
		ares_free_string(query);
	f->is_starting = false;
	rearm(l);
}

static struct lookup_flight *
flight_new(struct lookup *l, const char *name, enum wire_type type)
{
	struct lookup_flight *f = xcalloc(1, sizeof *f);
	struct key k = {.l = l, .name = name, .type = type};

	f->l = l;
	f->type = type;
	f->last = &f->first;
	str_copy(f->name, sizeof f->name, str_of(name));
	ev_defer_init(&f->later, on_later);
	f->handle = slab_new(&l->slots);
	*(struct lookup_flight **)slab_at(&l->slots, f->handle) = f;
	hmap_add(&l->map, hash_of(&k), f->handle);
	TAILQ_INSERT_TAIL(&l->flights, f, link);
	stat_set(STAT_DNS_PENDING, l->slots.n_used);
	return f;
}

bool
lookup_ask(
    struct lookup *l, const char *name, enum wire_type type, uint64_t token, struct wire_answer *a)
{
	struct key k = {.l = l, .name = name, .type = type};
	struct lookup_flight *f;
	struct waiter *w;
	uint32_t h;

	if (cache_find(&l->cache, name, type, a))
		return true;
	h = hmap_find(&l->map, hash_of(&k), is_flight, &k);
	f = h == 0 ? flight_new(l, name, type) : at(l, h);
	w = xcalloc(1, sizeof *w);
	w->token = token;
	*f->last = w;
	f->last = &w->next;
	if (h == 0)
		fly(f);
	return false;
}

void
lookup_keep(struct lookup *l, const char *name, enum wire_type type, uint32_t ttl_s)
{
	struct key k = {.l = l, .name = name, .type = type};
	uint32_t h = hmap_find(&l->map, hash_of(&k), is_flight, &k);
	struct lookup_flight *f = h == 0 ? flight_new(l, name, type) : at(l, h);

	f->keep_s = ttl_s;
	if (h == 0)
		fly(f);
}

bool
lookup_known(struct lookup *l, const char *name, enum wire_type type, struct wire_answer *a)
{
	return cache_find(&l->cache, name, type, a);
}

void
lookup_forget(struct lookup *l, const char *name)
{
	struct lookup_flight *f;

	cache_forget(&l->cache, name);
	stat_set(STAT_DNS_CACHED, cache_n(&l->cache));
	TAILQ_FOREACH(f, &l->flights, link)
	{
		if (name == NULL || strcmp(name, f->name) == 0)
			f->is_stale = true;
	}
}

/* ---- servers ---- */

static bool
are_all_local(struct str servers)
{
	struct str one;
	struct net_addr a;

	if (servers.len == 0)
		return false;
	while (str_next(&servers, ',', &one)) {
		one = str_trim(one);
		if (!net_addr_parse(one, &a) && !net_addr_parse_port(one, &a))
			return false;
		if (!net_addr_is_loopback(&a))
			return false;
	}
	return true;
}

static void
fly_cancelled(struct lookup *l)
{
	struct lookup_flight *f;

	TAILQ_FOREACH(f, &l->flights, link)
	{
		if (f->is_cancelled)
			fly(f);
	}
}

int
lookup_set_servers(struct lookup *l, struct str servers, struct why *why)
{
	char text[sizeof l->system_servers];
	int r;

	if (servers.len == 0)
		servers = str_of(l->system_servers);
	if (servers.len == 0)
		return why_set(why,
		    "There is no name server: neither name-server nor /etc/resolv.conf names one.");
	if (str_copy(text, sizeof text, servers) >= sizeof text)
		return why_set(why, "There are too many name servers.");
	ares_cancel(l->channel); /* c-ares changes its servers only when nothing is under way */
	r = ares_set_servers_ports_csv(l->channel, text);
	if (r == ARES_SUCCESS) {
		l->is_trusted = are_all_local(servers);
		lookup_forget(l, NULL);
	}
	fly_cancelled(l);
	if (r != ARES_SUCCESS)
		return why_set(
		    why, "The name servers %s cannot be used: %s.", text, ares_strerror(r));
	return 0;
}

static void
remember_system_servers(struct lookup *l)
{
	struct ares_addr_port_node *list = NULL;
	struct buf b;

	if (ares_get_servers_ports(l->channel, &list) != ARES_SUCCESS)
		return;
	buf_init(&b, sizeof l->system_servers - 1);
	for (const struct ares_addr_port_node *n = list; n != NULL; n = n->next) {
		struct net_addr a = {.family = n->family == AF_INET ? 4 : 6, .port = 53};
		char text[NET_ADDR_TEXT];
		memcpy(a.bytes, &n->addr, a.family == 4 ? 4 : 16);
		if (buf_addf(
			&b, "%s%s", buf_len(&b) > 0 ? "," : "", net_addr_text_port(&a, text)) == -1)
			break;
	}
	str_copy(l->system_servers, sizeof l->system_servers, buf_str(&b));
	buf_clear(&b);
	ares_free_data(list);
}

int
lookup_init(struct lookup *l, lookup_cb *cb, void *ctx, int edns_bytes, struct why *why)
{
	struct ares_options o = {
	    .flags = ARES_FLAG_NOSEARCH | (edns_bytes > 0 ? ARES_FLAG_EDNS : 0),
	    .timeout = TRY_MS,
	    .tries = TRIES,
	    .ednspsz = edns_bytes,
	    .sock_state_cb = on_socket_state,
	    .sock_state_cb_data = l};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
		   ARES_OPT_ROTATE | (edns_bytes > 0 ? ARES_OPT_EDNSPSZ : 0);
	int r = ares_library_init(ARES_LIB_INIT_ALL);

	*l = (struct lookup){.cb = cb, .ctx = ctx, .edns_bytes = edns_bytes};
	cache_init(&l->cache);
	hmap_init(&l->map);
	slab_init(&l->slots, sizeof(struct lookup_flight *));
	TAILQ_INIT(&l->flights);
	ev_timer_init(&l->timer, on_timer);
	if (r == ARES_SUCCESS)
		r = ares_init_options(&l->channel, &o, mask);
	if (r != ARES_SUCCESS)
		return why_set(why, "The resolver library cannot be used: %s.", ares_strerror(r));
	remember_system_servers(l);
	return 0;
}

void
lookup_clear(struct lookup *l)
{
	struct lookup_flight *f;
	struct waiter *w;

	ares_destroy(l->channel);
	while ((f = TAILQ_FIRST(&l->flights)) != NULL) {
		/* flight_free() takes it out of the list */
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		while ((w = f->first) != NULL) {
			f->first = w->next;
			free(w);
		}
		flight_free(f);
	}
	ev_timer_stop(&l->timer);
	hmap_clear(&l->map);
	slab_clear(&l->slots);
	cache_clear(&l->cache);
	ares_library_cleanup();
}
