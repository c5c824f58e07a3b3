#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"

#define LOCK_NAME "lock"
#define PID_NAME  "pid"
/* daemons of a killed master die with it, but one may be in the middle of a flush */
#define WAIT_FOR_OLD_S 20

static int
open_lock(int how)
{
	return open_plain(master.spool_fd, LOCK_NAME, how | O_CREAT, 0600);
}

static void
on_alarm(int signo)
{
}

/* flock that gives up after a while */
static int
flock_patiently(int fd)
{
	struct sigaction sa = {.sa_handler = on_alarm}, old;
	struct itimerval in = {.it_value = {.tv_sec = WAIT_FOR_OLD_S}}, off = {0};
	int r, saved;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	log_info("waiting for the daemons of an earlier run to end");
	sigaction(SIGALRM, &sa, &old);
	setitimer(ITIMER_REAL, &in, NULL);
	r = flock(fd, LOCK_EX);
	saved = errno;
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &old, NULL);
	errno = saved;
	return r;
}

/*
 * Two locks on one file: a record lock that only master holds, so that a second instance is refused at once; and a
 * flock on a descriptor that all daemons inherit, so that it lasts until the last of them is gone.
 */
int
lock_take(struct why *why)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char pid[16] = "";

	master.own_lock_fd = open_lock(O_RDWR);
	/* the daemons hold this one: they may not write into it */
	master.lock_fd = open_lock(O_RDONLY);
	if (master.own_lock_fd == -1 || master.lock_fd == -1)
		return why_errno(why, "the spool's lock cannot be opened");
	if (fcntl(master.own_lock_fd, F_OFD_SETLK, &whole) == -1) {
		ssize_t n = pread(master.own_lock_fd, pid, sizeof pid - 1, 0);
		pid[strcspn(pid, "\n")] = '\0';
		return why_set(why, "the spool is in use by another posthaste (process %s)",
		    n > 0 ? pid : "unknown");
	}
	if (flock_patiently(master.lock_fd) == -1)
		return why_errno(why, "daemons of an earlier run still use the spool");
	return 0;
}

void
lock_write_pid(void)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	int fd;

	/* never into what lies there */
	if (unlinkat(master.spool_fd, PID_NAME, 0) == -1 && errno != ENOENT)
		log_debug("old pid file: %s", strerrordesc_np(errno));
	fd = openat(
	    master.spool_fd, PID_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (ftruncate(master.own_lock_fd, 0) == -1 ||
	    pwrite(master.own_lock_fd, text, (size_t)n, 0) != n || fd == -1 ||
	    write(fd, text, (size_t)n) != n)
		log_warn("the pid file cannot be written: %s", strerrordesc_np(errno));
	if (fd != -1)
		close(fd);
}

void
lock_remove_pid(void)
{
	if (unlinkat(master.spool_fd, PID_NAME, 0) == -1)
		log_debug("no pid file");
}
