/*
 * Stands in a test's tree where master expects a daemon, and executes the real one with the crash shim preloaded:
 * so master's rule that a daemon starts with a clean environment needs no hole for tests. Its place names the
 * daemon; REAL_DIR, SHIM and PAGE are given by the compiler's command line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef REAL_DIR /* so that it can be read without a test */
#define REAL_DIR ""
#define SHIM	 ""
#define PAGE	 ""
#endif

int
main(int argc, char **argv)
{
	char path[4096];

	(void)argc;
	snprintf(path, sizeof path, "%s/%s", REAL_DIR, program_invocation_short_name);
	if (setenv("LD_PRELOAD", SHIM, 1) < 0 || setenv("CRASH_PAGE", PAGE, 1) < 0)
		return 75;
	execv(path, argv);
	perror(path);
	return 75;
}
