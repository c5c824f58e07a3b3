#include "queued/spool/copy.h"

void
copy_order(const struct copy_what *what, errand_cb *done, void *ctx)
{
	const struct ipc_copy head = {.place = what->place, .rcpt = what->rcpt, .also = what->also};
	const struct str texts[] = {what->rcpts, what->vmta};
	const struct errand_what errand = {.type = IPC_COPY,
	    .head = &head,
	    .head_len = sizeof head,
	    .texts = texts,
	    .n_texts = countof(texts)};

	errand_order(&errand, done, ctx);
}
