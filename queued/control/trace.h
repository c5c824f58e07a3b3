/*
 * pmtactl trace: the next connection of a queue, shown line by line to the client that asked. The queue is tried at
 * once; deliverd tells the dialogue (never a password), this hands it on. One client traces one queue; who reads too
 * slowly loses lines.
 */
#ifndef PH_QUEUED_CONTROL_TRACE_H
#define PH_QUEUED_CONTROL_TRACE_H

#include "queued/conn.h"
#include "queued/control/control.h"

/* A connection of the queue is being opened: what deliverd shall tell of it, bits of enum talk_bit. */
unsigned trace_conn(const struct queue *q, const struct conn *c);
/* From deliverd. */
void trace_line(uint32_t conn, struct str text);
/* The connection has ended. */
void trace_conn_gone(uint32_t conn, struct str text);
/* What name servers said about the queue's hosts. */
void trace_resolution(const struct queue *q, struct str text);
bool trace_wants_resolution(const struct queue *q);
/* The client has gone. */
void trace_gone(const struct ipc_chan *chan);

#endif
