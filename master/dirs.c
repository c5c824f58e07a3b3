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

/* may this user write into it as it is? */
static bool
is_writable_for(const struct stat *st, uid_t uid)
{
	if (st->st_uid == uid)
		return true;
	return (st->st_gid == users_gid() && (st->st_mode & S_IWGRP)) || (st->st_mode & S_IWOTH);
}

/* "/", "/srv", "/var/log": never given away, whatever the configuration says */
static bool
is_of_the_system(const char *path)
{
	char *real = realpath(path, NULL);
	size_t depth = 0;
	bool is;

	for (const char *p = real; p != NULL && *p != '\0'; p++)
		depth += *p == '/' && p[1] != '\0';
	is = real == NULL || depth < 2 ||
	     (depth == 2 && (strncmp(real, "/var/", 5) == 0 || strncmp(real, "/usr/", 5) == 0));
	free(real);
	return is;
}

static int
give_to_acct(int fd, const char *path, bool is_new, struct why *why)
{
	struct stat st;
	uid_t uid = users_uid("pmta-acct");

	if (fstat(fd, &st) == -1)
		return why_errno(why, "the directory for accounting %s", path);
	if (!master.is_root || (!is_new && is_writable_for(&st, uid)))
		return 0;
	if (is_of_the_system(path))
		return why_set(why,
		    "pmta-acct cannot write into %s, which is not given to it: name a directory of "
		    "its own",
		    path);
	if (fchown(fd, uid, users_gid()) == -1)
		return why_errno(why, "the owner of %s", path);
	if (!is_new)
		log_info("directory given to pmta-acct path=%s", log_quote(str_of(path)));
	return 0;
}

/* Those above it that are not there, for the group to pass through. */
static int
make_parents(const char *path, struct why *why)
{
	char *copy = xstrdup(path);
	size_t len = strlen(copy);
	int r = 0;

	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	for (char *p = strchr(copy + 1, '/'); p != NULL && r == 0; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(copy, 0750) == -1)
			r = errno == EEXIST ? 0 : -1;
		else if (master.is_root)
			r = chown(copy, (uid_t)-1, users_gid());
		if (r == -1)
			why_errno(why, "the directory %s cannot be made", copy);
		*p = '/';
	}
	free(copy);
	return r;
}

int
dirs_open_acct(const char *path, struct why *why)
{
	bool is_new;
	int fd;

	if (make_parents(path, why) == -1)
		return -1;
	is_new = mkdir(path, 0750) == 0;
	if (!is_new && errno != EEXIST)
		return why_errno(why, "the directory for accounting %s cannot be made", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (is_new ? O_NOFOLLOW : 0));
	if (fd == -1)
		return why_errno(why, "the directory for accounting %s cannot be opened", path);
	if (give_to_acct(fd, path, is_new, why) == 0)
		return fd;
	close(fd);
	return -1;
}

/*
 * Whoever may put mail there keeps that right: only what is root's is given away, and without its group. In a sticky
 * directory only the owner may move what others have put there.
 */
static int
give_to_inject(int fd, const char *path, bool is_new, struct why *why)
{
	struct stat st;
	uid_t uid = users_uid("pmta-inject");

	if (fstat(fd, &st) == -1)
		return why_errno(why, "the pickup directory %s", path);
	if (!master.is_root || st.st_uid == uid ||
	    (!is_new && is_writable_for(&st, uid) && (st.st_mode & S_ISVTX) == 0))
		return 0;
	if (st.st_uid != 0 || is_of_the_system(path))
		return why_set(why,
		    "the user pmta-inject cannot take files out of the pickup directory %s: make "
		    "it "
		    "its owner (chown pmta-inject), or give it to the group pmta (mode 2770)",
		    path);
	if (fchown(fd, uid, is_new ? users_gid() : (gid_t)-1) == -1)
		return why_errno(why, "the owner of %s", path);
	log_info("directory given to pmta-inject path=%s", log_quote(str_of(path)));
	return 0;
}

int
dirs_open_pickup(const char *path, int other_fd, struct why *why)
{
	bool is_new = mkdir(path, 0770) == 0;
	struct stat st, other;
	int fd;

	if (!is_new && errno != EEXIST)
		return why_errno(why, "the pickup directory %s cannot be made", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (is_new ? O_NOFOLLOW : 0));
	if (fd == -1)
		return why_errno(why, "the pickup directory %s cannot be opened", path);
	if (give_to_inject(fd, path, is_new, why) == -1)
		goto bad;
	if (other_fd == -1)
		return fd;
	if (fstat(fd, &st) == 0 && fstat(other_fd, &other) == 0 && st.st_dev == other.st_dev)
		return fd;
	why_set(why, "the directories of pickup must be on one file system: %s is not", path);
bad:
	close(fd);
	return -1;
}
