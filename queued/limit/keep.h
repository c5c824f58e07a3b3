/*
 * Rates that outlive queued. Of each rate with a period of KEEP_MIN_MS and more, spool/state/limits holds how many
 * units were reserved in each 24th of the period; units are reserved ahead, some at a time, before they are granted,
 * so whatever happens, no more was used than is written there. After a restart what was reserved counts as used at
 * the end of its 24th. A shorter rate is taken for used up when queued comes back. If the file is damaged or gone,
 * all are. It knows no queues; a meter asks it to keep what it counts.
 */
#ifndef PH_QUEUED_LIMIT_KEEP_H
#define PH_QUEUED_LIMIT_KEEP_H

#include "lib/base/str.h"
#include "queued/limit/meter.h"

#define KEEP_MIN_MS   10000
#define MAX_KEEP_NAME 700

struct keep;

/* Reads the file; then starts a new one. `other` gets the lines that are not of this module. */
void keep_start(int spool_fd, void (*other)(struct str line), void (*other_fill)(void));
/* Lines of this turn reach the disk; and the file is renewed when it is long. */
void keep_flush(void);
/* The last lines before an orderly end: nothing more is granted. */
void keep_stop(void);

/* "what of", or "what of in": always the same for the same limit, whatever its value. Borrowed. */
struct keep_name {
	const char *what;
	struct str of, in;
};
/* The meter, which was just set, counts under that name from now on; it gets what is known of it. */
void keep_attach(struct meter *m, const struct keep_name *name);
void keep_detach(struct meter *m);
/* For meter.c: units granted; answered, of which `unseen` were not used; the limit has changed. */
void keep_take(struct keep *k, uint64_t n);
void keep_answer(struct keep *k, uint64_t n, uint64_t seen);

#endif
