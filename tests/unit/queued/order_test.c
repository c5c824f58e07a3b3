#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queued/due.h"
#include "queued/order.h"
#include "queued/state.h"
#include "tests/unit/queued/tables.h"

static struct order o;
static struct due d;
static uint64_t next_id;

static int
setup(void **state)
{
	state_init();
	o = (struct order){0};
	d = (struct due){0};
	return 0;
}

static int
teardown(void **state)
{
	while (o.n > 0)
		order_remove(&o, order_first(&o));
	due_clear(&d);
	tables_clear();
	return 0;
}

/* a message with one recipient */
static uint32_t
make(uint32_t job, uint8_t priority)
{
	uint32_t m = message_new(), r = rcpt_new();

	message_at(m)->id = ++next_id;
	message_at(m)->job = job;
	rcpt_at(r)->message = m;
	rcpt_at(r)->priority = priority;
	return r;
}

static uint32_t
add(uint32_t job, uint8_t priority)
{
	uint32_t r = make(job, priority);

	order_add(&o, r, false);
	return r;
}

/* as a connection takes a transaction */
static uint32_t
take(void)
{
	uint32_t lane = order_lane(&o), r = order_first(&o);

	order_remove(&o, r);
	order_turn(&o, lane);
	return r;
}

static void
without_jobs_they_leave_as_they_came(void **state)
{
	uint32_t r[5];

	for (size_t i = 0; i < 5; i++)
		r[i] = add(0, 50);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(take(), r[i]);
	assert_int_equal(order_first(&o), 0);
	assert_null(o.levels);
}

static void
the_higher_priority_goes_first(void **state)
{
	uint32_t low = add(0, 10), usual = add(0, 50), high = add(0, 90), high2 = add(0, 90);

	assert_int_equal(take(), high);
	assert_int_equal(take(), high2);
	assert_int_equal(take(), usual);
	assert_int_equal(take(), low);
}

static void
jobs_take_turns(void **state)
{
	uint32_t a[100], b, c;

	for (size_t i = 0; i < 100; i++)
		a[i] = add(7, 50);
	assert_int_equal(take(), a[0]);
	b = add(0, 50);
	c = add(9, 50);
	assert_int_equal(take(), a[1]); /* it had its turn before they came */
	assert_int_equal(take(), b);
	assert_int_equal(take(), c);
	assert_int_equal(take(), a[2]);
	assert_int_equal(take(), a[3]);
	assert_int_equal(o.n, 96);
}

static void
what_comes_back_untried_goes_first(void **state)
{
	uint32_t a = add(7, 50), b = add(8, 50), x = take();

	assert_int_equal(x, a);
	order_add(&o, a, true);
	assert_int_equal(take(), a);
	assert_int_equal(take(), b);
}

static void
a_walk_sees_each_once_though_it_takes_them_out(void **state)
{
	uint32_t n = 0, next;

	for (uint32_t i = 0; i < 300; i++)
		add(i % 7, (uint8_t)(i % 3 * 40));
	for (uint32_t h = order_first(&o); h != 0; h = next) {
		next = order_after(&o, h);
		if (n++ % 2 == 0)
			order_remove(&o, h);
	}
	assert_int_equal(n, 300);
	assert_int_equal(o.n, 150);
	n = 0;
	for (uint32_t h = order_first(&o); h != 0; h = next, n++) {
		next = order_after(&o, h);
		order_remove(&o, h);
	}
	assert_int_equal(n, 150);
	assert_null(o.levels);
}

/* ---- those that wait for a time ---- */

static uint32_t
add_due(int32_t t)
{
	uint32_t r = make(0, 50);

	rcpt_at(r)->due.t = t;
	due_add(&d, r);
	return r;
}

static void
the_soonest_is_first_and_equals_keep_their_order(void **state)
{
	uint32_t r[64], seed = 1, last = 0;
	int32_t then = -1;

	for (size_t i = 0; i < 64; i++) {
		seed = seed * 1103515245 + 12345;
		r[i] = add_due((int32_t)(seed >> 16) % 8);
	}
	for (size_t i = 0; i < 64; i += 5)
		due_remove(&d, r[i]);
	while (d.n > 0) {
		uint32_t h = due_first(&d);
		assert_true(rcpt_at(h)->due.t >= then);
		if (rcpt_at(h)->due.t == then)
			assert_true(h > last);
		then = rcpt_at(h)->due.t;
		last = h;
		due_remove(&d, h);
	}
	assert_int_equal(d.all.n, 0);
	due_clear(&d);
}

static void
a_hundred_thousand_random_times_cost_little(void **state)
{
	uint32_t seed = 7;
	int32_t then = INT32_MIN;

	for (size_t i = 0; i < 100000; i++) {
		seed = seed * 1103515245 + 12345;
		add_due((int32_t)(seed >> 1));
	}
	while (d.n > 0) {
		uint32_t h = due_first(&d);
		assert_true(rcpt_at(h)->due.t >= then);
		then = rcpt_at(h)->due.t;
		due_remove(&d, h);
	}
	due_clear(&d);
	assert_true(sizeof(struct rcpt) + 2 * sizeof(uint32_t) <= 64);
}

static void
a_job_is_found_whatever_its_priority(void **state)
{
	uint32_t low = add(3, 10), high = add(4, 90), more = add(3, 50);

	assert_int_equal(order_first_of(&o, 4), high);
	assert_int_equal(order_first_of(&o, 3), more);
	order_remove(&o, more);
	assert_int_equal(order_first_of(&o, 3), low);
	order_remove(&o, low);
	assert_int_equal(order_first_of(&o, 3), 0);
	assert_int_equal(order_first_of(&o, 0), 0);
	order_remove(&o, high);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(without_jobs_they_leave_as_they_came),
	    T(a_job_is_found_whatever_its_priority),
	    T(the_higher_priority_goes_first),
	    T(jobs_take_turns),
	    T(what_comes_back_untried_goes_first),
	    T(a_walk_sees_each_once_though_it_takes_them_out),
	    T(the_soonest_is_first_and_equals_keep_their_order),
	    T(a_hundred_thousand_random_times_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
