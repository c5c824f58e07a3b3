#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "lib/stats/metrics.h"

static void
counting_works_before_any_page_was_given(void **state)
{
	uint64_t before = stats_own->v[STAT_IN_MSGS];

	stat_inc(STAT_IN_MSGS);
	stat_add(STAT_IN_MSGS, 4);
	assert_int_equal(stats_own->v[STAT_IN_MSGS], before + 5);
}

static void
a_watcher_sees_what_another_counts(void **state)
{
	int fd = stats_create(3, 7);
	const struct stats_page *seen;

	assert_true(fd != -1);
	seen = stats_map(fd);
	assert_non_null(seen);
	assert_int_equal(seen->role, 3);
	assert_int_equal(seen->instance, 7);
	assert_int_equal(stats_map_own(fd), 0);
	stat_add(STAT_OUT_MSGS, 12);
	stat_set(STAT_Q_MSGS, 99);
	assert_int_equal(seen->v[STAT_OUT_MSGS], 12);
	assert_int_equal(seen->v[STAT_Q_MSGS], 99);
	assert_int_equal(seen->pid, getpid());
	/* its successor: counters go on, gauges begin anew */
	assert_int_equal(stats_map_own(fd), 0);
	assert_int_equal(seen->v[STAT_OUT_MSGS], 12);
	assert_int_equal(seen->v[STAT_Q_MSGS], 0);
	close(fd);
}

static void
a_page_of_another_size_or_kind_is_refused(void **state)
{
	int fd = memfd_create("x", 0);

	assert_true(fd != -1);
	assert_null(stats_map(fd));
	assert_int_equal(ftruncate(fd, sizeof(struct stats_page)), 0);
	assert_null(stats_map(fd));
	assert_int_equal(stats_map_own(fd), -1);
	close(fd);
	fd = stats_create(1, 0);
	assert_int_equal(ftruncate(fd, 10), -1);
	close(fd);
}

static void
every_row_has_a_name_of_its_own_and_help(void **state)
{
	for (unsigned i = 0; i < STAT_MAX; i++) {
		assert_true(strlen(stat_name((enum stat_id)i)) > 3);
		assert_true(strlen(stat_help((enum stat_id)i)) > 3);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(
			    stat_name((enum stat_id)i), stat_name((enum stat_id)k));
	}
	assert_string_equal(stat_name(STAT_MAX), "?");
	assert_true(stat_is_gauge(STAT_Q_MSGS));
	assert_false(stat_is_gauge(STAT_IN_MSGS));
}

static void
what_took_long_is_counted_in_its_class(void **state)
{
	const struct stats_histogram *h = &stats_own->histograms[HIST_DELIVERY];

	stat_took(HIST_DELIVERY, -5);
	stat_took(HIST_DELIVERY, 1);
	stat_took(HIST_DELIVERY, 2);
	stat_took(HIST_DELIVERY, INT64_MAX / 2);
	assert_int_equal(h->n[0], 2);
	assert_int_equal(h->n[1], 1);
	assert_int_equal(h->n[STATS_N_BOUNDS], 1);
	for (size_t i = 1; i < STATS_N_BOUNDS; i++)
		assert_true(stats_bound(i) > stats_bound(i - 1));
}

static uint64_t
value_of(const struct stats_labels *l, const char *label)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (strcmp(l->rows[i].text, label) == 0)
			return l->rows[i].value;
	}
	return 0;
}

static void
labels_have_so_many_places_and_the_rest_is_other(void **state)
{
	static struct stats_labels l;
	char label[200];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(label, sizeof label, "category-%u", i);
		stat_label_add(FAMILY_BOUNCES, str_of(label), 2);
	}
	memset(label, 'x', sizeof label);
	stat_label_add(FAMILY_BOUNCES, str_from(label, sizeof label), 1);
	assert_true(stats_labels_read(stats_own, FAMILY_BOUNCES, &l));
	assert_int_equal(l.n, STATS_LABELS);
	assert_int_equal(value_of(&l, "category-0"), 2);
	assert_int_equal(value_of(&l, STATS_OTHER), (1000 - STATS_LABELS + 1) * 2 + 1);
	/* while they are written nobody reads half of them */
	stats_own->families[FAMILY_BOUNCES].turn++;
	assert_false(stats_labels_read(stats_own, FAMILY_BOUNCES, &l));
	stats_own->families[FAMILY_BOUNCES].turn++;
}

static bool
has_line(struct str text, const char *wanted)
{
	struct str line;

	while (str_next(&text, '\n', &line)) {
		if (str_eq(line, str_of(wanted)))
			return true;
	}
	return false;
}

static void
metrics_add_up_the_pages_and_escape_labels(void **state)
{
	static struct stats_page a = {.role = 3, .pid = 10},
				 b = {.role = 5, .instance = 1, .pid = 11};
	const struct stats_page *pages[] = {&a, NULL, &b};
	struct buf text;

	a.v[STAT_OUT_MSGS] = 3;
	b.v[STAT_OUT_MSGS] = 4;
	b.v[STAT_PROC_CPU_MS] = 1234;
	a.histograms[HIST_DELIVERY].n[0] = 1;
	b.histograms[HIST_DELIVERY].n[STATS_N_BOUNDS] = 2;
	b.histograms[HIST_DELIVERY].sum_ms = 2500;
	a.families[FAMILY_DOMAINS] =
	    (struct stats_labels){.n = 1, .rows = {{.value = 9, .text = "a\"b\\c\nd\xff"}}};
	buf_init(&text, METRICS_MAX);
	assert_int_equal(metrics_write(&text, pages, countof(pages)), 0);
	assert_true(has_line(buf_str(&text), "posthaste_smtp_out_messages_total 7"));
	assert_true(has_line(buf_str(&text),
	    "posthaste_process_cpu_seconds_total{process=\"deliverd\",instance=\"1\"} 1.234"));
	assert_true(
	    has_line(buf_str(&text), "posthaste_delivery_latency_seconds_bucket{le=\"0.001\"} 1"));
	assert_true(
	    has_line(buf_str(&text), "posthaste_delivery_latency_seconds_bucket{le=\"+Inf\"} 3"));
	assert_true(has_line(buf_str(&text), "posthaste_delivery_latency_seconds_sum 2.500"));
	assert_true(
	    has_line(buf_str(&text), "posthaste_domain_recipients{domain=\"a\\\"b\\\\c?d?\"} 9"));
	buf_clear(&text);
	buf_init(&text, 1000);
	assert_int_equal(metrics_write(&text, pages, countof(pages)), -1);
	buf_clear(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counting_works_before_any_page_was_given),
	    cmocka_unit_test(a_watcher_sees_what_another_counts),
	    cmocka_unit_test(a_page_of_another_size_or_kind_is_refused),
	    cmocka_unit_test(what_took_long_is_counted_in_its_class),
	    cmocka_unit_test(labels_have_so_many_places_and_the_rest_is_other),
	    cmocka_unit_test(metrics_add_up_the_pages_and_escape_labels),
	    cmocka_unit_test(every_row_has_a_name_of_its_own_and_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
