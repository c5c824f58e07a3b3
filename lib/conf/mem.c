#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define CHUNK 65536

struct conf_chunk {
	struct conf_chunk *next;
	_Alignas(16) char data[];
};

void *
conf_mem(struct conf_pool_mem *m, size_t size)
{
	struct conf_chunk *c;
	void *p;

	size = (size + 15) & ~(size_t)15;
	if (m->size - m->used < size) {
		m->size = PH_MAX(size, (size_t)CHUNK);
		m->used = 0;
		c = xcalloc(1, sizeof *c + m->size);
		c->next = m->chunks;
		m->chunks = c;
	}
	p = m->chunks->data + m->used;
	m->used += size;
	return p;
}

/* with a NUL behind it, for printf's sake */
struct str
conf_mem_str(struct conf_pool_mem *m, struct str s)
{
	char *p = conf_mem(m, s.len + 1);

	if (s.len > 0)
		memcpy(p, s.p, s.len);
	return str_from(p, s.len);
}

void
conf_mem_clear(struct conf_pool_mem *m)
{
	while (m->chunks != NULL) {
		struct conf_chunk *next = m->chunks->next;
		free(m->chunks);
		m->chunks = next;
	}
	m->used = m->size = 0;
}
