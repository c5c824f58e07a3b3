#include "tests/unit/spool/help.h"

#include <time.h>

#include "lib/spool/accepted.h"
#include "lib/spool/idfile_int.h"

static struct walked w;

/* ---- ids ---- */

static void
ids_rise_over_clock_steps_and_restarts(void **state)
{
	uint64_t last = 0, id;

	for (int i = 0; i < 100000; i++) {
		id = journal_new_id(h.j);
		assert_true(id > last);
		assert_int_equal(id >> 18 & 15, 1);
		assert_int_equal(id >> 8 & 1023, 7);
		last = id;
	}
	/* a crash: W.id keeps what was lent */
	struct idfile_text t;
	int fd = openat(h.fd, "journal/1.id", O_RDWR | O_CLOEXEC);
	assert_true(idfile_read(fd, &t));
	assert_true(t.lease_ms >= last >> 22);
	/* and says more than the clock does: as after a step back of the clock */
	append(1, STR("x\r\n"));
	wait_for_fates();
	journal_close(&h.j);
	struct idfile f = {.fd = fd};
	assert_true(idfile_read(fd, &f.t));
	f.t.lease_ms += 1000 * 3600 * 24;
	assert_int_equal(idfile_write(&f), 0);
	close(fd);
	h.j = open_journal(1);
	id = journal_new_id(h.j);
	assert_true(id >> 22 > (last >> 22) + 1000 * 3600 * 24 - 1);
	for (int i = 0; i < 1000; i++) {
		uint64_t next = journal_new_id(h.j);
		assert_true(next > id);
		id = next;
	}
}

static void
no_record_is_acknowledged_beyond_the_lease(void **state)
{
	struct idfile_text t;
	int fd = openat(h.fd, "journal/1.id", O_RDONLY | O_CLOEXEC);

	append(1, STR("x\r\n"));
	/* an id from far ahead: the lease follows before the record is acknowledged */
	uint64_t id = journal_new_id(h.j) + (UINT64_C(100000) << 22);
	append_to(h.j, id, 1, STR("y\r\n"));
	wait_for_fates();
	assert_true(idfile_read(fd, &t));
	assert_true(t.lease_ms >= id >> 22);
	close(fd);
}

static void
a_torn_id_file_leaves_the_text_before(void **state)
{
	struct idfile_text before = {0}, after, t;
	char half[2][2 * BLOCK_BYTES], zero[2 * BLOCK_BYTES] = {0};
	int fd = openat(h.fd, "journal/1.id", O_RDWR | O_CLOEXEC);

	journal_close(&h.j);
	assert_int_equal(pread(fd, half, sizeof half, 0), sizeof half);
	assert_true(idfile_read(fd, &after));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    pwrite(fd, zero, sizeof zero, i * (off_t)sizeof zero), sizeof zero);
		assert_true(idfile_read(fd, &t));
		before = t.turn < after.turn ? t : before;
		assert_int_equal(
		    pwrite(fd, half[i], sizeof half[i], i * (off_t)sizeof half[i]), sizeof half[i]);
	}
	/* a bit turned in any one block changes nothing */
	for (int i = 0; i < 4; i++) {
		off_t at = i * (off_t)BLOCK_BYTES + 50;
		char c = (char)(half[i / 2][at % (off_t)sizeof half[0]] ^ 1);
		assert_int_equal(pwrite(fd, &c, 1, at), 1);
		assert_true(idfile_read(fd, &t));
		assert_int_equal(t.turn, after.turn);
		c ^= 1;
		assert_int_equal(pwrite(fd, &c, 1, at), 1);
	}
	assert_int_equal(before.turn, after.turn - 1);
	close(fd);
	h.j = open_journal(1);
}

/* ---- large messages ---- */

static struct fate *
large(size_t pieces, uint32_t n_rcpts, size_t env_room)
{
	struct why why;
	uint64_t id = journal_new_id(h.j);
	struct journal_large *l = journal_large_start(h.j, id, env_room, &why);
	struct fate *f = &h.fate[h.n_fates++];

	assert_non_null(l);
	for (size_t i = 0; i < pieces; i++)
		assert_int_equal(journal_large_write(l, make_body((unsigned)i, 1 << 20), &why), 0);
	journal_large_commit(&l, make_env(id, n_rcpts, pieces << 20), f);
	assert_null(l);
	return f;
}

static void
a_large_message_is_a_queue_file_at_once(void **state)
{
	struct fate *f = large(3, 2, 1000), *small = append(1, STR("small\r\n"));
	struct buf b;
	struct why why;
	int fd;
	uint64_t offset;
	struct spool_reader *r = spool_reader_new(h.fd);

	wait_for_fates();
	assert_true(f->ok && small->ok);
	assert_int_equal(f->place.kind, SPOOL_FILE);
	buf_init(&b, 8 << 20);
	if (spool_read(r, &f->place, SIZE_MAX, &b, &fd, &offset, &why) < 0)
		fail_msg("%s", why.text);
	for (unsigned i = 0; i < 3; i++)
		assert_true(
		    str_eq(str_sub(buf_str(&b), f->place.env_len + ((size_t)i << 20), 1 << 20),
			make_body(i, 1 << 20)));
	char c;
	assert_int_equal(pread(fd, &c, 1, (off_t)offset), 1);
	assert_int_equal(c, make_body(0, 1 << 20).p[0]);
	walk(&w);
	assert_int_equal(w.n, 2);
	assert_int_equal(w.n_files, 1);
	assert_memory_equal(&w.place[0].len, &f->place.len, sizeof f->place.len);
	assert_audit(3, 3);
	/* read with a bit turned, it is not believed */
	char name[SPOOL_FILE_NAME], path[SPOOL_FILE_NAME + 8];
	snprintf(path, sizeof path, "queue/%s", spool_file_name(f->place.id, name));
	int out = openat(h.fd, path, O_RDWR | O_CLOEXEC);
	c ^= 4;
	assert_int_equal(pwrite(out, &c, 1, (off_t)offset + 5), 1);
	close(out);
	assert_int_equal(spool_read(r, &f->place, SIZE_MAX, &b, NULL, NULL, &why), -1);
	buf_clear(&b);
	spool_reader_free(&r);
}

static void
any_room_for_the_envelope_fits_to_the_byte(void **state)
{
	size_t len = make_env(journal_new_id(h.j), 1, 1 << 20).len;

	for (size_t room = len; room < len + 20; room++)
		large(1, 1, room);
	/* one byte too little is refused, and leaves nothing */
	large(1, 1, len - 1);
	wait_for_fates();
	for (int i = 0; i < 20; i++)
		assert_true(h.fate[i].ok);
	assert_false(h.fate[20].ok);
	walk(&w);
	assert_int_equal(w.n, 20);
	assert_int_equal(w.n_bad, 0);
	assert_audit(20, 20);
}

/* A large message whose first line is known last; the room for the envelope has room for it, and `more`. */
static struct fate *
large_with_front(struct str front, size_t n_pieces, size_t more)
{
	struct why why;
	uint64_t id = journal_new_id(h.j), len = front.len + (n_pieces << 20);
	size_t room = make_env(id, 1, len).len + front.len + more;
	struct journal_large *l = journal_large_start(h.j, id, room, &why);
	struct fate *f = &h.fate[h.n_fates++];

	assert_non_null(l);
	for (size_t i = 0; i < n_pieces; i++)
		assert_int_equal(journal_large_write(l, make_body((unsigned)i, 1 << 20), &why), 0);
	journal_large_front(l, front);
	journal_large_commit(&l, make_env(id, 1, len), f);
	return f;
}

static void
what_is_known_last_stands_in_front_of_a_large_message(void **state)
{
	static char text[8192];
	struct spool_reader *r = spool_reader_new(h.fd);
	struct why why;
	struct buf b;

	memset(text, 'f', sizeof text);
	for (size_t i = 0; i < 4; i++)
		large_with_front(str_from(text, i == 0 ? 1 : 2731 * i - 1), 1 + i, i * 5000);
	wait_for_fates();
	buf_init(&b, 8 << 20);
	for (size_t i = 0; i < 4; i++) {
		struct fate *f = &h.fate[i];
		size_t n = i == 0 ? 1 : 2731 * i - 1;
		assert_true(f->ok);
		buf_reset(&b);
		if (spool_read(r, &f->place, SIZE_MAX, &b, NULL, NULL, &why) < 0)
			fail_msg("%s", why.text);
		assert_int_equal(buf_len(&b), f->place.env_len + n + ((1 + i) << 20));
		assert_memory_equal(buf_str(&b).p + f->place.env_len, text, n);
		for (unsigned k = 0; k <= i; k++)
			assert_memory_equal(
			    buf_str(&b).p + f->place.env_len + n + ((size_t)k << 20),
			    make_body(k, 1 << 20).p, 1 << 20);
	}
	buf_clear(&b);
	spool_reader_free(&r);
	/* there is no room for one byte more */
	h.n_fates = 4;
	large_with_front(str_from(text, 100), 1, (size_t)-1);
	wait_for_fates();
	assert_false(h.fate[4].ok);
	walk(&w);
	assert_int_equal(w.n_files, 4);
	assert_int_equal(w.n_bad, 0);
	assert_audit(4, 4);
}

static void
more_at_once_than_the_id_file_can_name_wait_for_each_other(void **state)
{
	for (int i = 0; i < 150; i++)
		large(1, 1, 500);
	wait_for_fates();
	for (int i = 0; i < 150; i++)
		assert_true(h.fate[i].ok);
	assert_audit(150, 150);
}

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

static void
an_aborted_large_message_leaves_nothing(void **state)
{
	struct why why;
	struct journal_large *l = journal_large_start(h.j, journal_new_id(h.j), 100, &why);

	assert_int_equal(journal_large_write(l, make_body(0, 1 << 20), &why), 0);
	assert_int_equal(n_tmp(), 1);
	/* a restart of queued does not take it from under its writer */
	spool_store_close(&h.store);
	open_store();
	assert_int_equal(n_tmp(), 1);
	journal_large_abort(&l);
	assert_int_equal(n_tmp(), 0);
	/* what a dead one left goes */
	int fd = openat(h.fd, "tmp/0000000000000005", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	spool_store_close(&h.store);
	open_store();
	assert_int_equal(n_tmp(), 0);
}

/* Puts a large message into W.id as under way, as a crash between naming and renaming, or just
 * behind it, leaves it. */
static void
name_under_way(uint64_t id, uint32_t n_rcpts)
{
	struct idfile f = {.fd = openat(h.fd, "journal/1.id", O_RDWR | O_CLOEXEC)};

	assert_true(idfile_read(f.fd, &f.t));
	f.t.large[f.t.n_large++] = (struct idfile_large){id, n_rcpts};
	assert_int_equal(idfile_write(&f), 0);
	close(f.fd);
}

static void
a_crash_around_the_rename_is_settled_by_the_tmp_file(void **state)
{
	struct fate *f = large(1, 3, 1000);
	char name[SPOOL_NAME], dir[SPOOL_NAME], path[2 * SPOOL_NAME + 8];
	uint64_t other = journal_new_id(h.j);

	wait_for_fates();
	assert_audit(3, 3);
	journal_close(&h.j);
	/* not yet renamed */
	name_under_way(other, 5);
	snprintf(path, sizeof path, "tmp/%s", id_name(name, other));
	close(openat(h.fd, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	assert_audit(3, 3);
	spool_store_close(&h.store);
	open_store();
	assert_int_equal(n_tmp(), 1);
	assert_audit(3, 3);
	h.j = open_journal(1);
	assert_false(journal_has_settled(h.j, other));
	assert_int_equal(n_tmp(), 0);
	assert_audit(3, 3);
	/* renamed, but W.id still says under way: counted, before and after its writer has settled
	 * it */
	journal_close(&h.j);
	struct idfile t = {.fd = openat(h.fd, "journal/1.id", O_RDWR | O_CLOEXEC)};
	assert_true(idfile_read(t.fd, &t.t));
	t.t.large_rcpts -= 3;
	t.t.large_msgs -= 1;
	assert_int_equal(idfile_write(&t), 0);
	close(t.fd);
	name_under_way(f->place.id, 3);
	assert_audit(3, 3);
	h.j = open_journal(1);
	assert_audit(3, 3);
	/* delivered since, and no done log tells of it: who asks whether it was accepted still learns that it was */
	snprintf(path, sizeof path, "queue/%s/%s", queue_dir_name(dir, f->place.id),
	    id_name(name, f->place.id));
	assert_int_equal(unlinkat(h.fd, path, 0), 0);
	assert_int_equal(spool_was_accepted(h.fd, f->place.id), 0);
	assert_true(journal_has_settled(h.j, f->place.id));
	assert_false(journal_has_settled(h.j, other));
	/* killed before it had asked: the next start tells it again */
	journal_close(&h.j);
	h.j = open_journal(1);
	assert_true(journal_has_settled(h.j, f->place.id));
	journal_settled_known(h.j);
	journal_settled_known(h.j);
	assert_true(journal_has_settled(h.j, f->place.id));
	append(1, STR("small\r\n"));
	wait_for_fates();
	journal_close(&h.j);
	h.j = open_journal(1);
	assert_false(journal_has_settled(h.j, f->place.id));
}

static void
a_directory_in_place_of_a_finished_file_stops_nothing(void **state)
{
	char name[SPOOL_FILE_NAME], path[SPOOL_FILE_NAME + 8];
	uint64_t id = journal_new_id(h.j);
	struct why why;

	snprintf(path, sizeof path, "queue/%s", spool_file_name(id, name));
	assert_int_equal(mkdirat(h.fd, path, 0700), 0);
	assert_int_equal(spool_file_remove(h.store, id, &why), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(ids_rise_over_clock_steps_and_restarts),
	    T(no_record_is_acknowledged_beyond_the_lease),
	    T(a_torn_id_file_leaves_the_text_before),
	    T(a_large_message_is_a_queue_file_at_once),
	    T(what_is_known_last_stands_in_front_of_a_large_message),
	    T(any_room_for_the_envelope_fits_to_the_byte),
	    T(more_at_once_than_the_id_file_can_name_wait_for_each_other),
	    T(an_aborted_large_message_leaves_nothing),
	    T(a_crash_around_the_rename_is_settled_by_the_tmp_file),
	    T(a_directory_in_place_of_a_finished_file_stops_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
