#include "lib/daemon/sandbox_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "lib/base/log.h"

/* what any daemon needs; no file is opened and no socket made with these */
static const int loop_calls[] = {SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(close), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto),
    SCMP_SYS(shutdown), SCMP_SYS(fstat), SCMP_SYS(lseek), SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(brk),
    SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sysinfo),
    SCMP_SYS(uname), SCMP_SYS(getrusage), SCMP_SYS(times), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(sigaltstack), SCMP_SYS(tgkill),
    SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(restart_syscall), SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list), SCMP_SYS(dup), SCMP_SYS(getcpu), SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep)};
static const int read_calls[] = {SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(preadv2),
    SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(getdents64), SCMP_SYS(readlinkat),
    SCMP_SYS(fadvise64), SCMP_SYS(readahead), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(flock),
    SCMP_SYS(faccessat), SCMP_SYS(faccessat2)};
static const int write_calls[] = {SCMP_SYS(openat), SCMP_SYS(pwrite64), SCMP_SYS(pwritev),
    SCMP_SYS(pwritev2), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fdatasync),
    SCMP_SYS(fsync), SCMP_SYS(syncfs), SCMP_SYS(sync_file_range), SCMP_SYS(renameat),
    SCMP_SYS(renameat2), SCMP_SYS(unlinkat), SCMP_SYS(mkdirat), SCMP_SYS(symlinkat),
    SCMP_SYS(linkat), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(utimensat),
    SCMP_SYS(copy_file_range), SCMP_SYS(umask)};
static const int accept_calls[] = {SCMP_SYS(accept4), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(setsockopt), SCMP_SYS(getsockopt)};
static const int connect_calls[] = {SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(sendfile),
    SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg)};
static const int pair_calls[] = {SCMP_SYS(memfd_create)};
static const int store_calls[] = {SCMP_SYS(unlink), SCMP_SYS(rename), SCMP_SYS(mkdir),
    SCMP_SYS(access), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(select), SCMP_SYS(pselect6),
    SCMP_SYS(chmod), SCMP_SYS(getcwd), SCMP_SYS(memfd_create)};
/* a snapshot is a memfd, with every name and address in it already looked up */
static const int config_calls[] = {SCMP_SYS(pread64)};

struct call_list {
	unsigned bit;
	const int *calls;
	size_t n;
};
static const struct call_list lists[] = {
    {BOX_LOOP, loop_calls, countof(loop_calls)},
    {BOX_FILES_READ, read_calls, countof(read_calls)},
    {BOX_FILES_WRITE, write_calls, countof(write_calls)},
    {BOX_ACCEPT, accept_calls, countof(accept_calls)},
    {BOX_CONNECT, connect_calls, countof(connect_calls)},
    {BOX_CONFIG, config_calls, countof(config_calls)},
    {BOX_PAIRS, pair_calls, countof(pair_calls)},
    {BOX_STORE, store_calls, countof(store_calls)},
};

/* a call whose argument matters */
struct call_rule {
	unsigned bit;
	int call;
	struct scmp_arg_cmp arg;
};
/* argument i, masked, equals v */
#define MASKED(i, mask, v)                                                                         \
	{                                                                                          \
		.arg = (i), .op = SCMP_CMP_MASKED_EQ, .datum_a = (scmp_datum_t)(mask),             \
		.datum_b = (scmp_datum_t)(v)                                                       \
	}
#define EQUAL(i, v)                                                                                \
	{                                                                                          \
		.arg = (i), .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)(v)                        \
	}
static const struct call_rule rules[] = {
    /* memory that can be executed is made before the filter, or not at all */
    {BOX_LOOP, SCMP_SYS(mmap), MASKED(2, PROT_EXEC, 0)},
    {BOX_LOOP, SCMP_SYS(mprotect), MASKED(2, PROT_EXEC, 0)},
    {BOX_LOOP, SCMP_SYS(newfstatat), MASKED(3, AT_EMPTY_PATH, AT_EMPTY_PATH)},
    {BOX_LOOP, SCMP_SYS(prlimit64), EQUAL(2, 0)},
    {BOX_LOOP, SCMP_SYS(fcntl), EQUAL(1, F_GETFD)},
    {BOX_LOOP, SCMP_SYS(fcntl), EQUAL(1, F_SETFD)},
    {BOX_LOOP, SCMP_SYS(fcntl), EQUAL(1, F_GETFL)},
    {BOX_LOOP, SCMP_SYS(fcntl), EQUAL(1, F_SETFL)},
    {BOX_LOOP, SCMP_SYS(fcntl), EQUAL(1, F_DUPFD_CLOEXEC)},
    {BOX_LOOP, SCMP_SYS(fcntl), EQUAL(1, F_GET_SEALS)},
    {BOX_LOOP, SCMP_SYS(ioctl), EQUAL(1, FIONREAD)},
    {BOX_LOOP, SCMP_SYS(ioctl), EQUAL(1, FIONBIO)},
    {BOX_LOOP, SCMP_SYS(prctl), EQUAL(0, PR_SET_NAME)},
    {BOX_FILES_READ, SCMP_SYS(openat), MASKED(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)},
    {BOX_FILES_WRITE, SCMP_SYS(fcntl), EQUAL(1, F_SETLK)},
    {BOX_FILES_WRITE, SCMP_SYS(fcntl), EQUAL(1, F_OFD_SETLK)},
    {BOX_STORE, SCMP_SYS(fcntl), EQUAL(1, F_ADD_SEALS)},
    {BOX_CONNECT, SCMP_SYS(socket), EQUAL(0, AF_INET)},
    {BOX_CONNECT, SCMP_SYS(socket), EQUAL(0, AF_INET6)},
    {BOX_PAIRS, SCMP_SYS(socketpair), EQUAL(0, AF_UNIX)},
    {BOX_THREADS, SCMP_SYS(clone), MASKED(0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM)},
};

static void
check(int r, const char *what)
{
	if (r < 0)
		fatal(
		    "the filter of system calls cannot be made: %s: %s", what, strerrordesc_np(-r));
}

/* a call that this machine's kernel headers do not have is left out */
static void
allow(scmp_filter_ctx ctx, int call)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 0);

	if (r != -EDOM && r != -EEXIST)
		check(r, "a rule");
}

static void
add_rules(scmp_filter_ctx ctx, unsigned calls)
{
	for (size_t i = 0; i < countof(lists); i++) {
		for (size_t k = 0; k < lists[i].n && (calls & lists[i].bit); k++)
			allow(ctx, lists[i].calls[k]);
	}
	for (size_t i = 0; i < countof(rules); i++) {
		const struct call_rule *r = &rules[i];
		/* what may be opened for writing may be opened */
		if (r->bit == BOX_FILES_READ && (calls & BOX_FILES_WRITE))
			continue;
		if (calls & r->bit)
			check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, r->call, 1, r->arg), "a rule");
	}
	/* its arguments lie in memory, where a filter cannot see them: glibc then takes clone */
	if (calls & BOX_THREADS)
		check(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0), "clone3");
}

/* what no command of a mail server has to do with; a filter of execd's own calls would be theirs as well */
static const int refused_calls[] = {SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root),
    SCMP_SYS(chroot), SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(swapon),
    SCMP_SYS(swapoff), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex), SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(acct),
    SCMP_SYS(quotactl), SCMP_SYS(open_by_handle_at), SCMP_SYS(iopl), SCMP_SYS(ioperm),
    SCMP_SYS(add_key), SCMP_SYS(keyctl), SCMP_SYS(request_key), SCMP_SYS(syslog)};

void
sandbox_refuse_calls(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	if (ctx == NULL)
		fatal("the filter of system calls cannot be made");
	check(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 1), "no_new_privs");
	for (size_t i = 0; i < countof(refused_calls); i++) {
		int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), refused_calls[i], 0);
		if (r != -EDOM)
			check(r, "a rule");
	}
	check(seccomp_load(ctx), "load");
	seccomp_release(ctx);
}

void
sandbox_filter_calls(unsigned calls)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);

	if (ctx == NULL)
		fatal("the filter of system calls cannot be made");
	check(
	    seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "architecture");
	check(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 1), "no_new_privs");
	check(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1), "threads");
	check(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2), "order");
	add_rules(ctx, calls | BOX_LOOP);
	check(seccomp_load(ctx), "load");
	seccomp_release(ctx);
}
