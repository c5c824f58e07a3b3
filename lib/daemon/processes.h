/*
 * How many processes a daemon has: master starts so many, and each knows its share of what is limited for all of
 * them together. The number is that of the configuration at the start; a reload does not change it.
 */
#ifndef PH_DAEMON_PROCESSES_H
#define PH_DAEMON_PROCESSES_H

#include "lib/conf/conf.h"
#include "lib/ipc/ipc.h"

#define PROCESSES_MAX_PER_ROLE 15 /* injectd is journal writer 0-14, bounced is 15 */

/* 1 to PROCESSES_MAX_PER_ROLE. */
size_t processes_wanted(const struct conf *c, enum ipc_role role);

#endif
