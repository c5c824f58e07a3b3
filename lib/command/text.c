#include <errno.h>
#include <unistd.h>

#include "lib/base/xalloc.h"
#include "lib/command/runner.h"

struct run_text {
	struct run *run; /* NULL: execd was away */
	struct buf text;
	struct ev_io io;
	struct ev_timer limit;
	struct ev_defer away;
	int fd; /* -1: not started, or all was written */
	run_done_cb *done;
	void *ctx;
};

static void
close_input(struct run_text *t)
{
	if (t->fd == -1)
		return;
	ev_io_stop(&t->io);
	close(t->fd);
	t->fd = -1;
}

/* a command that closes its input has read enough: how it ends is what counts */
static void
on_writable(struct ev_io *io, int what)
{
	struct run_text *t = ph_container_of(io, struct run_text, io);
	struct str s = buf_str(&t->text);
	ssize_t n = s.len == 0 ? 0 : write(t->fd, s.p, s.len);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n >= 0)
		buf_consume(&t->text, (size_t)n);
	if (n >= 0 && buf_len(&t->text) > 0)
		return;
	close_input(t);
	run_input_ends(t->run);
}

static void
on_started(void *ctx, int fd)
{
	struct run_text *t = ctx;

	t->fd = fd;
	ev_io_init(&t->io, fd, on_writable);
	ev_io_want(&t->io, EV_OUT);
}

static void
on_done(void *ctx, const struct run_end *how)
{
	struct run_text *t = ctx;

	close_input(t);
	ev_timer_stop(&t->limit);
	ev_defer_cancel(&t->away);
	if (t->done != NULL)
		t->done(t->ctx, how);
	buf_clear(&t->text);
	free(t);
}

static void
on_away(struct ev_defer *d)
{
	const struct run_end lost = {.how = EXEC_LOST, .output = STR("execd is away.")};

	on_done(ph_container_of(d, struct run_text, away), &lost);
}

static void
on_limit(struct ev_timer *timer)
{
	struct run_text *t = ph_container_of(timer, struct run_text, limit);

	if (t->run != NULL)
		run_kill(t->run);
}

void
run_text(struct runner *r, const struct run_order *o, struct buf *text, int64_t timeout_ms,
    run_done_cb *done, void *ctx)
{
	struct run_text *t = xcalloc(1, sizeof *t);
	size_t cap = text->cap;

	*t = (struct run_text){.text = *text, .fd = -1, .done = done, .ctx = ctx};
	buf_init(text, cap); /* empty again */
	ev_timer_init(&t->limit, on_limit);
	ev_defer_init(&t->away, on_away);
	t->run = run_start(r, o, on_started, on_done, t);
	if (t->run == NULL)
		ev_defer_queue(&t->away);
	else
		ev_timer_in_ms(&t->limit, timeout_ms);
}
