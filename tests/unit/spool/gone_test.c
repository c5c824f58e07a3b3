#include "tests/unit/spool/help.h"

#include "lib/spool/done_int.h"

/* how many lines the table of the newest file of the done log has */
static uint32_t
table_of_newest(void)
{
	int fd = openat(h.fd, "done", O_RDONLY | O_DIRECTORY);
	struct done_file f;
	uint32_t *number, n;
	size_t n_files;

	assert_int_equal(done_list(fd, &number, &n_files), 0);
	assert_true(n_files > 0);
	assert_int_equal(done_file_read(&f, fd, number[n_files - 1]), 0);
	assert_true(f.is_good);
	n = f.head.n_table;
	done_file_clear(&f);
	free(number);
	close(fd);
	return n;
}

static void
reopen_store(void)
{
	spool_store_close(&h.store);
	open_store();
}

static void
end_one(struct fate *f, uint32_t rcpt)
{
	done(f, rcpt, FINAL_DELIVERED);
	sync_store();
	assert_true(h.synced);
}

/* A backlog filled them, they were emptied, and their writer removed what it had no use for. */
static void
more_segments_may_have_gone_than_a_file_has_lines(void **state)
{
	struct fate *f = append(2, STR("x\r\n"));
	struct ipc_segment here;

	wait_for_fates();
	here = (struct ipc_segment){.segment = f->place.segment,
	    .generation = f->place.generation,
	    .writer = f->place.writer};
	end_one(f, 0);
	for (uint32_t i = 0; i < DONE_LINES + 1000; i++) {
		struct ipc_segment s = {.segment = i + 1000, .generation = i + 2, .writer = 1};
		spool_segment_gone(h.store, &s);
	}
	/* of a file that is still there it is remembered */
	spool_segment_gone(h.store, &here);
	end_one(f, 1);
	assert_audit(2, 0);
	reopen_store();
	assert_int_equal(spool_ledger(h.store).by_kind[FINAL_DELIVERED], 2);
	f = append(1, STR("y\r\n"));
	wait_for_fates();
	end_one(f, 0);
	assert_int_equal(table_of_newest(), 1);
	assert_audit(3, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		more_segments_may_have_gone_than_a_file_has_lines, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
