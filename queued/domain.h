/*
 * The domains of waiting recipients, by handle, and what the name servers' answers taught about each: the roll-up queue
 * that its mail belongs to, for as long as the answer holds. A domain is forgotten with its last recipient, unless
 * something is still known of it. It asks nobody and moves nothing.
 */
#ifndef PH_QUEUED_DOMAIN_H
#define PH_QUEUED_DOMAIN_H

#include "lib/base/str.h"
#include "queued/ticks.h"

/* Finds or makes, and counts one recipient, or queue, that is of it; to be matched by domain_drop_rcpt(). */
uint32_t domain_add_rcpt(struct str name);
void domain_drop_rcpt(uint32_t domain);
uint32_t domain_find(struct str name);
/* One past the highest handle. */
uint32_t domain_end(void);
/* Valid while the domain is. */
struct str domain_name(uint32_t domain);
/* Of `@` and the name (bigrams.h). */
uint64_t domain_bigrams(uint32_t domain);

/* Its mail belongs to that roll-up queue until then. */
void domain_set_rollup(struct str name, struct str rollup, struct tick until);
/* The roll-up queue by an answer that still holds (or, with `stale`, by the last one); empty: none is known. */
struct str domain_rollup(struct str name, bool stale);
/* The roll-up lists are others now. */
void domain_forget_rollups(void);

#endif
