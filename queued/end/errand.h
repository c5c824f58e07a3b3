/*
 * What bounced does for us and must not forget: a copy of a message, a complaint that is to be obeyed, a report for a
 * handler. An order is kept until bounced says that it is done, and is given again when bounced was away or could not.
 * Nothing here is written down: what an order comes from is not let go of before its end, so a new queued orders it anew.
 */
#ifndef PH_QUEUED_END_ERRAND_H
#define PH_QUEUED_END_ERRAND_H

#include "lib/ipc/ipc.h"

#define ERRAND_HEAD  128 /* bytes of a message's struct at most */
#define ERRAND_TEXTS 8

struct errand_what {
	enum ipc_type type;
	const void *head; /* begins with a uint64_t that is filled in here: the token */
	size_t head_len;
	const struct str *texts; /* each is cut at 16 KB */
	size_t n_texts;
};
/* Comes exactly once, not before the loop's next turn. */
typedef void errand_cb(void *ctx);
void errand_order(const struct errand_what *what, errand_cb *done, void *ctx);

/* From bounced. */
void errand_done(const struct ipc_errand_done *d);
/* A new bounced has come. */
void errand_resend(void);
/* Nothing is open that will be answered. */
bool errand_is_idle(void);

#endif
