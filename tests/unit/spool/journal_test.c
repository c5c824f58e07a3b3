#include "tests/unit/spool/help.h"

#include "lib/spool/record_int.h"

static struct walked w;

static void
what_was_appended_is_read_and_walked(void **state)
{
	struct fate *f[3];

	f[0] = append(1, STR("hello\r\n"));
	f[1] = append(3, make_body(1, 2000));
	f[2] = append(1, STR(""));
	wait_for_fates();
	for (int i = 0; i < 3; i++)
		assert_true(f[i]->ok);
	assert_int_equal(h.n_opened, 1);
	assert_reads(&f[0]->place, STR("hello\r\n"));
	assert_reads(&f[1]->place, make_body(1, 2000));
	assert_reads(&f[2]->place, STR(""));
	walk(&w);
	assert_int_equal(w.n, 3);
	assert_int_equal(w.n_bad, 0);
	assert_memory_equal(&w.place[1], &f[1]->place, sizeof w.place[1]);
	assert_int_equal(journal_pending(h.j), 0);
	assert_audit(5, 5);
}

static void
one_turn_is_one_contiguous_group(void **state)
{
	for (int i = 0; i < 100; i++)
		append(1, make_body((unsigned)i, 500));
	wait_for_fates();
	for (int i = 1; i < 100; i++)
		assert_int_equal(
		    h.fate[i].place.offset, h.fate[i - 1].place.offset + h.fate[i - 1].place.len);
	walk(&w);
	assert_int_equal(w.n, 100);
}

static void
a_restart_keeps_what_was_there_and_ids_rise(void **state)
{
	uint64_t last;

	append(1, STR("one\r\n"));
	wait_for_fates();
	last = h.fate[0].place.id;
	journal_close(&h.j);
	h.j = open_journal(1);
	assert_true(journal_new_id(h.j) > last);
	append(2, STR("two\r\n"));
	wait_for_fates();
	assert_true(h.fate[1].ok);
	assert_true(h.fate[1].place.generation > h.fate[0].place.generation);
	walk(&w);
	assert_int_equal(w.n, 2);
	assert_int_equal(w.n_bad, 0);
	assert_audit(3, 3);
}

static void
a_writers_number_belongs_to_one(void **state)
{
	struct why why = {0};

	assert_null(journal_open(h.fd, 1, 7, &events, NULL, &why));
	assert_true(why.text[0] != '\0');
	struct journal *other = journal_open(h.fd, 2, 7, &events, NULL, &why);
	assert_non_null(other);
	journal_close(&other);
}

static void
a_full_segment_is_sealed_and_the_next_begun(void **state)
{
	/* 40 x 1 MB less a bit: three segments, in one group */
	for (int i = 0; i < 40; i++)
		append(1, make_body((unsigned)i, 1000000));
	wait_for_fates();
	assert_int_equal(h.n_opened, 3);
	assert_int_equal(h.n_sealed, 2);
	assert_true(h.sealed[0].end <= JOURNAL_SEGMENT_BYTES);
	walk(&w);
	assert_int_equal(w.n, 40);
	assert_int_equal(w.n_bad, 0);
	assert_int_equal(w.n_segments, 3);
	assert_int_equal(w.segment[0].end, h.sealed[0].end);
	for (int i = 0; i < 40; i++)
		assert_reads(&h.fate[i].place, make_body((unsigned)i, 1000000));
	assert_audit(40, 40);
}

static void
too_long_for_a_segment_is_refused_alone(void **state)
{
	struct fate *f[3];

	f[0] = append(1, STR("before\r\n"));
	f[1] = &h.fate[h.n_fates++];
	uint64_t id = journal_new_id(h.j);
	static char body[17 << 20];
	journal_append(h.j, id, make_env(id, 1, sizeof body), str_from(body, sizeof body), f[1]);
	f[2] = append(1, STR("after\r\n"));
	wait_for_fates();
	assert_true(f[0]->ok);
	assert_false(f[1]->ok);
	assert_int_equal(f[1]->why.smtp_code, 552);
	assert_true(f[2]->ok);
}

/* Ends everything in the sealed segments and gives them back. */
static void
finish_sealed(size_t n_fates)
{
	for (size_t i = 0; i < n_fates; i++)
		done(&h.fate[i], 0, FINAL_DELIVERED);
	sync_store();
	assert_true(h.synced);
	for (size_t i = 0; i < h.n_sealed; i++) {
		spool_segment_gone(h.store, &h.sealed[i]);
		journal_segment_freed(h.j, h.sealed[i].segment, h.sealed[i].generation);
	}
}

static void
a_freed_segment_is_used_again_and_old_records_stay_dead(void **state)
{
	uint32_t segment;

	for (int i = 0; i < 17; i++)
		append(1, make_body((unsigned)i, 1000000));
	wait_for_fates();
	assert_int_equal(h.n_sealed, 1);
	/* 16 lie in the first segment, the last one in the second */
	finish_sealed(h.fate[15].place.segment == h.sealed[0].segment ? 16 : 15);
	segment = h.sealed[0].segment;
	/* fill the second: the freed one comes again */
	for (int i = 0; i < 15; i++)
		append(1, make_body((unsigned)i, 1000000));
	wait_for_fates();
	append(1, STR("small\r\n"));
	wait_for_fates();
	struct fate *last = append(1, make_body(1, 900000));
	wait_for_fates();
	assert_int_equal(last->place.segment, segment);
	assert_true(last->place.generation > h.sealed[0].generation);
	/* behind the few new records lie the old ones, whole */
	walk(&w);
	for (size_t i = 0; i < w.n; i++)
		if (w.place[i].segment == segment)
			assert_int_equal(w.place[i].generation, last->place.generation);
	assert_false(walk_has(&w, h.fate[0].place.id));
	assert_int_equal(w.n_bad, 0);
	struct why why;
	struct spool_reader *r = spool_reader_new(h.fd);
	struct buf b;
	buf_init(&b, 4 << 20);
	assert_int_equal(spool_read(r, &h.fate[0].place, 100, &b, NULL, NULL, &why), -1);
	buf_clear(&b);
	spool_reader_free(&r);
	/* freed twice, or with the wrong generation: nothing happens */
	journal_segment_freed(h.j, segment, h.sealed[0].generation);
	last = append(1, STR("still here\r\n"));
	wait_for_fates();
	assert_reads(&last->place, STR("still here\r\n"));
}

static void
a_gone_segment_stays_gone_even_if_its_bytes_are_whole(void **state)
{
	append(1, STR("one\r\n"));
	wait_for_fates();
	struct ipc_segment seg = h.opened[0];
	done(&h.fate[0], 0, FINAL_DELIVERED);
	sync_store();
	spool_segment_gone(h.store, &seg);
	sync_store();
	walk(&w);
	assert_int_equal(w.n, 0);
	assert_int_equal(w.n_segments, 1);
	assert_audit(1, 0);
}

static void
prepared_segments_are_made_once(void **state)
{
	struct why why;

	assert_int_equal(journal_prepare(h.j, 3, &why), 0);
	journal_close(&h.j);
	h.j = open_journal(1);
	assert_int_equal(journal_prepare(h.j, 3, &why), 0);
	journal_close(&h.j);
	int n = 0, fd = openat(h.fd, "journal", O_RDONLY);
	DIR *dir = fdopendir(fd);
	struct dirent *d;
	while ((d = readdir(dir)) != NULL)
		n += strchr(d->d_name, '-') != NULL;
	closedir(dir);
	assert_int_equal(n, 3);
	h.j = open_journal(1);
}

static void
a_tail_that_a_dead_writer_left_is_found_by_its_place(void **state)
{
	struct fate *f;

	append(1, STR("known\r\n"));
	wait_for_fates();
	f = append(1, STR("unknown\r\n"));
	wait_for_fates();
	const struct spool_place *p = &h.fate[0].place;
	walk_with(spool_walk_new_writer(h.fd, 1, p->generation, p->offset + p->len), &w);
	assert_int_equal(w.n, 1);
	assert_int_equal(w.place[0].id, f->place.id);
	/* and the walk of a living spool leaves it out */
	struct spool_walk *walk_to = spool_walk_new(h.fd);
	spool_walk_stop_at(walk_to, 1, p->segment, p->offset + p->len);
	walk_with(walk_to, &w);
	assert_int_equal(w.n, 1);
	assert_int_equal(w.place[0].id, p->id);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(what_was_appended_is_read_and_walked),
	    T(one_turn_is_one_contiguous_group),
	    T(a_restart_keeps_what_was_there_and_ids_rise),
	    T(a_writers_number_belongs_to_one),
	    T(a_full_segment_is_sealed_and_the_next_begun),
	    T(too_long_for_a_segment_is_refused_alone),
	    T(a_freed_segment_is_used_again_and_old_records_stay_dead),
	    T(a_gone_segment_stays_gone_even_if_its_bytes_are_whole),
	    T(prepared_segments_are_made_once),
	    T(a_tail_that_a_dead_writer_left_is_found_by_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
