/*
 * The key by which our own mail is known again (lib/track): made at the first start, kept in the spool beside the lock,
 * where root alone writes, and given to the daemons that need it as sealed memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/track/track.h"
#include "master/master.h"

#define NAME	 "track.key"
#define NEW_NAME "track.key.new"

static int
make(struct why *why)
{
	uint8_t key[TRACK_KEY];
	int fd, r = -1;

	if (getrandom(key, sizeof key, 0) != sizeof key)
		return why_errno(why, "no random bytes for a key");
	/* of a start that was cut short */
	if (unlinkat(master.spool_fd, NEW_NAME, 0) == -1 && errno != ENOENT)
		return why_errno(why, "spool/" NEW_NAME);
	fd = openat(
	    master.spool_fd, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd != -1 && write(fd, key, sizeof key) == sizeof key && fsync(fd) == 0)
		r = 0;
	if (fd != -1 && close(fd) == -1)
		r = -1;
	explicit_bzero(key, sizeof key);
	if (r == -1 || renameat(master.spool_fd, NEW_NAME, master.spool_fd, NAME) == -1 ||
	    fsync(master.spool_fd) == -1)
		return why_errno(why, "spool/" NAME " cannot be made");
	log_info(
	    "event=key-made text=\"mail that goes out from now on is known again in reports\"");
	return 0;
}

/* The open file; nobody but its owner may have read or written it. */
static int
open_key(struct why *why)
{
	int fd = openat(master.spool_fd, NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd == -1 && errno == ENOENT) {
		if (make(why) == -1)
			return -1;
		fd = openat(master.spool_fd, NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd == -1)
		return why_errno(why, "spool/" NAME " cannot be opened");
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	    st.st_uid == geteuid() && (st.st_mode & 077) == 0 && st.st_size == TRACK_KEY)
		return fd;
	close(fd);
	return why_set(why,
	    "spool/" NAME
	    " is not a file of %d bytes that only its owner, who runs the server, can "
	    "read",
	    TRACK_KEY);
}

int
track_key_load(struct why *why)
{
	uint8_t key[TRACK_KEY];
	int fd = open_key(why), memory;
	ssize_t n;

	if (fd == -1)
		return -1;
	n = read(fd, key, sizeof key);
	close(fd);
	if (n != sizeof key)
		return why_set(why, "spool/" NAME " cannot be read");
	memory = memfd_create("posthaste-track", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory != -1 &&
	    (write(memory, key, sizeof key) != sizeof key ||
		fcntl(memory, F_ADD_SEALS,
		    F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1)) {
		close(memory);
		memory = -1;
	}
	explicit_bzero(key, sizeof key);
	master.track_fd = memory;
	return memory == -1 ? why_errno(why, "the key of spool/" NAME " cannot be kept") : 0;
}
