#include "lib/base/io.h"

#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/base.h"

int
write_all(int fd, const void *p, size_t len)
{
	const char *from = p;

	while (len > 0) {
		ssize_t n = write(fd, from, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			return -1;
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

int
pwrite_all(int fd, const void *p, size_t len, uint64_t at)
{
	const char *from = p;

	while (len > 0) {
		ssize_t n = pwrite(fd, from, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			return -1;
		from += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int
pwritev_all(int fd, struct iovec *piece, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t done = pwritev(fd, piece, (int)PH_MIN(n, (size_t)IOV_MAX), (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done == 0)
			errno = ENOSPC;
		if (done <= 0)
			return -1;
		at += (uint64_t)done;
		for (; n > 0 && (size_t)done >= piece->iov_len; piece++, n--)
			done -= (ssize_t)piece->iov_len;
		if (done == 0)
			continue;
		piece->iov_base = (char *)piece->iov_base + done;
		piece->iov_len -= (size_t)done;
	}
	return 0;
}

ssize_t
pread_all(int fd, void *p, size_t len, uint64_t at)
{
	char *to = p;
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, to + got, len - got, (off_t)(at + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

int
read_whole(int fd, size_t expected, struct buf *to)
{
	char end, *p;
	size_t room;
	ssize_t n;

	/* one more, so that the end is seen without more room */
	(void)buf_reserve(to, expected + 1, &room);
	for (;;) {
		p = buf_reserve(to, 1, &room);
		n = p == NULL ? read(fd, &end, 1) : read(fd, p, room);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		if (p == NULL)
			break;
		buf_wrote(to, (size_t)n);
	}
	errno = EFBIG;
	return -1;
}

int
read_sealed(int fd, size_t most, struct buf *to)
{
	struct stat st;
	size_t room;
	ssize_t n;
	char *p;

	buf_init(to, most + 1);
	if (fstat(fd, &st) < 0)
		return -1;
	errno = EFBIG;
	if (st.st_size < 0 || (uint64_t)st.st_size > most ||
	    (p = buf_reserve(to, (size_t)st.st_size + 1, &room)) == NULL)
		return -1;
	errno = EIO;
	n = pread_all(fd, p, (size_t)st.st_size, 0);
	if (n != st.st_size)
		return -1;
	buf_wrote(to, (size_t)n);
	return 0;
}

int
close_with(int fd, int err)
{
	close(fd);
	errno = err;
	return -1;
}

int
open_plain(int dirfd, const char *name, int flags, mode_t mode)
{
	struct stat st;
	/* O_NONBLOCK: a FIFO planted under the name must not hold us */
	int fd = openat(dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return close_with(fd, errno);
	if (!S_ISREG(st.st_mode))
		return close_with(fd, EINVAL);
	if (st.st_nlink != 1)
		return close_with(fd, st.st_nlink == 0 ? ENOENT : EMLINK);
	return fd;
}
