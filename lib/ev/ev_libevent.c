#include "lib/ev/ev_int.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <time.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define MAX_SIGNALS 16

/*
 * Every function here is weak: a test that compiles ev_fake.c into itself replaces them all, and with them the
 * clock, in whatever program part it tests.
 */
#pragma weak ev_init
#pragma weak ev_fini
#pragma weak ev_run
#pragma weak ev_stop
#pragma weak ev_now
#pragma weak ev_wall
#pragma weak ev_update_time
#pragma weak ev_io_init
#pragma weak ev_io_want
#pragma weak ev_io_stop
#pragma weak ev_signal

/* two events a descriptor: turning one direction on or off is then a single epoll_ctl */
struct io_impl {
	struct event in, out;
	struct io_impl *next_dead;
};

struct signal_impl {
	struct event *event;
	ev_signal_cb *cb;
	void *arg;
};

static struct {
	struct event_base *base;
	struct event wake; /* carries the earliest timer's time-out */
	struct signal_impl signals[MAX_SIGNALS];
	unsigned n_signals;
	bool stopped;
	bool time_is_fresh;
	struct mono now;
	struct wall wall;
} loop;

static int64_t
read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) == -1)
		panic("clock_gettime: %s", strerrordesc_np(errno));
	return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

void
ev_update_time(void)
{
	loop.now.ns = read_clock(CLOCK_MONOTONIC);
	loop.wall.ns = read_clock(CLOCK_REALTIME);
	loop.time_is_fresh = true;
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
}

void
ev_init(void)
{
	struct event_config *cfg;

	if (loop.base != NULL)
		return;
	cfg = event_config_new();
	if (cfg == NULL || event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK) == -1 ||
	    event_config_set_flag(cfg, EVENT_BASE_FLAG_IGNORE_ENV) == -1)
		fatal("the event loop cannot be set up");
	loop.base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (loop.base == NULL || event_assign(&loop.wake, loop.base, -1, 0, on_wake, NULL) == -1)
		fatal("the event loop cannot be made: %s", strerrordesc_np(errno));
	ev_update_time();
}

void
ev_fini(void)
{
	if (loop.base == NULL)
		return;
	for (unsigned i = 0; i < loop.n_signals; i++)
		event_free(loop.signals[i].event);
	loop.n_signals = 0;
	event_del(&loop.wake);
	event_base_free(loop.base);
	loop.base = NULL;
	loop.stopped = false;
	ev_timers_clear();
	ev_deferred_clear();
}

/* how long the kernel may wait: the earliest timer, rounded up to the poll's millisecond */
static struct timeval
until_next(void)
{
	int64_t us = (ev_timers_next().ns - loop.now.ns + 999) / 1000;

	us = PH_MAX(us, 0);
	return (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
}

static void
wait_for_events(void)
{
	struct timeval tv;
	int flags = EVLOOP_ONCE;

	if (ev_deferred_any() || !mono_is_before(loop.now, ev_timers_next())) {
		flags |= EVLOOP_NONBLOCK;
	} else if (ev_timers_next().ns == MONO_NEVER.ns) {
		flags |= EVLOOP_NO_EXIT_ON_EMPTY;
	} else {
		tv = until_next();
		if (evtimer_add(&loop.wake, &tv) == -1)
			fatal("the event loop's timer cannot be set");
	}
	loop.time_is_fresh = false;
	if (event_base_loop(loop.base, flags) == -1)
		fatal("the event loop failed: %s", strerrordesc_np(errno));
	if (!loop.time_is_fresh)
		ev_update_time();
}

void
ev_run(void)
{
	ev_init();
	while (!loop.stopped) {
		/* read again: handlers may have taken long, and the wait is reckoned from it */
		ev_update_time();
		wait_for_events();
		ev_timers_run(loop.now);
		ev_deferred_run();
	}
	loop.stopped = false;
}

void
ev_stop(void)
{
	loop.stopped = true;
	if (loop.base != NULL)
		event_base_loopbreak(loop.base);
}

struct mono
ev_now(void)
{
	if (loop.now.ns == 0)
		ev_update_time();
	return loop.now;
}

struct wall
ev_wall(void)
{
	if (loop.now.ns == 0)
		ev_update_time();
	return loop.wall;
}

static void
on_io(evutil_socket_t fd, short what, void *arg)
{
	struct ev_io *io = arg;
	int ready = 0;

	/* the first handler of a turn: the wait is over now */
	if (!loop.time_is_fresh)
		ev_update_time();
	if (what & EV_READ)
		ready |= EV_IN;
	if (what & EV_WRITE)
		ready |= EV_OUT;
	io->cb(io, ready);
}

void
ev_io_init(struct ev_io *io, int fd, ev_io_cb *cb)
{
	*io = (struct ev_io){.fd = fd, .cb = cb};
}

static void
make_impl(struct ev_io *io)
{
	struct io_impl *impl = xcalloc(1, sizeof *impl);

	ev_init();
	event_assign(&impl->in, loop.base, io->fd, EV_READ | EV_PERSIST, on_io, io);
	event_assign(&impl->out, loop.base, io->fd, EV_WRITE | EV_PERSIST, on_io, io);
	io->impl = impl;
}

static void
turn(struct event *event, bool on, int fd)
{
	if (on ? event_add(event, NULL) == -1 : event_del(event) == -1)
		fatal("descriptor %d cannot be watched: %s", fd, strerrordesc_np(errno));
}

void
ev_io_want(struct ev_io *io, int what)
{
	struct io_impl *impl;
	int changed = io->want ^ what;

	if (changed == 0)
		return;
	if (io->impl == NULL)
		make_impl(io);
	impl = io->impl;
	/* on before off, so that epoll sees a change and not a removal */
	if (changed & what & EV_IN)
		turn(&impl->in, true, io->fd);
	if (changed & what & EV_OUT)
		turn(&impl->out, true, io->fd);
	if (changed & ~what & EV_IN)
		turn(&impl->in, false, io->fd);
	if (changed & ~what & EV_OUT)
		turn(&impl->out, false, io->fd);
	io->want = what;
}

void
ev_io_stop(struct ev_io *io)
{
	ev_io_want(io, 0);
	free(io->impl);
	io->impl = NULL;
}

static void
on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct signal_impl *s = arg;

	if (!loop.time_is_fresh)
		ev_update_time();
	s->cb((int)signo, s->arg);
}

void
ev_signal(int signo, ev_signal_cb *cb, void *arg)
{
	struct signal_impl *s = &loop.signals[loop.n_signals];

	ev_init();
	ph_assert(loop.n_signals < MAX_SIGNALS);
	*s = (struct signal_impl){.cb = cb, .arg = arg};
	s->event = evsignal_new(loop.base, signo, on_signal, s);
	if (s->event == NULL || event_add(s->event, NULL) == -1)
		fatal("signal %d cannot be watched", signo);
	loop.n_signals++;
}
