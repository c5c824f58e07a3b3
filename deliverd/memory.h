/*
 * The final results that were reported of late, for the queued that comes after a queued's death: what the dead one
 * had not made durable is told to the next. A ring of bytes: bounded in count, bytes and age, and no allocation for a
 * result. It knows nothing of connections and never decides what is told.
 */
#ifndef PH_DELIVERD_MEMORY_H
#define PH_DELIVERD_MEMORY_H

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/ipc/structs.h"

#define MEMORY_RESULTS	 32768u /* queued never has more than 20,000 that are not durable */
#define MEMORY_BYTES	 (21u * 1024u * 1024u) /* 20,000 of the longest */
#define MEMORY_AGE_MS	 (10 * 60 * 1000)
#define MEMORY_MAX_REPLY 300u
#define MEMORY_MAX_NAME	 255u
#define MEMORY_TEXTS	 5 /* as in ORPHAN_RESULT */

struct memory {
	char *bytes; /* made with the first result */
	uint32_t size, max;
	uint32_t first; /* offset of the oldest */
	uint32_t end;	/* behind the newest */
	uint32_t
	    wrap; /* while the newest are in front of the oldest: where the upper part ends; otherwise 0 */
	uint32_t n;
};

/* size: bytes, a multiple of 8; max: results */
void memory_init(struct memory *m, uint32_t size, uint32_t max);
void memory_clear(struct memory *m);
/* Longer texts are cut; the oldest make room. */
void memory_keep(struct memory *m, struct mono now, const struct ipc_orphan_result *r,
    const struct str texts[MEMORY_TEXTS]);
/* Each that is not too old, the oldest first; the texts are borrowed during the call. */
void memory_each(struct memory *m, struct mono now,
    void (*fn)(const struct ipc_orphan_result *r, const struct str texts[MEMORY_TEXTS]));

#endif
