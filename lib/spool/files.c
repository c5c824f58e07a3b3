#include "lib/spool/files_int.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/base/xalloc.h"
#include "lib/spool/record_int.h"

/* ---- names ---- */

const char *
segment_name(char name[SPOOL_NAME], unsigned writer, uint32_t segment)
{
	snprintf(name, SPOOL_NAME, "%u-%08x", writer, segment);
	return name;
}

bool
segment_name_parse(const char *name, unsigned *writer, uint32_t *segment)
{
	struct str s = str_of(name);
	uint64_t n;
	unsigned w = 0;

	while (s.len > 0 && ascii_is_digit(s.p[0]) && w < SPOOL_WRITERS) {
		w = w * 10 + (unsigned)(s.p[0] - '0');
		s = str_skip(s, 1);
	}
	if (!take_hex(&s, "-", 8, &n) || s.len > 0 || w >= SPOOL_WRITERS)
		return false;
	*writer = w;
	*segment = (uint32_t)n;
	return true;
}

const char *
writer_name(char name[SPOOL_NAME], unsigned writer)
{
	snprintf(name, SPOOL_NAME, "%u.id", writer);
	return name;
}

const char *
queue_dir_name(char name[SPOOL_NAME], uint64_t id)
{
	put_hex(name, 2, id >> 32);
	name[2] = '\0';
	return name;
}

const char *
id_name(char name[SPOOL_NAME], uint64_t id)
{
	put_hex(name, 16, id);
	name[16] = '\0';
	return name;
}

bool
id_name_parse(const char *name, uint64_t *id)
{
	struct str s = str_of(name);

	return take_hex(&s, "", 16, id) && s.len == 0;
}

const char *
done_name(char name[SPOOL_NAME], uint32_t number)
{
	put_hex(name, 8, number);
	name[8] = '\0';
	return name;
}

bool
done_name_parse(const char *name, uint32_t *number)
{
	struct str s = str_of(name);
	uint64_t n;

	if (!take_hex(&s, "", 8, &n) || s.len > 0)
		return false;
	*number = (uint32_t)n;
	return true;
}

/* ---- opening ---- */

int
open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

int
open_file(int dirfd, const char *name, int flags)
{
	return open_plain(dirfd, name, flags, 0);
}

int
open_queue_file(int queue_fd, uint64_t id, int flags)
{
	char name[SPOOL_NAME];
	int dir, fd;

	dir = open_dir(queue_fd, queue_dir_name(name, id));
	if (dir < 0)
		return -1;
	fd = open_file(dir, id_name(name, id), flags);
	if (fd < 0)
		return close_with(dir, errno);
	close(dir);
	return fd;
}

int
create_file(int dirfd, const char *name, mode_t mode)
{
	struct stat st;
	int fd, err;

	fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -1;
	/* the umask may have taken what the other daemons need */
	if (fstat(fd, &st) == 0 && ((st.st_mode & 0777) == mode || fchmod(fd, mode) == 0))
		return fd;
	err = errno;
	unlinkat(dirfd, name, 0);
	return close_with(fd, err);
}

int
sync_dir(int dirfd, const char *name)
{
	int fd = open_dir(dirfd, name), r, err;

	if (fd < 0)
		return -1;
	r = fsync(fd);
	err = errno;
	close(fd);
	errno = err;
	return r;
}

int
rename_new(int from_fd, const char *from, int to_fd, const char *to)
{
	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	return renameat(from_fd, from, to_fd, to);
}

static int
write_zeros(int fd, size_t bytes)
{
	enum { CHUNK = 1 << 18 };
	char *zero = xcalloc(1, CHUNK);
	int r = 0;

	for (size_t at = 0; at < bytes && r == 0; at += CHUNK)
		r = pwrite_all(fd, zero, PH_MIN(bytes - at, (size_t)CHUNK), at);
	free(zero);
	return r;
}

int
allocate_file(int fd, size_t bytes, bool zero)
{
	bool unsupported = false;

	if (fallocate(fd, 0, 0, (off_t)bytes) < 0) {
		if (errno != EOPNOTSUPP && errno != ENOSYS)
			return -1;
		unsupported = true;
	}
	if (!zero && !unsupported)
		return 0;
	if (write_zeros(fd, bytes) < 0)
		return -1;
	return fsync(fd);
}

int
why_disk(struct why *why, const char *what)
{
	int err = errno;
	bool full = err == ENOSPC || err == EDQUOT;

	why_smtp(why, full ? 452 : 451, 4, 3, full ? 1 : 0, "%s: %s", what, strerrordesc_np(err));
	errno = err;
	return -1;
}
