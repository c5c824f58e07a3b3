#include "queued/domain.h"

#include "lib/base/hmap.h"
#include "lib/base/xalloc.h"
#include "queued/bigrams.h"
#include "queued/control/memo.h"
#include "queued/names.h"
#include "queued/state.h"

/* looked at with each new one, so that those nobody needs any more go by and by */
#define LOOKS_A_TIME 2
/* as long as names of domains get */
#define MAX_NAME 255

struct domain {
	char *name;    /* owned; NULL or a small number: a free slot */
	uint32_t hash; /* as much of it as the map has */
	uint32_t n_rcpts;
	uint32_t rollup; /* name, 0: none known */
	struct tick until;
	uint64_t bigrams; /* of "@" and the name */
};

static struct {
	struct slab slab;
	struct hmap map;
	uint32_t hand;
} domains;

static struct domain *
domain_at(uint32_t handle)
{
	return slab_at(&domains.slab, handle);
}

static bool
is_domain(const void *key, uint32_t handle)
{
	const struct str *name = key;

	return str_ieq(*name, str_of(domain_at(handle)->name));
}

static bool
is_used(uint32_t handle)
{
	return (uintptr_t)domain_at(handle)->name > UINT32_MAX;
}

static uint32_t
find(struct str name, uint64_t hash)
{
	return hmap_find(&domains.map, hash, is_domain, &name);
}

uint32_t
domain_find(struct str name)
{
	return find(name, str_ihash(name));
}

static void
maybe_forget(uint32_t handle)
{
	struct domain *d = domain_at(handle);

	if (d->n_rcpts > 0 || (d->rollup != 0 && !tick_is_due(d->until)))
		return;
	hmap_remove(&domains.map, d->hash, handle);
	free(d->name);
	memo_forget(MEMO_DOMAINS, handle);
	slab_free(&domains.slab, handle);
}

static void
look_around(void)
{
	for (int i = 0; i < LOOKS_A_TIME; i++) {
		if (++domains.hand >= slab_end(&domains.slab))
			domains.hand = 1;
		if (domains.hand < slab_end(&domains.slab) && is_used(domains.hand))
			maybe_forget(domains.hand);
	}
}

static uint64_t
bigrams(struct str name)
{
	char text[MAX_NAME + 1] = "@";

	if (name.len >= MAX_NAME)
		return UINT64_MAX; /* it may have been cut */
	memcpy(text + 1, name.p, name.len);
	return bigrams_of(str_from(text, name.len + 1), BIGRAMS_ENDS);
}

static uint32_t
get(struct str name)
{
	uint64_t hash = str_ihash(name);
	uint32_t h = find(name, hash);

	if (h != 0)
		return h;
	if (domains.slab.item == 0)
		slab_init(&domains.slab, sizeof(struct domain));
	look_around();
	h = slab_new(&domains.slab);
	domain_at(h)->name = xstrdup_str(name);
	domain_at(h)->hash = (uint32_t)hash;
	domain_at(h)->bigrams = bigrams(name);
	hmap_add(&domains.map, hash, h);
	return h;
}

uint32_t
domain_add_rcpt(struct str name)
{
	uint32_t h = get(name);

	domain_at(h)->n_rcpts++;
	return h;
}

uint32_t
domain_end(void)
{
	return slab_end(&domains.slab);
}

void
domain_drop_rcpt(uint32_t domain)
{
	domain_at(domain)->n_rcpts--;
	maybe_forget(domain);
}

struct str
domain_name(uint32_t domain)
{
	return is_used(domain) ? str_of(domain_at(domain)->name) : STR("");
}

uint64_t
domain_bigrams(uint32_t domain)
{
	return domain_at(domain)->bigrams;
}

void
domain_set_rollup(struct str name, struct str rollup, struct tick until)
{
	struct domain *d = domain_at(get(name));

	d->rollup = name_number(rollup);
	d->until = until;
}

struct str
domain_rollup(struct str name, bool stale)
{
	uint32_t h = domain_find(name);
	const struct domain *d;

	if (h == 0)
		return STR("");
	d = domain_at(h);
	return stale || !tick_is_due(d->until) ? name_text(d->rollup) : STR("");
}

void
domain_forget_rollups(void)
{
	for (uint32_t h = 1; h < slab_end(&domains.slab); h++) {
		if (!is_used(h))
			continue;
		domain_at(h)->rollup = 0;
		maybe_forget(h);
	}
}
