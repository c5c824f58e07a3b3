/*
 * Addresses that get no mail are refused at RCPT: the filters in memory say no for nearly all of them, and bounced is
 * asked about the others while the session waits. Where nobody can be asked the recipient is taken, for queued asks
 * again before it is tried. Only what holds for all mail is known here: the VirtualMTA is chosen later.
 */
#ifndef PH_INJECTD_SUPPRESSED_H
#define PH_INJECTD_SUPPRESSED_H

#include "injectd/session.h"

void suppressed_init(struct world *w);
void suppressed_take_filter(uint32_t index, int fd); /* takes fd */
void suppressed_up(int fd);			     /* a channel to bounced; takes fd */
void suppressed_close(void);

/*
 * A recipient was added to the transaction. True: the session waits for session_suppressed(). Never for a source that has
 * such recipients accepted and bounced (accept-invalid-recipients), nor for mail that does not come over SMTP.
 */
bool suppressed_ask(struct session *s, struct str address);
/* The session ends. */
void suppressed_forget(struct session *s);
/* suppression-lists of the source, with commas; owned, NULL: none. */
char *suppressed_lists(const struct conf_set *source);

#endif
