#include "lib/daemon/sandbox_int.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/regex.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/paths.h"

#ifdef __SANITIZE_ADDRESS__
#define IS_SANITIZED true
/* the leak check at exit reads /proc, which a chroot does not have: the sanitizer asks here whether to make it */
static bool has_no_proc;
int __lsan_is_turned_off(void);
int
__lsan_is_turned_off(void)
{
	return has_no_proc;
}
#define SAY_NO_PROC() (has_no_proc = true)
#else
#define IS_SANITIZED  false
#define SAY_NO_PROC() ((void)0)
#endif

struct ids {
	uid_t uid;
	gid_t gid;
};

/* what glibc would otherwise load or read only when first needed, behind the walls */
static void
load_what_is_lazy(void)
{
	void *frames[2];

	setenv("TZ", ":/etc/localtime", 0);
	tzset();
	if (backtrace(frames, countof(frames)) < 0)
		log_debug("no backtrace");
}

static struct ids
find_user(const char *name)
{
	const struct passwd *pw;

	errno = 0;
	/* cppcheck-suppress getpwnamCalled */
	pw = getpwnam(name);
	if (pw == NULL)
		fatal("there is no user %s; `make install` and `make check` make it", name);
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		fatal("user %s must be neither root nor in root's group", name);
	return (struct ids){.uid = pw->pw_uid, .gid = pw->pw_gid};
}

static void
limit(int what, const char *name, rlim_t n)
{
	struct rlimit r, want;

	if (getrlimit((__rlimit_resource_t)what, &r) == -1)
		fatal("limit %s: %s", name, strerrordesc_np(errno));
	want = (struct rlimit){.rlim_cur = n, .rlim_max = n};
	if (setrlimit((__rlimit_resource_t)what, &want) == 0)
		return;
	/* who may not go beyond the hard limit (an ordinary user, a container's root) takes what there is */
	n = PH_MIN(n, r.rlim_max);
	want = (struct rlimit){.rlim_cur = n, .rlim_max = n};
	if (setrlimit((__rlimit_resource_t)what, &want) == -1)
		fatal("limit %s to %llu: %s", name, (unsigned long long)n, strerrordesc_np(errno));
}

/* The directory that becomes the root, or would as root; to be closed. */
static int
find_root(const struct sandbox *box)
{
	char *dir = paths_in_spool(daemon_conf(), box->root_spool ? "" : "empty");
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		fatal("%s: %s", dir, strerrordesc_np(errno));
	free(dir);
	sandbox_allow_dir(fd);
	return fd;
}

static void
enter_root(int fd)
{
	if (fchdir(fd) == -1 || chroot(".") == -1 || chdir("/") == -1)
		fatal("chroot: %s", strerrordesc_np(errno));
	SAY_NO_PROC();
}

/* beside this one */
static bool
has_threads(void)
{
	struct stat st;

	/* a directory's links: itself, its name, and one each */
	return stat("/proc/self/task", &st) == 0 && st.st_nlink > 3;
}

static void
become(const struct ids *ids)
{
	uid_t r, e, s;

	if (setgroups(1, &ids->gid) == -1 || setresgid(ids->gid, ids->gid, ids->gid) == -1 ||
	    setresuid(ids->uid, ids->uid, ids->uid) == -1)
		fatal("its user cannot be taken on: %s", strerrordesc_np(errno));
	if (getresuid(&r, &e, &s) == -1 || r != ids->uid || e != ids->uid || s != ids->uid)
		fatal("its user was not taken on");
	if (setuid(0) != -1 || setgid(0) != -1)
		fatal("root's rights could be had back");
}

/* what is left to a root that only starts commands as others; they get none of it */
static void
keep_few_rights(void)
{
	static const unsigned kept[] = {CAP_SETUID, CAP_SETGID, CAP_KILL};
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap) == -1)
			fatal("a right cannot be given up: %s", strerrordesc_np(errno));
	}
	for (size_t i = 0; i < countof(kept); i++)
		data[0].permitted |= 1u << kept[i];
	data[0].effective = data[0].permitted;
	if (setgroups(0, NULL) == -1 || syscall(SYS_capset, &head, data) == -1)
		fatal("rights cannot be given up: %s", strerrordesc_np(errno));
}

/* taking on a user undoes both of these: they come behind it */
static void
set_process_flags(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		fatal("the parent-death signal cannot be set: %s", strerrordesc_np(errno));
	/* the leak check traces its own process */
	if (prctl(PR_SET_DUMPABLE, IS_SANITIZED) == -1)
		fatal("core dumps cannot be forbidden: %s", strerrordesc_np(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fatal("no_new_privs: %s", strerrordesc_np(errno));
}

void
sandbox_enter(const struct sandbox *box)
{
	struct ids ids = {0};
	bool is_root = !daemon_is_unprivileged(), is_late = has_threads();
	int root_fd = find_root(box);

	load_what_is_lazy();
	if (is_root && box->user != NULL)
		ids = find_user(box->user);
	limit(RLIMIT_CORE, "core", 0);
	if (box->max_files != 0)
		limit(RLIMIT_NOFILE, "nofile", box->max_files);
	umask(0007);
	if (is_root && box->user != NULL) {
		enter_root(root_fd);
		become(&ids);
	} else if (is_root) {
		keep_few_rights();
	}
	set_process_flags();
	regex_allow_jit(false);
	if (IS_SANITIZED) {
		log_warn("sandbox missing=\"landlock, filter of system calls, not dumpable\" "
			 "reason=\"built with sanitizers\"");
	} else if ((box->calls & BOX_COMMANDS) != 0) {
		sandbox_refuse_calls();
	} else {
		sandbox_lock_files(box->calls, is_late);
		sandbox_filter_calls(box->calls);
	}
	close(root_fd);
}
