/*
 * Connections that are none: queues of type pipe, file and http-delivery. queued grants and closes them like SMTP
 * connections, and hears the same messages; here each recipient of a transaction is one run of a command (execd), with
 * the message on its standard input, one at a time for a connection. Like the SMTP side it decides nothing.
 */
#ifndef PH_DELIVERD_LOCAL_H
#define PH_DELIVERD_LOCAL_H

#include "lib/command/runner.h"

struct deliver;

/* queued's orders; -1 with `why` when it breaks the protocol */
int local_open(
    const struct ipc_conn_open *o, const struct str text[5], struct why *why) PH_MUST_CHECK;
/* Is that connection one of these? */
bool local_has(uint32_t number);
void local_close(const struct ipc_conn_close *o);
/* Recipients n >= 1, ascending; -1: more than the window. */
int local_txn(
    const struct ipc_txn *t, const uint32_t *idx, uint32_t n, struct why *why) PH_MUST_CHECK;

/* At the start and after each reload. */
void local_config(void);
void local_init(void);
void local_clear(void);
void local_peer(int fd);
/* As conn_abort_all() and conn_drain_all(). */
void local_abort_all(void);
void local_drain_all(void);
/* queued is gone: what was begun comes to its end. And what a new one is told of it. */
void local_orphan_all(void);
void local_tell_pending(void);

#endif
