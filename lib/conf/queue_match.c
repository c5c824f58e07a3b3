#include <idn2.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define MATCH_MAX  128 /* blocks that one queue may take values from */
#define LABELS_MAX 128

/*
 * Every pattern of every scope in one table, by its text without the leading "*." or "[*.]" and by its scope: the
 * global blocks (0), or the <virtual-mta> or <virtual-mta-pool> around them (its block's index).
 */
enum kind { EXACT = 1, BELOW = 2, ALL = 4 }; /* name; what is below name; everything */
struct entry {
	struct str text;
	uint64_t hash;
	uint32_t scope;
	uint32_t blk;
	uint32_t next; /* of the same text and scope, newest first; 0: none */
	uint8_t kind;
	bool was_macro;
};
struct literal {
	struct net_cidr cidr;
	uint32_t scope, blk;
};
struct cached {
	struct conf_set *set;
	uint32_t n;
	uint32_t list[]; /* blocks, the most specific first */
};
struct conf_queues {
	struct entry *entries; /* [0] is none */
	size_t n_entries, cap_entries;
	uint32_t *slots; /* open addressing, heads of chains */
	size_t size;
	struct literal *literals; /* the longest first */
	size_t n_literals, cap_literals;
	struct cached **sets;
	size_t sets_size, n_sets;
	uint32_t
	    *outer; /* by VirtualMTA's block: the pool whose <domain> blocks it inherits, or 0 */
	bool *has_blocks; /* by block: are there <domain> blocks in it */
};

static uint64_t
mix(uint64_t hash, uint32_t scope)
{
	hash ^= (uint64_t)scope * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

/* the chain of this text in this scope */
static uint32_t *
slot_of(const struct conf_queues *q, struct str text, uint64_t hash, uint32_t scope)
{
	size_t i = mix(hash, scope) & (q->size - 1);

	for (;; i = (i + 1) & (q->size - 1)) {
		const struct entry *e = &q->entries[q->slots[i]];
		if (q->slots[i] == 0 ||
		    (e->hash == hash && e->scope == scope && str_ieq(e->text, text)))
			return &q->slots[i];
	}
}

static void
grow(struct conf_queues *q)
{
	uint32_t *old = q->slots;
	size_t size = q->size;

	q->size *= 2;
	q->slots = xcalloc(q->size, sizeof q->slots[0]);
	for (size_t i = 0; i < size; i++) {
		const struct entry *e = &q->entries[old[i]];
		if (old[i] != 0)
			*slot_of(q, e->text, e->hash, e->scope) = old[i];
	}
	free(old);
}

static void
add_entry(struct conf_queues *q, struct entry e)
{
	uint32_t *slot;

	if (q->n_entries * 2 >= q->size)
		grow(q);
	CONF_GROW(q->entries, q->n_entries, q->cap_entries);
	e.hash = str_ihash(e.text);
	slot = slot_of(q, e.text, e.hash, e.scope);
	e.next = *slot;
	q->entries[q->n_entries] = e;
	*slot = (uint32_t)q->n_entries++;
}

/* ---- building ---- */

struct adding {
	struct conf_load *l;
	struct conf_queues *q;
	struct conf_blk *b;
};

static bool
is_name(struct str s)
{
	static const char more[] = "-_.{}";

	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_alnum(s.p[i]) && (unsigned char)s.p[i] < 0x80 &&
		    strchr(more, s.p[i]) == NULL)
			return false;
	return s.len > 0 && s.len <= 253 && s.p[0] != '.' && str_find_str(s, STR("..")) == STR_NPOS;
}

/* A name in UTF-8 stands for its ASCII form as well. */
static void
add_name(struct adding *a, struct str name, uint8_t kind, bool was_macro)
{
	struct conf *c = a->l->c;
	struct entry e = {
	    .scope = a->b->parent, .blk = a->b->index, .kind = kind, .was_macro = was_macro};
	bool is_ascii = true;
	char *from, *to = NULL;

	if (name.len > 1 && name.p[name.len - 1] == '.')
		name.len--;
	e.text = conf_mem_str(&c->mem, name);
	add_entry(a->q, e);
	for (size_t i = 0; i < name.len; i++)
		is_ascii = is_ascii && (unsigned char)name.p[i] < 0x80;
	if (is_ascii)
		return;
	from = xstrdup_str(name);
	if (idn2_to_ascii_8z(from, &to, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) == IDN2_OK) {
		e.text = conf_mem_str(&c->mem, str_of(to));
		add_entry(a->q, e);
	} else
		conf_error(a->l, a->b->at, "<domain>: \"%s\" is no domain name", from);
	idn2_free(to);
	free(from);
}

static bool
add_literal(struct adding *a, struct str inner)
{
	struct literal lit = {.scope = a->b->parent, .blk = a->b->index};

	if (!net_cidr_parse(inner, &lit.cidr))
		return false;
	CONF_GROW(a->q->literals, a->q->n_literals, a->q->cap_literals);
	a->q->literals[a->q->n_literals++] = lit;
	return true;
}

static void
add_pattern(void *arg, struct str s, bool was_macro)
{
	struct adding *a = arg;

	if (str_eq(s, STR("*"))) {
		add_name(a, STR("*"), ALL, was_macro);
		return;
	}
	if (str_has_prefix(s, STR("*.")) && is_name(str_skip(s, 2))) {
		add_name(a, str_skip(s, 2), BELOW, was_macro);
		return;
	}
	if (str_has_prefix(s, STR("[*.]")) && is_name(str_skip(s, 4))) {
		add_name(a, str_skip(s, 4), EXACT | BELOW, was_macro);
		return;
	}
	if (s.len > 2 && s.p[0] == '[' && s.p[s.len - 1] == ']' &&
	    add_literal(a, str_sub(s, 1, s.len - 2)))
		return;
	if (!is_name(s)) {
		conf_error(a->l, a->b->at,
		    "<domain>: \"%.*s\" is none of name, *.name, [*.]name, [CIDR], *", STR_ARG(s));
		return;
	}
	add_name(a, s, EXACT, was_macro);
}

static int
by_bits(const void *a, const void *b)
{
	const struct literal *x = a, *y = b;

	if (x->cidr.bits != y->cidr.bits)
		return x->cidr.bits > y->cidr.bits ? -1 : 1;
	return (x->blk < y->blk) - (x->blk > y->blk); /* the newest first */
}

/* the pools' <domain> blocks are inherited by their members */
static void
set_outer(struct conf_load *l, struct conf_queues *q)
{
	struct conf *c = l->c;
	uint32_t blk;

	for (size_t i = 0; i < c->n_blocks; i++) {
		struct conf_blk *b = c->blocks[i];
		struct conf_value *v = conf_blk_value(b, CONF_POOL_VIRTUAL_MTA);
		if (b->kind != CONF_BLOCK_POOL || v == NULL || !q->has_blocks[i])
			continue;
		for (uint32_t j = 0; j < v->n; j++) {
			struct str rest = v->items[j].text, name;
			if (str_next_word(&rest, &name) && conf_names_get(c->names, name, &blk) &&
			    q->outer[blk] == 0)
				q->outer[blk] = (uint32_t)i;
		}
	}
}

void
conf_queues_build(struct conf_load *l)
{
	struct conf *c = l->c;
	struct conf_queues *q = xcalloc(1, sizeof *q);

	c->queues = q;
	q->size = 64;
	q->slots = xcalloc(q->size, sizeof q->slots[0]);
	q->sets_size = 64;
	q->sets = xcalloc(q->sets_size, sizeof q->sets[0]);
	q->outer = xcalloc(c->n_blocks, sizeof q->outer[0]);
	q->has_blocks = xcalloc(c->n_blocks, sizeof q->has_blocks[0]);
	CONF_GROW(q->entries, q->n_entries, q->cap_entries);
	q->entries[q->n_entries++] = (struct entry){0};
	for (size_t i = 0; i < c->n_blocks; i++) {
		struct adding a = {.l = l, .q = q, .b = c->blocks[i]};
		if (a.b->kind != CONF_BLOCK_DOMAIN || a.b->is_dead)
			continue;
		q->has_blocks[a.b->parent] = true;
		for (size_t j = 0; j < a.b->n_names; j++)
			conf_macro_expand(l, a.b->names[j], a.b->at, add_pattern, &a);
	}
	if (q->n_literals > 1)
		qsort(q->literals, q->n_literals, sizeof q->literals[0], by_bits);
	set_outer(l, q);
}

void
conf_queues_free(struct conf_queues **q)
{
	if (*q == NULL)
		return;
	for (size_t i = 0; i < (*q)->sets_size; i++)
		free((*q)->sets[i]);
	free((*q)->sets);
	free((*q)->entries);
	free((*q)->slots);
	free((*q)->literals);
	free((*q)->outer);
	free((*q)->has_blocks);
	xfree(q);
}

/* ---- asking ---- */

struct matching {
	const struct conf_queues *q;
	uint32_t list[MATCH_MAX];
	uint32_t n;
};
struct name {
	struct str text[LABELS_MAX]; /* the name, and what remains without each leading label */
	uint64_t hash[LABELS_MAX];
	size_t n;
	uint64_t all; /* hash of "*" */
	struct str whole;
};

static void
split(struct str domain, struct name *n)
{
	size_t dot;

	n->n = 0;
	n->whole = domain;
	while (n->n < LABELS_MAX && domain.len > 0) {
		n->text[n->n] = domain;
		n->hash[n->n++] = str_ihash(domain);
		if ((dot = str_find(domain, '.')) == STR_NPOS)
			break;
		domain = str_skip(domain, dot + 1);
	}
}

static void
take(struct matching *m, struct str text, uint64_t hash, uint32_t scope, uint8_t kind)
{
	const struct conf_queues *q = m->q;

	for (int was_macro = 0; was_macro < 2;
	     was_macro++) /* what is written out beats what a macro made */
		for (uint32_t i = *slot_of(q, text, hash, scope); i != 0; i = q->entries[i].next)
			if ((q->entries[i].kind & kind) != 0 &&
			    q->entries[i].was_macro == was_macro && m->n < MATCH_MAX)
				m->list[m->n++] = q->entries[i].blk;
}

static void
take_literals(struct matching *m, struct str domain, uint32_t scope)
{
	struct str inner = str_sub(domain, 1, domain.len - 2);
	struct net_addr a;

	if (str_has_iprefix(inner, STR("IPv6:")))
		inner = str_skip(inner, 5);
	if (!net_addr_parse(inner, &a))
		return;
	for (size_t i = 0; i < m->q->n_literals && m->n < MATCH_MAX; i++) {
		const struct literal *lit = &m->q->literals[i];
		if (lit->scope == scope && (lit->cidr.bits == 0 || net_cidr_has(&lit->cidr, &a)))
			m->list[m->n++] = lit->blk;
	}
}

static void
match_scope(struct matching *m, const struct name *n, uint32_t scope)
{
	bool is_literal = n->whole.len > 2 && n->whole.p[0] == '[';

	if (is_literal)
		take_literals(m, n->whole, scope);
	for (size_t i = 0; i < n->n && !is_literal; i++) {
		if (i == 0)
			take(m, n->text[i], n->hash[i], scope, EXACT);
		else
			take(m, n->text[i], n->hash[i], scope, BELOW);
	}
	take(m, STR("*"), n->all, scope, ALL);
}

static struct cached **
cached_of(const struct conf_queues *q, const struct matching *m)
{
	size_t i = str_hash(str_from((const char *)m->list, m->n * sizeof m->list[0])) &
		   (q->sets_size - 1);

	while (q->sets[i] != NULL && (q->sets[i]->n != m->n || memcmp(q->sets[i]->list, m->list,
								   m->n * sizeof m->list[0]) != 0))
		i = (i + 1) & (q->sets_size - 1);
	return &q->sets[i];
}

static void
grow_sets(struct conf_queues *q)
{
	struct cached **old = q->sets;
	size_t size = q->sets_size;

	q->sets_size *= 2;
	q->sets = xcalloc(q->sets_size, sizeof q->sets[0]);
	for (size_t i = 0; i < size; i++) {
		struct matching m = {.q = q};
		if (old[i] == NULL)
			continue;
		m.n = old[i]->n;
		memcpy(m.list, old[i]->list, m.n * sizeof m.list[0]);
		*cached_of(q, &m) = old[i];
	}
	free(old);
}

static const struct conf_set *
set_of(const struct conf *c, const struct matching *m)
{
	struct conf_queues *q = c->queues;
	struct cached **slot = cached_of(q, m), *new;
	struct conf_blk *list[MATCH_MAX];

	if (*slot != NULL)
		return (*slot)->set;
	if (q->n_sets * 2 >= q->sets_size) {
		grow_sets(q);
		slot = cached_of(q, m);
	}
	new = xcalloc(1, sizeof *new + m->n * sizeof new->list[0]);
	new->n = m->n;
	for (uint32_t i = 0; i < m->n; i++) {
		new->list[i] = m->list[i];
		list[i] = c->blocks[m->list[i]];
	}
	new->set = conf_set_new(c, CONF_BLOCK_DOMAIN, list, m->n);
	*slot = new;
	q->n_sets++;
	return new->set;
}

const struct conf_set *
conf_queue(const struct conf *c, struct str domain, struct str vmta)
{
	struct matching m;
	struct name n;
	uint32_t blk;

	m.q = c->queues;
	m.n = 0;
	if (domain.len > 1 && domain.p[domain.len - 1] == '.')
		domain.len--;
	split(domain, &n);
	n.all = str_ihash(STR("*"));
	if (vmta.len > 0 && conf_names_get(c->names, vmta, &blk)) {
		if (m.q->has_blocks[blk])
			match_scope(&m, &n, blk);
		if (m.q->outer[blk] != 0)
			match_scope(&m, &n, m.q->outer[blk]);
	}
	match_scope(&m, &n, 0);
	return set_of(c, &m);
}
