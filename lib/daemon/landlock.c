#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/daemon/sandbox_int.h"

/* newer than the headers of some who build this */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
/* the first that lets files be moved between directories: ours do, and before it none could */
#define ABI_WITH_MOVES	  2
#define ABI_WITH_TRUNCATE 3

#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* what is odd in a pickup directory is moved, and so has to be "made" elsewhere: that needs the right of its kind */
#define WRITE_RIGHTS                                                                               \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                           \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                         \
	    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM |                            \
	    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SOCK |                          \
	    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                         \
	    LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE)

static struct {
	struct allowed_dir {
		int fd;
		dev_t dev;
		ino_t ino;
	} dirs[SANDBOX_MAX_DIRS];
	size_t n;
	bool is_entered, is_in_force;
} lock;

static bool
find(int fd, struct allowed_dir *d)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		fatal("a directory cannot be looked at: %s", strerrordesc_np(errno));
	*d = (struct allowed_dir){.fd = fd, .dev = st.st_dev, .ino = st.st_ino};
	for (size_t i = 0; i < lock.n; i++)
		if (lock.dirs[i].dev == d->dev && lock.dirs[i].ino == d->ino)
			return true;
	return false;
}

void
sandbox_allow_dir(int fd)
{
	struct allowed_dir d;

	if (lock.is_entered || find(fd, &d))
		return;
	if (lock.n == SANDBOX_MAX_DIRS)
		fatal("more than %d directories are named", SANDBOX_MAX_DIRS);
	lock.dirs[lock.n++] = d;
}

bool
sandbox_reaches(int fd)
{
	struct allowed_dir d;

	return !lock.is_in_force || find(fd, &d);
}

static uint64_t
rights_of(unsigned calls)
{
	if (calls & BOX_FILES_WRITE)
		return READ_RIGHTS | WRITE_RIGHTS;
	return calls & BOX_FILES_READ ? READ_RIGHTS : 0;
}

/* -1: errno */
static int
add_dirs(int ruleset, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights};

	for (size_t i = 0; i < lock.n && rights != 0; i++) {
		rule.parent_fd = lock.dirs[i].fd;
		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) ==
		    -1)
			return -1;
	}
	return 0;
}

static int
restrict_files(int abi, unsigned calls)
{
	struct landlock_ruleset_attr all = {
	    .handled_access_fs = READ_RIGHTS | WRITE_RIGHTS | LANDLOCK_ACCESS_FS_EXECUTE};
	int ruleset, r;

	if (abi < ABI_WITH_TRUNCATE)
		all.handled_access_fs &= ~(uint64_t)LANDLOCK_ACCESS_FS_TRUNCATE;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
	if (ruleset == -1)
		return -1;
	r = add_dirs(ruleset, rights_of(calls) & all.handled_access_fs);
	if (r == 0)
		r = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(ruleset);
	return r;
}

void
sandbox_lock_files(unsigned calls, bool has_threads)
{
	int abi =
	    (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	lock.is_entered = true;
	if (has_threads) {
		log_warn("sandbox missing=landlock reason=\"it would not hold threads that began "
			 "before\"");
	} else if (abi < ABI_WITH_MOVES) {
		log_warn("sandbox missing=landlock reason=\"%s\": file access is limited by the "
			 "rights of its user alone",
		    abi == -1 ? strerrordesc_np(errno) : "the kernel's is too old");
	} else if (restrict_files(abi, calls) == -1) {
		fatal("landlock: %s", strerrordesc_np(errno));
	} else {
		lock.is_in_force = true;
		log_info("sandbox landlock=%d directories=%zu", abi, lock.n);
	}
}
