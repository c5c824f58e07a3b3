/*
 * AUTH (RFC 4954) with PLAIN, LOGIN, CRAM-MD5 and EXTERNAL: what is offered to a client, the exchange, and the
 * consequences. No reply tells whether it was the name or the password that was wrong, nor does the time it takes.
 */
#ifndef PH_INJECTD_AUTH_H
#define PH_INJECTD_AUTH_H

#include "injectd/session.h"

/* "AUTH CRAM-MD5 PLAIN LOGIN" for the reply to EHLO, or empty: nothing is offered. Static text. */
const char *auth_offer(struct session *s);
/* The command, with what is behind the verb. */
void auth_run(struct session *s, struct str arg);
/* A line in the state AUTH, without its CRLF. */
void auth_respond(struct session *s, struct str line);
/* Whose certificate the client has shown is logged in by that, where AUTH is allowed. */
void auth_by_certificate(struct session *s);
/* Must the client log in first? Then it was told so. */
bool auth_is_missing(struct session *s);
/* Frees what an exchange left. */
void auth_clear(struct session *s);

#endif
