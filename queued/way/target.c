#include "queued/way/target.h"

#include "lib/base/hmap.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/control/pause.h"
#include "queued/queue.h"
#include "queued/way/route.h"
#include "queued/way/way.h"

/* looked at in a turn, and forgotten if idle */
#define SWEEP 1000

/* what tells it from others */
struct target_key {
	struct str host;      /* of an exchanger, else empty; in any case */
	struct net_addr addr; /* the exchanger's connections come from there; or the destination */
};
struct target {
	struct limit out;
	struct target_key key;
	char *host; /* owned */
	char *name; /* for explain: "host from source", or the destination. Owned */
	uint64_t hash;
};
struct target_row {
	struct str pattern;
	struct net_cidr cidr;
	uint64_t max;
	uint32_t item; /* from 1 */
};
struct target_rows {
	struct target_row *list;
	size_t n;
};
static struct {
	struct target **list; /* holes are NULL */
	size_t n;
	size_t hand; /* of the sweep */
	size_t *holes;
	size_t n_holes;
	struct hmap map;
	struct target_rows hosts, addresses;
} targets;

static void
add_row(struct target_rows *r, enum conf_key key, size_t i)
{
	struct str text = conf_item(conf_global(daemon_conf()), key, i), word;
	struct target_row row = {.item = (uint32_t)i + 1};

	if (!str_next_word(&text, &word) || !parse_u64(str_trim(text), 0, UINT64_MAX, &row.max))
		return;
	row.pattern = word;
	if (key == CONF_GLOBAL_IP_CONNECTION_LIMIT && !net_cidr_parse(word, &row.cidr))
		return;
	r->list = xreallocarray(r->list, r->n + 1, sizeof *r->list);
	r->list[r->n++] = row;
}

static void
read_rows(struct target_rows *r, enum conf_key key)
{
	xfree(&r->list);
	r->n = 0;
	for (size_t i = 0; i < conf_n(conf_global(daemon_conf()), key); i++)
		add_row(r, key, i);
}

static const struct target_row *
row_of_host(struct str host)
{
	for (size_t i = 0; i < targets.hosts.n; i++) {
		if (pause_glob(targets.hosts.list[i].pattern, host))
			return &targets.hosts.list[i];
	}
	return NULL;
}

static const struct target_row *
row_of_address(const struct net_addr *a)
{
	const struct target_row *best = NULL;

	for (size_t i = 0; i < targets.addresses.n; i++) {
		const struct target_row *r = &targets.addresses.list[i];
		if (net_cidr_has(&r->cidr, a) && (best == NULL || r->cidr.bits > best->cidr.bits))
			best = r;
	}
	return best;
}

static void
apply(struct target *t, const struct target_row *row)
{
	t->out.max = row == NULL ? UINT64_MAX : row->max;
	t->out.set = row == NULL ? NULL : conf_global(daemon_conf());
	t->out.key =
	    t->key.host.len > 0 ? CONF_GLOBAL_MX_CONNECTION_LIMIT : CONF_GLOBAL_IP_CONNECTION_LIMIT;
	t->out.item = row == NULL ? 0 : row->item;
}

static const struct target_row *
row_of(const struct target_key *k)
{
	return k->host.len > 0 ? row_of_host(k->host) : row_of_address(&k->addr);
}

void
target_configure(void)
{
	read_rows(&targets.hosts, CONF_GLOBAL_MX_CONNECTION_LIMIT);
	read_rows(&targets.addresses, CONF_GLOBAL_IP_CONNECTION_LIMIT);
	for (size_t i = 0; i < targets.n; i++) {
		if (targets.list[i] == NULL)
			continue;
		apply(targets.list[i], row_of(&targets.list[i]->key));
		limit_wake_all(&targets.list[i]->out);
	}
}

void
target_sweep(void)
{
	for (size_t i = 0; i < PH_MIN(targets.n, (size_t)SWEEP); i++) {
		size_t at = targets.hand++ % targets.n;
		struct target *t = targets.list[at];
		if (t == NULL || t->out.used > 0 || t->out.n_waiting > 0)
			continue;
		hmap_remove(&targets.map, t->hash, (uint32_t)at + 1);
		free(t->name);
		free(t->host);
		free(t);
		targets.list[at] = NULL;
		targets.holes = xreallocarray(targets.holes, targets.n_holes + 1, sizeof(size_t));
		targets.holes[targets.n_holes++] = at;
	}
}

static size_t
hole(void)
{
	if (targets.n_holes > 0)
		return targets.holes[--targets.n_holes];
	targets.list = xreallocarray(targets.list, targets.n + 1, sizeof(struct target *));
	return targets.n++;
}

static bool
is_target(const void *key, uint32_t h)
{
	const struct target_key *k = key, *l = &targets.list[h - 1]->key;

	return net_addr_eq(&k->addr, &l->addr) && str_ieq(k->host, l->host);
}

static uint64_t
hash_of(const struct target_key *k)
{
	size_t len = k->addr.family == 0 ? 0 : k->addr.family == 4 ? 4 : 16;

	return str_hash(str_from((const char *)k->addr.bytes, len)) ^
	       (k->host.len > 0 ? str_ihash(k->host) : 0);
}

static char *
name_of(const struct target_key *k)
{
	char text[NET_ADDR_TEXT], *name;

	net_addr_text(&k->addr, text);
	if (k->host.len == 0)
		return xstrdup(text);
	name = xasprintf("%.*s from %s", STR_ARG(k->host), k->addr.family == 0 ? "any" : text);
	str_lower(name, strlen(name));
	return name;
}

static struct target *
make(const struct target_key *k, uint64_t hash)
{
	struct target *t = xcalloc(1, sizeof *t);
	size_t at = hole();

	t->host = xstrdup_str(k->host);
	t->key = *k;
	t->key.host = str_of(t->host);
	t->name = name_of(k);
	t->hash = hash;
	limit_init(&t->out, k->host.len > 0 ? "mx-connection-limit of" : "ip-connection-limit of",
	    str_of(t->name));
	targets.list[at] = t;
	hmap_add(&targets.map, hash, (uint32_t)at + 1);
	return t;
}

/* NULL: no line speaks of it */
static struct limit *
get(const struct target_key *k)
{
	uint64_t hash = hash_of(k);
	uint32_t h = hmap_find(&targets.map, hash, is_target, k);
	const struct target_row *row;
	struct target *t;

	if (h != 0)
		return &targets.list[h - 1]->out;
	row = row_of(k);
	if (row == NULL)
		return NULL;
	t = make(k, hash);
	apply(t, row);
	return &t->out;
}

/* a rolled-up queue has its own max-smtp-out for all that the exchanger takes */
static bool
is_rolled_up(const struct queue *q)
{
	struct str d = queue_domain(q), tail = STR(".rollup");

	return d.len > tail.len && str_ieq(str_skip(d, d.len - tail.len), tail);
}

void
target_look(const struct queue *q, struct way *w)
{
	struct target_key host = {.host = str_of(w->host->name), .addr = w->src.addr},
			  address = {.addr = w->host->addr};

	w->to_host = targets.hosts.n == 0 || is_rolled_up(q) ? NULL : get(&host);
	w->to_address = targets.addresses.n == 0 ? NULL : get(&address);
}

struct limit *
target_full(const struct queue *q, const struct way *w)
{
	if (w->to_host != NULL && !limit_has_room_for(w->to_host, q, 1))
		return w->to_host;
	if (w->to_address != NULL && !limit_has_room_for(w->to_address, q, 1))
		return w->to_address;
	return NULL;
}
