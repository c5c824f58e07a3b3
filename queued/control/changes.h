/*
 * What changed lately and was no mail: modes of queues, source addresses, alerts, commands. A bounded number of events is
 * kept, in memory only, for who asks afterwards what tail would have shown.
 */
#ifndef PH_QUEUED_CHANGES_H
#define PH_QUEUED_CHANGES_H

#include "queued/control/tail.h"

/* Is it a kind that is kept? */
bool changes_have(enum tail_kind kind);
void changes_keep(const struct tail_event *e);

#endif
