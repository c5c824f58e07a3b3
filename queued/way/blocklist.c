#include "queued/way/blocklist.h"

#include "lib/base/hmap.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/stats/stats.h"
#include "queued/alert/alert.h"
#include "queued/control/control_int.h"
#include "queued/queue.h"

#define MAX_LISTED 20000u
#define SHOWN_MAX  1000u

struct listed {
	struct net_addr addr;
	char *zone; /* owned */
	struct wall since;
	uint32_t code;
};
static struct {
	struct listed *list; /* owned */
	uint32_t n;
	struct hmap map; /* by address, to places in the list from 1 on */
	bool made;
	bool is_holding; /* dnsbl-action hold */
} bl;

struct key {
	const struct net_addr *addr;
	const char *zone; /* NULL: any */
};

static uint64_t
hash_of(const struct net_addr *a)
{
	return str_hash(str_from((const char *)a->bytes, sizeof a->bytes));
}

static bool
is_key(const void *key, uint32_t place)
{
	const struct key *k = key;
	const struct listed *l = &bl.list[place - 1];

	return net_addr_eq(&l->addr, k->addr) && (k->zone == NULL || strcmp(l->zone, k->zone) == 0);
}

static struct listed *
find(const struct net_addr *a, const char *zone)
{
	struct key k = {a, zone};
	uint32_t place = bl.n == 0 ? 0 : hmap_find(&bl.map, hash_of(a), is_key, &k);

	return place == 0 ? NULL : &bl.list[place - 1];
}

bool
blocklist_is_holding(void)
{
	return bl.is_holding && bl.n > 0;
}

bool
blocklist_holds(const struct net_addr *a)
{
	return blocklist_is_holding() && find(a, NULL) != NULL;
}

static struct str
subject_of(const struct listed *l, char text[400])
{
	char addr[NET_ADDR_TEXT];
	int n = snprintf(text, 400, "%s in %.300s", net_addr_text(&l->addr, addr), l->zone);

	return str_from(text, PH_MIN((size_t)n, (size_t)399));
}

static void
tell(const struct listed *l)
{
	char subject[400];

	alert_raise(ALERT_DNSBL, subject_of(l, subject), "listed with 127.%u.%u.%u%s",
	    l->code >> 16 & 255, l->code >> 8 & 255, l->code & 255,
	    bl.is_holding ? "; nothing is sent from this address until it is clear" : "");
}

static void
add(const struct net_addr *a, const char *zone, uint32_t code)
{
	struct listed *l = find(a, zone);

	if (l == NULL && bl.n == MAX_LISTED)
		return;
	if (l == NULL) {
		bl.list = xreallocarray(bl.list, bl.n + 1, sizeof *bl.list);
		l = &bl.list[bl.n++];
		*l = (struct listed){.addr = *a, .zone = xstrdup(zone), .since = ev_wall()};
		hmap_add(&bl.map, hash_of(a), bl.n);
	}
	l->code = code;
	tell(l);
}

/* the last one takes its place */
static void
forget(struct listed *l)
{
	uint32_t place = (uint32_t)(l - bl.list) + 1;
	char subject[400];

	alert_clear(ALERT_DNSBL, subject_of(l, subject));
	hmap_remove(&bl.map, hash_of(&l->addr), place);
	free(l->zone);
	if (place != bl.n) {
		hmap_remove(&bl.map, hash_of(&bl.list[bl.n - 1].addr), bl.n);
		*l = bl.list[bl.n - 1];
		hmap_add(&bl.map, hash_of(&l->addr), place);
	}
	bl.n--;
}

static void
changed(void)
{
	stat_set(STAT_DNSBL_LISTED, bl.n);
	queue_kick_all();
}

void
blocklist_told(const struct ipc_dnsbl *d, struct str zone)
{
	char name[256];
	struct net_addr a;
	struct listed *l;

	net_from_ipc(&d->addr, &a);
	a.port = 0;
	str_copy(name, sizeof name, zone);
	l = find(&a, name);
	if (d->listed != 0)
		add(&a, name, d->code);
	else if (l != NULL)
		forget(l);
	else
		return;
	changed();
}

/* ---- the configuration ---- */

static bool
is_zone(const char *zone)
{
	const struct conf_set *g = conf_global(daemon_conf());
	struct str line, word;

	for (size_t i = 0; i < conf_n(g, CONF_GLOBAL_DNSBL_ZONE); i++) {
		line = conf_item(g, CONF_GLOBAL_DNSBL_ZONE, i);
		if (str_next_word(&line, &word) && str_eq(word, str_of(zone)))
			return true;
	}
	return false;
}

static bool
has_source(const struct conf_vmta *v, const struct net_addr *a)
{
	for (size_t i = 0; i < v->n_sources; i++) {
		if (net_addr_eq(&v->sources[i].addr, a))
			return true;
	}
	return false;
}

static bool
is_source(const struct net_addr *a)
{
	const struct conf *c = daemon_conf();
	bool is = has_source(conf_default_vmta(c), a);

	for (size_t i = 0; !is && i < conf_n_vmtas(c); i++)
		is = has_source(conf_vmta_at(c, i), a);
	return is;
}

/* what is not watched any more cannot become clear */
void
blocklist_configure(void)
{
	bool was = bl.is_holding;

	if (!bl.made)
		hmap_init(&bl.map);
	bl.made = true;
	bl.is_holding = conf_enum(conf_global(daemon_conf()), CONF_GLOBAL_DNSBL_ACTION) == 1;
	for (uint32_t i = 0; i < bl.n;) {
		struct listed *l = &bl.list[i];
		if (!is_zone(l->zone) || !is_source(&l->addr)) {
			forget(l);
			continue;
		}
		if (was != bl.is_holding)
			tell(l);
		i++;
	}
	if (bl.n > 0 || was != bl.is_holding)
		changed();
}

/* ---- show disabled sources ---- */

uint32_t
blocklist_show(struct control *c, uint32_t n)
{
	struct conf_origin o = conf_origin(conf_global(daemon_conf()), CONF_GLOBAL_DNSBL_ACTION);
	char text[NET_ADDR_TEXT], when[32], by[400];
	uint32_t first = n;

	for (uint32_t i = 0; blocklist_is_holding() && i < PH_MIN(bl.n, SHOWN_MAX); i++, n++) {
		const struct listed *l = &bl.list[i];
		int len = snprintf(by, sizeof by, "listed in %.255s with 127.%u.%u.%u", l->zone,
		    l->code >> 16 & 255, l->code >> 8 & 255, l->code & 255);
		control_text(c, STR("*/*"), "source[%u].queue", n);
		control_text(c, str_of(net_addr_text(&l->addr, text)), "source[%u].ip", n);
		control_text(c, control_time(l->since, when), "source[%u].since", n);
		control_text(c, STR("it is clear"), "source[%u].until", n);
		control_text(c, str_of(l->zone), "source[%u].zone", n);
		control_text(c, str_from(by, (size_t)len), "source[%u].by", n);
		control_text(c, str_of(o.file), "source[%u].file", n);
		control_number(c, o.line, "source[%u].line", n);
	}
	return n - first;
}
