/*
 * A disk that forgets: in the test's program the calls that change files are these, so that what was not flushed can be
 * taken back (power_cut()), flushes can fail, and a flush can be left out (what a kill just before it leaves).
 */
#ifndef PH_TEST_SPOOL_DISK_H
#define PH_TEST_SPOOL_DISK_H

#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "tests/unit/spool/help.h"

enum change_kind { CHANGE_BYTES, CHANGE_RENAME, CHANGE_UNLINK };
struct change {
	enum change_kind kind;
	char path[256]; /* of the file; RENAME: where it is now */
	char from[256]; /* RENAME: where it was; UNLINK: where its copy is */
	uint64_t at;
	size_t len;
	char *old;
};
static struct {
	pthread_mutex_t lock;
	struct change change[4096];
	size_t n;
	bool is_on;
	bool is_dead;	     /* the process was killed: what it still does changes nothing */
	const char *fails;   /* flushes of paths that contain this: EIO */
	const char *skipped; /* flushes of such: success, and nothing flushed */
	unsigned n_flushes;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
path_of(int fd, char path[256])
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, 255);
	path[n < 0 ? 0 : n] = '\0';
}

static void
path_at(int dirfd, const char *name, char path[256])
{
	char dir[256];

	path_of(dirfd, dir);
	if (snprintf(path, 256, "%s/%s", dir, name) >= 256)
		abort();
}

static struct change *
add_change(enum change_kind kind)
{
	struct change *c = &disk.change[disk.n++];

	if (disk.n == countof(disk.change))
		abort();
	*c = (struct change){.kind = kind};
	return c;
}

static bool
is_in_dir(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && path[n] == '/' && strchr(path + n + 1, '/') == NULL;
}

static bool
is_flushed_by(const struct change *c, const char *path)
{
	if (c->kind == CHANGE_BYTES)
		return strcmp(c->path, path) == 0;
	return is_in_dir(c->path, path) || (c->kind == CHANGE_RENAME && is_in_dir(c->from, path));
}

static int
flush(int fd, long call)
{
	char path[256];
	size_t n = 0;

	if (disk.is_dead)
		return 0;
	if (!disk.is_on)
		return (int)syscall(call, fd);
	path_of(fd, path);
	if (disk.fails != NULL && strstr(path, disk.fails) != NULL) {
		errno = EIO;
		return -1;
	}
	if (disk.skipped != NULL && strstr(path, disk.skipped) != NULL)
		return 0;
	pthread_mutex_lock(&disk.lock);
	disk.n_flushes++;
	for (size_t i = 0; i < disk.n; i++) {
		if (is_flushed_by(&disk.change[i], path))
			free(disk.change[i].old); /* NULL but for bytes */
		else
			disk.change[n++] = disk.change[i];
	}
	disk.n = n;
	pthread_mutex_unlock(&disk.lock);
	return 0;
}

int
fdatasync(int fd)
{
	return flush(fd, SYS_fdatasync);
}

int
fsync(int fd)
{
	return flush(fd, SYS_fsync);
}

ssize_t
pwrite(int fd, const void *p, size_t len, off_t at)
{
	struct change *c;
	ssize_t n;

	if (disk.is_dead)
		return (ssize_t)len;
	if (disk.is_on) {
		pthread_mutex_lock(&disk.lock);
		c = add_change(CHANGE_BYTES);
		path_of(fd, c->path);
		c->at = (uint64_t)at;
		c->old = malloc(len);
		n = pread(fd, c->old, len, at);
		c->len = n < 0 ? 0 : (size_t)n;
		pthread_mutex_unlock(&disk.lock);
	}
	return syscall(SYS_pwrite64, fd, p, len, at);
}

/* What a rename moves goes by its new name. */
static void
rename_changes(const char *from, const char *to)
{
	for (size_t i = 0; i < disk.n; i++)
		if (disk.change[i].kind == CHANGE_BYTES && strcmp(disk.change[i].path, from) == 0)
			snprintf(disk.change[i].path, 256, "%s", to);
}

int
renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	struct change *c;
	int r = disk.is_dead ? -1 : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);

	if (r < 0 || !disk.is_on)
		return r;
	pthread_mutex_lock(&disk.lock);
	c = add_change(CHANGE_RENAME);
	path_at(from_fd, from, c->from);
	path_at(to_fd, to, c->path);
	rename_changes(c->from, c->path);
	pthread_mutex_unlock(&disk.lock);
	return r;
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return renameat2(from_fd, from, to_fd, to, 0);
}

int
unlinkat(int dirfd, const char *name, int flags)
{
	static unsigned n_copies;
	struct change *c;

	if (disk.is_dead)
		return 0;
	if (disk.is_on && flags == 0) {
		pthread_mutex_lock(&disk.lock);
		c = add_change(CHANGE_UNLINK);
		path_at(dirfd, name, c->path);
		snprintf(c->from, sizeof c->from, "%s/unlinked.%u", h.dir, n_copies++);
		if (link(c->path, c->from) < 0)
			disk.n--;
		pthread_mutex_unlock(&disk.lock);
	}
	return (int)syscall(SYS_unlinkat, dirfd, name, flags);
}

/* What was changed until now stays so, all but the first n changes. */
static void
disk_forget(size_t n)
{
	while (disk.n > n)
		if (disk.change[--disk.n].kind == CHANGE_BYTES)
			free(disk.change[disk.n].old);
}

/* From here on changes are remembered. */
static void
disk_on(void)
{
	disk_forget(0);
	disk.fails = disk.skipped = NULL;
	disk.is_on = true;
}

static int
setup_disk(void **state)
{
	disk.is_on = disk.is_dead = false;
	return setup(state);
}

static int
teardown_disk(void **state)
{
	int r = teardown(state);

	disk_forget(0);
	return r;
}

static void
kill_journal(void)
{
	disk.is_dead = true;
	journal_close(&h.j);
	disk.is_dead = false;
}

static void
kill_store(void)
{
	disk.is_dead = true;
	spool_store_close(&h.store);
	disk.is_dead = false;
}

static void
take_back(struct change *c)
{
	int fd;

	switch (c->kind) {
	case CHANGE_BYTES:
		fd = open(c->path, O_WRONLY | O_CLOEXEC);
		if (fd >= 0 && syscall(SYS_pwrite64, fd, c->old, c->len, (off_t)c->at) < 0)
			fail_msg("pwrite");
		if (fd >= 0)
			close(fd);
		free(c->old);
		break;
	case CHANGE_RENAME:
		for (size_t i = 0; i < disk.n; i++)
			if (disk.change[i].kind == CHANGE_BYTES &&
			    strcmp(disk.change[i].path, c->path) == 0)
				snprintf(disk.change[i].path, 256, "%s", c->from);
		(void)rename(c->path, c->from);
		break;
	case CHANGE_UNLINK:
		(void)rename(c->from, c->path);
		break;
	}
}

/* The power goes: the last change first, what was not flushed is taken back. Journal and store must be closed. */
static void
power_cut(void)
{
	disk.is_on = false;
	disk.fails = disk.skipped = NULL;
	while (disk.n > 0) {
		struct change *c = &disk.change[disk.n - 1];
		disk.n--;
		take_back(c);
	}
}

#endif
