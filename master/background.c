#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/log.h"

/* what the process that was started does: waits, and says how it went */
static void PH_NORETURN
wait_for_ready(int fd)
{
	unsigned char status;

	/* nothing came: it died, and has said why on standard error */
	if (read(fd, &status, 1) != 1)
		_exit(EXIT_WORLD);
	_exit(status);
}

static pid_t
xfork(void)
{
	pid_t pid = fork();

	if (pid == -1)
		fatal("fork: %s", strerrordesc_np(errno));
	return pid;
}

void
background_enter(void)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) == -1)
		fatal("pipe: %s", strerrordesc_np(errno));
	if (xfork() != 0) {
		close(fds[1]);
		wait_for_ready(fds[0]);
	}
	close(fds[0]);
	if (setsid() == -1)
		fatal("setsid: %s", strerrordesc_np(errno));
	/* once more, so that the server is no session leader and can never get a terminal */
	if (xfork() != 0)
		_exit(0);
	master.ready_fd = fds[1];
}

static void
leave_terminal(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd == -1 || dup2(fd, STDIN_FILENO) == -1 || dup2(fd, STDOUT_FILENO) == -1 ||
	    dup2(fd, STDERR_FILENO) == -1)
		log_warn("the terminal cannot be left: %s", strerrordesc_np(errno));
	if (fd > STDERR_FILENO)
		close(fd);
}

void
background_report(int status)
{
	const unsigned char byte = (unsigned char)status;

	if (master.ready_fd == -1)
		return;
	if (write(master.ready_fd, &byte, 1) == -1)
		log_debug("nobody waits for the start");
	close(master.ready_fd);
	master.ready_fd = -1;
	if (status != 0)
		return;
	log_also_to_stderr(false);
	leave_terminal();
}
