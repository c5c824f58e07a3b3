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

struct target {
	struct limit out;
	char *name; /* host, blank, source address; or the destination address. Owned */
	uint64_t hash;
	bool is_host;
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
	t->out.key = t->is_host ? CONF_GLOBAL_MX_CONNECTION_LIMIT : CONF_GLOBAL_IP_CONNECTION_LIMIT;
	t->out.item = row == NULL ? 0 : row->item;
}

static const struct target_row *
row_again(const struct target *t)
{
	struct str name = str_of(t->name);
	struct net_addr a;

	if (t->is_host)
		return row_of_host(str_sub(name, 0, str_find(name, ' ')));
	return net_addr_parse(name, &a) ? row_of_address(&a) : NULL;
}

void
target_configure(void)
{
	read_rows(&targets.hosts, CONF_GLOBAL_MX_CONNECTION_LIMIT);
	read_rows(&targets.addresses, CONF_GLOBAL_IP_CONNECTION_LIMIT);
	for (size_t i = 0; i < targets.n; i++) {
		if (targets.list[i] == NULL)
			continue;
		apply(targets.list[i], row_again(targets.list[i]));
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
	return strcmp(targets.list[h - 1]->name, key) == 0;
}

static struct limit *
get(const char *name, bool is_host, const struct target_row *row)
{
	uint64_t hash = str_hash(str_of(name));
	uint32_t h = hmap_find(&targets.map, hash, is_target, name);
	struct target *t;
	size_t at;

	if (h != 0)
		return &targets.list[h - 1]->out;
	t = xcalloc(1, sizeof *t);
	t->name = xstrdup(name);
	t->hash = hash;
	t->is_host = is_host;
	limit_init(&t->out, is_host ? "mx-connection-limit of" : "ip-connection-limit of",
	    str_of(t->name));
	apply(t, row);
	at = hole();
	targets.list[at] = t;
	hmap_add(&targets.map, hash, (uint32_t)at + 1);
	return &t->out;
}

/* a rolled-up queue has its own max-smtp-out for all that the exchanger takes */
static bool
is_rolled_up(const struct queue *q)
{
	struct str d = queue_domain(q), tail = STR(".rollup");

	return d.len > tail.len && str_ieq(str_skip(d, d.len - tail.len), tail);
}

struct limit *
target_of_host(const struct queue *q, const struct way *w)
{
	char name[300 + NET_ADDR_TEXT], text[NET_ADDR_TEXT];
	const struct target_row *row;

	if (targets.hosts.n == 0 || is_rolled_up(q))
		return NULL;
	row = row_of_host(str_of(w->host->name));
	if (row == NULL)
		return NULL;
	snprintf(name, sizeof name, "%.255s from %s", w->host->name,
	    w->src.addr.family == 0 ? "any" : net_addr_text(&w->src.addr, text));
	str_lower(name, strlen(name));
	return get(name, true, row);
}

struct limit *
target_of_address(const struct way *w)
{
	const struct target_row *row =
	    targets.addresses.n == 0 ? NULL : row_of_address(&w->host->addr);
	char text[NET_ADDR_TEXT];

	return row == NULL ? NULL : get(net_addr_text(&w->host->addr, text), false, row);
}

struct limit *
target_full(const struct queue *q, const struct way *w)
{
	struct limit *l = target_of_host(q, w);

	if (l != NULL && !limit_has_room_for(l, q, 1))
		return l;
	l = target_of_address(w);
	return l != NULL && !limit_has_room_for(l, q, 1) ? l : NULL;
}
