/*
 * Losing rights, in one order for every daemon: close unknown descriptors → zone, locale, OpenSSL loaded → rlimits,
 * parent-death signal, not dumpable → chroot, chdir → groups, gid, uid → prove that setuid(0) fails →
 * no_new_privs → Landlock: files beneath the root and the directories of sandbox_allow_dir() only, and so no ".." out
 * of a directory that was given → seccomp (architecture, allow list, kill). What could not be applied is logged once,
 * by name.
 */
#ifndef PH_DAEMON_SANDBOX_H
#define PH_DAEMON_SANDBOX_H

#include "lib/base/base.h"

/* groups of system calls; each is a list in sandbox_calls.c */
enum sandbox_calls {
	/* memory, time, epoll, signals, read, write, sendmsg, recvmsg, exit: always there */
	BOX_LOOP = 1 << 0,
	/* openat read-only, pread, stat, getdents, statfs, flock */
	BOX_FILES_READ = 1 << 1,
	/* openat for writing, pwrite, ftruncate, fallocate, fdatasync, fsync, renameat2, unlinkat, mkdirat, symlinkat */
	BOX_FILES_WRITE = 1 << 2,
	/* accept4, getsockname, getpeername, setsockopt */
	BOX_ACCEPT = 1 << 3,
	/* socket (IPv4 and IPv6 only), bind, connect, getsockopt, setsockopt, sendfile */
	BOX_CONNECT = 1 << 4,
	/* clone for threads; those made before sandbox_enter need it not */
	BOX_THREADS = 1 << 5,
	/* what parsing a snapshot after a reload needs */
	BOX_CONFIG = 1 << 6,
	/* the filter of what starts commands, which they inherit: all but what only changes or spies on the machine */
	BOX_COMMANDS = 1 << 7,
	/* socketpair and memfd_create, which lead nowhere */
	BOX_PAIRS = 1 << 8,
	/* what Berkeley DB calls by names of old (unlink, rename, mkdir, access, select), and sealed memory of one's own */
	BOX_STORE = 1 << 9,
};

struct sandbox {
	const char *
	    user; /* "pmta-inject"; NULL: root, with no rights left but to become others and to signal them */
	bool root_spool;    /* chroot into the spool directory; otherwise an empty one */
	unsigned calls;	    /* enum sandbox_calls bits */
	uint64_t max_files; /* RLIMIT_NOFILE; 0: leave */
};

#define SANDBOX_MAX_DIRS 512
/*
 * Before sandbox_enter(): this directory and what is beneath it may be used besides the root, as far as `calls` say. The
 * descriptor stays the caller's; it must be open until then. Afterwards it does nothing.
 */
void sandbox_allow_dir(int fd);
/* Fatal when a step that should work does not. Unprivileged: everything but the ids and chroot. */
void sandbox_enter(const struct sandbox *box);
/* May files of this directory be used? What came later may not, and no process can change that of itself: it is to
 * end with EXIT_AGAIN. */
bool sandbox_reaches(int fd);

#endif
