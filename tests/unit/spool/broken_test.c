#include "tests/unit/spool/help.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sched.h>
#include <signal.h>

#include "lib/spool/record_int.h"

static struct walked w;

/* ---- a segment that is spoilt in every way ---- */

#define KEEP 16384

static char whole[KEEP]; /* the front of a segment with three records, no end line */
static uint64_t end[4];	 /* of the header and of each record */
static char name_in_journal[SPOOL_NAME + 8];

static void
make_three(bool with_end)
{
	char name[SPOOL_NAME];
	int fd;

	append(1, STR("first\r\n"));
	append(2, STR("second: with a few more bytes\r\n"));
	append(1, STR("third\r\n"));
	wait_for_fates();
	snprintf(name_in_journal, sizeof name_in_journal, "journal/%s",
	    segment_name(name, 1, h.fate[0].place.segment));
	end[0] = BLOCK_BYTES;
	for (int i = 0; i < 3; i++)
		end[i + 1] = h.fate[i].place.offset + h.fate[i].place.len;
	if (with_end)
		journal_close(&h.j);
	fd = openat(h.fd, name_in_journal, O_RDWR);
	assert_int_equal(pread(fd, whole, KEEP, 0), KEEP);
	close(fd);
	journal_close(&h.j);
}

/* The segment's file is made of these bytes, and short, so that each walk is quick. */
static void
put_segment(const char *bytes, size_t len)
{
	int fd = openat(h.fd, name_in_journal, O_RDWR | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, 0), (ssize_t)len);
	close(fd);
}

static size_t
n_before(uint64_t at)
{
	size_t n = 0;

	while (n < 3 && end[n + 1] <= at)
		n++;
	return n;
}

static void
check_cut(const char *bytes, size_t len, uint64_t cut)
{
	put_segment(bytes, len);
	walk(&w);
	/* the file is short: that is told, and nothing else */
	if (w.n != n_before(cut) || w.n_bad != 1)
		fail_msg("cut at %ju: %zu records, %zu bad", (uintmax_t)cut, w.n, w.n_bad);
	for (size_t i = 0; i < w.n; i++)
		assert_int_equal(w.place[i].id, h.fate[i].place.id);
}

static void
a_tail_torn_at_any_byte_ends_the_segment_quietly(void **state)
{
	static char torn[KEEP];

	make_three(false);
	for (uint64_t cut = end[0]; cut <= end[3]; cut++) {
		/* cut off, zero, or full of something else from here on */
		check_cut(whole, cut, cut);
		memcpy(torn, whole, KEEP);
		memset(torn + cut, 0, KEEP - cut);
		check_cut(torn, KEEP, cut);
		if (cut == end[3])
			break;
		memset(torn + cut, whole[cut] == 'U' ? 'V' : 'U', KEEP - cut);
		check_cut(torn, KEEP, cut);
	}
}

/* Walks with one bit turned: all but the record that has it must come. */
static void
check_flip(uint64_t at, int bit, size_t in)
{
	static char bent[KEEP];

	memcpy(bent, whole, KEEP);
	bent[at] = (char)(bent[at] ^ 1 << bit);
	put_segment(bent, KEEP);
	walk(&w);
	if (w.n != 2 || w.n_bad != 2)
		fail_msg("bit %d at %ju: %zu records, %zu bad", bit, (uintmax_t)at, w.n, w.n_bad);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(walk_has(&w, h.fate[i].place.id), i != in);
	assert_int_equal(w.bad[0].offset, end[in]);
	assert_int_equal(w.bad[0].len, end[in + 1] - end[in]);
}

static void
a_bit_turned_anywhere_in_a_record_sets_only_it_aside(void **state)
{
	make_three(true);
	for (size_t in = 0; in < 3; in++)
		for (uint64_t at = end[in]; at < end[in + 1]; at++)
			check_flip(at, (int)(at % 8), in);
	for (uint64_t at = end[1]; at < end[2]; at++)
		for (int bit = 0; bit < 8; bit++)
			check_flip(at, bit, 1);
}

/* the power went while a group was written: of its three records any may be torn */
static void
what_is_torn_in_the_last_group_is_no_damage(void **state)
{
	static char torn[KEEP];

	make_three(false);
	for (size_t in = 0; in < 2; in++)
		for (uint64_t at = end[in]; at + 20 < end[in + 1]; at += 7) {
			memcpy(torn, whole, KEEP);
			memset(torn + at, 0, 20);
			put_segment(torn, KEEP);
			walk(&w);
			assert_int_equal(w.n, 2);
			assert_int_equal(w.n_torn, 1);
			/* only that the file was made short */
			assert_int_equal(w.n_bad, 1);
		}
}

static void
what_is_broken_before_a_later_group_is_damage(void **state)
{
	static char bent[KEEP];
	uint64_t end_of_first;

	append(1, STR("first\r\n"));
	append(1, STR("second\r\n"));
	wait_for_fates();
	end_of_first = h.fate[0].place.offset + h.fate[0].place.len;
	make_three(false);
	memcpy(bent, whole, KEEP);
	memset(bent + h.fate[0].place.offset, 0, 20);
	put_segment(bent, KEEP);
	walk(&w);
	assert_int_equal(w.n_torn, 0);
	assert_int_equal(w.n_bad, 2);
	assert_int_equal(w.bad[0].offset + w.bad[0].len, end_of_first);
}

static void
a_bit_turned_in_a_segments_header_loses_no_record(void **state)
{
	static char bent[KEEP];

	make_three(true);
	for (uint64_t at = 0; at < BLOCK_BYTES; at += at < 200 || at > BLOCK_BYTES - 30 ? 1 : 16) {
		memcpy(bent, whole, KEEP);
		bent[at] = (char)(bent[at] ^ 1 << at % 8);
		put_segment(bent, KEEP);
		walk(&w);
		assert_int_equal(w.n, 3);
		assert_int_equal(w.n_bad, 2);
		assert_int_equal(w.segment[0].generation, h.fate[0].place.generation);
	}
}

static void
a_header_that_the_power_cut_short_is_no_loss(void **state)
{
	static char bent[KEEP];
	int fd;

	make_three(true);
	/* each part of its sectors: the file was never used before, and nothing follows a header that was not flushed */
	for (unsigned kept = 0; kept < 256; kept++) {
		memset(bent, 0, KEEP);
		for (unsigned i = 0; i < BLOCK_BYTES / 512; i++)
			if (kept >> i & 1)
				memcpy(bent + (size_t)i * 512, whole + (size_t)i * 512, 512);
		put_segment(bent, KEEP);
		fd = open_segment_file(&h.fate[0].place, O_RDWR);
		assert_int_equal(ftruncate(fd, JOURNAL_SEGMENT_BYTES), 0);
		close(fd);
		walk(&w);
		assert_int_equal(w.n, 0);
		assert_int_equal(w.n_bad, 0);
	}
}

static void
a_place_that_is_not_true_is_not_read(void **state)
{
	struct spool_reader *r = spool_reader_new(h.fd);
	struct spool_place p;
	struct buf b;
	struct why why;

	append(1, STR("first\r\n"));
	append(1, STR("second\r\n"));
	wait_for_fates();
	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < sizeof p; i++) {
		p = h.fate[1].place;
		((char *)&p)[i] ^= 1;
		assert_int_equal(spool_read(r, &p, SIZE_MAX, &b, NULL, NULL, &why), -1);
	}
	p = h.fate[1].place;
	assert_int_equal(spool_read(r, &p, SIZE_MAX, &b, NULL, NULL, &why), 0);
	buf_clear(&b);
	spool_reader_free(&r);
}

static void
a_missing_end_of_an_older_segment_is_told(void **state)
{
	append(1, STR("first\r\n"));
	append(1, STR("last\r\n"));
	wait_for_fates();
	journal_close(&h.j);
	h.j = open_journal(1);
	append(1, STR("next segment\r\n"));
	wait_for_fates();
	walk(&w);
	assert_int_equal(w.n, 3);
	assert_int_equal(w.n_bad, 0);
	/* the last record of the first segment vanishes, with what is behind it */
	int fd = open_segment_file(&h.fate[1].place, O_RDWR);
	assert_int_equal(ftruncate(fd, (off_t)h.fate[1].place.offset), 0);
	close(fd);
	walk(&w);
	assert_int_equal(w.n, 2);
	assert_int_equal(w.n_bad, 1);
}

/* ---- planted files ---- */

static void
links_fifos_and_directories_are_not_followed(void **state)
{
	struct fate *f = append(1, STR("real\r\n"));
	char name[SPOOL_NAME + 8];

	wait_for_fates();
	assert_int_equal(symlinkat("1-00000000", h.fd, "journal/2-00000000"), 0);
	assert_int_equal(mkfifoat(h.fd, "journal/3-00000000", 0600), 0);
	assert_int_equal(mkdirat(h.fd, "journal/4-00000000", 0700), 0);
	assert_int_equal(symlinkat("/etc/passwd", h.fd, "queue/00/0000000000000001"), 0);
	assert_int_equal(mkfifoat(h.fd, "queue/00/0000000000000002", 0600), 0);
	walk(&w);
	assert_int_equal(w.n, 1);
	assert_int_equal(w.n_bad, 5);
	/* a second name for the segment: somebody else may write it */
	snprintf(name, sizeof name, "journal/1-%08x", f->place.segment);
	assert_int_equal(linkat(h.fd, name, h.fd, "stolen", 0), 0);
	walk(&w);
	assert_int_equal(w.n, 0);
	struct spool_reader *r = spool_reader_new(h.fd);
	struct buf b;
	struct why why;
	buf_init(&b, 1 << 20);
	assert_int_equal(spool_read(r, &f->place, 10, &b, NULL, NULL, &why), -1);
	buf_clear(&b);
	spool_reader_free(&r);
}

/* ---- disks that fail ---- */

static void
limit_files(rlim_t bytes)
{
	struct rlimit l;

	getrlimit(RLIMIT_FSIZE, &l);
	l.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void
a_failed_write_abandons_the_segment_and_is_never_believed(void **state)
{
	struct fate *good, *bad, *next;

	signal(SIGXFSZ, SIG_IGN);
	good = append(1, make_body(1, 100000));
	wait_for_fates();
	limit_files((rlim_t)good->place.offset + good->place.len + 2000);
	/* one record fits before the limit and reaches the disk, the group as a whole does not */
	bad = append(1, STR("written, but not acknowledged\r\n"));
	append(1, make_body(2, 5000));
	wait_for_fates();
	assert_true(good->ok);
	assert_false(bad->ok);
	assert_int_equal(bad->why.smtp_code, 451);
	assert_int_equal(h.n_sealed, 1);
	assert_int_equal(h.sealed[0].end, good->place.offset + good->place.len);
	/* the next one goes to a fresh segment */
	limit_files(RLIM_INFINITY);
	next = append(1, STR("next\r\n"));
	wait_for_fates();
	assert_true(next->ok);
	assert_int_not_equal(next->place.segment, good->place.segment);
	walk(&w);
	assert_int_equal(w.n, 2);
	assert_int_equal(w.n_bad, 0);
	assert_false(walk_has(&w, bad->place.id));
	/* also after a restart */
	journal_close(&h.j);
	h.j = open_journal(1);
	append(1, STR("after the restart\r\n"));
	wait_for_fates();
	walk(&w);
	assert_int_equal(w.n, 3);
	assert_int_equal(w.n_bad, 0);
	assert_audit(3, 3);
	/* freed, it is not used again */
	done(good, 0, FINAL_BOUNCED);
	sync_store();
	spool_segment_gone(h.store, &h.sealed[0]);
	journal_segment_freed(h.j, h.sealed[0].segment, h.sealed[0].generation);
	append(1, STR("x\r\n"));
	wait_for_fates();
	assert_int_equal(open_segment_file(&good->place, O_RDONLY), -1);
	assert_audit(4, 3);
}

static void
trouble_is_answered_at_once_and_tried_once_a_second(void **state)
{
	signal(SIGXFSZ, SIG_IGN);
	limit_files(1000);
	append(1, STR("one\r\n"));
	wait_for_fates();
	assert_false(h.fate[0].ok);
	append(1, STR("two\r\n"));
	wait_for_fates();
	assert_false(h.fate[1].ok);
	limit_files(RLIM_INFINITY);
	/* heals by itself: refused until the second is over, then taken */
	append_until_taken();
	walk(&w);
	assert_int_equal(w.n, 1);
	assert_audit(1, 1);
}

/* A small file system of its own; without root there is none. */
static int
setup_tmpfs(void **state)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/mnt", "tmpfs", 0, "size=40m") < 0)
		return -1;
	setenv("TMPDIR", "/mnt", 1);
	return setup(state);
}

static void
a_full_disk_is_answered_452_and_recovers(void **state)
{
	struct stat st;
	int fd;

	if (geteuid() != 0 || setup_tmpfs(state) < 0) {
		print_message("skipped: a file system of its own needs root\n");
		skip();
	}
	fstat(h.fd, &st);
	/* room for two segments, not for three */
	fd = openat(h.fd, "filler", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fallocate(fd, 0, 0, 4 << 20), 0);
	for (int i = 0; i < 40; i++)
		append(1, make_body((unsigned)i, 900000));
	wait_for_fates();
	assert_true(h.fate[0].ok);
	assert_false(h.fate[39].ok);
	assert_int_equal(h.fate[39].why.smtp_code, 452);
	assert_int_equal(h.fate[39].why.enh[2], 1);
	size_t n_ok = 0;
	while (n_ok < 40 && h.fate[n_ok].ok)
		n_ok++;
	/* finished mail makes room again */
	for (size_t i = 0; i < n_ok; i++)
		done(&h.fate[i], 0, FINAL_DELIVERED);
	sync_store();
	assert_true(h.synced);
	for (size_t i = 0; i < h.n_sealed; i++) {
		spool_segment_gone(h.store, &h.sealed[i]);
		journal_segment_freed(h.j, h.sealed[i].segment, h.sealed[i].generation);
	}
	append_until_taken();
	assert_audit(n_ok + 1, 1);
	/* large ones as well */
	struct why why;
	uint64_t id = journal_new_id(h.j);
	struct journal_large *l = journal_large_start(h.j, id, 1000, &why);
	int r = 0;
	assert_non_null(l);
	for (int i = 0; i < 40 && r == 0; i++)
		r = journal_large_write(l, make_body(0, 1 << 20), &why);
	assert_int_equal(r, -1);
	assert_int_equal(why.smtp_code, 452);
	journal_large_abort(&l);
	assert_audit(n_ok + 1, 1);
	close(fd);
	teardown(state);
	umount("/mnt");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(a_tail_torn_at_any_byte_ends_the_segment_quietly),
	    T(what_is_torn_in_the_last_group_is_no_damage),
	    T(what_is_broken_before_a_later_group_is_damage),
	    T(a_bit_turned_anywhere_in_a_record_sets_only_it_aside),
	    T(a_bit_turned_in_a_segments_header_loses_no_record),
	    T(a_header_that_the_power_cut_short_is_no_loss),
	    T(a_place_that_is_not_true_is_not_read),
	    T(a_missing_end_of_an_older_segment_is_told),
	    T(links_fifos_and_directories_are_not_followed),
	    T(a_failed_write_abandons_the_segment_and_is_never_believed),
	    T(trouble_is_answered_at_once_and_tried_once_a_second),
	    cmocka_unit_test(a_full_disk_is_answered_452_and_recovers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
