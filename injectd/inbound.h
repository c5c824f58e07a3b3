/*
 * What is found out about a client and its mail before it is taken: the client's name (iprev), SPF of the sender. The
 * source says which of it is wanted and what is refused for it; what was found is written into the message's header.
 */
#ifndef PH_INJECTD_INBOUND_H
#define PH_INJECTD_INBOUND_H

#include "injectd/session.h"

/* s->txn has the sender: replies to MAIL now, or once what must be looked up is known. */
void inbound_check_sender(struct session *s);
/* Authentication-Results (RFC 8601) and Received-SPF (RFC 7208 9.1), if anything was checked. */
void inbound_add_fields(const struct session *s, const struct txn *t, struct buf *b);
/* Is a value of Authentication-Results written as if it were ours (RFC 8601 5)? */
bool inbound_is_forged(struct session *s, struct str value);
void inbound_clear(struct session *s);

#endif
