/*
 * deliverd: speaks SMTP on the connections that queued grants. See README beside this file.
 */
#include "deliverd/deliver_int.h"
#include "lib/daemon/sandbox.h"

#define MAX_FILES 65536 /* connections, each may hold a large message open as well */

static const struct sandbox box = {
    .user = "pmta-deliver",
    .root_spool = true,
    .calls = BOX_LOOP | BOX_FILES_READ | BOX_CONNECT | BOX_CONFIG,
    .max_files = MAX_FILES,
};

int
main(int argc, char **argv)
{
	deliver_prepare();
	daemon_begin(argc, argv, &deliver_daemon);
	deliver_init();
	sandbox_enter(&box);
	daemon_ready();
	daemon_run();
	deliver_finish();
	return 0;
}
