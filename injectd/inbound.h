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
/* Forgets what was asked and found out. */
void inbound_clear(struct session *s);

/* ---- DKIM ---- */

#define INBOUND_MAX_FIELD 8192u /* of the results in front of a message */

/* The header section as it came, if signatures are to be verified. */
void inbound_keep_head(struct txn *t, struct str head);
/* Then the body, as it is stored. */
void inbound_take_body(struct txn *t, struct str piece);
void inbound_forget_head(struct txn *t);
/* The content is whole: verifies. True: something must be looked up first, then session_submit() is called. */
bool inbound_check_content(struct session *s);
/* A key's texts. True: another one is wanted. */
bool inbound_take_key(struct session *s, unsigned result, struct str record);

#endif
