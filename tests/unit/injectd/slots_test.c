/* Slots and failures that several processes count in one memory; here the processes are several structs. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "injectd/board.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"

static struct conf *
load(const char *text)
{
	char path[] = "/tmp/slots-test-XXXXXX";
	struct conf_messages m = {0};
	struct conf *c;
	int fd = mkstemp(path);

	assert_true(fd != -1);
	dprintf(fd, "host-name mx.test\nspool /tmp\nlog-file /dev/null\n%s\n", text);
	close(fd);
	c = conf_load(path, &m);
	assert_non_null(c);
	conf_messages_clear(&m);
	unlink(path);
	return c;
}

#define GROUPS                                                                                     \
	"total-max-smtp-in 10\n<source-group a>\nmax-smtp-in 3\n</source-group>\n"                 \
	"<source-group b>\nreserved-smtp-in 4\n</source-group>\n"

static slot_t held[64];
static size_t n_held;

static size_t
take_all(struct slots *s, struct str group)
{
	size_t n = 0;

	while ((held[n_held] = slots_take(s, group)) != 0) {
		n_held++;
		n++;
	}
	return n;
}

static void
limits_hold_over_all_processes(void **state)
{
	struct slots_board *b = xcalloc(1, sizeof *b);
	struct conf *c = load(GROUPS);
	struct slots s[3];

	n_held = 0;
	for (uint32_t i = 0; i < 3; i++) {
		slots_init(&s[i], b, i);
		assert_true(slots_use_conf(&s[i], c));
	}
	/* one of a's is taken elsewhere */
	assert_int_not_equal(slots_take(&s[2], STR("A")), 0);
	assert_int_equal(take_all(&s[0], STR("a")), 2);
	/* ten, three are gone, four are kept for b */
	assert_int_equal(take_all(&s[1], STR_NULL), 3);
	assert_int_equal(take_all(&s[0], STR("unknown")), 0);
	assert_true(slots_any(&s[0]));
	assert_int_equal(take_all(&s[2], STR("b")), 4);
	assert_false(slots_any(&s[1]));
	/* what a gives back anybody may have */
	slots_give_back(&s[0], held[0]);
	assert_int_equal(take_all(&s[1], STR_NULL), 1);
	free(b);
	conf_free(&c);
}

static void
what_a_dead_process_held_is_free_when_it_comes_again(void **state)
{
	struct slots_board *b = xcalloc(1, sizeof *b);
	struct conf *c = load(GROUPS);
	struct slots s[2];

	n_held = 0;
	for (uint32_t i = 0; i < 2; i++) {
		slots_init(&s[i], b, i);
		assert_true(slots_use_conf(&s[i], c));
	}
	assert_int_equal(take_all(&s[0], STR("a")), 3);
	assert_int_equal(take_all(&s[1], STR("a")), 0);
	slots_init(&s[0], b, 0);
	assert_true(slots_use_conf(&s[0], c));
	assert_int_equal(take_all(&s[1], STR("a")), 3);
	free(b);
	conf_free(&c);
}

struct reach {
	struct slots *s;
	pthread_barrier_t *at_once;
	slot_t got;
};

static void *
reach_for_the_last(void *arg)
{
	struct reach *r = arg;

	pthread_barrier_wait(r->at_once);
	r->got = slots_take(r->s, STR_NULL);
	return NULL;
}

static void
of_two_that_reach_for_the_last_one_gets_it(void **state)
{
	struct slots_board *b = xcalloc(1, sizeof *b);
	struct conf *c = load("total-max-smtp-in 1\n");
	struct slots s[2];
	pthread_barrier_t at_once;
	struct reach r[2];
	pthread_t other;

	pthread_barrier_init(&at_once, NULL, 2);
	for (uint32_t i = 0; i < 2; i++) {
		slots_init(&s[i], b, i);
		assert_true(slots_use_conf(&s[i], c));
	}
	for (int round = 0; round < 500; round++) {
		for (int i = 0; i < 2; i++)
			r[i] = (struct reach){.s = &s[i], .at_once = &at_once};
		pthread_create(&other, NULL, reach_for_the_last, &r[0]);
		(void)reach_for_the_last(&r[1]);
		pthread_join(other, NULL);
		assert_int_equal((r[0].got != 0) + (r[1].got != 0), 1);
		for (int i = 0; i < 2; i++)
			slots_give_back(&s[i], r[i].got);
	}
	pthread_barrier_destroy(&at_once);
	free(b);
	conf_free(&c);
}

static void
a_reserve_beyond_the_total_keeps_all_and_no_more(void **state)
{
	struct slots_board *b = xcalloc(1, sizeof *b);
	struct conf *c = load(
	    "total-max-smtp-in 5\n<source-group b>\nreserved-smtp-in unlimited\n</source-group>\n");
	struct slots s;

	n_held = 0;
	slots_init(&s, b, 14);
	assert_true(slots_use_conf(&s, c));
	assert_int_equal(take_all(&s, STR_NULL), 0);
	assert_int_equal(take_all(&s, STR("b")), 5);
	free(b);
	conf_free(&c);
}

static struct net_addr
addr(const char *text)
{
	struct net_addr a;

	assert_true(net_addr_parse(str_of(text), &a));
	return a;
}

static void
failures_count_from_the_first_one_on(void **state)
{
	struct lockout *l = xcalloc(1, sizeof *l);
	struct net_addr a = addr("192.0.2.1"), b = addr("192.0.2.2"), c = addr("2001:db8::1"),
			d = addr("2001:db8::ffff:1");

	ev_init();
	for (int i = 0; i < 5; i++)
		lockout_add(l, &a, 60000);
	assert_int_equal(lockout_count(l, &a, 60000), 5);
	assert_int_equal(lockout_count(l, &b, 60000), 0);
	/* a client of IPv6 has more addresses than one */
	lockout_add(l, &c, 60000);
	assert_int_equal(lockout_count(l, &d, 60000), 1);
	/* the window is over */
	assert_int_equal(lockout_count(l, &a, 0), 0);
	lockout_add(l, &a, 0);
	assert_int_equal(lockout_count(l, &a, 60000), 1);
	free(l);
	ev_fini();
}

static void
more_clients_than_slots_forget_only_the_oldest(void **state)
{
	struct lockout *l = xcalloc(1, sizeof *l);
	struct net_addr a = addr("10.0.0.0"), last;
	size_t known = 0;

	ev_init();
	for (uint32_t i = 0; i < 4 * LOCKOUT_SLOTS; i++) {
		a.bytes[1] = (uint8_t)(i >> 16);
		a.bytes[2] = (uint8_t)(i >> 8);
		a.bytes[3] = (uint8_t)i;
		lockout_add(l, &a, 60000);
		last = a;
	}
	assert_int_equal(lockout_count(l, &last, 60000), 1);
	for (size_t i = 0; i < LOCKOUT_SLOTS; i++)
		known += l->slots[i].key != 0;
	assert_true(known > LOCKOUT_SLOTS / 2);
	free(l);
	ev_fini();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(limits_hold_over_all_processes),
	    cmocka_unit_test(what_a_dead_process_held_is_free_when_it_comes_again),
	    cmocka_unit_test(of_two_that_reach_for_the_last_one_gets_it),
	    cmocka_unit_test(a_reserve_beyond_the_total_keeps_all_and_no_more),
	    cmocka_unit_test(failures_count_from_the_first_one_on),
	    cmocka_unit_test(more_clients_than_slots_forget_only_the_oldest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
