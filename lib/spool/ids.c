#include "lib/spool/ids_int.h"

#include "lib/base/xalloc.h"

void
id_list_add(struct id_list *l, uint64_t id)
{
	if (l->n == l->cap) {
		l->cap = PH_MAX(l->cap * 2, (size_t)256);
		l->id = xreallocarray(l->id, l->cap, sizeof *l->id);
	}
	l->id[l->n++] = id;
}

static int
compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void
id_list_sort(struct id_list *l)
{
	if (l->n > 1)
		qsort(l->id, l->n, sizeof *l->id, compare_ids);
}

bool
id_list_has(const struct id_list *l, uint64_t id)
{
	return l->n > 0 && bsearch(&id, l->id, l->n, sizeof *l->id, compare_ids) != NULL;
}
