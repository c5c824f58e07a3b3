/*
 * The deferred recipients of one queue by the time at which they may be tried again: the soonest first, equals in the
 * order of their messages. Coming and going cost the logarithm of their number. It knows no clock.
 */
#ifndef PH_QUEUED_DUE_H
#define PH_QUEUED_DUE_H

#include "queued/message.h"

struct due {
	uint32_t n;
	uint32_t cap;
	uint32_t *heap;	  /* recipients; four below each */
	struct rlist all; /* the same in no order, for walks that take out what they pass */
};

/* Its `due` is set and does not change while it is here. */
void due_add(struct due *d, uint32_t rcpt);
void due_remove(struct due *d, uint32_t rcpt);
/* The soonest; 0: none. */
uint32_t due_first(const struct due *d);
/* The memory goes; there must be none left. */
void due_clear(struct due *d);

#endif
