#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/str.h"

#define SIZE 10000

static char bytes[SIZE];

/* a file of SIZE bytes, to be read from its beginning */
static int
file_of_bytes(void)
{
	int fd = memfd_create("io", MFD_CLOEXEC);

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)('a' + i % 26);
	assert_int_equal(write_all(fd, bytes, SIZE), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void
the_whole_file_is_read_into_what_it_just_fits(void **state)
{
	int fd = file_of_bytes();
	struct buf b;

	buf_init(&b, SIZE);
	assert_int_equal(read_whole(fd, 16, &b), 0);
	assert_int_equal(buf_len(&b), SIZE);
	assert_memory_equal(buf_str(&b).p, bytes, SIZE);
	buf_clear(&b);
	close(fd);
}

static void
what_is_expected_is_read_without_moving(void **state)
{
	int fd = file_of_bytes();
	const char *before;
	struct buf b;
	size_t room;

	buf_init(&b, 2 * SIZE);
	before = buf_reserve(&b, SIZE + 1, &room);
	assert_int_equal(read_whole(fd, SIZE, &b), 0);
	assert_ptr_equal(buf_str(&b).p, before);
	buf_clear(&b);
	close(fd);
}

static void
too_much_is_told(void **state)
{
	int fd = file_of_bytes();
	struct buf b;

	buf_init(&b, SIZE - 1);
	assert_int_equal(read_whole(fd, 16, &b), -1);
	assert_int_equal(errno, EFBIG);
	buf_clear(&b);
	close(fd);
}

static void
a_read_at_the_end_is_short(void **state)
{
	char some[100];
	int fd = file_of_bytes();

	assert_int_equal(pread_all(fd, some, sizeof some, SIZE - 40), 40);
	assert_memory_equal(some, bytes + SIZE - 40, 40);
	assert_int_equal(pread_all(fd, some, sizeof some, SIZE), 0);
	close(fd);
}

static void
what_was_handed_over_is_read_from_its_beginning_or_told_too_large(void **state)
{
	int fd = file_of_bytes();
	struct buf b;

	assert_int_equal(lseek(fd, 17, SEEK_SET), 17);
	assert_int_equal(read_sealed(fd, SIZE, &b), 0);
	assert_int_equal(buf_len(&b), SIZE);
	assert_memory_equal(buf_str(&b).p, bytes, SIZE);
	buf_clear(&b);
	assert_int_equal(read_sealed(fd, SIZE - 1, &b), -1);
	assert_int_equal(errno, EFBIG);
	buf_clear(&b);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(read_sealed(fd, SIZE, &b), 0);
	assert_int_equal(buf_len(&b), 0);
	buf_clear(&b);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_whole_file_is_read_into_what_it_just_fits),
	    cmocka_unit_test(what_is_expected_is_read_without_moving),
	    cmocka_unit_test(too_much_is_told),
	    cmocka_unit_test(a_read_at_the_end_is_short),
	    cmocka_unit_test(what_was_handed_over_is_read_from_its_beginning_or_told_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
