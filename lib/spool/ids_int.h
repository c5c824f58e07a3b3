/*
 * A growing list of message ids that is sorted once and then asked.
 */
#ifndef PH_SPOOL_IDS_INT_H
#define PH_SPOOL_IDS_INT_H

#include "lib/base/base.h"

struct id_list {
	uint64_t *id;
	size_t n, cap;
};

void id_list_add(struct id_list *l, uint64_t id);
void id_list_sort(struct id_list *l);
/* After id_list_sort() only. */
bool id_list_has(const struct id_list *l, uint64_t id);

#endif
