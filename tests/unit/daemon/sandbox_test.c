/* a daemon in its box: what it is, seen from /proc, and what becomes of it when it does what it may not */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/sandbox.h"
#include "lib/ev/ev.h"
#include "lib/stats/stats.h"

#ifdef __SANITIZE_ADDRESS__
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

static char dir[64], given_path[128];

/* ---- the daemon ---- */

static unsigned n_peers, n_given;

static void
give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	n_given++;
	close(fd);
}

static void
peer(enum ipc_role role, uint32_t instance, int fd)
{
	n_peers++;
	close(fd);
}

static void
stop(int64_t drain_ms)
{
	daemon_exit();
}

static const struct daemon_ops ops = {
    .role = ROLE_DNS, .give_fd = give_fd, .peer = peer, .stop = stop};

static void
act_nothing(void)
{
}
static void
act_setuid(void)
{
	if (setuid(0) == 0)
		_exit(1);
}
static void
act_open(void)
{
	_exit(open("/etc/passwd", O_RDONLY) == -1 ? 3 : 1);
}
static void
act_open_missing(void)
{
	/* in the chroot there is nothing; without root the file is there */
	int fd = open("/etc/passwd", O_RDONLY);

	_exit(fd == -1 && errno == ENOENT ? 3 : 1);
}
static void
act_open_for_writing(void)
{
	_exit(open("/x", O_RDWR | O_CREAT, 0600) == -1 ? 1 : 2);
}
/* a directory that master gave: what is in it, and what lies beside it */
static int given_dir;

static void
act_leave_given_dir(void)
{
	int in = openat(given_dir, "own", O_RDWR | O_CREAT, 0600);

	if (in == -1 || !sandbox_reaches(given_dir))
		_exit(1);
	if (openat(given_dir, "../config", O_RDONLY) != -1 || errno != EACCES)
		_exit(2);
	if (openat(given_dir, "../other", O_RDWR | O_CREAT, 0600) != -1 || errno != EACCES)
		_exit(4);
	if (renameat(given_dir, "own", given_dir, "../own") != -1 ||
	    unlinkat(given_dir, "own", 0) == -1)
		_exit(5);
	_exit(3);
}

static void
act_socket(void)
{
	_exit(socket(AF_INET, SOCK_STREAM, 0) == -1 ? 1 : 2);
}
static void
act_unix_socket(void)
{
	_exit(socket(AF_UNIX, SOCK_STREAM, 0) == -1 ? 1 : 2);
}
static void
act_connect(void)
{
	_exit(socket(AF_INET, SOCK_STREAM, 0) != -1 && socket(AF_INET6, SOCK_STREAM, 0) != -1 ? 3
											      : 1);
}
static void
act_fork(void)
{
	_exit(fork() == -1 ? 1 : 2);
}
static void
act_exec(void)
{
	execl("/bin/true", "true", (char *)NULL);
	_exit(1);
}
static void
act_executable_memory(void)
{
	void *p = mmap(
	    NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	_exit(p == MAP_FAILED ? 1 : 2);
}
static void *
in_thread(void *arg)
{
	free(malloc(100000));
	return arg;
}
static void
act_thread(void)
{
	pthread_t t;
	void *r;

	if (pthread_create(&t, NULL, in_thread, &n_peers) != 0 || pthread_join(t, &r) != 0)
		_exit(1);
	_exit(r == &n_peers ? 3 : 1);
}
static void
act_panic(void)
{
	panic("as the test wants");
}
/* what every daemon does all the time must be allowed */
static void
act_ordinary(void)
{
	char *p = malloc(64u * 1024 * 1024);

	memset(p, 1, 64u * 1024 * 1024);
	free(p);
	log_info("ordinary %s", log_quote(STR("text")));
	stat_inc(STAT_DNS_QUERIES);
	if (n_peers != 1 || n_given != 1 || stats_own->v[STAT_DNS_QUERIES] != 1)
		_exit(1);
	_exit(3);
}

static const struct action {
	const char *name;
	void (*act)(void);
	unsigned calls;
	int result; /* exit status, or 1000 + signal */
} actions[] = {
    {"setuid(0)", act_setuid, BOX_LOOP, 1000 + SIGSYS},
    {"open", act_open, BOX_LOOP, 1000 + SIGSYS},
    {"open for writing without the right to write", act_open_for_writing, BOX_LOOP | BOX_FILES_READ,
	1000 + SIGSYS},
    {"socket", act_socket, BOX_LOOP | BOX_FILES_WRITE | BOX_ACCEPT, 1000 + SIGSYS},
    {"stream socket by what only the configuration needs", act_socket, BOX_LOOP | BOX_CONFIG,
	1000 + SIGSYS},
    {"unix socket", act_unix_socket, BOX_LOOP | BOX_CONNECT, 1000 + SIGSYS},
    {"fork", act_fork, BOX_LOOP | BOX_THREADS, 1000 + SIGSYS},
    {"exec", act_exec, BOX_LOOP | BOX_FILES_READ | BOX_FILES_WRITE, 1000 + SIGSYS},
    {"executable memory", act_executable_memory, BOX_LOOP | BOX_THREADS, 1000 + SIGSYS},
    {"connect", act_connect, BOX_LOOP | BOX_CONNECT, 3},
    {"thread", act_thread, BOX_LOOP | BOX_THREADS, 3},
    {"panic", act_panic, BOX_LOOP, 1000 + SIGABRT},
    {"ordinary", act_ordinary, BOX_LOOP, 3},
};

static void PH_NORETURN
be_daemon(int channel, void (*act)(void), unsigned calls)
{
	const struct sandbox box = {.user = "pmta-dns", .calls = calls, .max_files = 64};
	char *argv[] = {(char[]){"dnsd"}, NULL};

	if (dup2(channel, DAEMON_CHANNEL_FD) == -1)
		_exit(98);
	daemon_begin(1, argv, &ops);
	if (act == act_leave_given_dir) {
		given_dir = open(given_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		sandbox_allow_dir(given_dir);
	}
	sandbox_enter(&box);
	act();
	daemon_ready();
	daemon_run();
	_exit(0);
}

/* ---- master's side ---- */

struct side {
	struct ipc_chan *chan;
	pid_t pid;
};

static struct conf *
make_conf(void)
{
	struct conf_messages list = {0};
	struct conf *c;
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/config", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f,
	    "host-name a.example\npostmaster p@example.org\nlog-file %s/log\n<spool "
	    "%s>\n</spool>\n",
	    dir, dir);
	assert_int_equal(fclose(f), 0);
	c = conf_load(path, &list);
	assert_non_null(c);
	conf_messages_clear(&list);
	return c;
}

static void
give(struct side *s, const struct ipc_fd *what, int fd)
{
	struct str text = STR("");

	assert_true(fd != -1);
	ipc_send(s->chan, IPC_GIVE_FD, what, &text, fd);
	close(fd);
}

static void
launch(struct side *s, void (*act)(void), unsigned calls)
{
	int fds[2], pair[2], snapshot;
	struct why why;
	struct conf *c = make_conf();

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	s->pid = fork();
	if (s->pid == 0)
		be_daemon(fds[1], act, calls);
	close(fds[1]);
	s->chan = ipc_chan_new(fds[0], ROLE_MASTER, ROLE_DNS, 0, NULL, NULL);
	snapshot = conf_snapshot(c);
	assert_true(snapshot != -1);
	ipc_send(s->chan, IPC_CONFIG, &(struct ipc_config){.generation = 1}, NULL, snapshot);
	close(snapshot);
	give(s, &(struct ipc_fd){.kind = FD_STATS_PAGE, .role = ROLE_DNS},
	    stats_create(ROLE_DNS, 0));
	give(s, &(struct ipc_fd){.kind = FD_SPOOL_DIR}, open(dir, O_RDONLY));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ipc_send(s->chan, IPC_PEER, &(struct ipc_peer){.role = ROLE_QUEUE}, NULL, pair[0]);
	close(pair[0]);
	close(pair[1]);
	ipc_send(s->chan, IPC_START, NULL, NULL, -1);
	assert_int_equal(ipc_flush_blocking(s->chan, 60000, &why), 0);
	conf_free(&c);
}

static int
end_of(struct side *s)
{
	int status;

	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	ipc_chan_free(&s->chan);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void
what_is_not_allowed_kills_and_what_is_needed_works(void **state)
{
	struct side s;

	for (size_t i = 0; i < countof(actions); i++) {
		if (IS_SANITIZED && actions[i].result == 1000 + SIGSYS)
			continue;
		launch(&s, actions[i].act, actions[i].calls);
		if (end_of(&s) != actions[i].result)
			fail_msg("%s did not end with %d", actions[i].name, actions[i].result);
	}
}

static void
no_way_leads_out_of_a_directory_that_was_given(void **state)
{
	struct side s;

	if (IS_SANITIZED || syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 2)
		skip();
	/* another user than ours is to write there */
	assert_int_equal(mkdir(given_path, 0700), 0);
	assert_int_equal(chmod(given_path, 0777), 0);
	launch(&s, act_leave_given_dir, BOX_LOOP | BOX_FILES_READ | BOX_FILES_WRITE);
	assert_int_equal(end_of(&s), 3);
	assert_int_equal(rmdir(given_path), 0);
}

static void
as_root_nothing_outside_of_the_spool_can_be_seen(void **state)
{
	struct side s;

	if (geteuid() != 0)
		skip();
	launch(&s, act_open_missing, BOX_LOOP | BOX_FILES_READ);
	assert_int_equal(end_of(&s), 3);
}

/* the value of a line of /proc/PID/status */
static const char *
status_line(pid_t pid, const char *name)
{
	static char text[8192];
	char path[64];
	int fd;
	ssize_t n;
	char *p;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY);
	assert_true(fd != -1);
	n = read(fd, text, sizeof text - 1);
	assert_true(n > 0);
	close(fd);
	text[n] = '\0';
	p = strstr(text, name);
	assert_non_null(p);
	p += strlen(name);
	p[strcspn(p, "\n")] = '\0';
	return p;
}

static void
the_kernel_confirms_every_wall(void **state)
{
	const struct passwd *pw = getpwnam("pmta-dns");
	struct ipc_msg m = {0};
	struct why why;
	struct side s;
	char want[64], root[128], path[128];
	ssize_t n;

	launch(&s, act_nothing, BOX_LOOP | BOX_CONFIG);
	while (m.type != IPC_READY)
		assert_int_equal(ipc_read_blocking(s.chan, &m, 10000, &why), 0);
	assert_string_equal(status_line(s.pid, "NoNewPrivs:"), "\t1");
	assert_string_equal(status_line(s.pid, "CapEff:"), "\t0000000000000000");
	assert_string_equal(status_line(s.pid, "CapPrm:"), "\t0000000000000000");
	if (!IS_SANITIZED)
		assert_string_equal(status_line(s.pid, "Seccomp:"), "\t2");
	if (geteuid() == 0) {
		snprintf(want, sizeof want, "\t%u\t%u\t%u\t%u", pw->pw_uid, pw->pw_uid, pw->pw_uid,
		    pw->pw_uid);
		assert_string_equal(status_line(s.pid, "Uid:"), want);
		snprintf(want, sizeof want, "\t%u\t%u\t%u\t%u", pw->pw_gid, pw->pw_gid, pw->pw_gid,
		    pw->pw_gid);
		assert_string_equal(status_line(s.pid, "Gid:"), want);
		snprintf(path, sizeof path, "/proc/%d/root", (int)s.pid);
		n = readlink(path, root, sizeof root - 1);
		assert_true(n > 0);
		root[n] = '\0';
		snprintf(path, sizeof path, "%s/empty", dir);
		assert_string_equal(root, path);
	}
	/* in force, a new configuration is still read, checked and refused or taken */
	{
		struct conf *c = make_conf();
		int good = conf_snapshot(c), bad = memfd_create("bad", 0);

		assert_int_equal(write(bad, "no-such-directive 1\n", 20), 20);
		ipc_send(s.chan, IPC_CONFIG, &(struct ipc_config){.generation = 2}, NULL, bad);
		assert_int_equal(ipc_read_blocking(s.chan, &m, 10000, &why), 0);
		assert_int_equal(m.type, IPC_CONFIG_BAD);
		ipc_send(s.chan, IPC_CONFIG, &(struct ipc_config){.generation = 3}, NULL, good);
		assert_int_equal(ipc_read_blocking(s.chan, &m, 10000, &why), 0);
		assert_int_equal(m.type, IPC_CONFIG_OK);
		close(good);
		close(bad);
		conf_free(&c);
	}
	ipc_send(s.chan, IPC_STOP, &(struct ipc_stop){.drain_ms = 1000}, NULL, -1);
	assert_int_equal(ipc_flush_blocking(s.chan, 60000, &why), 0);
	assert_int_equal(end_of(&s), 0);
}

static void
it_ends_when_master_is_gone(void **state)
{
	struct ipc_msg m = {0};
	struct why why;
	struct side s;

	launch(&s, act_nothing, BOX_LOOP);
	while (m.type != IPC_READY)
		assert_int_equal(ipc_read_blocking(s.chan, &m, 10000, &why), 0);
	ipc_chan_free(&s.chan);
	assert_int_equal(end_of(&s), EXIT_WORLD);
}

static int
make_dir(void **state)
{
	char path[128];

	snprintf(dir, sizeof dir, "/tmp/ph-sandbox.XXXXXX");
	assert_non_null(mkdtemp(dir));
	/* so that nothing but the lock is in the way */
	if (chmod(dir, 0777) == -1)
		return -1;
	snprintf(given_path, sizeof given_path, "%s/given", dir);
	snprintf(path, sizeof path, "%s/empty", dir);
	return mkdir(path, 0755);
}

static int
remove_dir(void **state)
{
	char path[128];

	snprintf(path, sizeof path, "%s/empty", dir);
	if (rmdir(path) == -1)
		return -1;
	snprintf(path, sizeof path, "%s/config", dir);
	if (unlink(path) == -1)
		return -1;
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_not_allowed_kills_and_what_is_needed_works),
	    cmocka_unit_test(no_way_leads_out_of_a_directory_that_was_given),
	    cmocka_unit_test(as_root_nothing_outside_of_the_spool_can_be_seen),
	    cmocka_unit_test(the_kernel_confirms_every_wall),
	    cmocka_unit_test(it_ends_when_master_is_gone),
	};

	/* as root the daemons' users must exist; without them the tests run as an ordinary user */
	if (geteuid() == 0 && getpwnam("pmta-dns") == NULL &&
	    (setgid(65534) == -1 || setuid(65534) == -1))
		return 1;
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
