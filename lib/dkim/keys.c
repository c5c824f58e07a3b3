#include "lib/dkim/keys.h"

#include "lib/base/hmap.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/dkim/identity.h"

/* groups: 1 <dkim>, 2 <domain-key>, 3 global domain-key; then the VirtualMTAs, the pools, the lists */
enum { GROUP_NONE, GROUP_DKIM, GROUP_KEY, GROUP_GLOBAL, GROUP_FIRST_VMTA };

struct entry {
	struct dkim_binding b;
	uint32_t group;
	uint32_t next; /* of the same group and domain, in the order of the file; 0: none */
	uint32_t last; /* of the first: the end of that chain */
};
/* those of dkim-headers; there are few */
struct patterns {
	struct pattern {
		struct str text;
		struct regex *regex;
	} * list;
	size_t n;
};
struct dkim_keys {
	const struct conf *c;
	struct entry *entries; /* [0] is none */
	uint32_t n, cap;
	struct hmap by_domain;
	struct patterns *patterns;
};

struct place {
	const struct dkim_keys *k;
	uint32_t group;
	struct str domain;
};

static uint64_t
hash_of(uint32_t group, struct str domain)
{
	return str_ihash(domain) ^ (uint64_t)group * UINT64_C(0x9e3779b97f4a7c15);
}

static bool
is_place(const void *key, uint32_t handle)
{
	const struct place *p = key;
	const struct entry *e = &p->k->entries[handle];

	return e->group == p->group && str_ieq(e->b.domain, p->domain);
}

static uint32_t
first_of(const struct dkim_keys *k, uint32_t group, struct str domain)
{
	struct place p = {.k = k, .group = group, .domain = domain};

	return hmap_find(&k->by_domain, hash_of(group, domain), is_place, &p);
}

static struct str
without_dot(struct str domain)
{
	if (domain.len > 1 && domain.p[domain.len - 1] == '.')
		domain.len--;
	return domain;
}

static void
add(struct dkim_keys *k, uint32_t group, struct dkim_binding b, struct str file)
{
	uint32_t first, new;

	b.domain = without_dot(b.domain);
	if (b.domain.len == 0 || b.selector.len == 0 || !conf_key_file_find(k->c, file, &b.key))
		return;
	if (k->n == k->cap) {
		k->cap *= 2;
		k->entries = xreallocarray(k->entries, k->cap, sizeof *k->entries);
	}
	new = k->n++;
	k->entries[new] = (struct entry){.b = b, .group = group, .last = new};
	first = first_of(k, group, b.domain);
	if (first == 0) {
		hmap_add(&k->by_domain, hash_of(group, b.domain), new);
		return;
	}
	k->entries[k->entries[first].last].next = new;
	k->entries[first].last = new;
}

/* ---- the spellings ---- */

/* SELECTOR,DOMAIN,FILE */
static void
add_specs(struct dkim_keys *k, uint32_t group, const struct conf_set *set, enum conf_key key)
{
	for (size_t i = 0; i < conf_n(set, key); i++) {
		struct str item = conf_item(set, key, i), rest = item;
		struct dkim_binding b = {0};
		str_next(&rest, ',', &b.selector);
		str_next(&rest, ',', &b.domain);
		add(k, group, b, conf_key_file_of(key, item));
	}
}

static bool
is_simple(struct str word)
{
	return str_ieq(word, STR("simple"));
}

/* "relaxed/simple"; without a body's it is simple (RFC 6376 3.5) */
static void
read_canon(struct str text, struct dkim_binding *b)
{
	struct str header = STR_NULL;

	if (text.len == 0)
		return;
	b->has_canon = true;
	str_next(&text, '/', &header);
	b->header_canon = is_simple(header) ? DKIM_SIMPLE : DKIM_RELAXED;
	b->body_canon = text.len == 0 || is_simple(text) ? DKIM_SIMPLE : DKIM_RELAXED;
}

/* FILE DOMAIN SELECTOR [CANON] */
static struct dkim_binding
line_of(struct str line, struct str *file)
{
	struct dkim_binding b = {.signs = true};
	struct str canon = STR_NULL;

	*file = STR_NULL;
	str_next_word(&line, file);
	str_next_word(&line, &b.domain);
	str_next_word(&line, &b.selector);
	str_next_word(&line, &canon);
	b.domain = without_dot(b.domain);
	read_canon(canon, &b);
	return b;
}

static void
add_dkim_block(struct dkim_keys *k, const struct conf_set *set)
{
	struct dkim_binding b = {.selector = conf_str(set, CONF_DKIM_SELECTOR),
	    .header_list = conf_str(set, CONF_DKIM_HEADER_LIST),
	    .signs = true};

	read_canon(conf_str(set, CONF_DKIM_CANONICALIZATION), &b);
	for (size_t i = 0; i < conf_n(set, CONF_DKIM_DOMAIN); i++) {
		b.domain = conf_item(set, CONF_DKIM_DOMAIN, i);
		add(k, GROUP_DKIM, b, conf_str(set, CONF_DKIM_PRIVATE_KEY_FILE));
	}
}

/* <domain-key SELECTOR._domainkey.DOMAIN>, where what is written inside holds */
static void
add_key_block(struct dkim_keys *k, const struct conf_set *set, struct str name)
{
	static const struct str middle = {"._domainkey.", 12};
	struct dkim_binding b = {
	    .selector = conf_str(set, CONF_KEY_SELECTOR), .domain = conf_str(set, CONF_KEY_DOMAIN)};
	size_t at = str_find_str(name, middle);

	if (b.selector.len == 0 && at != STR_NPOS)
		b.selector = str_sub(name, 0, at);
	if (b.domain.len == 0 && at != STR_NPOS)
		b.domain = str_skip(name, at + middle.len);
	add(k, GROUP_KEY, b, conf_str(set, CONF_KEY_PRIVATE_KEY));
}

static void
add_vmta(struct dkim_keys *k, uint32_t group, const struct conf_set *set)
{
	for (size_t i = 0; i < conf_n(set, CONF_VMTA_DKIM_SIGN); i++) {
		struct str file;
		struct dkim_binding b = line_of(conf_item(set, CONF_VMTA_DKIM_SIGN, i), &file);
		add(k, group, b, file);
	}
	add_specs(k, group, set, CONF_VMTA_DOMAIN_KEY);
}

static void
add_blocks(struct dkim_keys *k)
{
	const struct conf *c = k->c;
	size_t n = conf_n_blocks(c, CONF_BLOCK_DKIM);

	for (size_t i = 0; i < n; i++)
		add_dkim_block(k, conf_block_at(c, CONF_BLOCK_DKIM, i));
	n = conf_n_blocks(c, CONF_BLOCK_KEY);
	for (size_t i = 0; i < n; i++)
		add_key_block(
		    k, conf_block_at(c, CONF_BLOCK_KEY, i), conf_block_name(c, CONF_BLOCK_KEY, i));
}

struct dkim_keys *
dkim_keys_new(const struct conf *c)
{
	struct dkim_keys *k = xcalloc(1, sizeof *k);
	uint32_t group = GROUP_FIRST_VMTA;
	size_t n = conf_n_blocks(c, CONF_BLOCK_KEYLIST);

	k->c = c;
	k->n = 1;
	k->cap = 16;
	k->entries = xcalloc(k->cap, sizeof *k->entries);
	hmap_init(&k->by_domain);
	k->patterns = xcalloc(1, sizeof *k->patterns);
	add_blocks(k);
	add_specs(k, GROUP_GLOBAL, conf_global(c), CONF_GLOBAL_DOMAIN_KEY);
	for (size_t i = 0; i < conf_n_vmtas(c); i++)
		add_vmta(k, group++, conf_vmta_at(c, i)->set);
	for (size_t i = 0; i < conf_n_pools(c); i++)
		add_specs(k, group++, conf_pool_at(c, i)->set, CONF_POOL_DOMAIN_KEY);
	for (size_t i = 0; i < n; i++)
		add_specs(
		    k, group++, conf_block_at(c, CONF_BLOCK_KEYLIST, i), CONF_KEYLIST_DOMAIN_KEY);
	return k;
}

void
dkim_keys_free(struct dkim_keys **k)
{
	if (*k == NULL)
		return;
	hmap_clear(&(*k)->by_domain);
	for (size_t i = 0; i < (*k)->patterns->n; i++)
		regex_free(&(*k)->patterns->list[i].regex);
	free((*k)->patterns->list);
	free((*k)->patterns);
	free((*k)->entries);
	xfree(k);
}

const struct regex *
dkim_keys_pattern(const struct dkim_keys *k, struct str pattern)
{
	struct patterns *p = k->patterns;
	struct why why;

	for (size_t i = 0; i < p->n; i++)
		if (str_eq(p->list[i].text, pattern))
			return p->list[i].regex;
	p->list = xreallocarray(p->list, p->n + 1, sizeof *p->list);
	p->list[p->n] = (struct pattern){
	    .text = pattern, .regex = regex_new(str_sub(pattern, 1, pattern.len - 2), &why)};
	return p->list[p->n++].regex;
}

/* ---- looking ---- */

static uint32_t
vmta_group(const struct conf *c, struct str name)
{
	const struct conf_vmta *v = name.len == 0 ? NULL : conf_vmta(c, name);

	return v == NULL ? GROUP_NONE : GROUP_FIRST_VMTA + (uint32_t)(v - conf_vmta_at(c, 0));
}

static uint32_t
pool_group(const struct conf *c, struct str name)
{
	const struct conf_pool *p = name.len == 0 ? NULL : conf_pool(c, name);

	return p == NULL ? GROUP_NONE
			 : GROUP_FIRST_VMTA + (uint32_t)conf_n_vmtas(c) +
			       (uint32_t)(p - conf_pool_at(c, 0));
}

static uint32_t
list_group(const struct conf *c, struct str name)
{
	size_t n = conf_n_blocks(c, CONF_BLOCK_KEYLIST);

	for (size_t i = 0; i < n; i++)
		if (str_ieq(conf_block_name(c, CONF_BLOCK_KEYLIST, i), name))
			return GROUP_FIRST_VMTA + (uint32_t)(conf_n_vmtas(c) + conf_n_pools(c) + i);
	return GROUP_NONE;
}

static bool
is_same(const struct dkim_binding *a, const struct dkim_binding *b)
{
	return a->key == b->key && str_ieq(a->selector, b->selector);
}

static bool
fits(const struct dkim_search *s, const struct dkim_binding *b)
{
	bool is_any = str_eq(b->domain, STR("*"));

	if (s->selector.len > 0 && !str_ieq(s->selector, b->selector))
		return false;
	if (s->domain.len > 0 && !is_any && !str_ieq(s->domain, b->domain))
		return false;
	if (s->signs_only && !b->signs)
		return false;
	return s->but == NULL || !is_same(s->but, b);
}

/* The first that fits of this domain in this group; 0: none. */
static uint32_t
of_domain(const struct dkim_keys *k, uint32_t group, const struct dkim_search *s, struct str domain)
{
	uint32_t i = first_of(k, group, domain);

	while (i != 0 && !fits(s, &k->entries[i].b))
		i = k->entries[i].next;
	return i;
}

/* The first in the order of the file of those for the identity's domain, those above it, and any. */
static uint32_t
of_group(const struct dkim_keys *k, uint32_t group, const struct dkim_search *s)
{
	uint32_t best = 0, i = of_domain(k, group, s, STR("*"));
	struct str domain = s->identity;
	size_t dot;

	best = i;
	while (domain.len > 0) {
		i = of_domain(k, group, s, domain);
		if (i != 0 && (best == 0 || i < best || group == GROUP_KEY)) {
			best = i;
			/* found by name: the nearest, not the first */
			if (group == GROUP_KEY)
				break;
		}
		dot = str_find(domain, '.');
		domain = dot == STR_NPOS ? STR_NULL : str_skip(domain, dot + 1);
	}
	return best;
}

bool
dkim_keys_any_signs(const struct dkim_keys *k, const struct conf_set *queue, struct str vmta)
{
	const struct conf_vmta *v = vmta.len == 0 ? NULL : conf_vmta(k->c, vmta);

	return conf_n_blocks(k->c, CONF_BLOCK_DKIM) > 0 ||
	       conf_n(queue, CONF_DOMAIN_DKIM_SIGN_KEY) > 0 ||
	       (v != NULL && conf_n(v->set, CONF_VMTA_DKIM_SIGN) > 0);
}

static bool
of_queue(const struct dkim_keys *k, const struct dkim_search *s, struct dkim_binding *found)
{
	for (size_t i = 0; i < conf_n(s->queue, CONF_DOMAIN_DKIM_SIGN_KEY); i++) {
		struct str file, line = conf_item(s->queue, CONF_DOMAIN_DKIM_SIGN_KEY, i);
		struct dkim_binding b = line_of(line, &file);
		bool is_any = str_eq(b.domain, STR("*"));
		if (!conf_key_file_find(k->c, file, &b.key) || !fits(s, &b) ||
		    (!is_any && !dkim_is_within(s->identity, b.domain)))
			continue;
		*found = b;
		return true;
	}
	return false;
}

bool
dkim_keys_find(const struct dkim_keys *k, const struct dkim_search *s, struct dkim_binding *found)
{
	uint32_t groups[] = {vmta_group(k->c, s->vmta), pool_group(k->c, s->pool), GROUP_DKIM,
	    GROUP_KEY, GROUP_GLOBAL};
	uint32_t i = 0;

	if (s->list.len > 0) {
		i = of_group(k, list_group(k->c, s->list), s);
	} else {
		if (of_queue(k, s, found))
			return true;
		for (size_t g = 0; g < countof(groups) && i == 0; g++)
			i = groups[g] == GROUP_NONE ? 0 : of_group(k, groups[g], s);
	}
	if (i == 0)
		return false;
	*found = k->entries[i].b;
	return true;
}
