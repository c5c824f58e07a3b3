/*
 * The directories that the configuration names, for accounting and pickup: made where they are missing, and given to the
 * user whose daemon writes there. Root gives nothing away, and makes nothing, where somebody else could have led it:
 * what lies in a directory of pmta-acct may be that user's link to one of root's.
 */
#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

/* ---- the way to it ---- */

/* Could anybody but root make the name `next` in the directory `path` lead elsewhere? */
static bool
is_fixed_in(const char *path, const char *next)
{
	struct stat dir, entry;
	char *whole;
	int r;

	if (stat(path, &dir) == -1)
		return errno == ENOENT; /* root will make it, in one that was looked at */
	if (dir.st_uid != 0)
		return false;
	if ((dir.st_mode & S_IWOTH) == 0 && ((dir.st_mode & S_IWGRP) == 0 || dir.st_gid == 0))
		return true;
	whole = xasprintf("%s/%s", path, next);
	r = lstat(whole, &entry);
	free(whole);
	return (dir.st_mode & S_ISVTX) != 0 && r == 0 && entry.st_uid == 0;
}

static bool
is_fixed(const char *path)
{
	char *copy = xasprintf("%s%s", path[0] == '/' ? "" : "./", path);
	bool is = true;

	for (char *p = strchr(copy, '/'); p != NULL && is; p = strchr(p + 1, '/')) {
		char *next = xstrdup_str(str_sub(str_of(p + 1), 0, strcspn(p + 1, "/")));
		*p = '\0';
		is = next[0] == '\0' || is_fixed_in(p == copy ? "/" : copy, next);
		*p = '/';
		free(next);
	}
	free(copy);
	return is;
}

/* As much of it as is there, without links. Returns owned; NULL: none of it can be found. */
static char *
real_part(const char *path)
{
	char *part = xstrdup(path), *real, *slash;

	while ((real = realpath(part, NULL)) == NULL && (slash = strrchr(part, '/')) != NULL &&
	       slash != part)
		*slash = '\0';
	free(part);
	return real != NULL ? real : realpath(path[0] == '/' ? "/" : ".", NULL);
}

/* As it is written, and by the links that root has made: is each step root's alone? */
static bool
is_roots_way(const char *path)
{
	char *real = real_part(path);
	bool is = real != NULL && is_fixed(path) && is_fixed(real);

	free(real);
	return is;
}

/* ---- making ---- */

/* a directory that is named, and for whom */
struct named {
	const char *path, *user, *what;
	mode_t mode;
	bool has_parents; /* those above it are made as well */
	bool is_new;
	bool is_roots; /* root may make it, and give it away */
};

/* Files are reached with that user's rights from now on. */
static void
act_as(uid_t uid, gid_t gid)
{
	(void)setfsgid(gid);
	(void)setfsuid(uid);
	if ((uid_t)setfsuid((uid_t)-1) != uid)
		fatal("the rights of user %u cannot be taken on", (unsigned)uid);
}

/* Those above it that are not there, for the group to pass through. */
static int
make_parents(const struct named *n, struct why *why)
{
	char *copy = xstrdup(n->path);
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

static int
make_and_open(struct named *n, struct why *why)
{
	int fd;

	if (n->has_parents && make_parents(n, why) == -1)
		return -1;
	n->is_new = mkdir(n->path, n->mode) == 0;
	if (!n->is_new && errno != EEXIST)
		return why_errno(why, "the %s %s cannot be made", n->what, n->path);
	fd = open(n->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (n->is_new ? O_NOFOLLOW : 0));
	if (fd == -1)
		return why_errno(why, "the %s %s cannot be opened", n->what, n->path);
	return fd;
}

/* Where it is not root's to make, the user does, if he may. */
static int
open_named(struct named *n, struct why *why)
{
	int fd;

	n->is_roots = master.is_root && is_roots_way(n->path);
	if (!master.is_root || n->is_roots)
		return make_and_open(n, why);
	act_as(users_uid(n->user), users_gid());
	fd = make_and_open(n, why);
	act_as(0, 0);
	return fd;
}

/* ---- giving ---- */

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

static bool
may_be_given(const struct named *n)
{
	return n->is_roots && !is_of_the_system(n->path);
}

static int
give_to_acct(int fd, const struct named *n, struct why *why)
{
	struct stat st;
	uid_t uid = users_uid(n->user);

	if (fstat(fd, &st) == -1)
		return why_errno(why, "the directory for accounting %s", n->path);
	if (!master.is_root || st.st_uid == uid || (!n->is_new && is_writable_for(&st, uid)))
		return 0;
	if (!may_be_given(n))
		return why_set(why,
		    "pmta-acct cannot write into %s, which is not given to it, for it lies in a "
		    "directory that is not root's alone: make it its owner (chown pmta-acct)",
		    n->path);
	if (fchown(fd, uid, users_gid()) == -1)
		return why_errno(why, "the owner of %s", n->path);
	if (!n->is_new)
		log_info("directory given to pmta-acct path=%s", log_quote(str_of(n->path)));
	return 0;
}

int
dirs_open_acct(const char *path, struct why *why)
{
	struct named n = {.path = path,
	    .user = "pmta-acct",
	    .what = "directory for accounting",
	    .mode = 0750,
	    .has_parents = true};
	int fd = open_named(&n, why);

	if (fd == -1 || give_to_acct(fd, &n, why) == 0)
		return fd;
	close(fd);
	return -1;
}

/*
 * Whoever may put mail there keeps that right: only what is root's is given away, and without its group. In a sticky
 * directory only the owner may move what others have put there.
 */
static int
give_to_inject(int fd, const struct named *n, struct why *why)
{
	struct stat st;
	uid_t uid = users_uid(n->user);

	if (fstat(fd, &st) == -1)
		return why_errno(why, "the pickup directory %s", n->path);
	if (!master.is_root || st.st_uid == uid ||
	    (!n->is_new && is_writable_for(&st, uid) && (st.st_mode & S_ISVTX) == 0))
		return 0;
	if (st.st_uid != 0 || !may_be_given(n))
		return why_set(why,
		    "the user pmta-inject cannot take files out of the pickup directory %s: make "
		    "it its "
		    "owner (chown pmta-inject), or give it to the group pmta (mode 2770)",
		    n->path);
	if (fchown(fd, uid, n->is_new ? users_gid() : (gid_t)-1) == -1)
		return why_errno(why, "the owner of %s", n->path);
	log_info("directory given to pmta-inject path=%s", log_quote(str_of(n->path)));
	return 0;
}

static bool
is_on_one_system(int fd, int other_fd)
{
	struct stat st, other;

	return fstat(fd, &st) == 0 && fstat(other_fd, &other) == 0 && st.st_dev == other.st_dev;
}

int
dirs_open_pickup(const char *path, int other_fd, struct why *why)
{
	struct named n = {
	    .path = path, .user = "pmta-inject", .what = "pickup directory", .mode = 0770};
	int fd = open_named(&n, why);

	if (fd == -1)
		return -1;
	if (give_to_inject(fd, &n, why) == 0) {
		if (other_fd == -1 || is_on_one_system(fd, other_fd))
			return fd;
		why_set(
		    why, "the directories of pickup must be on one file system: %s is not", path);
	}
	close(fd);
	return -1;
}
