/*
 * A message once more, for other recipients: bounced writes it into the spool.
 */
#ifndef PH_QUEUED_SPOOL_COPY_H
#define PH_QUEUED_SPOOL_COPY_H

#include "queued/end/errand.h"

struct copy_what {
	struct spool_place place;
	uint32_t rcpt;	  /* for which it came, index in the envelope */
	bool also;	  /* to this one too */
	struct str rcpts; /* further addresses with commas between, may be empty */
	struct str vmta;  /* empty: the default */
};
/* The message must not move before `done`, which comes when the copy is durable. */
void copy_order(const struct copy_what *what, errand_cb *done, void *ctx);

#endif
