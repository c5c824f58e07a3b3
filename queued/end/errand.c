#include "queued/end/errand.h"

#include <sys/queue.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "queued/state.h"

#define RETRY_MS 5000
#define TEXT_MAX (16u * 1024)

struct errand {
	TAILQ_ENTRY(errand) link;
	uint64_t token;
	enum ipc_type type;
	errand_cb *done;
	void *ctx;
	size_t n_texts;
	char *texts[ERRAND_TEXTS]; /* owned */
	_Alignas(uint64_t) unsigned char head[ERRAND_HEAD];
};

static struct {
	TAILQ_HEAD(errand_list, errand) open; /* told, or waiting for bounced */
	struct errand_list later;
	uint64_t token;
	struct ev_timer retry;
	bool is_made;
} errands;

static void
send_one(const struct errand *e)
{
	struct str texts[ERRAND_TEXTS];

	if (qd.bounce.chan == NULL)
		return;
	for (size_t i = 0; i < e->n_texts; i++)
		texts[i] = str_of(e->texts[i]);
	ipc_send(qd.bounce.chan, e->type, e->head, texts, -1);
}

static void
on_retry(struct ev_timer *t)
{
	struct errand *e;

	while ((e = TAILQ_FIRST(&errands.later)) != NULL) {
		TAILQ_REMOVE(&errands.later, e, link);
		TAILQ_INSERT_TAIL(&errands.open, e, link);
		send_one(e);
	}
}

static void
make_once(void)
{
	if (errands.is_made)
		return;
	TAILQ_INIT(&errands.open);
	TAILQ_INIT(&errands.later);
	ev_timer_init(&errands.retry, on_retry);
	errands.is_made = true;
}

void
errand_order(const struct errand_what *what, errand_cb *done, void *ctx)
{
	struct errand *e = xcalloc(1, sizeof *e);

	make_once();
	ph_assert(what->head_len <= sizeof e->head && what->n_texts <= ERRAND_TEXTS);
	e->type = what->type;
	e->token = ++errands.token;
	e->done = done;
	e->ctx = ctx;
	e->n_texts = what->n_texts;
	memcpy(e->head, what->head, what->head_len);
	memcpy(e->head, &e->token, sizeof e->token);
	for (size_t i = 0; i < what->n_texts; i++)
		e->texts[i] = xstrdup_str(str_sub(what->texts[i], 0, TEXT_MAX));
	TAILQ_INSERT_TAIL(&errands.open, e, link);
	send_one(e);
}

static struct errand *
find(uint64_t token)
{
	struct errand *e;

	TAILQ_FOREACH(e, &errands.open, link)
	{
		if (e->token == token)
			return e;
	}
	return NULL;
}

void
errand_done(const struct ipc_errand_done *d)
{
	struct errand *e;

	make_once();
	e = find(d->token);
	if (e == NULL)
		return;
	TAILQ_REMOVE(&errands.open, e, link);
	if (!d->ok) {
		TAILQ_INSERT_TAIL(&errands.later, e, link);
		if (!ev_timer_is_armed(&errands.retry))
			ev_timer_in_ms(&errands.retry, RETRY_MS);
		return;
	}
	for (size_t i = 0; i < e->n_texts; i++)
		free(e->texts[i]);
	e->done(e->ctx);
	free(e);
}

void
errand_resend(void)
{
	const struct errand *e;

	make_once();
	TAILQ_FOREACH(e, &errands.open, link)
	send_one(e);
}

bool
errand_is_idle(void)
{
	make_once();
	return qd.bounce.chan == NULL ||
	       (TAILQ_EMPTY(&errands.open) && TAILQ_EMPTY(&errands.later));
}
