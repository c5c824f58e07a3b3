/*
 * Many small objects of one size, named by 32-bit handles instead of pointers: half the memory for links, and a
 * handle survives what moves. Handle 0 is "none". Objects never move, so a pointer is good until slab_free().
 */
#ifndef PH_BASE_SLAB_H
#define PH_BASE_SLAB_H

#include "lib/base/base.h"

#define SLAB_CHUNK_ITEMS 4096u

struct slab {
	size_t item;
	char **chunks;
	uint32_t n_chunks;
	uint32_t n_given; /* handles ever given out */
	uint32_t free_head;
	uint32_t n_used;
};

/* item: bytes an object, >= 4 */
void slab_init(struct slab *s, size_t item);
void slab_clear(struct slab *s);
/* A zeroed object's handle, never 0. */
uint32_t slab_new(struct slab *s);
void slab_free(struct slab *s, uint32_t handle);
void slab_bad_handle(const struct slab *s, uint32_t handle) __attribute__((noreturn, cold));
/* The object; panics for a handle that was never given out. */
static inline void *
slab_at(const struct slab *s, uint32_t handle)
{
	uint32_t i = handle - 1; /* 0: the highest number */

	if (i >= s->n_given)
		slab_bad_handle(s, handle);
	return s->chunks[i / SLAB_CHUNK_ITEMS] + (i % SLAB_CHUNK_ITEMS) * s->item;
}
/* One past the highest handle, for walks (free objects are among them: the caller must be able to tell). */
uint32_t slab_end(const struct slab *s);

#endif
