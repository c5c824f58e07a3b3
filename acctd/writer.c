#include "acctd/writer.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/ev/worker.h"

struct writer {
	struct ev_worker *thread;
	struct ev_work work; /* `batch` */
	struct batch batch;
	writer_done_cb *done;
	void *ctx;
};

static void
write_slot(struct slot *s, struct wall now)
{
	s->failed = sink_commit(s->sink, &s->writing, now, s->rotate, &s->why) == -1;
	s->rotate = false; /* the old file was closed, whatever came after that */
}

static void
write_batch(struct ev_work *work)
{
	const struct writer *w = ph_container_of(work, struct writer, work);

	for (size_t i = 0; i < w->batch.n; i++)
		write_slot(&w->batch.slots[i], w->batch.now);
}

static void
batch_done(struct ev_work *work)
{
	const struct writer *w = ph_container_of(work, struct writer, work);

	w->done(w->ctx);
}

struct writer *
writer_new(writer_done_cb *done, void *ctx)
{
	struct writer *w = xcalloc(1, sizeof *w);

	w->thread = ev_worker_new("the accounting files");
	w->work = (struct ev_work){.run = write_batch, .done = batch_done};
	w->done = done;
	w->ctx = ctx;
	return w;
}

void
writer_free(struct writer **w)
{
	if (*w == NULL)
		return;
	ev_worker_free(&(*w)->thread);
	xfree(w);
}

void
writer_start(struct writer *w, const struct batch *b)
{
	ph_assert(!writer_is_busy(w));
	w->batch = *b;
	ev_worker_submit(w->thread, &w->work);
}

bool
writer_is_busy(const struct writer *w)
{
	return ev_worker_is_busy(w->thread);
}
