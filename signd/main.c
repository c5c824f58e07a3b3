/*
 * signd: holds the private keys and signs digests for deliverd. See README beside this file.
 */
#include "lib/daemon/sandbox.h"
#include "signd/signd.h"

#define MAX_FILES 256

static const struct sandbox box = {
    .user = "pmta-sign",
    .calls = BOX_LOOP | BOX_CONFIG,
    .max_files = MAX_FILES,
};

int
main(int argc, char **argv)
{
	dkim_key_prepare();
	asked_prepare();
	daemon_begin(argc, argv, &signd_daemon);
	signd.in_use = daemon_generation();
	sandbox_enter(&box);
	daemon_ready();
	daemon_run();
	signd_finish();
	return 0;
}
