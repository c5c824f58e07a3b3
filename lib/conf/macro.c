#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define EXPANSIONS_MAX 100000 /* of one pattern */
#define PATTERN_MAX    1024   /* bytes of one expanded pattern */

static bool
is_macro_char(char c)
{
	return ascii_is_alnum(c) || c == '_';
}

static struct conf_macro *
find(struct conf *c, struct str name)
{
	for (size_t i = 0; i < c->n_macros; i++)
		if (str_ieq(c->macros[i].name, name))
			return &c->macros[i];
	return NULL;
}

/* Next $NAME at or behind `from`: its place, STR_NPOS when there is none; *name without the $. */
static size_t
next_reference(struct str s, size_t from, struct str *name)
{
	for (size_t i = from; i < s.len; i++) {
		size_t n = 1;
		if (s.p[i] != '$')
			continue;
		while (i + n < s.len && is_macro_char(s.p[i + n]))
			n++;
		*name = str_sub(s, i + 1, n - 1);
		return i;
	}
	return STR_NPOS;
}

bool
conf_macro_define(struct conf_load *l, struct str name, struct str list, struct conf_at at)
{
	struct conf *c = l->c;
	struct conf_macro m = {.name = name, .at = at};
	struct str rest = list, item;
	size_t n = 1;

	for (size_t i = 0; i < name.len; i++)
		if (!is_macro_char(name.p[i])) {
			conf_error(l, at,
			    "domain-macro: the name \"%.*s\" may have letters, digits and _",
			    STR_ARG(name));
			return false;
		}
	if (find(c, name) != NULL) {
		conf_error(l, at, "domain-macro: \"%.*s\" is defined twice, first in line %u",
		    STR_ARG(name), find(c, name)->at.line);
		return false;
	}
	for (size_t i = 0; i < list.len; i++)
		n += list.p[i] == ',';
	m.items = conf_mem(&c->mem, n * sizeof m.items[0]);
	while (str_next(&rest, ',', &item))
		m.items[m.n++] = str_trim(item);
	CONF_GROW(c->macros, c->n_macros, c->cap_macros);
	c->macros[c->n_macros++] = m;
	return true;
}

/* ---- loops: depth first with a stack of our own ---- */

enum { NEW, OPEN, DONE };
struct visit {
	struct conf_macro *m;
	size_t item, pos;
};

static struct conf_macro *
next_macro(struct conf_load *l, struct visit *v)
{
	while (v->item < v->m->n) {
		struct str name;
		struct conf_macro *to;
		v->pos = next_reference(v->m->items[v->item], v->pos, &name);
		if (v->pos == STR_NPOS) {
			v->item++;
			v->pos = 0;
			continue;
		}
		v->pos++;
		if ((to = find(l->c, name)) != NULL)
			return to;
		conf_error(l, v->m->at, "domain-macro: $%.*s is not defined", STR_ARG(name));
	}
	return NULL;
}

static void
say_loop(struct conf_load *l, const struct visit *stack, size_t n, const struct conf_macro *to)
{
	struct buf b;
	size_t i = 0;

	while (stack[i].m != to)
		i++;
	buf_init(&b, 800);
	for (; i < n; i++)
		buf_addf(&b, "%.*s -> ", STR_ARG(stack[i].m->name));
	buf_add_str(&b, to->name);
	conf_error(l, to->at, "domain-macro: a loop: %s", buf_cstr(&b));
	buf_clear(&b);
}

bool
conf_macros_check(struct conf_load *l)
{
	struct conf *c = l->c;
	struct visit *stack = xcalloc(c->n_macros + 1, sizeof *stack);
	size_t before = l->n_errors;

	for (size_t i = 0; i < c->n_macros; i++) {
		size_t n = 0;
		if (c->macros[i].mark == NEW) {
			c->macros[i].mark = OPEN;
			stack[n++] = (struct visit){.m = &c->macros[i]};
		}
		while (n > 0) {
			struct conf_macro *to = next_macro(l, &stack[n - 1]);
			if (to == NULL) {
				stack[--n].m->mark = DONE;
			} else if (to->mark == OPEN) {
				say_loop(l, stack, n, to);
			} else if (to->mark == NEW) {
				to->mark = OPEN;
				stack[n++] = (struct visit){.m = to};
			}
		}
	}
	free(stack);
	return l->n_errors == before;
}

/* ---- expansion: the work list holds what still has references ---- */

struct work {
	char **list;
	size_t n, cap, made;
};

static bool
push(struct conf_load *l, struct work *w, struct conf_at at, char *s)
{
	if (++w->made > EXPANSIONS_MAX || strlen(s) > PATTERN_MAX) {
		conf_error(l, at, "the macros make %s",
		    w->made > EXPANSIONS_MAX ? "more than 100000 patterns"
					     : "a pattern longer than 1024 bytes");
		free(s);
		return false;
	}
	CONF_GROW(w->list, w->n, w->cap);
	w->list[w->n++] = s;
	return true;
}

static bool
replace(struct conf_load *l, struct work *w, struct str s, size_t at, struct str name,
    struct conf_at where)
{
	const struct conf_macro *m = find(l->c, name);

	if (m == NULL) {
		conf_error(l, where, "$%.*s is not defined by domain-macro", STR_ARG(name));
		return false;
	}
	for (size_t i = m->n; i-- > 0;)
		if (!push(l, w, where,
			xasprintf("%.*s%.*s%.*s", STR_ARG(str_sub(s, 0, at)), STR_ARG(m->items[i]),
			    STR_ARG(str_skip(s, at + 1 + name.len)))))
			return false;
	return true;
}

bool
conf_macro_expand(
    struct conf_load *l, struct str pattern, struct conf_at at, conf_expand_fn *f, void *arg)
{
	struct work w = {0};
	bool is_ok = true, was_macro = str_find(pattern, '$') != STR_NPOS;

	push(l, &w, at, xstrdup_str(pattern));
	while (w.n > 0) {
		char *s = w.list[--w.n];
		struct str name;
		size_t i = next_reference(str_of(s), 0, &name);
		if (is_ok && i == STR_NPOS)
			f(arg, str_of(s), was_macro);
		else if (is_ok)
			is_ok = replace(l, &w, str_of(s), i, name, at);
		free(s);
	}
	free(w.list);
	return is_ok;
}
