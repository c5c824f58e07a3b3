#include "queued/spool/copy.h"

#include <sys/queue.h>

#include "lib/base/xalloc.h"
#include "queued/state.h"

#define RETRY_MS 5000
#define TEXT_MAX (16u * 1024)
#define N_TEXTS	 2

struct copy {
	TAILQ_ENTRY(copy) link;
	struct ipc_copy head;
	copy_cb *done;
	void *ctx;
	char *texts[N_TEXTS]; /* owned */
};

static struct {
	TAILQ_HEAD(copy_list, copy) open; /* told, or waiting for bounced */
	struct copy_list later;
	uint64_t token;
	struct ev_timer retry;
	bool is_made;
} copies;

static void
send_one(const struct copy *c)
{
	struct str texts[N_TEXTS];

	if (qd.bounce.chan == NULL)
		return;
	for (size_t i = 0; i < N_TEXTS; i++)
		texts[i] = str_of(c->texts[i]);
	ipc_send(qd.bounce.chan, IPC_COPY, &c->head, texts, -1);
}

static void
on_retry(struct ev_timer *t)
{
	struct copy *c;

	while ((c = TAILQ_FIRST(&copies.later)) != NULL) {
		TAILQ_REMOVE(&copies.later, c, link);
		TAILQ_INSERT_TAIL(&copies.open, c, link);
		send_one(c);
	}
}

static void
make_once(void)
{
	if (copies.is_made)
		return;
	TAILQ_INIT(&copies.open);
	TAILQ_INIT(&copies.later);
	ev_timer_init(&copies.retry, on_retry);
	copies.is_made = true;
}

void
copy_order(const struct copy_what *what, copy_cb *done, void *ctx)
{
	const struct str texts[N_TEXTS] = {what->rcpts, what->vmta};
	struct copy *c = xcalloc(1, sizeof *c);

	make_once();
	c->head = (struct ipc_copy){
	    .place = what->place, .token = ++copies.token, .rcpt = what->rcpt, .also = what->also};
	c->done = done;
	c->ctx = ctx;
	for (size_t i = 0; i < N_TEXTS; i++)
		c->texts[i] = xstrdup_str(str_sub(texts[i], 0, TEXT_MAX));
	TAILQ_INSERT_TAIL(&copies.open, c, link);
	send_one(c);
}

static struct copy *
find(uint64_t token)
{
	struct copy *c;

	TAILQ_FOREACH(c, &copies.open, link)
	{
		if (c->head.token == token)
			return c;
	}
	return NULL;
}

void
copy_done(const struct ipc_copied *head)
{
	struct copy *c;

	make_once();
	c = find(head->token);
	if (c == NULL)
		return;
	TAILQ_REMOVE(&copies.open, c, link);
	if (!head->ok) {
		TAILQ_INSERT_TAIL(&copies.later, c, link);
		if (!ev_timer_is_armed(&copies.retry))
			ev_timer_in_ms(&copies.retry, RETRY_MS);
		return;
	}
	for (size_t i = 0; i < N_TEXTS; i++)
		free(c->texts[i]);
	c->done(c->ctx);
	free(c);
}

void
copy_resend(void)
{
	const struct copy *c;

	make_once();
	TAILQ_FOREACH(c, &copies.open, link)
	send_one(c);
}

bool
copy_is_idle(void)
{
	make_once();
	return qd.bounce.chan == NULL || (TAILQ_EMPTY(&copies.open) && TAILQ_EMPTY(&copies.later));
}
