/*
 * Mail to the addresses of a processor: it is queued as {bounce} or {feedbackLoop}, and instead of a connection the
 * daemon that reads it (bounced, fbld) gets it. What that daemon tells becomes accounting records; when these are on
 * disk the recipient has ended, or goes on to where other mail of its domain goes. A message that kills its reader twice
 * counts as one that cannot be read. Nothing here looks into a message.
 */
#ifndef PH_QUEUED_END_PROCESS_H
#define PH_QUEUED_END_PROCESS_H

#include "lib/conf/processor.h"
#include "lib/ipc/ipc.h"
#include "queued/queue.h"

/* The queue's name of a processor, and back; CONF_NO_PROCESSOR: an ordinary queue. */
struct str process_domain(enum conf_processor which);
enum conf_processor process_of_domain(struct str domain);

/* A turn of such a queue: gives its reader what it takes. What holds it. */
enum queue_hold process_run(struct queue *q);

/* From the readers, and their coming and going. */
void process_rcpt(enum ipc_role role, const struct ipc_msg *m);
void process_done(enum ipc_role role, const struct ipc_msg *m);
void process_peer_came(enum ipc_role role);
void process_peer_gone(enum ipc_role role);
bool process_is_idle(void);

#endif
