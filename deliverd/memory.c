#include "deliverd/memory.h"

#include "lib/base/xalloc.h"

/* texts follow, one behind the other; the whole is a multiple of 8 long */
struct kept {
	struct mono at;
	struct ipc_orphan_result result;
	uint32_t len;
	uint16_t text_len[MEMORY_TEXTS];
	uint16_t pad;
};
_Static_assert(sizeof(struct kept) % 8 == 0, "one begins where the one before ends");

static const size_t max_text[MEMORY_TEXTS] = {
    MEMORY_MAX_REPLY, MEMORY_MAX_NAME, MEMORY_MAX_NAME, MEMORY_MAX_NAME, MEMORY_MAX_NAME};

void
memory_init(struct memory *m, uint32_t size, uint32_t max)
{
	*m = (struct memory){.size = size, .max = max};
}

void
memory_clear(struct memory *m)
{
	free(m->bytes);
	memory_init(m, m->size, m->max);
}

static struct kept *
at(const struct memory *m, uint32_t offset)
{
	return (struct kept *)(void *)(m->bytes + offset);
}

static void
forget_first(struct memory *m)
{
	m->first += at(m, m->first)->len;
	if (--m->n == 0)
		m->first = m->end = m->wrap = 0;
	else if (m->wrap != 0 && m->first == m->wrap)
		m->first = m->wrap = 0;
}

static void
forget_old(struct memory *m, struct mono now)
{
	while (m->n > 0 && mono_diff_ms(at(m, m->first)->at, now) >= MEMORY_AGE_MS)
		forget_first(m);
}

static bool
has_room(struct memory *m, uint32_t len)
{
	if (m->n == m->max)
		return false;
	if (m->wrap != 0)
		return m->first - m->end > len;
	if (m->size - m->end >= len)
		return true;
	if (m->first <= len)
		return false;
	m->wrap = m->end;
	m->end = 0;
	return true;
}

static struct kept *
add(struct memory *m, uint32_t len)
{
	struct kept *k;

	if (m->bytes == NULL)
		m->bytes = xmalloc(m->size);
	while (!has_room(m, len))
		forget_first(m);
	k = at(m, m->end);
	m->end += len;
	m->n++;
	return k;
}

void
memory_keep(struct memory *m, struct mono now, const struct ipc_orphan_result *r,
    const struct str texts[MEMORY_TEXTS])
{
	struct kept k = {.at = now, .result = *r, .len = sizeof k};
	struct kept *to;
	char *p;

	forget_old(m, now);
	for (size_t i = 0; i < MEMORY_TEXTS; i++) {
		k.text_len[i] = (uint16_t)PH_MIN(texts[i].len, max_text[i]);
		k.len += k.text_len[i];
	}
	k.len = (k.len + 7) & ~7u;
	to = add(m, k.len);
	*to = k;
	p = (char *)(to + 1);
	for (size_t i = 0; i < MEMORY_TEXTS; i++) {
		if (k.text_len[i] > 0)
			memcpy(p, texts[i].p, k.text_len[i]);
		p += k.text_len[i];
	}
}

static void
show(const struct kept *k,
    void (*fn)(const struct ipc_orphan_result *r, const struct str texts[MEMORY_TEXTS]))
{
	struct str texts[MEMORY_TEXTS];
	const char *p = (const char *)(k + 1);

	for (size_t i = 0; i < MEMORY_TEXTS; i++) {
		texts[i] = str_from(p, k->text_len[i]);
		p += k->text_len[i];
	}
	fn(&k->result, texts);
}

void
memory_each(struct memory *m, struct mono now,
    void (*fn)(const struct ipc_orphan_result *r, const struct str texts[MEMORY_TEXTS]))
{
	uint32_t offset;

	forget_old(m, now);
	offset = m->first;
	for (uint32_t i = 0; i < m->n; i++) {
		if (m->wrap != 0 && offset == m->wrap)
			offset = 0;
		show(at(m, offset), fn);
		offset += at(m, offset)->len;
	}
}
