#include "bounced/heard.h"

#include "bounced/proof.h"
#include "lib/base/xalloc.h"

/* a message whose suppressions are on their way to the disk */
struct heard {
	struct bounced *b;
	uint64_t epoch;
	uint32_t n_open;
	struct ipc_processed done; /* said when all are there */
};

/* ---- reports ---- */

static const char *
category(void *ctx, const struct failure *f)
{
	return proof_judge(ctx, f).category;
}

static void
on_durable(void *ctx, int result)
{
	struct heard *h = ctx;
	const struct str text = STR("");

	if (--h->n_open > 0)
		return;
	if (h->epoch == h->b->epoch && h->b->queue != NULL)
		ipc_send(h->b->queue, IPC_PROCESSED, &h->done, &text, -1);
	free(h);
}

static void
on_failed(void *ctx, const struct processor_failure *f)
{
	struct bounced *b = ctx;
	struct proof p = {.address = f->rcpt,
	    .vmta = f->vmta,
	    .job = f->job,
	    .source = SUPPRESS_REPORT,
	    .failure = &f->what,
	    .text = f->what.text,
	    .done = on_durable,
	    .ctx = b->heard};

	if (proof_apply(b, &p) == PROOF_SUPPRESSED)
		b->heard->n_open++;
}

static bool
keep_end(void *ctx, const struct ipc_processed *done)
{
	struct heard *h = ((struct bounced *)ctx)->heard;

	h->done = *done;
	return h->n_open > 0;
}

void
heard_init(struct bounced *b)
{
	static const struct processor_events events = {
	    .category = category, .failed = on_failed, .keep_end = keep_end};

	processor_set_events(b->processor, &events, b);
}

void
heard_process(struct bounced *b, const struct ipc_process *what)
{
	struct heard *h = xcalloc(1, sizeof *h);

	*h = (struct heard){.b = b, .epoch = b->epoch};
	b->heard = h;
	processor_answer(b->processor, what, b->queue);
	b->heard = NULL;
	if (h->n_open == 0)
		free(h);
}

/* ---- complaints ---- */

struct obeying {
	struct bounced *b;
	uint64_t epoch, token;
};

static void
say_obeyed(struct obeying *o)
{
	const struct ipc_errand_done head = {.token = o->token, .ok = 1};

	if (o->epoch == o->b->epoch && o->b->queue != NULL)
		ipc_send(o->b->queue, IPC_ERRAND_DONE, &head, NULL, -1);
	free(o);
}

static void
on_obeyed(void *ctx, int result)
{
	say_obeyed(ctx);
}

void
heard_complained(struct bounced *b, const struct ipc_msg *m)
{
	const struct ipc_complained *head = m->head;
	struct obeying *o = xmalloc(sizeof *o);
	const struct proof p = {.address = m->text[0],
	    .vmta = m->text[1],
	    .job = m->text[2],
	    .scope = m->text[3],
	    .source = SUPPRESS_COMPLAINT,
	    .text = m->text[4],
	    .done = on_obeyed,
	    .ctx = o};

	*o = (struct obeying){.b = b, .epoch = b->epoch, .token = head->token};
	if (proof_apply(b, &p) != PROOF_SUPPRESSED)
		say_obeyed(o);
}
