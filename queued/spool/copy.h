/*
 * A message once more, for other recipients: bounced writes it into the spool. An order is kept until it is durable
 * there, and given again when bounced was away.
 */
#ifndef PH_QUEUED_SPOOL_COPY_H
#define PH_QUEUED_SPOOL_COPY_H

#include "lib/ipc/ipc.h"

/* The message must not move before `done`, which comes exactly once, not before the loop's next turn. */
typedef void copy_cb(void *ctx);
struct copy_what {
	struct spool_place place;
	uint32_t rcpt;	  /* for which it came, index in the envelope */
	bool also;	  /* to this one too */
	struct str rcpts; /* further addresses with commas between, may be empty */
	struct str vmta;  /* empty: the default */
};
void copy_order(const struct copy_what *what, copy_cb *done, void *ctx);
void copy_done(const struct ipc_copied *c);
void copy_resend(void);
bool copy_is_idle(void);

#endif
