#include "lib/base/slab.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

void
slab_init(struct slab *s, size_t item)
{
	*s = (struct slab){.item = (item + 7) & ~(size_t)7};
}

void
slab_clear(struct slab *s)
{
	for (uint32_t i = 0; i < s->n_chunks; i++)
		free(s->chunks[i]);
	free(s->chunks);
	slab_init(s, s->item);
}

static void
add_chunk(struct slab *s)
{
	s->chunks = xreallocarray(s->chunks, s->n_chunks + 1, sizeof *s->chunks);
	s->chunks[s->n_chunks++] = xcalloc(SLAB_CHUNK_ITEMS, s->item);
}

void
slab_bad_handle(const struct slab *s, uint32_t handle)
{
	panic("slab: handle %u of %u", handle, s->n_given);
}

uint32_t
slab_new(struct slab *s)
{
	uint32_t h = s->free_head;
	void *p;

	s->n_used++;
	if (h != 0) {
		p = slab_at(s, h);
		memcpy(&s->free_head, p, sizeof s->free_head);
		memset(p, 0, s->item);
		return h;
	}
	if (s->n_given == s->n_chunks * SLAB_CHUNK_ITEMS)
		add_chunk(s);
	return ++s->n_given;
}

void
slab_free(struct slab *s, uint32_t handle)
{
	void *p = slab_at(s, handle);

	memset(p, 0, s->item);
	memcpy(p, &s->free_head, sizeof s->free_head);
	s->free_head = handle;
	s->n_used--;
}

uint32_t
slab_end(const struct slab *s)
{
	return s->n_given + 1;
}
