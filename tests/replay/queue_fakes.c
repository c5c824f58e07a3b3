/*
 * Stands in for lib/daemon and for the spool's thread, so that queued runs in one thread under the script's clock.
 */
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/sandbox.h"
#include "lib/ev/ev.h"
#include "lib/ev/worker.h"
#include "tests/replay/queue_replay.h"

/* ---- in place of lib/daemon ---- */

void
daemon_begin(int argc, char **argv, const struct daemon_ops *o)
{
}
void
daemon_ready(void)
{
}
void
daemon_run(void)
{
}
void
daemon_exit(void)
{
}
const struct conf *
daemon_conf(void)
{
	return replay.conf;
}
uint32_t
daemon_instance(void)
{
	return 0;
}
struct ipc_chan *
daemon_master(void)
{
	return replay.chan[ROLE_MASTER];
}
bool
daemon_is_unprivileged(void)
{
	return true;
}
void
sandbox_enter(const struct sandbox *b)
{
}

/* ---- in place of a thread: at once, the result at the end of the turn ---- */

struct ev_worker {
	struct ev_defer defer;
	struct ev_work *first, **last;
	size_t n;
};

static void
give_back(struct ev_defer *d)
{
	struct ev_worker *w = ph_container_of(d, struct ev_worker, defer);
	struct ev_work *work = w->first, *next;

	w->first = NULL;
	w->last = &w->first;
	for (; work != NULL; work = next) {
		next = work->next;
		w->n--;
		work->done(work);
	}
}

struct ev_worker *
ev_worker_new(const char *name)
{
	struct ev_worker *w = xcalloc(1, sizeof *w);

	w->last = &w->first;
	ev_defer_init(&w->defer, give_back);
	return w;
}
void
ev_worker_submit(struct ev_worker *w, struct ev_work *work)
{
	work->next = NULL;
	work->run(work);
	*w->last = work;
	w->last = &work->next;
	w->n++;
	ev_defer_queue(&w->defer);
}
bool
ev_worker_is_busy(const struct ev_worker *w)
{
	return w->n > 0;
}
void
ev_worker_drain(struct ev_worker *w)
{
	while (w->n > 0)
		give_back(&w->defer);
}
void
ev_worker_free(struct ev_worker **w)
{
	ev_worker_drain(*w);
	ev_defer_cancel(&(*w)->defer);
	xfree(w);
}
