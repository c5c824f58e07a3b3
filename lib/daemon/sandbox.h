/*
 * Losing rights, in one order for every daemon: close unknown descriptors → zone, locale, OpenSSL loaded → rlimits,
 * parent-death signal, not dumpable → chroot, chdir → groups, gid, uid → prove that setuid(0) fails →
 * no_new_privs → seccomp (architecture, allow list, kill). What could not be applied is logged once, by name.
 */
#ifndef PH_DAEMON_SANDBOX_H
#define PH_DAEMON_SANDBOX_H

#include "lib/base/base.h"

/* groups of system calls; each is a list in sandbox_calls.c */
enum sandbox_calls {
	BOX_LOOP = 1 << 0,     /* memory, time, epoll, signals, read, write, sendmsg, recvmsg, exit: always needed */
	BOX_FILES_READ = 1 << 1, /* openat read-only, pread, fstat, lseek, getdents, close, mmap of files */
	BOX_FILES_WRITE = 1 << 2, /* openat for writing, pwrite, ftruncate, fallocate, fdatasync, fsync, renameat2, unlinkat, mkdirat, symlinkat, flock */
	BOX_ACCEPT = 1 << 3,   /* accept4, getsockname, getpeername, setsockopt */
	BOX_CONNECT = 1 << 4,  /* socket, bind, connect, getsockopt, setsockopt, sendfile, sendto, recvfrom */
	BOX_THREADS = 1 << 5,  /* futex, and clone for threads */
	BOX_CONFIG = 1 << 6,   /* what parsing a snapshot after a reload needs */
};

struct sandbox {
	const char *user;	/* "pmta-inject" */
	bool	    root_spool; /* chroot into the spool directory; otherwise an empty one */
	unsigned    calls;	/* enum sandbox_calls bits */
	uint64_t    max_files;	/* RLIMIT_NOFILE; 0: leave */
};

/* Fatal when a step that should work does not. Unprivileged: everything but the ids and chroot. */
void sandbox_enter(const struct sandbox *box);

#endif
