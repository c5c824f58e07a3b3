#include "lib/base/log.h"
#include "lib/conf/conf_int.h"

/* All values of an APPEND key from all blocks, those of the most specific first, up to one that clears. */
static const struct conf_value *
joined(const struct conf *c, enum conf_key k, struct conf_blk *const *list, size_t n)
{
	struct conf *owner = (struct conf *)c; /* only its memory grows */
	struct conf_value *first = NULL, *sum = NULL;

	for (size_t i = 0; i < n; i++) {
		struct conf_value *v = conf_blk_value(list[i], k);
		if (v == NULL)
			continue;
		if (first == NULL) {
			first = v;
			if (v->is_cleared)
				break;
			continue;
		}
		if (v->is_cleared)
			break;
		if (sum == NULL) {
			sum = conf_mem(&owner->mem, sizeof *sum);
			*sum = (struct conf_value){.key = k, .at = first->at};
			for (uint32_t j = 0; j < first->n; j++)
				*conf_value_add(owner, sum) = first->items[j];
		}
		for (uint32_t j = 0; j < v->n; j++)
			*conf_value_add(owner, sum) = v->items[j];
	}
	return sum != NULL ? sum : first;
}

/* "=other": what the other directive is set to holds here as well */
static void
follow_defaults(struct conf_set *s)
{
	enum conf_key first = s->c->range[s->kind].first;

	for (uint32_t i = 0; i < s->c->range[s->kind].n; i++) {
		const struct conf_row *row = conf_row((enum conf_key)(first + i)), *other;
		if (s->v[i] != NULL || row->dflt[0] != '=')
			continue;
		other = conf_row_find(s->kind, str_of(row->dflt + 1));
		ph_assert(other != NULL);
		s->v[i] = s->v[other->key - first];
	}
}

struct conf_set *
conf_set_new(const struct conf *c, enum conf_block kind, struct conf_blk *const *list, size_t n)
{
	struct conf *owner = (struct conf *)c; /* only its memory grows */
	struct conf_range range = c->range[kind];
	struct conf_set *s = conf_mem(&owner->mem, sizeof *s + range.n * sizeof s->v[0]);

	s->c = c;
	s->kind = kind;
	for (size_t i = n; i-- > 0;) /* the general first, so that the specific overwrite */
		for (size_t j = 0; j < list[i]->n_values; j++) {
			const struct conf_value *v = &list[i]->values[j];
			s->v[v->key - range.first] = v;
		}
	for (uint32_t i = 0; i < range.n && n > 1; i++)
		if (s->v[i] != NULL && conf_row(s->v[i]->key)->merge == CONF_APPEND)
			s->v[i] = joined(c, s->v[i]->key, list, n);
	follow_defaults(s);
	return s;
}
