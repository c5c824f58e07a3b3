#include "queued/way/rollup.h"

#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/names.h"
#include "queued/control/pause.h"

struct pattern {
	struct str text; /* of the names table */
	bool is_wild;
};
struct rollup {
	struct str name; /* of the names table */
	bool is_wild;
	bool by_ip;
	uint32_t n;
	struct pattern *patterns;
	uint32_t n_learned, next_learned;
	struct str learned[ROLLUP_MAX_NAMES]; /* by_ip: exchangers of domains that joined; owned */
};

struct lists {
	struct rollup *list;
	uint32_t n;
};
static struct lists now;

static struct rollup *
find(const struct lists *l, struct str name)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (str_ieq(l->list[i].name, name))
			return &l->list[i];
	}
	return NULL;
}

/* ---- configuration ---- */

static struct rollup *
get(struct lists *l, struct str name)
{
	struct rollup *r = find(l, name);

	if (r != NULL)
		return r;
	l->list = xreallocarray(l->list, l->n + 1, sizeof *l->list);
	r = &l->list[l->n++];
	*r = (struct rollup){.name = name_text(name_number(name))};
	return r;
}

static void
add_line(struct lists *l, struct str line)
{
	struct str host, name, word;
	struct rollup *r;
	bool is_wild;

	if (!str_next_word(&line, &host) || !str_next_word(&line, &name))
		return;
	r = get(l, name);
	is_wild = str_find(host, '*') != STR_NPOS;
	r->is_wild |= is_wild;
	if (str_next_word(&line, &word) && str_ieq(word, STR("rollup-by-ip")))
		r->by_ip = true;
	r->patterns = xreallocarray(r->patterns, r->n + 1, sizeof *r->patterns);
	r->patterns[r->n++] =
	    (struct pattern){.text = name_text(name_number(host)), .is_wild = is_wild};
}

static void
read_lists(struct lists *l)
{
	const struct conf *c = daemon_conf();

	for (size_t b = 0; b < conf_n_blocks(c, CONF_BLOCK_ROLLUP); b++) {
		const struct conf_set *set = conf_block_at(c, CONF_BLOCK_ROLLUP, b);
		for (size_t i = 0; i < conf_n(set, CONF_ROLLUP_MX); i++)
			add_line(l, conf_item(set, CONF_ROLLUP_MX, i));
	}
}

static bool
is_same(const struct rollup *a, const struct rollup *b)
{
	if (!str_ieq(a->name, b->name) || a->n != b->n || a->by_ip != b->by_ip)
		return false;
	for (uint32_t i = 0; i < a->n; i++) {
		if (!str_ieq(a->patterns[i].text, b->patterns[i].text))
			return false;
	}
	return true;
}

static bool
are_same(const struct lists *a, const struct lists *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++) {
		if (!is_same(&a->list[i], &b->list[i]))
			return false;
	}
	return true;
}

/* mail may wait for the hosts that were learned */
static void
inherit(struct lists *new, struct lists *old)
{
	for (uint32_t i = 0; i < old->n; i++) {
		struct rollup *o = &old->list[i], *r = find(new, o->name);
		if (r == NULL || !r->by_ip)
			continue;
		memcpy(r->learned, o->learned, sizeof r->learned);
		r->n_learned = o->n_learned;
		r->next_learned = o->next_learned;
		o->n_learned = 0;
	}
}

static void
clear(struct lists *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		for (uint32_t k = 0; k < l->list[i].n_learned; k++)
			free((char *)(uintptr_t)l->list[i].learned[k].p);
		free(l->list[i].patterns);
	}
	free(l->list);
}

bool
rollup_configure(void)
{
	struct lists new = {0};
	bool same;

	read_lists(&new);
	same = are_same(&new, &now);
	inherit(&new, &now);
	clear(&now);
	now = new;
	return !same;
}

bool
rollup_is_on(void)
{
	return now.n > 0;
}

/* ---- what an answer named ---- */

void
rollup_mx_clear(struct rollup_mx *mx)
{
	for (uint32_t i = 0; i < mx->n; i++)
		free(mx->names[i]);
	mx->n = 0;
}

static bool
has_name(const struct rollup_mx *mx, struct str name)
{
	for (uint32_t i = 0; i < mx->n; i++) {
		if (str_ieq(str_of(mx->names[i]), name))
			return true;
	}
	return false;
}

void
rollup_mx_add(struct rollup_mx *mx, uint16_t pref, struct str name)
{
	if (name.len > 0 && name.p[name.len - 1] == '.')
		name.len--;
	if (mx->n > 0 && pref > mx->pref)
		return;
	if (mx->n > 0 && pref < mx->pref)
		rollup_mx_clear(mx);
	mx->pref = pref;
	if (mx->n < ROLLUP_MAX_NAMES && !has_name(mx, name))
		mx->names[mx->n++] = xstrdup_str(name);
}

/* ---- matching ---- */

static bool
fits_wild(const struct rollup *r, struct str name)
{
	for (uint32_t i = 0; i < r->n; i++) {
		if (pause_glob(r->patterns[i].text, name))
			return true;
	}
	return false;
}

static bool
fits(const struct rollup *r, const struct rollup_mx *mx)
{
	for (uint32_t i = 0; r->is_wild && i < mx->n; i++) {
		if (!fits_wild(r, str_of(mx->names[i])))
			return false;
	}
	for (uint32_t i = 0; !r->is_wild && i < r->n; i++) {
		if (!has_name(mx, r->patterns[i].text))
			return false;
	}
	return mx->n > 0;
}

/* a pattern names no host: those of the domains that joined are used */
static bool
takes_learned(const struct rollup *r)
{
	return r->by_ip && r->is_wild;
}

static bool
has_hosts(const struct rollup *r, struct str vmta)
{
	const struct conf_set *set;

	if (!r->is_wild || r->by_ip)
		return true;
	set = conf_queue(daemon_conf(), r->name, vmta);
	return conf_str(set, CONF_DOMAIN_SMTP_HOSTS).len > 0;
}

static void
learn(struct rollup *r, const struct rollup_mx *mx)
{
	for (uint32_t i = 0; i < mx->n; i++) {
		struct str name = str_of(mx->names[i]), *at;
		uint32_t k = 0;
		while (k < r->n_learned && !str_ieq(r->learned[k], name))
			k++;
		if (k < r->n_learned)
			continue;
		at = &r->learned[r->next_learned++ % ROLLUP_MAX_NAMES];
		if (r->n_learned == ROLLUP_MAX_NAMES)
			free((char *)(uintptr_t)at->p);
		else
			r->n_learned++;
		*at = str_from(xstrdup_str(name), name.len);
	}
}

struct str
rollup_match(const struct rollup_mx *mx, struct str vmta)
{
	for (uint32_t i = 0; i < now.n; i++) {
		struct rollup *r = &now.list[i];
		if (!fits(r, mx) || !has_hosts(r, vmta))
			continue;
		if (takes_learned(r))
			learn(r, mx);
		return r->name;
	}
	return STR("");
}

bool
rollup_has(struct str name)
{
	return find(&now, name) != NULL;
}

bool
rollup_host(struct str name, uint32_t i, struct str *host)
{
	const struct rollup *r = find(&now, name);

	if (r == NULL || i >= (takes_learned(r) ? r->n_learned : r->n))
		return false;
	*host = takes_learned(r) ? r->learned[i] : r->patterns[i].text;
	return true;
}
