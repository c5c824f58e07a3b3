#include "lib/base/hmap.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

void
hmap_init(struct hmap *m)
{
	*m = (struct hmap){0};
}

void
hmap_clear(struct hmap *m)
{
	free(m->slots);
	hmap_init(m);
}

static void
put(struct hmap *m, uint32_t hash, uint32_t handle)
{
	uint32_t i = hash & (m->size - 1);

	while (m->slots[i].handle != 0)
		i = (i + 1) & (m->size - 1);
	m->slots[i] = (struct hmap_slot){.handle = handle, .hash = hash};
}

static void
grow(struct hmap *m)
{
	struct hmap old = *m;

	m->size = old.size == 0 ? 64 : old.size * 2;
	m->slots = xcalloc(m->size, sizeof *m->slots);
	for (uint32_t i = 0; i < old.size; i++) {
		if (old.slots[i].handle != 0)
			put(m, old.slots[i].hash, old.slots[i].handle);
	}
	free(old.slots);
}

uint32_t
hmap_find(const struct hmap *m, uint64_t hash64, hmap_eq *eq, const void *key)
{
	uint32_t hash = (uint32_t)hash64, i;

	if (m->size == 0)
		return 0;
	for (i = hash & (m->size - 1); m->slots[i].handle != 0; i = (i + 1) & (m->size - 1)) {
		if (m->slots[i].hash == hash && eq(key, m->slots[i].handle))
			return m->slots[i].handle;
	}
	return 0;
}

void
hmap_add(struct hmap *m, uint64_t hash, uint32_t handle)
{
	if (m->n + 1 > m->size / 4 * 3)
		grow(m);
	put(m, (uint32_t)hash, handle);
	m->n++;
}

/* closes the gap at i: moves back each follower that would no longer be found */
static void
close_gap(struct hmap *m, uint32_t i)
{
	uint32_t mask = m->size - 1, j = i;

	for (;;) {
		j = (j + 1) & mask;
		if (m->slots[j].handle == 0)
			break;
		if (((j - m->slots[j].hash) & mask) < ((j - i) & mask))
			continue;
		m->slots[i] = m->slots[j];
		i = j;
	}
	m->slots[i].handle = 0;
}

void
hmap_remove(struct hmap *m, uint64_t hash64, uint32_t handle)
{
	uint32_t hash = (uint32_t)hash64, mask = m->size - 1, i;

	if (m->size == 0)
		panic("hmap: remove from an empty table");
	for (i = hash & mask; m->slots[i].handle != handle; i = (i + 1) & mask) {
		if (m->slots[i].handle == 0)
			panic("hmap: handle %u is not there", handle);
	}
	close_gap(m, i);
	m->n--;
}
