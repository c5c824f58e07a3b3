#include "tests/mxsim/table64.h"

#include "lib/base/xalloc.h"

static struct table64_slot *
find_slot(struct table64_slot *slots, size_t size, uint64_t key)
{
	size_t i = (size_t)key & (size - 1);

	while (slots[i].key != 0 && slots[i].key != key)
		i = (i + 1) & (size - 1);
	return &slots[i];
}

static void
grow(struct table64 *t)
{
	size_t size = t->size == 0 ? 1024 : t->size * 2;
	struct table64_slot *slots = xcalloc(size, sizeof(*slots));

	for (size_t i = 0; i < t->size; i++) {
		if (t->slots[i].key != 0)
			*find_slot(slots, size, t->slots[i].key) = t->slots[i];
	}
	free(t->slots);
	t->slots = slots;
	t->size = size;
}

int64_t *
table64_at(struct table64 *t, uint64_t key)
{
	struct table64_slot *s;

	if (key == 0)
		key = 1;
	if (t->n * 2 >= t->size)
		grow(t);
	s = find_slot(t->slots, t->size, key);
	if (s->key == 0) {
		s->key = key;
		t->n++;
	}
	return &s->value;
}

void
table64_clear(struct table64 *t)
{
	xfree(&t->slots);
	t->size = 0;
	t->n = 0;
}
