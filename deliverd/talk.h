/*
 * The dialogue of a connection for people: into the log as log-connections, log-commands, log-data, log-tls and
 * log-transfer-failures of its queue say, and to who traces the queue. What may be a password or answer a challenge
 * is never shown, whoever asks. A connection that nobody wants to read costs one test of a number.
 */
#ifndef PH_DELIVERD_TALK_H
#define PH_DELIVERD_TALK_H

#include "deliverd/deliver.h"
#include "lib/conf/conf.h"

/* What that queue's settings want logged: bits of enum talk_bit. */
unsigned talk_bits(const struct conf_set *set);
/* What becomes of the connection. */
void talk_connecting(struct conn *c);
void talk_up(struct conn *c);
void talk_result(struct conn *c, const struct session_result *r);
void talk_down(struct conn *c, const struct session_end *e);
/* A command or a reply, as session_ops has it. */
void talk_spoken(struct conn *c, bool from_peer, struct str line);
/* Bytes as they were read or written (under TLS: what was inside), as hexadecimal lines. */
void talk_bytes(struct conn *c, bool from_peer, struct str bytes);
/* The first n bytes of that piece went out. */
void talk_written(struct conn *c, const struct out_view *v, size_t n);

#endif
