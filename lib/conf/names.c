#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

/* Open addressing; never more than half full; names compare without ASCII case. */
struct slot {
	struct str name;
	uint32_t value;
	bool is_used;
};
struct conf_names {
	struct slot *slots;
	size_t size, n;
};

struct conf_names *
conf_names_new(void)
{
	struct conf_names *t = xcalloc(1, sizeof *t);

	t->size = 16;
	t->slots = xcalloc(t->size, sizeof t->slots[0]);
	return t;
}

void
conf_names_free(struct conf_names **t)
{
	if (*t != NULL)
		free((*t)->slots);
	xfree(t);
}

static struct slot *
find(const struct conf_names *t, struct str name)
{
	size_t i = str_ihash(name) & (t->size - 1);

	while (t->slots[i].is_used && !str_ieq(t->slots[i].name, name))
		i = (i + 1) & (t->size - 1);
	return &t->slots[i];
}

static void
grow(struct conf_names *t)
{
	struct conf_names old = *t;

	t->size *= 2;
	t->slots = xcalloc(t->size, sizeof t->slots[0]);
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].is_used)
			*find(t, old.slots[i].name) = old.slots[i];
	free(old.slots);
}

bool
conf_names_put(struct conf_names *t, struct str name, uint32_t value)
{
	struct slot *s;

	if (t->n * 2 >= t->size)
		grow(t);
	s = find(t, name);
	if (s->is_used)
		return false;
	*s = (struct slot){.name = name, .value = value, .is_used = true};
	t->n++;
	return true;
}

bool
conf_names_get(const struct conf_names *t, struct str name, uint32_t *value)
{
	const struct slot *s = find(t, name);

	if (s->is_used)
		*value = s->value;
	return s->is_used;
}
