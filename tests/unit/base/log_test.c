#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/str.h"

static char text[4096];

/* what was logged since the last call */
static const char *
logged(int fd)
{
	ssize_t n = read(fd, text, sizeof text - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
outside_text_never_makes_a_second_line(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	log_init("test", LOG_LEVEL_INFO);
	log_to_fd(fds[1], false);
	log_info("reply=%s", log_quote(STR("a\r\n2026-01-01 error master \"x\\")));
	assert_string_equal(
	    logged(fds[0]), "info test reply=\"a\\x0d\\x0a2026-01-01 error master \\x22x\\x5c\"\n");
	/* even where somebody forgot to quote it */
	log_info("reason=\"%s\"", "a\r\nerror master\t\x1b[31m \x7f");
	assert_string_equal(logged(fds[0]), "info test reason=\"a??error master??[31m ?\"\n");
	log_to_fd(STDERR_FILENO, false);
	close(fds[0]);
	close(fds[1]);
}

static void
a_line_too_long_is_cut_and_still_ends(void **state)
{
	static char big[3000];
	int fds[2];
	size_t len;

	memset(big, 'x', sizeof big - 1);
	assert_int_equal(pipe(fds), 0);
	log_to_fd(fds[1], false);
	for (int i = 0; i < 3; i++) {
		log_info("%s%s", big, big);
		len = strlen(logged(fds[0]));
		assert_true(len > 100);
		assert_int_equal(text[len - 1], '\n');
		assert_ptr_equal(strchr(text, '\n'), text + len - 1);
	}
	log_to_fd(STDERR_FILENO, false);
	close(fds[0]);
	close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(outside_text_never_makes_a_second_line),
	    cmocka_unit_test(a_line_too_long_is_cut_and_still_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
