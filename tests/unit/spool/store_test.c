#include "tests/unit/spool/help.h"

#include "lib/spool/done_int.h"

static struct walked w;

/* Closes and opens the store again: a restart of queued. */
static void
reopen_store(void)
{
	spool_store_close(&h.store);
	open_store();
}

static bool
is_done(const struct fate *f, uint32_t rcpt)
{
	enum final_kind kind;

	return spool_is_done(h.store, f->place.id, rcpt, &kind);
}

static int
count_files(const char *dir_name)
{
	int n = 0;
	DIR *dir = fdopendir(openat(h.fd, dir_name, O_RDONLY | O_DIRECTORY));
	struct dirent *d;

	while ((d = readdir(dir)) != NULL)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

static struct ipc_segment
segment_of(const struct spool_place *p)
{
	return (struct ipc_segment){
	    .segment = p->segment, .generation = p->generation, .writer = p->writer};
}

static void
what_is_synced_is_done_after_a_restart(void **state)
{
	struct fate *f = append(8, STR("x\r\n"));
	enum final_kind kind;

	wait_for_fates();
	spool_count_accepted(h.store, 8);
	done(f, 0, FINAL_DELIVERED);
	done(f, 2, FINAL_BOUNCED);
	sync_store();
	assert_true(h.synced);
	assert_audit(8, 6);
	reopen_store();
	assert_true(spool_is_done(h.store, f->place.id, 0, &kind));
	assert_int_equal(kind, FINAL_DELIVERED);
	assert_false(is_done(f, 1));
	assert_true(spool_is_done(h.store, f->place.id, 2, &kind));
	assert_int_equal(kind, FINAL_BOUNCED);
	struct spool_ledger l = spool_ledger(h.store);
	assert_int_equal(l.accepted, 2);
	assert_int_equal(l.by_kind[FINAL_DELIVERED], 1);
	spool_count_accepted(h.store, 6);
	spool_recovered(h.store);
	assert_false(is_done(f, 0));
	done(f, 1, FINAL_EXPIRED);
	done(f, 3, FINAL_DELETED);
	for (int k = FINAL_DELIVERED; k <= FINAL_DELETED; k++)
		done(f, 3 + (uint32_t)k, FINAL_QUIETLY(k));
	sync_store();
	assert_audit(8, 0);
	/* those without a record stay told apart over restarts */
	reopen_store();
	reopen_store();
	l = spool_ledger(h.store);
	assert_int_equal(l.accepted, 8);
	assert_int_equal(spool_ledger_ended(&l, FINAL_EXPIRED), 2);
	for (int k = FINAL_DELIVERED; k < FINAL_MAX; k++)
		assert_int_equal(l.by_kind[k], 1);
}

static void
what_is_not_synced_is_not_done(void **state)
{
	struct fate *f = append(1, STR("x\r\n"));

	wait_for_fates();
	done(f, 0, FINAL_DELIVERED);
	assert_audit(1, 1);
}

static void
a_sync_without_anything_to_write_still_answers(void **state)
{
	sync_store();
	assert_true(h.synced);
}

static int n_syncs;
static void
count_sync(void *ctx, const struct why *why)
{
	assert_null(why);
	if (++n_syncs == 50)
		ev_stop();
}

static void
syncs_in_a_row_are_answered_each(void **state)
{
	struct fate *f = append(50, STR("x\r\n"));

	wait_for_fates();
	n_syncs = 0;
	for (uint32_t i = 0; i < 50; i++) {
		done(f, i, FINAL_DELIVERED);
		spool_store_sync(h.store, count_sync, NULL);
	}
	ev_run();
	assert_audit(50, 0);
}

/* the number that the next file of the done log will have */
static uint32_t
next_done_file(void)
{
	int fd = openat(h.fd, "done", O_RDONLY | O_DIRECTORY);
	uint32_t *number, last;
	size_t n;

	assert_int_equal(done_list(fd, &number, &n), 0);
	close(fd);
	last = n == 0 ? 0 : number[n - 1];
	free(number);
	return last + 1;
}

static void
starts_without_room_for_a_new_file_go_on_in_the_last(void **state)
{
	struct fate *f = append(6, STR("x\r\n"));
	char name[SPOOL_NAME + 8];

	wait_for_fates();
	done(f, 0, FINAL_DELIVERED);
	sync_store();
	for (uint32_t i = 1; i < 6; i++) {
		reopen_store();
		spool_recovered(h.store);
		(void)unlinkat(h.fd, "done/spare", 0);
		/* no file can be made where a directory is */
		snprintf(name, sizeof name, "done/%08x", next_done_file());
		assert_int_equal(mkdirat(h.fd, name, 0700), 0);
		done(f, i, i % 2 == 0 ? FINAL_DELIVERED : FINAL_BOUNCED);
		sync_store();
		assert_true(h.synced);
		assert_int_equal(unlinkat(h.fd, name, AT_REMOVEDIR), 0);
		assert_audit(6, 5 - i);
	}
	reopen_store();
	for (uint32_t i = 0; i < 6; i++)
		assert_true(is_done(f, i));
}

static void
a_torn_or_turned_line_is_never_believed(void **state)
{
	struct fate *f = append(3, STR("x\r\n"));
	char line[DONE_LINE];
	uint64_t at = BLOCK_BYTES + DONE_LINE;

	wait_for_fates();
	for (uint32_t i = 0; i < 3; i++)
		done(f, i, FINAL_DELIVERED);
	sync_store();
	spool_store_close(&h.store);
	int fd = openat(h.fd, "done/00000001", O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, line, sizeof line, (off_t)at), DONE_LINE);
	for (unsigned i = 0; i < DONE_LINE; i++) {
		char c = (char)(line[i] ^ 1 << i % 8);
		assert_int_equal(pwrite(fd, &c, 1, (off_t)(at + i)), 1);
		open_store();
		assert_true(is_done(f, 0));
		assert_false(is_done(f, 1));
		assert_true(is_done(f, 2));
		spool_store_close(&h.store);
		assert_int_equal(pwrite(fd, &line[i], 1, (off_t)(at + i)), 1);
	}
	close(fd);
	open_store();
	assert_true(is_done(f, 1));
}

static void
a_broken_checkpoint_loses_no_line(void **state)
{
	struct fate *f = append(2, STR("x\r\n"));

	wait_for_fates();
	done(f, 0, FINAL_DELIVERED);
	sync_store();
	reopen_store();
	done(f, 1, FINAL_DELIVERED);
	sync_store();
	assert_true(h.synced);
	spool_store_close(&h.store);
	int fd = openat(h.fd, "done/00000002", O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "X", 1, 30), 1);
	close(fd);
	assert_audit(2, 0);
	open_store();
	assert_true(is_done(f, 0));
	assert_true(is_done(f, 1));
	assert_int_equal(spool_ledger(h.store).by_kind[FINAL_DELIVERED], 2);
}

static void
done_files_go_when_their_segment_is_gone(void **state)
{
	struct fate *f = append(1, STR("x\r\n"));

	wait_for_fates();
	/* every restart begins a new file */
	for (int i = 0; i < 8; i++) {
		struct fate *one = append(1, STR("y\r\n"));
		wait_for_fates();
		done(one, 0, FINAL_DELIVERED);
		sync_store();
		reopen_store();
	}
	assert_true(count_files("done") >= 8);
	done(f, 0, FINAL_DELIVERED);
	sync_store();
	struct ipc_segment seg = segment_of(&f->place);
	spool_segment_gone(h.store, &seg);
	sync_store();
	reopen_store();
	struct spool_ledger l = spool_ledger(h.store);
	assert_int_equal(l.by_kind[FINAL_DELIVERED], 9);
	/* the segment's lines are needed no more: the next file lets them go */
	f = append(1, STR("z\r\n"));
	wait_for_fates();
	done(f, 0, FINAL_DELIVERED);
	sync_store();
	reopen_store();
	assert_true(count_files("done") <= 4);
	assert_audit(10, 0);
	walk(&w);
	assert_int_equal(w.n, 0);
}

static void
one_stuck_message_does_not_keep_the_done_log_for_ever(void **state)
{
	struct fate *stuck = append(2, STR("stuck\r\n"));

	wait_for_fates();
	done(stuck, 0, FINAL_DELIVERED);
	sync_store();
	for (int i = 0; i < 40; i++) {
		reopen_store();
		struct fate *one = append(1, STR("y\r\n"));
		wait_for_fates();
		done(one, 0, FINAL_DELIVERED);
		sync_store();
	}
	reopen_store();
	assert_true(count_files("done") <= 20);
	assert_true(is_done(stuck, 0));
	assert_false(is_done(stuck, 1));
	for (int i = 1; i <= 40; i++)
		assert_true(is_done(&h.fate[i], 0));
	assert_audit(42, 1);
}

/* ---- moving out ---- */

static struct spool_place moved[100];
static size_t n_moved;
static struct why move_why;

static void
on_moved(void *ctx, const struct spool_place *places, size_t n, const struct why *why)
{
	n_moved = n;
	if (why != NULL)
		move_why = *why;
	else
		memcpy(moved, places, n * sizeof *moved);
	ev_stop();
}

static void
move(const struct fate *f, size_t n)
{
	struct spool_place p[100];

	for (size_t i = 0; i < n; i++)
		p[i] = f[i].place;
	spool_move_out(h.store, p, n, on_moved, NULL);
}

static void
moved_records_are_files_and_their_segment_may_go(void **state)
{
	for (int i = 0; i < 10; i++)
		append(3, make_body((unsigned)i, 3000));
	wait_for_fates();
	/* recipient 0 of each is done, of the last five everybody is */
	for (int i = 0; i < 10; i++)
		done(&h.fate[i], 0, FINAL_DELIVERED);
	for (int i = 5; i < 10; i++) {
		done(&h.fate[i], 1, FINAL_BOUNCED);
		done(&h.fate[i], 2, FINAL_BOUNCED);
	}
	move(h.fate, 5);
	/* while it is under way one more ends */
	done(&h.fate[0], 1, FINAL_DELIVERED);
	ev_run();
	assert_int_equal(n_moved, 5);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(moved[i].kind, SPOOL_FILE);
		assert_int_equal(moved[i].id, h.fate[i].place.id);
		assert_reads(&moved[i], make_body((unsigned)i, 3000));
	}
	/* file and record are there: each message comes once */
	walk(&w);
	assert_int_equal(w.n_files, 5);
	assert_int_equal(w.n, 10);
	assert_audit(30, 9);
	struct ipc_segment seg = segment_of(&h.fate[0].place);
	spool_segment_gone(h.store, &seg);
	sync_store();
	reopen_store();
	walk(&w);
	assert_int_equal(w.n, 5);
	for (int i = 0; i < 5; i++) {
		assert_true(is_done(&h.fate[i], 0));
		assert_int_equal(is_done(&h.fate[i], 1), i == 0);
		assert_false(is_done(&h.fate[i], 2));
	}
	assert_audit(30, 9);
}

static void
a_moved_and_finished_message_does_not_come_back_from_its_segment(void **state)
{
	struct why why;

	append(2, STR("moved\r\n"));
	append(1, STR("stays\r\n"));
	wait_for_fates();
	move(h.fate, 1);
	ev_run();
	assert_int_equal(n_moved, 1);
	for (uint32_t i = 0; i < 2; i++)
		spool_done_append(
		    h.store, &moved[0], i, FINAL_DELIVERED, wall_from_sec(1700000000));
	sync_store();
	assert_int_equal(spool_file_remove(h.store, moved[0].id, &why), 0);
	/* two restarts: what only the file needed has gone from the done log */
	for (int i = 0; i < 3; i++) {
		reopen_store();
		append(1, STR("more\r\n"));
		wait_for_fates();
		done(&h.fate[h.n_fates - 1], 0, FINAL_DELIVERED);
		sync_store();
	}
	walk(&w);
	assert_false(walk_has(&w, moved[0].id));
	assert_true(walk_has(&w, h.fate[1].place.id));
	assert_audit(6, 1);
}

static void
take_back_first(void *ctx, const struct spool_place *places, size_t n, const struct why *why)
{
	struct why trouble;

	assert_null(why);
	assert_int_equal(spool_file_remove(h.store, places[0].id, &trouble), 0);
	ev_stop();
}

static void
a_file_removed_while_its_move_is_told_leaves_the_record(void **state)
{
	struct spool_place p[2];

	append(2, STR("stays\r\n"));
	append(2, STR("moves\r\n"));
	wait_for_fates();
	p[0] = h.fate[0].place;
	p[1] = h.fate[1].place;
	done(&h.fate[0], 1, FINAL_DELIVERED);
	spool_move_out(h.store, p, 2, take_back_first, NULL);
	ev_run();
	walk(&w);
	assert_int_equal(w.n, 2);
	assert_int_equal(w.n_files, 1);
	/* the done log goes on over restarts: what is still needed stays */
	for (uint64_t i = 0; i < 4; i++) {
		assert_audit(4 + i, 3);
		struct fate *one = append(1, STR("x\r\n"));
		wait_for_fates();
		done(one, 0, FINAL_DELIVERED);
		sync_store();
		reopen_store();
		assert_true(is_done(&h.fate[0], 1));
		assert_false(is_done(&h.fate[0], 0));
		walk(&w);
		assert_true(walk_has(&w, h.fate[0].place.id));
	}
}

static void
a_move_that_fails_changes_nothing(void **state)
{
	append(1, STR("one\r\n"));
	append(1, STR("two\r\n"));
	wait_for_fates();
	h.fate[1].place.offset++;
	move(h.fate, 2);
	ev_run();
	assert_int_equal(n_moved, 0);
	assert_true(move_why.text[0] != '\0');
	assert_int_equal(count_files("tmp"), 0);
	walk(&w);
	assert_int_equal(w.n, 2);
	assert_int_equal(w.n_files, 0);
}

static void
a_file_spoilt_at_any_byte_is_told_and_the_others_served(void **state)
{
	char name[SPOOL_FILE_NAME], path[SPOOL_FILE_NAME + 8], text[1024];
	struct stat st;

	append(1, STR("one\r\n"));
	append(1, STR("two\r\n"));
	wait_for_fates();
	move(h.fate, 2);
	ev_run();
	struct ipc_segment seg = segment_of(&h.fate[0].place);
	spool_segment_gone(h.store, &seg);
	sync_store();
	struct why why;
	snprintf(path, sizeof path, "queue/%s", spool_file_name(moved[0].id, name));
	int fd = openat(h.fd, path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pread(fd, text, sizeof text, 0), st.st_size);
	for (uint64_t i = 0; i < moved[0].len; i++) {
		char c = (char)(text[i] ^ 1 << i % 8);
		assert_int_equal(pwrite(fd, &c, 1, (off_t)i), 1);
		walk(&w);
		assert_int_equal(w.n, 1);
		assert_int_equal(w.n_bad, 1);
		assert_int_equal(w.bad[0].id, moved[0].id);
		assert_int_equal(pwrite(fd, &text[i], 1, (off_t)i), 1);
	}
	for (off_t len = (off_t)moved[0].len - 1; len >= 0; len--) {
		assert_int_equal(ftruncate(fd, len), 0);
		walk(&w);
		assert_int_equal(w.n, 1);
		assert_int_equal(w.n_bad, 1);
	}
	close(fd);
	spool_set_aside(h.store, &w.bad[0], &why);
	assert_int_equal(count_files("bad"), 2);
	walk(&w);
	assert_int_equal(w.n, 1);
	assert_int_equal(w.n_bad, 0);
}

/* ---- audit ---- */

static void
the_audit_sees_a_record_that_vanished(void **state)
{
	struct spool_audit a;
	struct why why;
	static char zero[400];

	for (int i = 0; i < 5; i++)
		append(2, make_body((unsigned)i, 400));
	wait_for_fates();
	done(&h.fate[0], 0, FINAL_DELIVERED);
	sync_store();
	journal_close(&h.j);
	assert_audit(10, 9);
	int fd = open_segment_file(&h.fate[2].place, O_RDWR);
	assert_int_equal(pwrite(fd, zero, sizeof zero, (off_t)h.fate[2].place.offset), 400);
	close(fd);
	assert_int_equal(spool_audit(h.fd, &a, &why), 0);
	assert_int_equal(spool_audit_missing(&a), 2);
	assert_int_equal(a.broken, 1);
	/* the last one as well: the end line knows how many there were */
	fd = open_segment_file(&h.fate[4].place, O_RDWR);
	assert_int_equal(pwrite(fd, zero, sizeof zero, (off_t)h.fate[4].place.offset), 400);
	close(fd);
	assert_int_equal(spool_audit(h.fd, &a, &why), 0);
	assert_int_equal(spool_audit_missing(&a), 4);
	h.j = open_journal(1);
}

static void
the_audit_sees_a_queue_file_that_vanished(void **state)
{
	struct spool_audit a;
	struct why why;

	append(1, STR("one\r\n"));
	wait_for_fates();
	move(h.fate, 1);
	ev_run();
	struct ipc_segment seg = segment_of(&h.fate[0].place);
	spool_segment_gone(h.store, &seg);
	sync_store();
	assert_audit(1, 1);
	assert_int_equal(spool_file_remove(h.store, moved[0].id, &why), 0);
	assert_int_equal(spool_audit(h.fd, &a, &why), 0);
	assert_int_equal(spool_audit_missing(&a), 1);
}

static void
the_audit_sees_what_ended_twice(void **state)
{
	struct spool_audit a;
	struct why why;

	append(1, STR("one\r\n"));
	wait_for_fates();
	done(&h.fate[0], 0, FINAL_DELIVERED);
	done(&h.fate[0], 0, FINAL_DELIVERED);
	sync_store();
	assert_int_equal(spool_audit(h.fd, &a, &why), 0);
	assert_int_equal(a.twice, 1);
	assert_int_equal(spool_audit_missing(&a), -1);
}

static void
a_spool_that_others_may_write_is_refused(void **state)
{
	struct why why;

	spool_store_close(&h.store);
	assert_int_equal(fchmodat(h.fd, "queue/7f", 0777, 0), 0);
	assert_null(spool_store_open(h.fd, &why));
	assert_non_null(strstr(why.text, "7f"));
	assert_int_equal(fchmodat(h.fd, "queue/7f", 0700, 0), 0);
	open_store();
}

static void
space_is_told(void **state)
{
	uint64_t bytes, files;
	struct why why;

	assert_int_equal(spool_space(h.store, &bytes, &files, &why), 0);
	assert_true(bytes > 0 && files > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(what_is_synced_is_done_after_a_restart),
	    T(what_is_not_synced_is_not_done),
	    T(a_sync_without_anything_to_write_still_answers),
	    T(syncs_in_a_row_are_answered_each),
	    T(starts_without_room_for_a_new_file_go_on_in_the_last),
	    T(a_torn_or_turned_line_is_never_believed),
	    T(a_broken_checkpoint_loses_no_line),
	    T(done_files_go_when_their_segment_is_gone),
	    T(one_stuck_message_does_not_keep_the_done_log_for_ever),
	    T(moved_records_are_files_and_their_segment_may_go),
	    T(a_moved_and_finished_message_does_not_come_back_from_its_segment),
	    T(a_file_removed_while_its_move_is_told_leaves_the_record),
	    T(a_move_that_fails_changes_nothing),
	    T(a_file_spoilt_at_any_byte_is_told_and_the_others_served),
	    T(the_audit_sees_a_record_that_vanished),
	    T(the_audit_sees_a_queue_file_that_vanished),
	    T(the_audit_sees_what_ended_twice),
	    T(a_spool_that_others_may_write_is_refused),
	    T(space_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
