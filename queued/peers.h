/*
 * The channels to the other daemons: who they are, which message goes to which function, and what follows when
 * one goes away.
 */
#ifndef PH_QUEUED_PEERS_H
#define PH_QUEUED_PEERS_H

#include "lib/ipc/ipc.h"

void peers_add(enum ipc_role role, uint32_t instance, int fd);
/* The same for a channel that is there already (made with these events): takes it. */
extern const struct ipc_events peers_events;
void peers_join(struct ipc_chan *chan);
/* Tells the injectors whether they may accept; repeated when it changes. */
void peers_tell_spool_state(void);

#endif
