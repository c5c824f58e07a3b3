/*
 * What outlives a queued: connections whose transactions were under way when its channel went (orphans), and the
 * results of late. Both are told to the next queued before anything else, so that it repeats nothing that was
 * delivered. An orphan takes no orders and reports nothing but its recipients' ends.
 */
#ifndef PH_DELIVERD_ORPHAN_H
#define PH_DELIVERD_ORPHAN_H

#include "deliverd/deliver.h"

/* queued is gone: nothing new begins, what was begun comes to its end. */
void orphan_all(void);
/* A new queued is there. */
void orphan_tell_all(void);
/* Every connection's results pass here: final ones are remembered, an orphan's are told as such. */
void orphan_result(struct conn *c, const struct session_result *r, const struct ipc_result *told);
/* The connection ended: what was not decided will not be. */
void orphan_down(struct conn *c);

#endif
