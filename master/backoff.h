/*
 * When to start again what died: one second later, then twice as long each time up to a minute; a run of more than
 * a minute makes it one second again.
 */
#ifndef PH_MASTER_BACKOFF_H
#define PH_MASTER_BACKOFF_H

#include "lib/base/base.h"

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS	 60000

struct backoff {
	int64_t last_ms; /* 0: nothing died yet */
};

/* It died after running so long: how long to wait now. */
int64_t backoff_next_ms(struct backoff *b, int64_t ran_ms);

#endif
