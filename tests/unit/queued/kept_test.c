/* what queued keeps beside its queues: jobs, events, names that are paused, and time as ticks */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/ev/ev.h"
#include "queued/control/events.h"
#include "queued/job.h"
#include "queued/control/pause.h"
#include "queued/queue.h"
#include "queued/state.h"
#include "queued/ticks.h"
#include "tests/unit/queued/tables.h"

static int
set_up(void **state)
{
	state_init();
	return 0;
}

static int
tear_down(void **state)
{
	tables_clear();
	return 0;
}

static void
a_job_lives_as_long_as_its_mail_or_its_pause(void **state)
{
	uint32_t a = job_add_rcpt(STR("a"));

	assert_int_equal(job_add_rcpt(STR("")), 0);
	assert_false(job_is_paused(0));
	assert_int_equal(job_add_rcpt(STR("a")), a);
	assert_int_equal(job_add_rcpt(STR("a")), a);
	assert_int_equal(job_at(a)->n_rcpts, 3);
	for (int i = 0; i < 3; i++)
		job_drop_rcpt(a);
	assert_int_equal(job_find(STR("a")), 0);
	/* paused before it has any mail */
	job_set_paused(STR("b"), true);
	assert_true(job_is_paused(job_find(STR("b"))));
	assert_int_equal(job_add_rcpt(STR("b")), job_find(STR("b")));
	job_drop_rcpt(job_find(STR("b")));
	assert_true(job_is_paused(job_find(STR("b"))));
	job_set_paused(STR("b"), false);
	assert_int_equal(job_find(STR("b")), 0);
	job_set_paused(STR("never"), false);
	assert_int_equal(job_next(0), 0);
}

static void
a_walk_over_jobs_meets_each_once_and_no_free_slot(void **state)
{
	char name[16];
	size_t n = 0;

	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "job%u", i);
		job_add_rcpt(str_of(name));
	}
	for (unsigned i = 0; i < 100; i += 2) {
		snprintf(name, sizeof name, "job%u", i);
		job_drop_rcpt(job_find(str_of(name)));
	}
	for (uint32_t h = 0; (h = job_next(h)) != 0; n++)
		assert_int_equal(strtoul(job_at(h)->name + 3, NULL, 10) % 2, 1);
	assert_int_equal(n, 50);
}

static void
a_queue_keeps_as_many_of_its_last_events_as_asked(void **state)
{
	struct policy ten = {.max_events = 10}, three = {.max_events = 3};
	struct queue q = {.policy = &ten};
	char text[400];

	assert_null(events_last(&q, 0));
	for (unsigned i = 1; i <= 25; i++) {
		snprintf(text, sizeof text, "event %u", i);
		events_add(&q, str_of(text));
	}
	for (uint32_t i = 0; i < 10; i++) {
		snprintf(text, sizeof text, "event %u", 25 - i);
		assert_string_equal(events_last(&q, i)->text, text);
	}
	assert_null(events_last(&q, 10));
	/* less room after a reload: the newest stay */
	q.policy = &three;
	events_add(&q, STR("event 26"));
	assert_string_equal(events_last(&q, 0)->text, "event 26");
	assert_string_equal(events_last(&q, 2)->text, "event 24");
	assert_null(events_last(&q, 3));
	q.policy = &ten;
	events_add(&q, STR("event 27"));
	assert_string_equal(events_last(&q, 3)->text, "event 24");
	assert_null(events_last(&q, 4));
	/* however long a reply is */
	memset(text, 'x', sizeof text);
	events_add(&q, str_from(text, sizeof text));
	assert_int_equal(strlen(events_last(&q, 0)->text), 300);
	events_free(&q);
	assert_null(q.events);
	events_free(&q);
}

static void
patterns_of_pauses_match_as_operators_write_them(void **state)
{
	static const struct {
		const char *pattern, *queue;
		bool match;
	} cases[] = {
	    {"gmail.com/v1", "gmail.com/v1", true},
	    {"gmail.com/v1", "gmail.com/v2", false},
	    {"GMAIL.com/*", "gmail.com/v1", true},
	    /* without a VirtualMTA: the domain in all of them */
	    {"gmail.com", "gmail.com/v1", true},
	    {"gmail.com", "notgmail.com/v1", false},
	    {"*", "a.b/v", true},
	    {"*/v?", "a.b/v1", true},
	    {"*/v?", "a.b/v12", false},
	    {"*.com/*", "x.org/com/v", false},
	    {"a*b*c/*", "axxbyyc/v", true},
	    {"", "a/v", false},
	    {"**/**", "a/v", true},
	};

	for (size_t i = 0; i < countof(cases); i++)
		assert_int_equal(
		    pause_match(str_of(cases[i].pattern), str_of(cases[i].queue)), cases[i].match);
}

static void
a_pattern_of_many_stars_costs_no_more_than_its_text(void **state)
{
	char pattern[401], text[4001];

	for (size_t i = 0; i < 400; i++)
		pattern[i] = i % 2 == 0 ? '*' : 'a';
	memset(text, 'a', sizeof text);
	text[4000] = 'b';
	/* exponential where it goes back to every star */
	assert_false(pause_glob(str_from(pattern, 400), str_from(text, 4001)));
}

static void
ticks_round_up_and_never_wrap(void **state)
{
	ev_init();
	ticks_init();
	assert_int_equal(tick_now().t, 0);
	assert_int_equal(tick_in_ms(0).t, 0);
	assert_int_equal(tick_in_ms(1).t, 1);
	assert_int_equal(tick_in_ms(TICK_MS).t, 1);
	assert_int_equal(tick_in_ms(TICK_MS + 1).t, 2);
	assert_int_equal(tick_in_ms(INT64_MAX).t, INT32_MAX);
	assert_int_equal(tick_add_ms((struct tick){INT32_MAX}, 1000).t, INT32_MAX);
	assert_int_equal(tick_ago_ms(INT64_MAX).t, INT32_MIN);
	assert_int_equal(tick_ago_ms(1000).t, -8);
	assert_true(tick_diff_ms((struct tick){-8}, (struct tick){8}) == 2000);
	assert_false(tick_is_due(tick_in_ms(1000)));
	assert_true(tick_is_due(tick_now()));
	ev_fini();
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(a_job_lives_as_long_as_its_mail_or_its_pause),
	    T(a_walk_over_jobs_meets_each_once_and_no_free_slot),
	    T(a_queue_keeps_as_many_of_its_last_events_as_asked),
	    T(patterns_of_pauses_match_as_operators_write_them),
	    T(a_pattern_of_many_stars_costs_no_more_than_its_text),
	    T(ticks_round_up_and_never_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
