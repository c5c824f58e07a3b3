#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/ev/ev.h"

struct probe {
	struct ev_io io;
	struct ev_timer timer;
	struct ev_defer defer;
	unsigned n_in, n_out, n_timer, n_defer, stop_after;
	int fd, peer;
	struct probe *victim;
};

static void
on_io(struct ev_io *io, int what)
{
	struct probe *p = ph_container_of(io, struct probe, io);
	char byte;

	if (what & EV_IN) {
		assert_int_equal(read(p->fd, &byte, 1), 1);
		p->n_in++;
	}
	p->n_out += (what & EV_OUT) != 0;
	if (p->victim != NULL)
		ev_io_stop(&p->victim->io);
	if (p->n_in + p->n_out >= p->stop_after)
		ev_stop();
	ev_defer_queue(&p->defer);
}

static void
on_timer(struct ev_timer *t)
{
	ph_container_of(t, struct probe, timer)->n_timer++;
	ev_stop();
}

static void
on_defer(struct ev_defer *d)
{
	ph_container_of(d, struct probe, defer)->n_defer++;
}

static void
open_probe(struct probe *p)
{
	int fds[2];

	*p = (struct probe){0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	p->fd = fds[0];
	p->peer = fds[1];
	ev_io_init(&p->io, p->fd, on_io);
	ev_timer_init(&p->timer, on_timer);
	ev_defer_init(&p->defer, on_defer);
}

static void
close_probe(struct probe *p)
{
	ev_io_stop(&p->io);
	ev_timer_stop(&p->timer);
	ev_defer_cancel(&p->defer);
	close(p->fd);
	close(p->peer);
}

static void
readiness_is_level_triggered_and_only_for_what_is_wanted(void **state)
{
	struct probe p;

	open_probe(&p);
	assert_int_equal(write(p.peer, "abc", 3), 3);
	p.stop_after = 3;
	ev_io_want(&p.io, EV_IN);
	ev_run();
	assert_int_equal(p.n_in, 3);
	assert_int_equal(p.n_out, 0);
	assert_int_equal(p.n_defer, 3);
	ev_io_want(&p.io, EV_OUT);
	p.stop_after = 5;
	ev_run();
	assert_int_equal(p.n_in, 3);
	assert_int_equal(p.n_out, 2);
	close_probe(&p);
}

static void
a_timer_fires_not_before_its_time(void **state)
{
	struct probe p;
	struct mono start;

	open_probe(&p);
	ev_update_time();
	start = ev_now();
	ev_timer_in_ms(&p.timer, 30);
	ev_run();
	assert_int_equal(p.n_timer, 1);
	assert_true(mono_diff_ms(start, ev_now()) >= 30);
	close_probe(&p);
}

static void
a_watcher_may_be_stopped_by_another_ones_handler(void **state)
{
	struct probe a, b;

	open_probe(&a);
	open_probe(&b);
	a.victim = &b;
	b.victim = &a;
	a.stop_after = b.stop_after = 1;
	assert_int_equal(write(a.peer, "x", 1), 1);
	assert_int_equal(write(b.peer, "x", 1), 1);
	ev_io_want(&a.io, EV_IN);
	ev_io_want(&b.io, EV_IN);
	ev_run();
	assert_int_equal(a.n_in + b.n_in, 1);
	close_probe(&a);
	close_probe(&b);
}

static int seen_signal;

static void
on_signal(int signo, void *arg)
{
	seen_signal = signo;
	ev_stop();
}

static void
a_signal_arrives_as_an_event(void **state)
{
	ev_signal(SIGUSR1, on_signal, NULL);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	ev_run();
	assert_int_equal(seen_signal, SIGUSR1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(readiness_is_level_triggered_and_only_for_what_is_wanted),
	    cmocka_unit_test(a_timer_fires_not_before_its_time),
	    cmocka_unit_test(a_watcher_may_be_stopped_by_another_ones_handler),
	    cmocka_unit_test(a_signal_arrives_as_an_event),
	};
	int failed;

	ev_init();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	ev_fini();
	return failed;
}
