/*
 * All of it, or an error: reading and writing of files that go on after a signal and after a part. Never for sockets
 * and pipes that do not block.
 */
#ifndef PH_BASE_IO_H
#define PH_BASE_IO_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "lib/base/buf.h"

/* -1 with errno; a write that makes nothing is ENOSPC. */
int write_all(int fd, const void *p, size_t len) PH_MUST_CHECK;
int pwrite_all(int fd, const void *p, size_t len, uint64_t at) PH_MUST_CHECK;
/* The pieces are used up. */
int pwritev_all(int fd, struct iovec *piece, size_t n, uint64_t at) PH_MUST_CHECK;
/* Bytes read: fewer only at the end of the file; -1 with errno. */
ssize_t pread_all(int fd, void *p, size_t len, uint64_t at) PH_MUST_CHECK;
/*
 * From where the descriptor is to the end, appended. Room for `expected` bytes is made at once: then no copies of what
 * is read stay behind. -1 with errno; EFBIG: `to` cannot hold it.
 */
int read_whole(int fd, size_t expected, struct buf *to) PH_MUST_CHECK;
/* Sealed memory that was handed over; makes the buffer. -1 with errno; EFBIG: above `most`. */
int read_sealed(int fd, size_t most, struct buf *to) PH_MUST_CHECK;

/* -1, with that errno and without the descriptor. */
int close_with(int fd, int err);

/*
 * A file in a directory where others than we may write: it is not opened through a link, does not make us wait, and must be
 * a plain file without a second name. -1 with errno; EINVAL: it is none; EMLINK: it has two names. flags: also O_CREAT.
 */
int open_plain(int dirfd, const char *name, int flags, mode_t mode) PH_MUST_CHECK;

#endif
