/*
 * The commands that queued passes on to bounced: what the suppression database holds and what a reply would mean. One
 * function each; who may give them was decided before.
 */
#ifndef PH_BOUNCED_COMMANDS_H
#define PH_BOUNCED_COMMANDS_H

#include "lib/ipc/ipc.h"

struct bounced;

void commands_run(struct bounced *b, const struct ipc_msg *m);

#endif
