/*
 * pmtactl top: what the server does now, told anew every two seconds: rates between two looks, the largest providers and
 * queues with their last errors, alerts. It only asks what others may ask, and a bounded number of rows.
 */
#ifndef PH_PMTACTL_TOP_H
#define PH_PMTACTL_TOP_H

#include "lib/ctl/tree.h"
#include "pmtactl/options.h"

/* Two looks, a quarter of a second apart, as one answer. -1 with `why`. */
int top_look(const char *socket_path, uint32_t max, struct tree *t, struct why *why) PH_MUST_CHECK;
/* Paints until it is interrupted or the server is gone: -1 with `why`. */
int top_follow(const char *socket_path, uint32_t max, struct why *why) PH_MUST_CHECK;
/* An answer of top_look() for people. */
void top_print(const struct tree *t, FILE *out);

#endif
