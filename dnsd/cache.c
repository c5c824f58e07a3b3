#include "dnsd/cache.h"

#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"

/*
 * Behind the name follow the packed records: addresses, texts and TLSA as they are; of an MX and a PTR two bytes
 * preference, the host, a NUL.
 */
struct cache_entry {
	TAILQ_ENTRY(cache_entry) lru;
	struct mono until;
	uint32_t handle;
	uint32_t n;
	enum wire_type type;
	enum wire_status status;
	bool ad;
	uint32_t len; /* of packed */
	char *packed; /* owned; NULL: no records */
	char *target; /* owned; NULL: no aliases */
	char name[];
};

struct key {
	const struct cache *c;
	const char *name;
	enum wire_type type;
};

static struct cache_entry *
at(const struct cache *c, uint32_t handle)
{
	return *(struct cache_entry **)slab_at(&c->slots, handle);
}

static bool
is_entry(const void *key, uint32_t handle)
{
	const struct key *k = key;
	const struct cache_entry *e = at(k->c, handle);

	return e->type == k->type && strcmp(e->name, k->name) == 0;
}

static uint64_t
hash_of(const struct key *k)
{
	return str_hash(str_of(k->name)) + (uint64_t)k->type;
}

void
cache_init(struct cache *c)
{
	TAILQ_INIT(&c->lru);
	hmap_init(&c->map);
	slab_init(&c->slots, sizeof(struct cache_entry *));
}

static void
drop(struct cache *c, struct cache_entry *e)
{
	struct key k = {.c = c, .name = e->name, .type = e->type};

	hmap_remove(&c->map, hash_of(&k), e->handle);
	slab_free(&c->slots, e->handle);
	TAILQ_REMOVE(&c->lru, e, lru);
	free(e->packed);
	free(e->target);
	free(e);
}

void
cache_forget(struct cache *c, const char *name)
{
	struct cache_entry *e, *next;

	for (e = TAILQ_FIRST(&c->lru); e != NULL; e = next) {
		next = TAILQ_NEXT(e, lru);
		if (name == NULL || strcmp(name, e->name) == 0)
			drop(c, e);
	}
}

void
cache_clear(struct cache *c)
{
	cache_forget(c, NULL);
	hmap_clear(&c->map);
	slab_clear(&c->slots);
}

/* ---- packing ---- */

static char *
pack_mx(const struct wire_answer *a)
{
	size_t len = 0, at_byte = 0;
	char *p;

	for (size_t i = 0; i < a->n; i++)
		len += sizeof(uint16_t) + strlen(a->rr.mx[i].host) + 1;
	p = xmalloc(len);
	for (size_t i = 0; i < a->n; i++) {
		size_t n = strlen(a->rr.mx[i].host) + 1;
		memcpy(p + at_byte, &a->rr.mx[i].pref, sizeof(uint16_t));
		memcpy(p + at_byte + sizeof(uint16_t), a->rr.mx[i].host, n);
		at_byte += sizeof(uint16_t) + n;
	}
	return p;
}

static void
unpack_mx(const struct cache_entry *e, struct wire_answer *a)
{
	const char *p = e->packed;

	for (size_t i = 0; i < e->n; i++) {
		memcpy(&a->rr.mx[i].pref, p, sizeof(uint16_t));
		p += sizeof(uint16_t);
		str_copy(a->rr.mx[i].host, WIRE_NAME_MAX, str_of(p));
		p += strlen(p) + 1;
	}
}

static char *
pack(const struct wire_answer *a, enum wire_type type)
{
	char *p;

	if (a->n == 0)
		return NULL;
	if (type == WIRE_MX || type == WIRE_PTR)
		return pack_mx(a);
	if (type == WIRE_TXT) {
		p = xmalloc(a->rr.txt.len);
		memcpy(p, a->rr.txt.bytes, a->rr.txt.len);
		return p;
	}
	if (type == WIRE_TLSA) {
		p = xmalloc(a->rr.tlsa.len);
		memcpy(p, a->rr.tlsa.bytes, a->rr.tlsa.len);
		return p;
	}
	p = xreallocarray(NULL, a->n, sizeof a->rr.addr[0]);
	memcpy(p, a->rr.addr, a->n * sizeof a->rr.addr[0]);
	return p;
}

static void
unpack(const struct cache_entry *e, struct wire_answer *a)
{
	a->n = e->n;
	if (e->n == 0)
		return;
	if (e->type == WIRE_MX || e->type == WIRE_PTR) {
		unpack_mx(e, a);
	} else if (e->type == WIRE_TXT) {
		a->rr.txt.len = e->len;
		memcpy(a->rr.txt.bytes, e->packed, e->len);
	} else if (e->type == WIRE_TLSA) {
		a->rr.tlsa.len = e->len;
		memcpy(a->rr.tlsa.bytes, e->packed, e->len);
	} else
		memcpy(a->rr.addr, e->packed, e->n * sizeof a->rr.addr[0]);
}

/* ---- entries ---- */

static struct cache_entry *
find(const struct cache *c, const char *name, enum wire_type type)
{
	struct key k = {.c = c, .name = name, .type = type};
	uint32_t h = hmap_find(&c->map, hash_of(&k), is_entry, &k);

	return h == 0 ? NULL : at(c, h);
}

bool
cache_find(struct cache *c, const char *name, enum wire_type type, struct wire_answer *a)
{
	struct cache_entry *e = find(c, name, type);

	if (e == NULL)
		return false;
	if (!mono_is_before(ev_now(), e->until)) {
		drop(c, e);
		return false;
	}
	TAILQ_REMOVE(&c->lru, e, lru);
	TAILQ_INSERT_HEAD(&c->lru, e, lru);
	a->status = e->status;
	a->ad = e->ad;
	/* rounded up: an answer in use has at least a second */
	a->ttl_s = (uint32_t)((mono_diff_ms(ev_now(), e->until) + 999) / 1000);
	str_copy(a->target, sizeof a->target, str_of(e->target));
	unpack(e, a);
	return true;
}

static struct cache_entry *
entry_new(const char *name, enum wire_type type, const struct wire_answer *a)
{
	struct cache_entry *e = xcalloc(1, sizeof *e + strlen(name) + 1);

	e->type = type;
	e->status = a->status;
	e->ad = a->ad;
	e->until = mono_add_ms(ev_now(), (int64_t)a->ttl_s * 1000);
	e->n = (uint32_t)a->n;
	e->packed = pack(a, type);
	e->len = 0;
	if (a->n > 0 && type == WIRE_TLSA)
		e->len = (uint32_t)a->rr.tlsa.len;
	else if (a->n > 0 && type == WIRE_TXT)
		e->len = (uint32_t)a->rr.txt.len;
	e->target = a->target[0] == '\0' ? NULL : xstrdup(a->target);
	memcpy(e->name, name, strlen(name) + 1);
	return e;
}

void
cache_add(struct cache *c, const char *name, enum wire_type type, const struct wire_answer *a)
{
	struct key k = {.c = c, .name = name, .type = type};
	struct cache_entry *e = find(c, name, type);

	if (e != NULL)
		drop(c, e);
	if (a->ttl_s == 0)
		return;
	if (cache_n(c) >= CACHE_MAX)
		drop(c, TAILQ_LAST(&c->lru, cache_lru));
	e = entry_new(name, type, a);
	e->handle = slab_new(&c->slots);
	*(struct cache_entry **)slab_at(&c->slots, e->handle) = e;
	hmap_add(&c->map, hash_of(&k), e->handle);
	TAILQ_INSERT_HEAD(&c->lru, e, lru);
}

uint32_t
cache_n(const struct cache *c)
{
	return c->slots.n_used;
}
