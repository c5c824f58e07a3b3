#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/paths.h"

/*
 * The group pmta reaches them all; the sticky ones let a file be removed only by who made it and by queued, whose
 * directories they are. The top is root's alone to write: the lock, the pid file and the control socket are there.
 */
static const struct dir_row {
	const char *name, *user; /* NULL: root */
	mode_t mode;
} rows[] = {
    {"journal", NULL, 02770},
    {"queue", "pmta-queue", 03770},
    {"tmp", "pmta-queue", 03770},
    {"done", "pmta-queue", 02770},
    {"bad", "pmta-queue", 02770},
    {"state", "pmta-queue", 02770},
    {"pipes", "pmta-acct", 02750},
    {"suppress", "pmta-bounce", 00700},
    {"empty", NULL, 00755},
    {"config", NULL, 02700},
};

/* sets owner and mode where they differ; without root only the mode */
static int
correct(int fd, const char *user, mode_t mode, const char *path, struct why *why)
{
	struct stat st;
	uid_t uid = user == NULL ? 0 : users_uid(user);

	if (fstat(fd, &st) == -1)
		return why_errno(why, "%s", path);
	if (master.is_root && (st.st_uid != uid || st.st_gid != users_gid()) &&
	    fchown(fd, uid, users_gid()) == -1)
		return why_errno(why, "the owner of %s", path);
	if (!master.is_root)
		mode = (mode & 0700) | S_ISGID;
	if ((st.st_mode & 07777) != mode && fchmod(fd, mode) == -1)
		return why_errno(why, "the mode of %s", path);
	return 0;
}

static int
make_at(int parent, const char *name, const char *user, mode_t mode, struct why *why)
{
	int fd;

	if (mkdirat(parent, name, 0700) == -1 && errno != EEXIST)
		return why_errno(why, "directory %s cannot be made in the spool", name);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return why_errno(why, "directory %s of the spool cannot be opened", name);
	if (correct(fd, user, mode, name, why) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
make_queue_dirs(int queue_fd, struct why *why)
{
	char name[8];
	int fd;

	for (unsigned i = 0; i < 256; i++) {
		snprintf(name, sizeof name, "%02x", i);
		fd = make_at(queue_fd, name, "pmta-queue", 03770, why);
		if (fd == -1)
			return -1;
		close(fd);
	}
	return 0;
}

static int
make_rows(struct why *why)
{
	int fd, r;

	for (size_t i = 0; i < countof(rows); i++) {
		fd = make_at(master.spool_fd, rows[i].name, rows[i].user, rows[i].mode, why);
		if (fd == -1)
			return -1;
		r = strcmp(rows[i].name, "queue") == 0 ? make_queue_dirs(fd, why) : 0;
		close(fd);
		if (r == -1)
			return -1;
	}
	return 0;
}

int
dirs_prepare(const struct conf *c, struct why *why)
{
	char *path = paths_in_spool(c, "");
	int r = -1;

	if (mkdir(path, 0700) == -1 && errno != EEXIST) {
		why_errno(why, "the spool directory %s cannot be made", path);
		goto out;
	}
	master.spool_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (master.spool_fd == -1) {
		why_errno(why, "the spool directory %s cannot be opened", path);
		goto out;
	}
	if (correct(master.spool_fd, NULL, 02750, path, why) == 0 && make_rows(why) == 0)
		r = 0;
out:
	free(path);
	return r;
}
