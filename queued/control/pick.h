/*
 * Rows of an answer in order, chosen from many that come one by one: the first `max`, or all. A row that comes costs the
 * logarithm of those that are kept, and so does taking one, so that a list of any length is made in small pieces. It
 * knows nothing of what the rows are about.
 */
#ifndef PH_QUEUED_PICK_H
#define PH_QUEUED_PICK_H

#include "lib/base/str.h"

struct pick_row {
	uint64_t key;	 /* the highest first */
	uint64_t begin;	 /* of the name (str_begin()) */
	char *name;	 /* among equals by name; owned */
	uint32_t handle; /* the caller's */
};
struct pick {
	struct pick_row *rows; /* a heap */
	uint32_t n, room, max;
	bool
	    is_few; /* only so many are kept that they may be sorted at once: the last of them on top */
	bool is_taking;
};

void pick_init(struct pick *p, uint32_t max);
void pick_clear(struct pick *p);
/* May a row with this key and a name that begins so be among those that are kept? It spares fetching the name. */
bool pick_wants(const struct pick *p, uint64_t key, uint64_t begin);
/* The name is copied. */
void pick_add(struct pick *p, uint64_t key, struct str name, uint32_t handle);
/* The first of those that are left; false: none is. Then no more may be added. The name is the caller's to free. */
bool pick_take(struct pick *p, struct pick_row *row);

#endif
