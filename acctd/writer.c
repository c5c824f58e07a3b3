#include "acctd/writer.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

struct writer {
	struct ev_io io; /* of `fd` */
	pthread_t thread;
	pthread_mutex_t
	    lock; /* guards `given`, `stop` and, through them, the hand-over of `batch` */
	pthread_cond_t wake;
	struct batch batch;
	writer_done_cb *done;
	void *ctx;
	int fd;	    /* eventfd: the batch came back */
	bool given; /* the thread has to work, or works */
	bool stop;
	bool has_thread;
	bool busy; /* the loop's view */
};

static void
write_slot(struct slot *s, struct wall now)
{
	s->failed = sink_commit(s->sink, &s->writing, now, s->rotate, &s->why) == -1;
	s->rotate = false; /* the old file was closed, whatever came after that */
}

static void
tell_loop(const struct writer *w)
{
	uint64_t one = 1;

	if (write(w->fd, &one, sizeof one) != sizeof one)
		panic("the writer's eventfd");
}

static void *
thread_main(void *arg)
{
	struct writer *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->given && !w->stop)
			pthread_cond_wait(&w->wake, &w->lock);
		if (!w->given)
			break;
		pthread_mutex_unlock(&w->lock);
		for (size_t i = 0; i < w->batch.n; i++)
			write_slot(&w->batch.slots[i], w->batch.now);
		pthread_mutex_lock(&w->lock);
		w->given = false;
		tell_loop(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void
on_readable(struct ev_io *io, int what)
{
	struct writer *w = ph_container_of(io, struct writer, io);
	uint64_t n;
	bool given;

	if (read(w->fd, &n, sizeof n) != sizeof n)
		return;
	pthread_mutex_lock(&w->lock); /* what the thread wrote is seen from here on */
	given = w->given;
	pthread_mutex_unlock(&w->lock);
	if (given)
		panic("the writer came back in the middle of its batch");
	w->busy = false;
	w->done(w->ctx);
}

/* with the first batch, and so behind the walls of the sandbox: not all of them hold threads that are there already */
static void
start_thread(struct writer *w)
{
	sigset_t all, before;
	int err;

	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&w->thread, NULL, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err != 0)
		fatal("cannot start the writer's thread: %s", strerrordesc_np(err));
	w->has_thread = true;
}

struct writer *
writer_new(writer_done_cb *done, void *ctx)
{
	struct writer *w = xcalloc(1, sizeof *w);

	w->done = done;
	w->ctx = ctx;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd == -1)
		fatal("cannot make the writer's eventfd");
	ev_io_init(&w->io, w->fd, on_readable);
	ev_io_want(&w->io, EV_IN);
	return w;
}

void
writer_free(struct writer **wp)
{
	struct writer *w = *wp;

	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	if (w->has_thread)
		pthread_join(w->thread, NULL);
	ev_io_stop(&w->io);
	close(w->fd);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
	xfree(wp);
}

void
writer_start(struct writer *w, const struct batch *b)
{
	ph_assert(!w->busy);
	if (!w->has_thread)
		start_thread(w);
	w->busy = true;
	pthread_mutex_lock(&w->lock);
	w->batch = *b;
	w->given = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

bool
writer_is_busy(const struct writer *w)
{
	return w->busy;
}
