/*
 * The commands of a session, one function each, found by a table. A command replies exactly once (BDAT when its
 * chunk is over) and changes the session only through session.h and txn.h.
 */
#ifndef PH_INJECTD_COMMANDS_H
#define PH_INJECTD_COMMANDS_H

#include "injectd/session.h"

/* One line without its CRLF. */
void command_run(struct session *s, struct str line);

/* envelope.c: MAIL and RCPT, with what is behind the verb. */
void command_mail(struct session *s, struct str arg);
void command_rcpt(struct session *s, struct str arg);

/* Is there a transaction with recipients? Otherwise false with `why`; what XACK OFF kept back ends the transaction. */
bool command_may_take_content(struct session *s, struct why *why);
/* More recipients came than a message may have, and the source wants none of it then: true, 554 is said and the transaction
 * is over. */
bool command_has_too_many(struct session *s);

#endif
