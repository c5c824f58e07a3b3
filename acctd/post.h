/*
 * Posts what a spill holds to a web hook, in batches: a run of the sender (execd, lib/command) takes one batch, the
 * header line first, and ends with 0 when the other side has accepted it; only then it counts as given. What fails is
 * sent again as it is, later each time, in order: nothing overtakes it.
 */
#ifndef PH_ACCTD_POST_H
#define PH_ACCTD_POST_H

#include "acctd/spill.h"
#include "lib/command/runner.h"

struct post;

struct post *post_new(struct runner *r, struct spill *s, const struct acct_def *def);
/* A post under way is given up: it comes again, if the same hook does. */
void post_free(struct post **p);
void post_use(struct post *p, const struct acct_def *def);
void post_kick(struct post *p);
/* What there is goes now, whatever its interval, if no failed post waits. */
void post_now(struct post *p);
/* No further one is begun. */
void post_stop(struct post *p);
bool post_is_idle(const struct post *p);
uint64_t post_waiting(const struct post *p);

#endif
