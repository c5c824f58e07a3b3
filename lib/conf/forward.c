/* <aliases>, and what mail to our own names becomes: postmaster and abuse go to `postmaster`. */
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"
#include "lib/conf/processor.h"

struct forward {
	struct str *targets;
	size_t n;
};
struct conf_forwards {
	struct forward *list;
	size_t n, cap;
	struct conf_names *names; /* address, local part, *@domain */
	struct forward postmaster;
	bool has_local_queue;
};

/* ---- loading ---- */

static void
check_target(struct conf_load *l, struct str text, const struct conf_item *it)
{
	struct why why;

	if (conf_syntax_arg(&l->c->mem, STR("EMAIL"), &text, &why) == -1)
		conf_error(l, it->at, "alias: %s", why.text);
}

/* The line's targets behind those that the source has. */
static void
add_targets(struct conf_load *l, struct forward *f, struct str list, const struct conf_item *it)
{
	struct str *all, piece;
	size_t n = f->n + 1;

	for (size_t i = 0; i < list.len; i++)
		n += list.p[i] == ',';
	all = conf_mem(&l->c->mem, n * sizeof *all);
	if (f->n > 0)
		memcpy(all, f->targets, f->n * sizeof *all);
	f->targets = all;
	while (list.len > 0 && str_next(&list, ',', &piece)) {
		all[f->n] = str_trim(piece);
		check_target(l, all[f->n++], it);
	}
}

/* "SRC TARGET,TARGET"; a source that is there already gets the targets too */
static void
add_alias(struct conf_load *l, const struct conf_item *it)
{
	struct conf_forwards *t = l->c->forwards;
	struct str rest = it->text;
	struct conf_word w;
	uint32_t i;

	if (!conf_lex_word(&l->c->mem, &rest, '\0', &w))
		return;
	if (str_find(w.text, '*') != STR_NPOS && !str_has_prefix(w.text, STR("*@")))
		conf_error(
		    l, it->at, "alias: \"%.*s\" is not ADDRESS, USER or *@DOMAIN", STR_ARG(w.text));
	if (!conf_names_get(t->names, w.text, &i)) {
		CONF_GROW(t->list, t->n, t->cap);
		i = (uint32_t)t->n;
		t->list[t->n++] = (struct forward){0};
		(void)conf_names_put(t->names, w.text, i);
	}
	add_targets(l, &t->list[i], str_trim(rest), it);
}

void
conf_forwards_build(struct conf_load *l)
{
	struct conf *c = l->c;
	struct conf_forwards *t = c->forwards = xcalloc(1, sizeof *t);
	const struct conf_value *v;

	t->names = conf_names_new();
	for (size_t i = 0; i < c->n_blocks; i++) {
		struct conf_blk *b = c->blocks[i];
		if (b->kind == CONF_BLOCK_DOMAIN && b->parent == 0)
			t->has_local_queue = t->has_local_queue || str_ieq(b->name, STR("local"));
		if (b->kind != CONF_BLOCK_ALIASES || b->is_dead ||
		    (v = conf_blk_value(b, CONF_ALIASES_ALIAS)) == NULL)
			continue;
		for (uint32_t k = 0; k < v->n; k++)
			add_alias(l, &v->items[k]);
	}
	v = conf_blk_value(c->blocks[0], CONF_GLOBAL_POSTMASTER);
	if (v == NULL || v->n == 0)
		return;
	t->postmaster.targets = conf_mem(&c->mem, v->n * sizeof(struct str));
	for (uint32_t k = 0; k < v->n; k++)
		t->postmaster.targets[t->postmaster.n++] = v->items[k].text;
}

void
conf_forwards_free(struct conf_forwards **t)
{
	if (*t == NULL)
		return;
	conf_names_free(&(*t)->names);
	free((*t)->list);
	xfree(t);
}

/* ---- asking ---- */

bool
conf_is_local_domain(const struct conf *c, struct str domain)
{
	const struct conf_value *v = conf_blk_value(c->blocks[0], CONF_GLOBAL_HOST_NAME);

	for (uint32_t i = 0; v != NULL && i < v->n; i++)
		if (str_ieq(v->items[i].text, domain))
			return true;
	return false;
}

bool
conf_goes_local(const struct conf *c, struct str domain)
{
	return c->forwards->has_local_queue && conf_is_local_domain(c, domain);
}

static const struct forward *
find(const struct conf_forwards *t, struct str name)
{
	uint32_t i;

	return conf_names_get(t->names, name, &i) ? &t->list[i] : NULL;
}

static const struct forward *
find_any_of(const struct conf_forwards *t, struct str domain)
{
	char text[2 + 256];

	if (domain.len > 255)
		return NULL;
	return find(
	    t, str_from(text, (size_t)snprintf(text, sizeof text, "*@%.*s", STR_ARG(domain))));
}

size_t
conf_forward(const struct conf *c, struct str address, const struct str **targets)
{
	const struct conf_forwards *t = c->forwards;
	size_t at = str_rfind(address, '@');
	struct str local = str_sub(address, 0, at), domain = str_skip(address, at + 1);
	bool is_local = at != STR_NPOS && conf_is_local_domain(c, domain);
	const struct forward *f = find(t, address);

	if (at == STR_NPOS)
		return 0;
	if (f == NULL && is_local)
		f = find(t, local);
	if (f == NULL && conf_processor_of(c, address) != CONF_NO_PROCESSOR)
		return 0;
	if (f == NULL && is_local &&
	    (str_ieq(local, STR("postmaster")) || str_ieq(local, STR("abuse"))))
		f = &t->postmaster;
	if (f == NULL)
		f = find_any_of(t, domain);
	if (f == NULL)
		return 0;
	*targets = f->targets;
	return f->n;
}
