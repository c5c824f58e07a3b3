#include "queued/control/pick.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define FEW 1000u

static int
compare(const void *a, const void *b)
{
	const struct pick_row *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? 1 : -1;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return str_cmp(str_of(x->name), str_of(y->name));
}

/* does it stand above the other in the heap? */
static bool
is_above(const struct pick *p, uint32_t i, uint32_t k)
{
	int order = compare(&p->rows[i], &p->rows[k]);

	return p->is_few ? order > 0 : order < 0;
}

static void
swap(struct pick *p, uint32_t i, uint32_t k)
{
	struct pick_row row = p->rows[i];

	p->rows[i] = p->rows[k];
	p->rows[k] = row;
}

static void
sift_up(struct pick *p, uint32_t i)
{
	for (; i > 0 && is_above(p, i, (i - 1) / 2); i = (i - 1) / 2)
		swap(p, i, (i - 1) / 2);
}

static void
sift_down(struct pick *p)
{
	for (uint32_t i = 0, top = 0;; i = top) {
		for (uint32_t k = 2 * i + 1; k <= 2 * i + 2 && k < p->n; k++)
			if (is_above(p, k, top))
				top = k;
		if (top == i)
			return;
		swap(p, i, top);
	}
}

void
pick_init(struct pick *p, uint32_t max)
{
	*p = (struct pick){.max = max, .is_few = max <= FEW};
}

void
pick_clear(struct pick *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		free(p->rows[i].name);
	free(p->rows);
	*p = (struct pick){0};
}

static void
push(struct pick *p, const struct pick_row *row)
{
	if (p->n == p->room) {
		p->room = p->room == 0 ? 32 : p->room * 2;
		p->rows = xreallocarray(p->rows, p->room, sizeof *p->rows);
	}
	p->rows[p->n] = *row;
	sift_up(p, p->n++);
}

bool
pick_wants(const struct pick *p, uint64_t key, uint64_t begin)
{
	const struct pick_row *last;

	if (!p->is_few || p->n < p->max)
		return p->max > 0;
	last = p->rows;
	return p->max > 0 && (key > last->key || (key == last->key && begin <= last->begin));
}

void
pick_add(struct pick *p, uint64_t key, struct str name, uint32_t handle)
{
	struct pick_row row = {.key = key, .begin = str_begin(name), .handle = handle};

	ph_assert(!p->is_taking);
	if (!pick_wants(p, key, row.begin))
		return;
	row.name = xstrdup_str(name);
	if (!p->is_few || p->n < p->max) {
		push(p, &row);
		return;
	}
	if (compare(&row, &p->rows[0]) < 0) {
		struct pick_row last = p->rows[0];
		p->rows[0] = row;
		row = last;
		sift_down(p);
	}
	free(row.name);
}

/* from the heap with the last on top to a list with the first at the end */
static void
begin_taking(struct pick *p)
{
	p->is_taking = true;
	if (!p->is_few || p->n == 0)
		return;
	qsort(p->rows, p->n, sizeof *p->rows, compare);
	for (uint32_t i = 0; i < p->n / 2; i++)
		swap(p, i, p->n - 1 - i);
}

bool
pick_take(struct pick *p, struct pick_row *row)
{
	if (!p->is_taking)
		begin_taking(p);
	if (p->n == 0)
		return false;
	if (p->is_few) {
		*row = p->rows[--p->n];
		return true;
	}
	*row = p->rows[0];
	p->rows[0] = p->rows[--p->n];
	sift_down(p);
	return true;
}
