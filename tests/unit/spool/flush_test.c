#include "tests/unit/spool/disk.h"

#include "lib/spool/done_int.h"
#include "lib/spool/idfile_int.h"

static struct walked w;

static int
n_tmp(void)
{
	int n = 0;
	DIR *dir = fdopendir(openat(h.fd, "tmp", O_RDONLY | O_DIRECTORY));
	struct dirent *d;

	while ((d = readdir(dir)) != NULL)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

static struct fate *
large(uint32_t n_rcpts)
{
	struct why why;
	uint64_t id = journal_new_id(h.j);
	struct journal_large *l = journal_large_start(h.j, id, 1000, &why);
	struct fate *f = &h.fate[h.n_fates++];

	assert_non_null(l);
	assert_int_equal(journal_large_write(l, make_body(1, 1 << 20), &why), 0);
	journal_large_commit(&l, make_env(id, n_rcpts, 1 << 20), f);
	wait_for_fates();
	return f;
}

static struct fate *
small(uint32_t n_rcpts)
{
	struct fate *f = append(n_rcpts, STR("small\r\n"));

	wait_for_fates();
	return f;
}

static void
reopen_store(void)
{
	spool_store_close(&h.store);
	open_store();
}

static void
reopen_journal(void)
{
	journal_close(&h.j);
	h.j = open_journal(1);
}

/* Everything that runs ends, the power goes, everything starts. */
static void
cut_and_start(void)
{
	if (h.j != NULL)
		kill_journal();
	if (h.store != NULL)
		kill_store();
	power_cut();
	open_store();
	h.j = open_journal(1);
}

static struct ipc_segment
segment_of(const struct spool_place *p)
{
	return (struct ipc_segment){
	    .segment = p->segment, .generation = p->generation, .writer = p->writer};
}

static bool
is_done(uint64_t id, uint32_t rcpt)
{
	enum final_kind kind;

	return spool_is_done(h.store, id, rcpt, &kind);
}

/* ---- what a killed process wrote and did not flush ---- */

static void
done_lines_that_a_kill_left_unflushed_are_flushed_before_they_count(void **state)
{
	struct fate *f = small(1), *other = small(1);

	disk_on();
	disk.skipped = "/done/0";
	done(f, 0, FINAL_DELIVERED);
	sync_store();
	/* the next queued believes the line, and counts it in its own file's checkpoint */
	disk.skipped = NULL;
	reopen_store();
	assert_true(is_done(f->place.id, 0));
	done(other, 0, FINAL_DELIVERED);
	sync_store();
	assert_audit(2, 0);
	cut_and_start();
	assert_true(is_done(f->place.id, 0));
	assert_audit(2, 0);
}

static int
n_done_files(void)
{
	int n = 0;
	DIR *dir = fdopendir(openat(h.fd, "done", O_RDONLY | O_DIRECTORY));
	struct dirent *d;

	while ((d = readdir(dir)) != NULL)
		n += d->d_name[0] == '0';
	closedir(dir);
	return n;
}

static void
tries_of_a_done_log_that_the_disk_refuses_take_no_room(void **state)
{
	/* the files themselves; the directory as well, so that not even a removal is durable */
	static const char *const refused[] = {"/done/0", "/done"};
	struct fate *f = small(2), *other = small(1);
	int n_before;

	disk_on();
	done(f, 0, FINAL_DELIVERED);
	sync_store();
	assert_true(h.synced);
	for (size_t i = 0; i < countof(refused); i++) {
		n_before = n_done_files();
		disk.fails = refused[i];
		done(i == 0 ? f : other, i == 0, FINAL_BOUNCED);
		for (int k = 0; k < 20; k++) {
			sync_store();
			assert_false(h.synced);
			assert_int_equal(n_done_files(), n_before);
		}
		disk.fails = NULL;
		sync_store();
		assert_true(h.synced);
		assert_audit(3, 1 - i);
	}
	cut_and_start();
	assert_true(is_done(f->place.id, 1));
	assert_true(is_done(other->place.id, 0));
	assert_audit(3, 0);
}

static void
the_id_file_is_flushed_before_its_other_half_is_overwritten(void **state)
{
	struct idfile_text t;
	char zero[2 * BLOCK_BYTES] = {0};
	int fd = openat(h.fd, "journal/1.id", O_RDWR | O_CLOEXEC);

	small(3);
	assert_true(idfile_read(fd, &t));
	disk_on();
	disk.skipped = "/1.id";
	journal_close(&h.j);
	disk.skipped = NULL;
	h.j = open_journal(1);
	journal_close(&h.j);
	/* whatever the writes since then left: the half that the killed process wrote is on disk */
	power_cut();
	assert_true(idfile_read(fd, &t));
	assert_int_equal(
	    pwrite(fd, zero, sizeof zero, (off_t)((t.turn & 1) * sizeof zero)), sizeof zero);
	assert_true(idfile_read(fd, &t));
	assert_int_equal(t.n_rcpts, 3);
	close(fd);
	h.j = open_journal(1);
	assert_audit(3, 3);
}

static void
a_large_message_renamed_by_a_killed_writer_stays_when_it_was_counted(void **state)
{
	struct fate *f;

	disk_on();
	disk.skipped = "/queue/";
	f = large(2);
	assert_true(f->ok);
	kill_journal();
	disk.skipped = NULL;
	/* W.id still names it: settled at the start */
	h.j = open_journal(1);
	assert_audit(2, 2);
	cut_and_start();
	assert_audit(2, 2);
	walk(&w);
	assert_true(walk_has(&w, f->place.id));
}

static void
a_large_message_that_the_walk_told_stays_when_its_writer_does_not_come_back(void **state)
{
	struct fate *f;

	disk_on();
	disk.skipped = "/queue/";
	f = large(2);
	walk(&w);
	assert_true(walk_has(&w, f->place.id));
	disk.skipped = NULL;
	walk(&w);
	cut_and_start();
	walk(&w);
	assert_true(walk_has(&w, f->place.id));
	assert_audit(2, 2);
}

/* ---- flushes that fail ---- */

static void
a_large_message_refused_because_the_id_file_fails_is_not_counted(void **state)
{
	struct fate *f;

	small(1);
	disk_on();
	disk.fails = "/1.id";
	f = large(5);
	assert_false(f->ok);
	/* the file may name it: its tmp file says that it was not accepted */
	assert_audit(1, 1);
	assert_int_equal(n_tmp(), 1);
	large(5);
	assert_audit(1, 1);
	disk.fails = NULL;
	assert_true(small(1)->ok);
	assert_audit(2, 2);
	assert_true(large(3)->ok);
	assert_audit(5, 5);
	assert_int_equal(n_tmp(), 0);
	cut_and_start();
	assert_audit(5, 5);
}

static void
it_is_not_counted_after_a_power_cut_in_the_middle_of_that_either(void **state)
{
	small(1);
	disk_on();
	disk.fails = "/1.id";
	large(5);
	cut_and_start();
	assert_audit(1, 1);
	assert_int_equal(n_tmp(), 0);
	/* the same when the disk has what it said it had not */
	disk_on();
	disk.fails = "/1.id";
	large(5);
	disk_forget(0);
	cut_and_start();
	assert_audit(1, 1);
	assert_int_equal(n_tmp(), 0);
}

static void
a_rename_that_the_disk_does_not_settle_is_counted_as_it_turns_out(void **state)
{
	struct fate *f;

	disk_on();
	disk.fails = "/queue/";
	f = large(2);
	assert_false(f->ok);
	assert_audit(0, 0);
	assert_false(large(2)->ok);
	assert_audit(0, 0);
	/* it becomes well: settled with the next one */
	disk.fails = NULL;
	assert_true(large(1)->ok);
	assert_audit(1, 1);
	reopen_journal();
	assert_int_equal(n_tmp(), 0);
	assert_audit(1, 1);
	/* the disk has the rename, and not that it was taken back */
	disk.fails = "/queue/";
	(void)large(2);
	struct change *back = &disk.change[disk.n - 1];
	while (back->kind != CHANGE_RENAME || strstr(back->from, "/queue/") == NULL)
		back--;
	kill_journal();
	kill_store();
	struct change only = *back;
	*back = disk.change[0];
	disk.change[0] = only;
	disk_forget(1);
	power_cut();
	open_store();
	walk(&w);
	assert_int_equal(w.n_files, 2);
	assert_audit(3, 3);
	h.j = open_journal(1);
	assert_audit(3, 3);
}

static void
a_segment_whose_header_fails_is_thrown_away_and_the_counts_stay(void **state)
{
	struct fate *f = small(4), *g;
	struct ipc_segment seg = segment_of(&f->place);

	reopen_journal();
	for (uint32_t i = 0; i < 4; i++)
		done(f, i, FINAL_DELIVERED);
	sync_store();
	spool_segment_gone(h.store, &seg);
	sync_store();
	reopen_journal();
	/* the only segment, with the only header that counts, is the next to be written */
	disk_on();
	disk.fails = "/journal/1-";
	assert_false(small(1)->ok);
	assert_audit(4, 0);
	cut_and_start();
	assert_audit(4, 0);
	g = small(1);
	assert_true(g->ok);
	assert_audit(5, 1);
}

static void
a_group_whose_flush_fails_is_refused_for_ever(void **state)
{
	struct fate *f[3];

	f[0] = small(1);
	disk_on();
	disk.fails = "/journal/1-";
	f[1] = small(1);
	disk.fails = NULL;
	f[2] = small(1);
	assert_true(f[0]->ok && !f[1]->ok && f[2]->ok);
	assert_audit(2, 2);
	/* whether the disk kept the refused bytes or not */
	cut_and_start();
	assert_audit(2, 2);
	disk_on();
	disk.fails = "/journal/1-";
	assert_false(small(1)->ok);
	disk.fails = NULL;
	append_until_taken();
	assert_audit(3, 3);
	disk_forget(0);
	cut_and_start();
	assert_audit(3, 3);
}

/* ---- what is torn or turned ---- */

static void
spoil(const struct spool_place *p, off_t at)
{
	int fd = open_segment_file(p, O_RDWR);
	char c;

	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void
a_broken_header_lowers_no_count(void **state)
{
	struct fate *f;

	small(2);
	reopen_journal();
	f = small(3);
	assert_audit(5, 5);
	spoil(&f->place, 100);
	assert_audit(5, 5);
	/* killed, so that W.id does not have them either */
	kill_journal();
	assert_audit(5, 5);
	h.j = open_journal(1);
	assert_audit(5, 5);
	reopen_journal();
	assert_audit(5, 5);
	assert_true(small(1)->ok);
	assert_audit(6, 6);
}

static void
an_id_file_without_a_good_block_is_kept_for_people_and_begun_anew(void **state)
{
	char text[IDFILE_BLOCKS * BLOCK_BYTES];
	struct fate *f;
	int fd;

	(void)small(3);
	journal_close(&h.j);
	fd = openat(h.fd, "journal/1.id", O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, text, sizeof text, 0), sizeof text);
	for (size_t i = 0; i < IDFILE_BLOCKS; i++)
		text[i * BLOCK_BYTES + 20] ^= 1;
	assert_int_equal(pwrite(fd, text, sizeof text, 0), sizeof text);
	close(fd);
	h.j = open_journal(1);
	assert_int_equal(faccessat(h.fd, "bad/1.id.0", F_OK, 0), 0);
	f = small(1);
	assert_true(f->ok);
	assert_true(f->place.id > h.fate[0].place.id);
	assert_true(f->place.generation > h.fate[0].place.generation);
	assert_audit(4, 4);
	/* cut off it is no better */
	journal_close(&h.j);
	fd = openat(h.fd, "journal/1.id", O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 1000), 0);
	close(fd);
	h.j = open_journal(1);
	assert_int_equal(faccessat(h.fd, "bad/1.id.1", F_OK, 0), 0);
	assert_true(small(1)->ok);
	assert_audit(5, 5);
}

/* ---- a crash while records are moved out ---- */

static struct spool_place moved_to;
static void
on_moved(void *ctx, const struct spool_place *places, size_t n, const struct why *why)
{
	assert_int_equal(n, 1);
	moved_to = places[0];
	ev_stop();
}

static void
keep_marking_done(int n)
{
	for (int i = 0; i < n; i++) {
		struct fate *f = small(1);
		reopen_store();
		done(f, 0, FINAL_DELIVERED);
		sync_store();
		spool_count_accepted(h.store, 1);
	}
}

static void
what_a_crash_left_as_record_and_file_is_the_file_from_then_on(void **state)
{
	struct fate *stays = small(1), *f = small(3);
	struct ipc_segment seg = segment_of(&f->place);
	struct why why;

	done(f, 0, FINAL_BOUNCED);
	sync_store();
	disk_on();
	disk.skipped = "/done/0";
	spool_move_out(h.store, &f->place, 1, on_moved, NULL);
	ev_run();
	cut_and_start();
	walk(&w);
	assert_int_equal(w.n_files, 1);
	assert_int_equal(w.n_moved, 1);
	assert_int_equal(w.moved[0].id, f->place.id);
	spool_record_moved(h.store, &w.moved[0]);
	done(stays, 0, FINAL_DELIVERED);
	sync_store();
	/* now the segment goes, and the done-log files that only it needed */
	spool_segment_gone(h.store, &seg);
	keep_marking_done(20);
	reopen_store();
	assert_true(is_done(f->place.id, 0));
	assert_false(is_done(f->place.id, 1));
	/* and after the file's end nothing brings it back */
	for (uint32_t i = 1; i < 3; i++)
		spool_done_append(
		    h.store, &moved_to, i, FINAL_DELIVERED, wall_from_sec(1700000200));
	sync_store();
	assert_int_equal(spool_file_remove(h.store, f->place.id, &why), 0);
	keep_marking_done(20);
	walk(&w);
	assert_false(walk_has(&w, f->place.id));
	struct spool_audit a;
	assert_int_equal(spool_audit(h.fd, &a, &why), 0);
	assert_int_equal(spool_audit_missing(&a), 0);
	assert_int_equal(a.twice, 0);
}

static void
a_record_whose_file_may_vanish_still_counts(void **state)
{
	struct fate *f = small(1);
	char name[SPOOL_FILE_NAME], path[SPOOL_FILE_NAME + 8];

	disk_on();
	disk.skipped = "/";
	spool_move_out(h.store, &f->place, 1, on_moved, NULL);
	ev_run();
	kill_store();
	/* the file is only in the page cache */
	disk.skipped = NULL;
	snprintf(path, sizeof path, "queue/%s", spool_file_name(f->place.id, name));
	assert_int_equal(faccessat(h.fd, path, F_OK, 0), 0);
	open_store();
	walk(&w);
	disk.fails = "/queue/";
	if (w.n_moved > 0)
		spool_record_moved(h.store, &w.moved[0]);
	sync_store();
	cut_and_start();
	walk(&w);
	assert_int_equal(w.n, 1);
	assert_audit(1, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup_disk, teardown_disk)
	    T(done_lines_that_a_kill_left_unflushed_are_flushed_before_they_count),
	    T(tries_of_a_done_log_that_the_disk_refuses_take_no_room),
	    T(the_id_file_is_flushed_before_its_other_half_is_overwritten),
	    T(a_large_message_renamed_by_a_killed_writer_stays_when_it_was_counted),
	    T(a_large_message_that_the_walk_told_stays_when_its_writer_does_not_come_back),
	    T(a_large_message_refused_because_the_id_file_fails_is_not_counted),
	    T(it_is_not_counted_after_a_power_cut_in_the_middle_of_that_either),
	    T(a_rename_that_the_disk_does_not_settle_is_counted_as_it_turns_out),
	    T(a_segment_whose_header_fails_is_thrown_away_and_the_counts_stay),
	    T(a_group_whose_flush_fails_is_refused_for_ever),
	    T(a_broken_header_lowers_no_count),
	    T(an_id_file_without_a_good_block_is_kept_for_people_and_begun_anew),
	    T(what_a_crash_left_as_record_and_file_is_the_file_from_then_on),
	    T(a_record_whose_file_may_vanish_still_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
