/*
 * What main() needs of deliverd.
 */
#ifndef PH_DELIVERD_DELIVER_INT_H
#define PH_DELIVERD_DELIVER_INT_H

#include "lib/daemon/daemon.h"

extern const struct daemon_ops deliver_daemon;

/* Before any message can come. */
void deliver_prepare(void);
/* What still needs rights, and what OpenSSL loads from files. */
void deliver_init(void);
/* The last reports to queued, and everything back. */
void deliver_finish(void);

#endif
