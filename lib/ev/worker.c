#include "lib/ev/worker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"

struct work_list {
	struct ev_work *first, **last;
};

struct ev_worker {
	const char *name;
	struct ev_io io;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows, for moments */
	pthread_cond_t wake;
	pthread_cond_t came_back;
	struct work_list in, out;
	bool stop;
	bool has_thread;
	size_t n_under_way; /* loop only: submitted, `done` not yet called */
	int fd;		    /* eventfd: `out` is no longer empty */
};

static void
list_init(struct work_list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void
list_add(struct work_list *l, struct ev_work *work)
{
	work->next = NULL;
	*l->last = work;
	l->last = &work->next;
}

static struct ev_work *
list_take(struct work_list *l)
{
	struct ev_work *work = l->first;

	if (work == NULL)
		return NULL;
	l->first = work->next;
	if (l->first == NULL)
		l->last = &l->first;
	return work;
}

/* Hands the finished job back; true when the loop must be woken for it. */
static bool
give_back(struct ev_worker *w, struct ev_work *work)
{
	bool was_empty = w->out.first == NULL;

	list_add(&w->out, work);
	pthread_cond_signal(&w->came_back);
	return was_empty;
}

static void
wake_loop(struct ev_worker *w)
{
	uint64_t one = 1;

	/* cannot fail: the counter is far from full */
	if (write(w->fd, &one, sizeof one) != sizeof one)
		panic("eventfd");
}

static void *
thread_main(void *arg)
{
	struct ev_worker *w = arg;
	struct ev_work *work;
	bool must_wake;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while ((work = list_take(&w->in)) == NULL && !w->stop)
			pthread_cond_wait(&w->wake, &w->lock);
		if (work == NULL)
			break;
		pthread_mutex_unlock(&w->lock);
		work->run(work);
		pthread_mutex_lock(&w->lock);
		must_wake = give_back(w, work);
		if (!must_wake)
			continue;
		pthread_mutex_unlock(&w->lock);
		wake_loop(w);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static struct ev_work *
take_finished(struct ev_worker *w)
{
	struct ev_work *first;

	pthread_mutex_lock(&w->lock);
	first = w->out.first;
	list_init(&w->out);
	pthread_mutex_unlock(&w->lock);
	return first;
}

static void
deliver(struct ev_worker *w)
{
	struct ev_work *work, *next;

	for (work = take_finished(w); work != NULL; work = next) {
		next = work->next;
		w->n_under_way--;
		work->done(work);
	}
}

static void
on_readable(struct ev_io *io, int what)
{
	struct ev_worker *w = ph_container_of(io, struct ev_worker, io);
	uint64_t n;

	if (read(w->fd, &n, sizeof n) == sizeof n)
		deliver(w);
}

static void
start_thread(struct ev_worker *w)
{
	sigset_t all, before;
	int err;

	/* signals are the loop's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&w->thread, NULL, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err != 0)
		fatal("cannot start the thread of %s: %s", w->name, strerrordesc_np(err));
	w->has_thread = true;
}

struct ev_worker *
ev_worker_new(const char *name)
{
	struct ev_worker *w = xcalloc(1, sizeof *w);

	w->name = name;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	pthread_cond_init(&w->came_back, NULL);
	list_init(&w->in);
	list_init(&w->out);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0)
		fatal("cannot make an eventfd for the thread of %s", name);
	ev_io_init(&w->io, w->fd, on_readable);
	ev_io_want(&w->io, EV_IN);
	return w;
}

void
ev_worker_submit(struct ev_worker *w, struct ev_work *work)
{
	if (!w->has_thread)
		start_thread(w);
	w->n_under_way++;
	pthread_mutex_lock(&w->lock);
	list_add(&w->in, work);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

bool
ev_worker_is_busy(const struct ev_worker *w)
{
	return w->n_under_way > 0;
}

void
ev_worker_drain(struct ev_worker *w)
{
	while (w->n_under_way > 0) {
		pthread_mutex_lock(&w->lock);
		while (w->out.first == NULL)
			pthread_cond_wait(&w->came_back, &w->lock);
		pthread_mutex_unlock(&w->lock);
		deliver(w);
	}
}

void
ev_worker_free(struct ev_worker **wp)
{
	struct ev_worker *w = *wp;

	if (w == NULL)
		return;
	ev_worker_drain(w);
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
	pthread_cond_destroy(&w->came_back);
	xfree(wp);
}
