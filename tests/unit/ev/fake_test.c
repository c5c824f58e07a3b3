/* timers and deferred calls over the fake clock: this file brings the fake back end with it */
#include "lib/ev/ev_fake.c" /* NOLINT(bugprone-suspicious-include) */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct probe {
	struct ev_timer timer;
	struct ev_defer defer;
	struct ev_io io;
	struct probe *other;
	unsigned n;
	int what;
	struct mono at;
	int64_t again_ms;
};
static struct probe *order[64];
static size_t n_order;

static void
on_timer(struct ev_timer *t)
{
	struct probe *p = ph_container_of(t, struct probe, timer);

	p->n++;
	p->at = ev_now();
	if (n_order < countof(order))
		order[n_order++] = p;
	if (p->other != NULL)
		ev_timer_stop(&p->other->timer);
	if (p->again_ms >= 0)
		ev_timer_in_ms(&p->timer, p->again_ms);
}

static void
probe_init(struct probe *p)
{
	*p = (struct probe){.again_ms = -1};
	ev_timer_init(&p->timer, on_timer);
}

static int
begin(void **state)
{
	ev_init();
	n_order = 0;
	return 0;
}

static void
timers_fire_in_the_order_of_their_times_at_their_times(void **state)
{
	struct probe p[16];
	struct mono start = ev_now();
	struct wall wall = ev_wall();

	for (size_t i = 0; i < countof(p); i++) {
		probe_init(&p[i]);
		ev_timer_in_ms(&p[i].timer, (int64_t)((i * 7) % 16) * 1000 + 1000);
	}
	assert_int_equal(mono_diff_ms(start, ev_fake_next()), 1000);
	ev_fake_advance_ms(8000);
	assert_int_equal(n_order, 8);
	ev_fake_advance_ms(8000);
	assert_int_equal(n_order, 16);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(mono_diff_ms(start, order[i]->at), (int64_t)(i + 1) * 1000);
	assert_int_equal(mono_diff_ms(start, ev_now()), 16000);
	assert_true(ev_wall().ns - wall.ns == 16000 * NS_PER_MS);
	assert_true(ev_fake_next().ns == MONO_NEVER.ns);
}

static void
a_stopped_or_moved_timer_does_not_fire_at_its_old_time(void **state)
{
	struct probe a, b, c;

	probe_init(&a);
	probe_init(&b);
	probe_init(&c);
	ev_timer_in_ms(&a.timer, 10);
	ev_timer_in_ms(&b.timer, 20);
	ev_timer_in_ms(&c.timer, 30);
	assert_true(ev_timer_is_armed(&a.timer));
	ev_timer_in_ms(&a.timer, 100);
	a.other = &c;
	ev_timer_in_ms(&c.timer, 200);
	ev_timer_stop(&b.timer);
	ev_timer_stop(&b.timer);
	ev_fake_advance_ms(99);
	assert_int_equal(a.n + b.n + c.n, 0);
	ev_fake_advance_ms(1000);
	assert_int_equal(a.n, 1);
	assert_int_equal(b.n + c.n, 0);
	assert_false(ev_timer_is_armed(&a.timer));
}

static void
many_timers_moved_and_stopped_at_random_keep_their_order(void **state)
{
	static struct probe p[2000];
	uint32_t seed = 12345;
	size_t expected = 0, fired = 0;
	struct mono last = {0};

	for (size_t i = 0; i < countof(p); i++)
		probe_init(&p[i]);
	for (size_t i = 0; i < 20000; i++) {
		struct probe *q = &p[(seed = seed * 1664525 + 1013904223) % countof(p)];
		if ((seed >> 8) % 4 == 0)
			ev_timer_stop(&q->timer);
		else
			ev_timer_in_ms(&q->timer, (seed >> 10) % 100000);
	}
	for (size_t i = 0; i < countof(p); i++)
		expected += ev_timer_is_armed(&p[i].timer);
	while (ev_fake_next().ns != MONO_NEVER.ns) {
		assert_false(mono_is_before(ev_fake_next(), last));
		last = ev_fake_next();
		ev_fake_advance_ms(mono_diff_ms(ev_now(), last) + 1);
	}
	for (size_t i = 0; i < countof(p); i++)
		fired += p[i].n;
	assert_int_equal(fired, expected);
}

static void
a_timer_that_arms_itself_runs_at_each_of_its_times(void **state)
{
	struct probe p;

	probe_init(&p);
	p.again_ms = 500;
	ev_timer_in_ms(&p.timer, 500);
	ev_fake_advance_ms(86400 * 1000);
	assert_int_equal(p.n, 86400 * 2);
	ev_timer_stop(&p.timer);
}

static void
on_defer(struct ev_defer *d)
{
	struct probe *p = ph_container_of(d, struct probe, defer);

	p->n++;
	order[n_order++] = p;
	if (p->other != NULL)
		ev_defer_cancel(&p->other->defer);
	if (p->again_ms > 0 && p->n < (unsigned)p->again_ms)
		ev_defer_queue(&p->defer);
}

static void
deferred_calls_run_once_in_order_and_can_be_cancelled(void **state)
{
	struct probe p[4] = {0};

	for (size_t i = 0; i < 4; i++) {
		ev_defer_init(&p[i].defer, on_defer);
		ev_defer_queue(&p[i].defer);
		ev_defer_queue(&p[i].defer);
	}
	p[1].other = &p[2];
	ev_defer_cancel(&p[3].defer);
	ev_defer_cancel(&p[3].defer);
	ev_fake_advance_ms(0);
	assert_int_equal(n_order, 2);
	assert_ptr_equal(order[0], &p[0]);
	assert_ptr_equal(order[1], &p[1]);
	ev_defer_queue(&p[2].defer);
	ev_fake_advance_ms(0);
	assert_int_equal(p[2].n, 1);
}

static void
a_deferred_call_may_queue_itself(void **state)
{
	struct probe p = {.again_ms = 30};

	ev_defer_init(&p.defer, on_defer);
	ev_defer_queue(&p.defer);
	ev_fake_advance_ms(1);
	assert_int_equal(p.n, 30);
}

static void
on_io(struct ev_io *io, int what)
{
	struct probe *p = ph_container_of(io, struct probe, io);

	p->n++;
	p->what = what;
}

static void
a_descriptor_is_ready_only_when_the_test_says_so_and_it_is_wanted(void **state)
{
	struct probe p = {0};

	ev_io_init(&p.io, 5, on_io);
	ev_io_want(&p.io, EV_IN);
	ev_fake_advance_ms(1000);
	assert_int_equal(p.n, 0);
	ev_fake_ready(&p.io, EV_OUT);
	assert_int_equal(p.n, 0);
	ev_fake_ready(&p.io, EV_IN | EV_OUT);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.what, EV_IN);
	ev_io_stop(&p.io);
	ev_fake_ready(&p.io, EV_IN);
	assert_int_equal(p.n, 1);
}

static void
running_jumps_from_timer_to_timer_until_none_is_left(void **state)
{
	struct probe p;
	struct mono start = ev_now();

	probe_init(&p);
	ev_timer_in_ms(&p.timer, 3600 * 1000);
	ev_run();
	assert_int_equal(p.n, 1);
	assert_int_equal(mono_diff_ms(start, ev_now()), 3600 * 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(timers_fire_in_the_order_of_their_times_at_their_times, begin),
	    cmocka_unit_test_setup(a_stopped_or_moved_timer_does_not_fire_at_its_old_time, begin),
	    cmocka_unit_test_setup(many_timers_moved_and_stopped_at_random_keep_their_order, begin),
	    cmocka_unit_test_setup(a_timer_that_arms_itself_runs_at_each_of_its_times, begin),
	    cmocka_unit_test_setup(deferred_calls_run_once_in_order_and_can_be_cancelled, begin),
	    cmocka_unit_test_setup(a_deferred_call_may_queue_itself, begin),
	    cmocka_unit_test_setup(
		a_descriptor_is_ready_only_when_the_test_says_so_and_it_is_wanted, begin),
	    cmocka_unit_test_setup(running_jumps_from_timer_to_timer_until_none_is_left, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
