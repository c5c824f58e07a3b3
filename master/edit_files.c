/*
 * A configuration file is replaced whole: written beside itself, flushed, renamed. What it held before is kept in the
 * spool's directory "config", under the time and its name with the slashes encoded, the last KEPT of them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "master/master.h"

#define KEPT	 50
#define MAX_NAME 250 /* of a file */
#define STAMP	 24  /* "20261121T160102.123456Z~", in the order of time */

bool
edit_is_file(const char *name)
{
	for (size_t i = 0; i < conf_n_files(master.conf); i++)
		if (strcmp(conf_file_at(master.conf, i), name) == 0)
			return true;
	return false;
}

static int
read_at(int dir, const char *path, struct buf *to, struct why *why)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int r = fd == -1 ? -1 : read_whole(fd, 65536, to);

	if (r == -1)
		why_errno(why, "%s cannot be read", path);
	if (fd != -1)
		close(fd);
	return r;
}

int
edit_read(const char *name, struct buf *to, struct why *why)
{
	return read_at(AT_FDCWD, name, to, why);
}

/* ---- earlier versions ---- */

static int
open_backups(void)
{
	return openat(master.spool_fd, "config", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* false: the name is too long to be kept */
static bool
encode(const char *name, char *to, size_t size)
{
	size_t n = 0;

	for (; *name != '\0' && n + 4 < size; name++) {
		if (*name == '/' || *name == '%')
			n += (size_t)snprintf(to + n, size - n, "%%%02X", (unsigned char)*name);
		else
			to[n++] = *name;
	}
	to[n] = '\0';
	return *name == '\0';
}

static bool
decode(const char *from, char *to, size_t size)
{
	size_t n = 0;
	uint64_t byte;

	for (; *from != '\0' && n + 1 < size; from++) {
		if (*from != '%') {
			to[n++] = *from;
			continue;
		}
		if (!parse_hex64(str_sub(str_of(from), 1, 2), 2, &byte) || byte == 0)
			return false;
		to[n++] = (char)byte;
		from += 2;
	}
	to[n] = '\0';
	return *from == '\0';
}

static int
keep(const char *name, struct str content, struct why *why)
{
	char encoded[MAX_NAME], to[MAX_NAME + STAMP + 1], stamp[32];
	struct timespec now;
	struct tm tm;
	int dir, fd, r;

	if (!encode(name, encoded, sizeof encoded) || strlen(encoded) + STAMP > MAX_NAME)
		return why_set(why, "%s: the name is too long for an earlier version", name);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", &tm);
	snprintf(to, sizeof to, "%s.%06ldZ~%s", stamp, now.tv_nsec / 1000, encoded);
	dir = open_backups();
	fd = dir == -1
		 ? -1
		 : openat(dir, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd == -1 ? -1 : write_all(fd, content.p, content.len);
	if (r == 0)
		r = fsync(fd);
	if (r == 0)
		r = fsync(dir);
	if (r == -1)
		why_errno(why, "the earlier version cannot be kept in the spool");
	if (fd != -1)
		close(fd);
	if (dir != -1)
		close(dir);
	return r;
}

static int
newest_first(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*b)->d_name, (*a)->d_name);
}

static int
is_backup(const struct dirent *d)
{
	return strlen(d->d_name) > STAMP && d->d_name[STAMP - 1] == '~' && d->d_name[0] != '.';
}

typedef void backup_fn(int dir, const char *name, size_t number, void *arg);

static void
each_backup(backup_fn *fn, void *arg)
{
	struct dirent **list;
	int dir = open_backups();
	int n = dir == -1 ? -1 : scandirat(dir, ".", &list, is_backup, newest_first);

	for (int i = 0; i < n; i++) {
		fn(dir, list[i]->d_name, (size_t)i, arg);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	if (dir != -1)
		close(dir);
}

static void
forget_if_old(int dir, const char *name, size_t number, void *arg)
{
	if (number >= KEPT && unlinkat(dir, name, 0) == -1)
		log_warn("event=old-version-stays name=%s", log_quote(str_of(name)));
}

static void
list_one(int dir, const char *name, size_t number, void *arg)
{
	char path[1024];

	if (decode(name + STAMP, path, sizeof path))
		(void)buf_addf(arg, "backup %s\t%s\n", name, path);
}

void
edit_list(struct buf *to)
{
	for (size_t i = 0; i < conf_n_files(master.conf); i++)
		(void)buf_addf(to, "file %s\n", conf_file_at(master.conf, i));
	each_backup(list_one, to);
}

int
edit_read_backup(const char *backup, char *name, size_t size, struct buf *to, struct why *why)
{
	int dir, r;

	if (strlen(backup) <= STAMP || strchr(backup, '/') != NULL || backup[0] == '.' ||
	    !decode(backup + STAMP, name, size) || !edit_is_file(name))
		return why_set(why, "That is no earlier version of a file of the configuration.");
	dir = open_backups();
	if (dir == -1)
		return why_errno(why, "the earlier versions cannot be read");
	r = read_at(dir, backup, to, why);
	close(dir);
	return r;
}

/* ---- replacing ---- */

/* with the owner and the mode of the file that it will replace */
static int
write_beside(int dir, const char *temporary, const struct stat *st, struct str content)
{
	int fd, r;

	if (unlinkat(dir, temporary, 0) == -1 && errno != ENOENT)
		return -1;
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	r = fchown(fd, st->st_uid, st->st_gid);
	if (r == 0)
		r = fchmod(fd, st->st_mode & 0777);
	if (r == 0)
		r = write_all(fd, content.p, content.len);
	if (r == 0)
		r = fsync(fd);
	return close(fd) == -1 ? -1 : r;
}

static int
replace(const char *path, struct str content, struct why *why)
{
	char *copy = xstrdup(path), *other = xstrdup(path), *temporary;
	const char *base = basename(copy);
	int dir = open(dirname(other), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r = -1;

	/* with a dot in front no include takes it in */
	temporary = xasprintf(".%s.posthaste", base);
	if (dir != -1 && fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    write_beside(dir, temporary, &st, content) == 0 &&
	    renameat(dir, temporary, dir, base) == 0)
		r = fsync(dir);
	if (r == -1)
		why_errno(why, "%s cannot be replaced", path);
	if (dir != -1)
		close(dir);
	free(temporary);
	free(copy);
	free(other);
	return r;
}

int
edit_replace(const char *name, struct str content, struct why *why)
{
	/* not a link to it: that stays */
	char *path = realpath(name, NULL);
	struct buf old;
	int r = -1;

	buf_init(&old, EDIT_MAX_FILE);
	if (path == NULL)
		why_errno(why, "%s", name);
	else if (edit_read(path, &old, why) == 0 && keep(name, buf_str(&old), why) == 0)
		r = replace(path, content, why);
	if (r == 0)
		each_backup(forget_if_old, NULL);
	buf_clear(&old);
	free(path);
	return r;
}
