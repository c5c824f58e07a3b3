/*
 * What follows from reports and complaints: those that bounced reads itself (PROCESS), and complaints that queued hands
 * on from fbld (COMPLAINED). Neither is said to be dealt with before what follows from it is on disk.
 */
#ifndef PH_BOUNCED_HEARD_H
#define PH_BOUNCED_HEARD_H

#include "bounced/bounced.h"

/* Of the processor that b has made: what it asks and says comes here. */
void heard_init(struct bounced *b);
void heard_process(struct bounced *b, const struct ipc_process *what);
void heard_complained(struct bounced *b, const struct ipc_msg *m);

#endif
