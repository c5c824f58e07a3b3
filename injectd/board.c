#include "injectd/board.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/log.h"

struct board *
board_map(int fd)
{
	void *p = mmap(NULL, IPC_BOARD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		fatal("the common memory cannot be had: %s", strerrordesc_np(errno));
	close(fd);
	return p;
}
