#include "lib/spool/needs_int.h"

#include "lib/base/xalloc.h"

uint64_t
need_key_segment(uint32_t writer, uint32_t generation)
{
	/* ids begin with a zero bit until 2089 */
	return ~((uint64_t)writer << 32 | generation);
}

uint64_t
need_key(const struct done_line *l)
{
	return l->writer == DONE_NO_WRITER ? l->id : need_key_segment(l->writer, l->generation);
}

/* Where the key is, or where it would go. There is always a free slot. */
static size_t
find(const struct needs *n, uint64_t key)
{
	size_t i = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (n->n_slots - 1);

	while (n->slot[i].key != 0 && n->slot[i].key != key)
		i = (i + 1) & (n->n_slots - 1);
	return i;
}

static void
grow(struct needs *n)
{
	struct needs old = *n;

	n->n_slots = PH_MAX(old.n_slots * 2, (size_t)16);
	n->slot = xcalloc(n->n_slots, sizeof *n->slot);
	for (size_t i = 0; i < old.n_slots; i++)
		if (old.slot[i].key != 0)
			n->slot[find(n, old.slot[i].key)] = old.slot[i];
	free(old.slot);
}

void
needs_add(struct needs *n, uint64_t key)
{
	size_t i;

	if ((n->n_keys + 1) * 4 > n->n_slots * 3)
		grow(n);
	i = find(n, key);
	if (n->slot[i].key == 0)
		n->n_keys++;
	n->slot[i].key = key;
	n->slot[i].n_lines++;
	n->n_lines++;
}

bool
needs_has(const struct needs *n, uint64_t key)
{
	return n->n_keys > 0 && n->slot[find(n, key)].key == key;
}

void
needs_remove(struct needs *n, uint64_t key)
{
	struct need moved;
	size_t i;

	if (!needs_has(n, key))
		return;
	i = find(n, key);
	n->n_keys--;
	n->n_lines -= n->slot[i].n_lines;
	n->slot[i] = (struct need){0};
	/* those behind may have stood there only because the slot was taken */
	for (;;) {
		i = (i + 1) & (n->n_slots - 1);
		if (n->slot[i].key == 0)
			break;
		moved = n->slot[i];
		n->slot[i] = (struct need){0};
		n->slot[find(n, moved.key)] = moved;
	}
}

void
needs_copy(struct needs *to, const struct needs *from)
{
	*to = *from;
	if (from->n_slots == 0)
		return;
	to->slot = xreallocarray(NULL, from->n_slots, sizeof *to->slot);
	memcpy(to->slot, from->slot, from->n_slots * sizeof *to->slot);
}

void
needs_clear(struct needs *n)
{
	free(n->slot);
	*n = (struct needs){0};
}
