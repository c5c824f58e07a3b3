#include "dnsd/blocklist.h"

#include <sodium.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define EVERY_MS (2 * 3600 * 1000LL)
#define LEAST_MS 1000
/* between two questions; the first are asked soon after the start */
#define PAUSE_MS 20
#define IDLE_MS	 60000
/* what had no answer is asked for again after this, unless its turn comes before */
#define RETRY_MS (10 * 60000LL)
#define PROBE_MS 1000 /* for the zone's probe to be answered */

enum known { NOT_KNOWN, CLEAR, LISTED };

/* an address in a zone; the first of each zone is its probe, for 127.0.0.1 */
struct blocklist_item {
	struct net_addr addr;
	char *zone;	/* owned by the probe */
	uint32_t probe; /* place of the zone's, its own for that */
	int64_t every_ms;
	struct mono due;
	uint32_t code; /* while listed */
	uint8_t known; /* enum known */
	bool is_pending;
};

/* ---- what answers mean ---- */

/* rows: 127.A.B.C that say "you may not ask", "not so", "no such name"; 256: any */
static const uint16_t refusals[][3] = {
    {0, 0, 0},	    /* no list's value */
    {0, 0, 1},	    /* SURBL, URIBL: too many questions; RFC 5782 5: never a listing */
    {0, 0, 255},    /* questions over open resolvers */
    {0, 1, 255},    /* Spamhaus DBL: not a domain */
    {255, 255, 256} /* Spamhaus: typing error, open resolver, too many */
};

static bool
is_refusal(const uint8_t b[4])
{
	for (size_t i = 0; i < countof(refusals); i++) {
		bool fits = true;
		for (size_t k = 0; k < 3; k++)
			fits &= refusals[i][k] == 256 || refusals[i][k] == b[k + 1];
		if (fits)
			return true;
	}
	return b[0] != 127;
}

enum blocklist_verdict
blocklist_judge(const struct wire_answer *a, uint32_t *code)
{
	const uint8_t *b;

	if (a->status == WIRE_NXDOMAIN || a->status == WIRE_NODATA)
		return BLOCKLIST_CLEAR;
	if (a->status != WIRE_OK || a->n == 0)
		return BLOCKLIST_UNKNOWN;
	for (size_t i = 0; i < a->n; i++) {
		if (is_refusal(a->rr.addr[i].bytes))
			return BLOCKLIST_UNKNOWN;
	}
	b = a->rr.addr[0].bytes;
	*code = (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	return BLOCKLIST_LISTED;
}

bool
blocklist_name(const struct net_addr *a, struct str zone, char out[WIRE_NAME_MAX])
{
	char text[WIRE_NAME_MAX + 80];
	int n = 0;

	if (zone.len == 0 || zone.len >= WIRE_NAME_MAX)
		return false;
	for (int i = a->family == 6 ? 15 : 3; i >= 0; i--) {
		uint8_t b = a->bytes[i];
		if (a->family == 6)
			n += snprintf(text + n, sizeof text - (size_t)n, "%x.%x.", b & 15u, b >> 4);
		else
			n += snprintf(text + n, sizeof text - (size_t)n, "%u.", b);
	}
	n += snprintf(text + n, sizeof text - (size_t)n, "%.*s", STR_ARG(zone));
	return wire_name_normal(str_from(text, (size_t)n), out);
}

/* ---- the list ---- */

struct pair {
	const struct blocklist *b;
	struct net_addr addr;
	const char *zone;
};

static uint64_t
hash_of(const struct pair *p)
{
	return str_hash(str_from((const char *)p->addr.bytes, sizeof p->addr.bytes)) ^
	       str_hash(str_of(p->zone));
}

static bool
is_pair(const void *key, uint32_t place)
{
	const struct pair *p = key;
	const struct blocklist_item *it = &p->b->list[place - 1];

	return net_addr_eq(&it->addr, &p->addr) && strcmp(it->zone, p->zone) == 0;
}

static struct blocklist_item *
find(const struct blocklist *b, const struct net_addr *addr, const char *zone)
{
	struct pair p = {b, *addr, zone};
	uint32_t place = hmap_find(&b->map, hash_of(&p), is_pair, &p);

	return place == 0 ? NULL : &b->list[place - 1];
}

/* NULL: it is there already, or the list is full */
static struct blocklist_item *
add(struct blocklist *b, const struct net_addr *addr, char *zone, int64_t every_ms)
{
	struct pair p = {b, *addr, zone};
	struct blocklist_item *it;

	if (b->n == BLOCKLIST_MAX || find(b, addr, zone) != NULL)
		return NULL;
	b->list = xreallocarray(b->list, b->n + 1, sizeof *b->list);
	it = &b->list[b->n++];
	*it = (struct blocklist_item){
	    .addr = *addr, .zone = zone, .every_ms = every_ms, .due = ev_now()};
	it->addr.port = 0;
	hmap_add(&b->map, hash_of(&p), (uint32_t)b->n);
	return it;
}

static void
add_sources(struct blocklist *b, const struct conf_vmta *v, uint32_t probe)
{
	for (size_t i = 0; i < v->n_sources; i++) {
		const struct blocklist_item *zone = &b->list[probe];
		struct blocklist_item *it = NULL;
		if (v->sources[i].addr.family != 0)
			it = add(b, &v->sources[i].addr, zone->zone, zone->every_ms);
		if (it != NULL)
			it->probe = probe;
	}
}

/* ZONE [every=TIME] */
static void
add_zone(struct blocklist *b, const struct conf *c, struct str line)
{
	static const struct net_addr nobody = {.family = 4, .bytes = {127, 0, 0, 1}};
	int64_t every_ms = EVERY_MS;
	uint32_t probe = (uint32_t)b->n;
	struct str word;
	char *zone;

	if (!str_next_word(&line, &word))
		return;
	zone = xstrdup_str(word);
	while (str_next_word(&line, &word)) {
		if (str_has_iprefix(word, STR("every=")))
			(void)conf_parse_time(str_skip(word, 6), &every_ms);
	}
	if (add(b, &nobody, zone, PH_MAX(every_ms, (int64_t)LEAST_MS)) == NULL) {
		free(zone); /* the zone is written twice */
		return;
	}
	b->list[probe].probe = probe;
	add_sources(b, conf_default_vmta(c), probe);
	for (size_t i = 0; i < conf_n_vmtas(c); i++)
		add_sources(b, conf_vmta_at(c, i), probe);
}

static bool
is_probe(const struct blocklist *b, const struct blocklist_item *it)
{
	return &b->list[it->probe] == it;
}

static void
tell(const struct blocklist *b, const struct blocklist_item *it)
{
	struct ipc_dnsbl head = {.code = it->code, .listed = it->known == LISTED};
	struct str zone = str_of(it->zone);

	if (b->queue == NULL)
		return;
	net_to_ipc(&it->addr, &head.addr);
	ipc_send(b->queue, IPC_DNSBL, &head, &zone, -1);
}

/* what was known of the same pair; a listing of what is not watched any more is taken back */
static void
take_over(struct blocklist *b, struct blocklist_item *old)
{
	struct blocklist_item *it = find(b, &old->addr, old->zone);

	if (it != NULL) {
		it->known = old->known;
		it->code = old->code;
		/* an answer that is under way will find another list */
		if (!old->is_pending)
			it->due.ns = PH_MIN(old->due.ns, mono_add_ms(ev_now(), it->every_ms).ns);
	} else if (old->known == LISTED) {
		old->known = CLEAR;
		tell(b, old);
	}
}

static void
free_list(struct blocklist *b)
{
	for (size_t i = 0; i < b->n; i++) {
		if (is_probe(b, &b->list[i]))
			free(b->list[i].zone);
	}
	xfree(&b->list);
	hmap_clear(&b->map);
	b->n = b->next = 0;
}

void
blocklist_configure(struct blocklist *b, const struct conf *c)
{
	const struct conf_set *g = conf_global(c);
	struct blocklist old = *b;

	b->list = NULL;
	b->n = b->next = 0;
	b->turn = (b->turn + 1) & 0xffff;
	hmap_init(&b->map);
	for (size_t i = 0; i < conf_n(g, CONF_GLOBAL_DNSBL_ZONE); i++)
		add_zone(b, c, conf_item(g, CONF_GLOBAL_DNSBL_ZONE, i));
	if (b->n == BLOCKLIST_MAX)
		log_warn("event=dnsbl text=\"only %d pairs of address and zone are watched\"",
		    BLOCKLIST_MAX);
	for (size_t i = 0; i < old.n; i++) {
		if (!is_probe(&old, &old.list[i]))
			take_over(b, &old.list[i]);
	}
	free_list(&old);
	if (b->n > 0)
		ev_timer_in_ms(&b->timer, PAUSE_MS);
	else
		ev_timer_stop(&b->timer);
}

/* ---- asking ---- */

/* a list that has come to its end may name the whole world: what it said is taken back */
static void
disbelieve(struct blocklist *b, const struct blocklist_item *probe)
{
	log_warn("event=dnsbl zone=%s text=\"it lists 127.0.0.1, so nothing it says is believed\"",
	    probe->zone);
	for (size_t i = probe->probe + 1; i < b->n && b->list[i].probe == probe->probe; i++) {
		struct blocklist_item *it = &b->list[i];
		if (it->known != LISTED)
			continue;
		it->known = CLEAR;
		tell(b, it);
	}
}

static void
learn_of_zone(struct blocklist *b, struct blocklist_item *probe, enum known now)
{
	if (now == LISTED && probe->known != LISTED)
		disbelieve(b, probe);
	else if (now == CLEAR && probe->known == LISTED)
		log_info("event=dnsbl zone=%s text=\"it is believed again\"", probe->zone);
	probe->known = now;
}

static void
learn(struct blocklist *b, struct blocklist_item *it, const struct wire_answer *a)
{
	struct blocklist_item *probe = &b->list[it->probe];
	uint32_t code = 0;
	enum blocklist_verdict v = blocklist_judge(a, &code);
	enum known now = v == BLOCKLIST_LISTED ? LISTED : CLEAR, was = it->known;

	it->is_pending = false;
	if (v == BLOCKLIST_UNKNOWN) {
		if (a->status != WIRE_OK)
			it->due.ns = PH_MIN(it->due.ns, mono_add_ms(ev_now(), RETRY_MS).ns);
		return;
	}
	if (it == probe) {
		learn_of_zone(b, probe, now);
		return;
	}
	if (probe->known != CLEAR)
		return;
	it->known = now;
	it->code = code;
	if (was == now)
		return;
	/* the first answer is told too: a dnsd before this one may have told of a listing */
	tell(b, it);
	if (now == LISTED)
		probe->due = ev_now();
}

void
blocklist_on_answer(struct blocklist *b, uint64_t token, const struct wire_answer *a)
{
	uint32_t i = (uint32_t)token;

	if ((token >> 32 & 0xffff) == b->turn && i < b->n && b->list[i].is_pending)
		learn(b, &b->list[i], a);
}

/* a quarter more or less, so that no list gets our questions all at once */
static struct mono
next_time(const struct blocklist_item *it)
{
	uint32_t half = (uint32_t)PH_MIN(it->every_ms / 2, (int64_t)INT32_MAX);

	return mono_add_ms(
	    ev_now(), it->every_ms - half / 2 + (int64_t)randombytes_uniform(half + 1));
}

/* not before it is known whether the zone can be believed, and not if it cannot */
static bool
is_worth_asking(struct blocklist *b, struct blocklist_item *it)
{
	const struct blocklist_item *probe = &b->list[it->probe];

	if (it == probe || probe->known == CLEAR)
		return true;
	it->due = probe->is_pending ? mono_add_ms(ev_now(), PROBE_MS) : probe->due;
	if (!mono_is_before(ev_now(), it->due))
		it->due = mono_add_ms(ev_now(), PROBE_MS);
	return false;
}

static void
ask(struct blocklist *b, size_t i)
{
	static struct wire_answer a;
	struct blocklist_item *it = &b->list[i];
	char name[WIRE_NAME_MAX];

	if (!is_worth_asking(b, it))
		return;
	it->due = next_time(it);
	if (!blocklist_name(&it->addr, str_of(it->zone), name))
		return;
	it->is_pending = true;
	if (lookup_ask(b->lookup, name, WIRE_A,
		BLOCKLIST_TOKEN | (uint64_t)b->turn << 32 | (uint64_t)i, &a))
		learn(b, it, &a);
}

/* one question a turn; after the last the timer sleeps until the first is due again */
static void
on_timer(struct ev_timer *t)
{
	struct blocklist *b = ph_container_of(t, struct blocklist, timer);
	struct mono first = mono_add_ms(ev_now(), IDLE_MS);

	for (size_t k = 0; k < b->n; k++) {
		size_t i = b->next;
		b->next = (i + 1) % b->n;
		if (!mono_is_before(ev_now(), b->list[i].due)) {
			ask(b, i);
			ev_timer_in_ms(t, PAUSE_MS);
			return;
		}
		if (mono_is_before(b->list[i].due, first))
			first = b->list[i].due;
	}
	ev_timer_at(t, first);
}

void
blocklist_queue(struct blocklist *b, struct ipc_chan *queue)
{
	b->queue = queue;
	for (size_t i = 0; i < b->n && queue != NULL; i++) {
		if (!is_probe(b, &b->list[i]) && b->list[i].known == LISTED)
			tell(b, &b->list[i]);
	}
}

void
blocklist_init(struct blocklist *b, struct lookup *l)
{
	*b = (struct blocklist){.lookup = l};
	hmap_init(&b->map);
	ev_timer_init(&b->timer, on_timer);
}

void
blocklist_clear(struct blocklist *b)
{
	ev_timer_stop(&b->timer);
	free_list(b);
}
