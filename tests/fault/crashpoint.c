/*
 * Preloaded into every process of a server under test: counts each call that changes the file system under test,
 * over all processes together, and lets the test choose one of them at which the world ends or the disk fails.
 * It acts only through a page of shared memory that was mapped before any sandbox closed, and makes no system call
 * beyond what the process makes anyway (fstat excepted), so it works behind chroot, seccomp and any user.
 *
 * When the chosen call comes, and from then on, every counted call of every process stops just before it happens
 * (a busy wait): the file system stays as it is at that instant until the test has cut the power or killed all.
 * The page also moves the wall clock. This must never be part of anything but a test.
 *
 * built as a shared object; CRASH_PAGE names the page's file (struct page below, made by the test)
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define N_ENTRIES (1u << 16)
#define MAX_FD	  4096
#define TEXT_LEN  64

enum mode { MODE_COUNT, MODE_STOP, MODE_ERRNO_ONCE, MODE_ERRNO, MODE_SHORT };

struct page {
	uint64_t counter;
	uint64_t at; /* which call: of all, or of the class; 0: none */
	uint64_t mode;
	uint64_t error;
	uint64_t hit; /* number of the call that was chosen, 0: not yet */
	uint64_t class_counter;
	uint64_t device;
	int64_t wall_offset_ns;
	char class[TEXT_LEN * 2];
	char entry[N_ENTRIES][TEXT_LEN]; /* "program call place" of each call, from number 1 */
};

static struct page *page;
static char program[16];
static char place_of[MAX_FD][32]; /* descriptors of files on the device; empty: others */

enum verdict { GO_ON, FAIL, HALF };

__attribute__((constructor)) static void
attach(void)
{
	const char *path = getenv("CRASH_PAGE");

	if (path == NULL)
		return;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	void *map = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	snprintf(program, sizeof program, "%s", program_invocation_short_name);
	if (map != MAP_FAILED)
		page = map;
}

/* A name with its numbers taken out, so that calls of one kind have one text. */
static void
place_write(char *out, size_t size, const char *name)
{
	size_t n = 0;

	for (const char *p = name; *p != '\0' && n + 1 < size;) {
		size_t run = strspn(p, "0123456789abcdef");
		if (run >= 2 || (run == 1 && *p <= '9')) {
			out[n++] = '#';
			p += run;
		} else {
			out[n++] = *p++;
		}
	}
	out[n] = '\0';
}

static bool
is_on_device(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == page->device;
}

static bool
dir_is_on_device(int dirfd, const char *name)
{
	struct stat st;
	char parent[4096];
	const char *slash = strrchr(name, '/');

	if (name[0] != '/' && dirfd != AT_FDCWD)
		return is_on_device(dirfd);
	if (slash == NULL)
		return stat(".", &st) == 0 && st.st_dev == page->device;
	if (slash == name)
		return stat("/", &st) == 0 && st.st_dev == page->device;
	size_t len = (size_t)(slash - name);
	if (len >= sizeof parent)
		return false;
	memcpy(parent, name, len);
	parent[len] = '\0';
	return stat(parent, &st) == 0 && st.st_dev == page->device;
}

static void
stop_here(void)
{
	for (;;)
		__asm__ volatile("" ::: "memory");
}

/* The counted call: what shall become of it. */
static enum verdict
counted(const char *call, const char *place)
{
	char text[TEXT_LEN];
	uint64_t n = __atomic_add_fetch(&page->counter, 1, __ATOMIC_SEQ_CST);

	snprintf(text, sizeof text, "%s %s %s", program, call, place);
	memcpy(page->entry[n % N_ENTRIES], text, sizeof text);
	if (page->at == 0 || page->mode == MODE_COUNT)
		return GO_ON;
	if (__atomic_load_n(&page->hit, __ATOMIC_SEQ_CST) != 0 && page->mode == MODE_STOP)
		stop_here();
	uint64_t mine = n;
	if (page->class[0] != '\0') {
		if (strcmp(page->class, text) != 0)
			return GO_ON;
		mine = __atomic_add_fetch(&page->class_counter, 1, __ATOMIC_SEQ_CST);
	}
	if (mine < page->at ||
	    (mine > page->at && page->mode != MODE_ERRNO && page->mode != MODE_STOP))
		return GO_ON;
	if (page->hit == 0)
		__atomic_store_n(&page->hit, n, __ATOMIC_SEQ_CST);
	if (page->mode == MODE_STOP)
		stop_here();
	errno = (int)page->error;
	return page->mode == MODE_SHORT ? HALF : FAIL;
}

static enum verdict
on_fd(const char *call, int fd, bool ask_kernel)
{
	int saved = errno;

	if (page == NULL || fd < 0)
		return GO_ON;
	if (fd < MAX_FD && place_of[fd][0] != '\0')
		return counted(call, place_of[fd]);
	bool here = ask_kernel && is_on_device(fd);
	errno = saved;
	return here ? counted(call, "?") : GO_ON;
}

static enum verdict
on_name(const char *call, int dirfd, const char *name)
{
	char place[32];
	int saved = errno;

	if (page == NULL || name == NULL || !dir_is_on_device(dirfd, name)) {
		errno = saved;
		return GO_ON;
	}
	errno = saved;
	place_write(place, sizeof place, name[0] == '/' ? strrchr(name, '/') + 1 : name);
	return counted(call, place);
}

static void
remember(int fd, const char *name)
{
	int saved = errno;

	if (page != NULL && fd >= 0 && fd < MAX_FD && is_on_device(fd))
		place_write(place_of[fd], sizeof place_of[fd],
		    name[0] == '/' ? strrchr(name, '/') + 1 : name);
	errno = saved;
}

#define REAL(name)                                                                                 \
	static __typeof__(&name) real;                                                             \
	if (real == NULL)                                                                          \
	real = (__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name)

/* ---- opening: counted where it makes or empties a file ---- */

#define OPEN_BODY(name, dirfd, call)                                                               \
	mode_t mode = 0;                                                                           \
	if ((flags & (O_CREAT | O_TMPFILE)) != 0) {                                                \
		va_list ap;                                                                        \
		va_start(ap, flags);                                                               \
		mode = va_arg(ap, mode_t);                                                         \
		va_end(ap);                                                                        \
	}                                                                                          \
	REAL(name);                                                                                \
	if ((flags & (O_CREAT | O_TRUNC)) != 0 && on_name("open", dirfd, path) == FAIL)            \
		return -1;                                                                         \
	int fd = call;                                                                             \
	if ((flags & (O_WRONLY | O_RDWR)) != 0)                                                    \
		remember(fd, path);                                                                \
	return fd

int
open(const char *path, int flags, ...)
{
	OPEN_BODY(open, AT_FDCWD, real(path, flags, mode));
}
int
open64(const char *path, int flags, ...)
{
	OPEN_BODY(open64, AT_FDCWD, real(path, flags, mode));
}
int
openat(int dirfd, const char *path, int flags, ...)
{
	OPEN_BODY(openat, dirfd, real(dirfd, path, flags, mode));
}
int
openat64(int dirfd, const char *path, int flags, ...)
{
	OPEN_BODY(openat64, dirfd, real(dirfd, path, flags, mode));
}

/* what a fortified openat() without a mode becomes */
int __openat_2(int dirfd, const char *path, int flags);
int
__openat_2(int dirfd, const char *path, int flags)
{
	return openat(dirfd, path, flags);
}
int __open_2(const char *path, int flags);
int
__open_2(const char *path, int flags)
{
	return open(path, flags);
}

int
close(int fd)
{
	REAL(close);
	bool ours = page != NULL && fd >= 0 && fd < MAX_FD && place_of[fd][0] != '\0';
	enum verdict v = ours ? on_fd("close", fd, false) : GO_ON;
	if (ours)
		place_of[fd][0] = '\0';
	int saved = errno, r = real(fd);
	if (v != FAIL)
		return r;
	errno = saved;
	return -1;
}

/* ---- writing ---- */

ssize_t
write(int fd, const void *p, size_t n)
{
	REAL(write);
	enum verdict v = on_fd("write", fd, false);
	return v == FAIL ? -1 : real(fd, p, v == HALF ? (n + 1) / 2 : n);
}
ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	REAL(pwrite);
	enum verdict v = on_fd("pwrite", fd, true);
	return v == FAIL ? -1 : real(fd, p, v == HALF ? (n + 1) / 2 : n, at);
}
ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	REAL(pwrite64);
	enum verdict v = on_fd("pwrite", fd, true);
	return v == FAIL ? -1 : real(fd, p, v == HALF ? (n + 1) / 2 : n, at);
}
/* half of a vector: the first piece, cut when it is the only one */
static int
halve(const struct iovec *v, int n, struct iovec *out)
{
	*out = v[0];
	if (n == 1)
		out->iov_len = (out->iov_len + 1) / 2;
	return 1;
}
ssize_t
writev(int fd, const struct iovec *v, int n)
{
	struct iovec half;
	REAL(writev);
	enum verdict what = on_fd("writev", fd, false);
	if (what == HALF && n > 0) {
		n = halve(v, n, &half);
		v = &half;
	}
	return what == FAIL ? -1 : real(fd, v, n);
}
ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	struct iovec half;
	REAL(pwritev);
	enum verdict what = on_fd("pwritev", fd, true);
	if (what == HALF && n > 0) {
		n = halve(v, n, &half);
		v = &half;
	}
	return what == FAIL ? -1 : real(fd, v, n, at);
}
ssize_t
pwritev64(int fd, const struct iovec *v, int n, off64_t at)
{
	struct iovec half;
	REAL(pwritev64);
	enum verdict what = on_fd("pwritev", fd, true);
	if (what == HALF && n > 0) {
		n = halve(v, n, &half);
		v = &half;
	}
	return what == FAIL ? -1 : real(fd, v, n, at);
}
ssize_t
pwritev2(int fd, const struct iovec *v, int n, off_t at, int flags)
{
	struct iovec half;
	REAL(pwritev2);
	enum verdict what = on_fd("pwritev2", fd, true);
	if (what == HALF && n > 0) {
		n = halve(v, n, &half);
		v = &half;
	}
	return what == FAIL ? -1 : real(fd, v, n, at, flags);
}
ssize_t
copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags)
{
	REAL(copy_file_range);
	return on_fd("copy_file_range", out, true) == FAIL ? -1
							   : real(in, in_at, out, out_at, n, flags);
}

/* ---- everything with one shape ---- */

#define ON_FD(call, args, pass)                                                                    \
	int call args                                                                              \
	{                                                                                          \
		REAL(call);                                                                        \
		return on_fd(#call, fd, true) == FAIL ? -1 : real pass;                            \
	}
#define ON_NAME(call, args, dirfd, name, pass)                                                     \
	int call args                                                                              \
	{                                                                                          \
		REAL(call);                                                                        \
		return on_name(#call, dirfd, name) == FAIL ? -1 : real pass;                       \
	}

ON_FD(fsync, (int fd), (fd))
ON_FD(fdatasync, (int fd), (fd))
ON_FD(ftruncate, (int fd, off_t len), (fd, len))
ON_FD(ftruncate64, (int fd, off64_t len), (fd, len))
ON_FD(fallocate, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len))
ON_FD(fallocate64, (int fd, int mode, off64_t at, off64_t len), (fd, mode, at, len))
ON_FD(fchmod, (int fd, mode_t mode), (fd, mode))
ON_FD(fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
ON_FD(syncfs, (int fd), (fd))
ON_FD(sync_file_range, (int fd, off64_t at, off64_t len, unsigned fl), (fd, at, len, fl))
ON_NAME(rename, (const char *a, const char *b), AT_FDCWD, b, (a, b))
ON_NAME(renameat, (int da, const char *a, int db, const char *b), db, b, (da, a, db, b))
ON_NAME(renameat2, (int da, const char *a, int db, const char *b, unsigned fl), db, b,
    (da, a, db, b, fl))
ON_NAME(link, (const char *a, const char *b), AT_FDCWD, b, (a, b))
ON_NAME(linkat, (int da, const char *a, int db, const char *b, int fl), db, b, (da, a, db, b, fl))
ON_NAME(unlink, (const char *a), AT_FDCWD, a, (a))
ON_NAME(unlinkat, (int d, const char *a, int fl), d, a, (d, a, fl))
ON_NAME(fchmodat, (int d, const char *a, mode_t mode, int fl), d, a, (d, a, mode, fl))
ON_NAME(fchownat, (int d, const char *a, uid_t uid, gid_t gid, int fl), d, a, (d, a, uid, gid, fl))
ON_NAME(symlink, (const char *to, const char *a), AT_FDCWD, a, (to, a))
ON_NAME(symlinkat, (const char *to, int d, const char *a), d, a, (to, d, a))

/* a directory that is there already (each start asks for all 256 of the queue) is no change */
static bool
is_there(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int
mkdirat(int d, const char *name, mode_t mode)
{
	REAL(mkdirat);
	if (is_there(d, name)) {
		errno = EEXIST;
		return -1;
	}
	return on_name("mkdirat", d, name) == FAIL ? -1 : real(d, name, mode);
}

int
mkdir(const char *name, mode_t mode)
{
	return mkdirat(AT_FDCWD, name, mode);
}

/* posix_fallocate gives its error as its value */
int
posix_fallocate(int fd, off_t at, off_t len)
{
	REAL(posix_fallocate);
	return on_fd("posix_fallocate", fd, true) == FAIL ? (int)page->error : real(fd, at, len);
}

/* ---- the wall clock ---- */

static int64_t
wall_offset(void)
{
	return page == NULL ? 0 : __atomic_load_n(&page->wall_offset_ns, __ATOMIC_RELAXED);
}

static bool
is_wall(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

int
clock_gettime(clockid_t clock, struct timespec *t)
{
	REAL(clock_gettime);
	int r = real(clock, t);
	if (r == 0 && is_wall(clock) && wall_offset() != 0) {
		int64_t ns = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec + wall_offset();
		t->tv_sec = ns / 1000000000;
		t->tv_nsec = ns % 1000000000;
	}
	return r;
}
time_t
time(time_t *out)
{
	struct timespec t;

	if (clock_gettime(CLOCK_REALTIME, &t) < 0)
		return (time_t)-1;
	if (out != NULL)
		*out = t.tv_sec;
	return t.tv_sec;
}
int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec t;

	(void)tz;
	if (clock_gettime(CLOCK_REALTIME, &t) < 0)
		return -1;
	tv->tv_sec = t.tv_sec;
	tv->tv_usec = t.tv_nsec / 1000;
	return 0;
}
