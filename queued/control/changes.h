/*
 * What changed lately and was no mail: modes of queues, source addresses, alerts, commands. A bounded number of events is
 * kept for who asks afterwards what tail would have shown, in memory and in the spool's state/changes, so that a restart
 * does not lose them. That file is never flushed: the last of it may be missing after a power cut. Without it all goes on.
 */
#ifndef PH_QUEUED_CHANGES_H
#define PH_QUEUED_CHANGES_H

#include "queued/control/tail.h"

/* Takes up what was kept before; spool_fd is borrowed. */
void changes_start(int spool_fd);
/* Is it a kind that is kept? */
bool changes_have(enum tail_kind kind);
void changes_keep(const struct tail_event *e);

#endif
