/*
 * The real master over toy daemons: this program under the name `posthaste` is master, under a daemon's name a toy
 * that does what it is told, under its own name the tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/net/addr.h"
#include "master/master.h"
#include "tests/unit/master/toy.h"

/* ---- the tests ---- */

static char self_path[512];
static char dir[64], address[32];
static int port;

static void
write_config(const char *host, int first_port, const char *more)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/config", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f,
	    "host-name %s\npostmaster p@example.org\nlog-file %s/log\n<spool %s/spool>\n</spool>\n",
	    host, dir, dir);
	fprintf(f, "smtp-listener %s:%d\n%s\n", address, first_port, more);
	assert_int_equal(fclose(f), 0);
}

static int
free_port(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(address)};
	socklen_t len = sizeof in;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	close(fd);
	return ntohs(in.sin_port);
}

static void
copy_self(const char *to)
{
	static char bytes[1 << 16];
	int in = open(self_path, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	ssize_t n;

	assert_true(in != -1 && out != -1);
	while ((n = read(in, bytes, sizeof bytes)) > 0)
		assert_int_equal(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

#define N_DAEMONS (ROLE_CTL - ROLE_INJECT) /* kinds of them */

static void
make_tree(void)
{
	static const char *const names[] = {"injectd", "queued", "dnsd", "deliverd", "bounced",
	    "acctd", "signd", "execd", "fbld", "webd"};
	char path[256];

	snprintf(dir, sizeof dir, "/tmp/ph-master.XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	snprintf(path, sizeof path, "%s/sbin", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof path, "%s/libexec", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof path, "%s/libexec/posthaste", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof path, "%s/sbin/posthaste", dir);
	copy_self(path);
	for (size_t i = 0; i < countof(names); i++) {
		snprintf(path, sizeof path, "%s/libexec/posthaste/%s", dir, names[i]);
		assert_int_equal(symlink("../../sbin/posthaste", path), 0);
	}
	/* of this process alone: nobody else takes the port before the server has it */
	snprintf(address, sizeof address, "127.%d.%d.%d", 1 + (int)(getpid() >> 16) % 60,
	    (int)(getpid() >> 8) % 256, (int)getpid() % 256);
	port = free_port();
	write_config("one.example", port, "");
}

static char *
read_file(const char *name)
{
	static char text[1 << 20];
	char path[256];
	int fd;
	ssize_t n, len = 0;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	if (fd != -1) {
		while ((n = read(fd, text + len, sizeof text - 1 - (size_t)len)) > 0)
			len += n;
		close(fd);
	}
	text[len] = '\0';
	return text;
}

static size_t
count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
		n++;
	return n;
}

/* waits until the log has `what` at least n times */
static void
await(const char *what, size_t n)
{
	struct timespec pause = {.tv_nsec = 5000000};

	for (int i = 0; i < 12000; i++) {
		if (count(read_file("log"), what) >= n)
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("%zu times \"%s\" did not come; the log:\n%s", n, what, read_file("log"));
}

static pid_t
launch(const char *flag, const char *ill)
{
	char path[256], config[256], err[256];
	pid_t pid;
	int fd;

	if (ill != NULL) {
		snprintf(path, sizeof path, "ill.%s.example", ill);
		write_config(path, port, "");
	}
	pid = fork();
	if (pid != 0)
		return pid;
	/* a test that fails leaves nothing behind */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof path, "%s/sbin/posthaste", dir);
	snprintf(config, sizeof config, "%s/config", dir);
	snprintf(err, sizeof err, "%s/stderr", dir);
	fd = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	dup2(fd, STDERR_FILENO);
	dup2(fd, STDOUT_FILENO);
	setenv("LD_LIBRARY_PATH", "/nowhere", 1);
	setenv("TZ", "UTC", 1);
	if (flag != NULL)
		execl(path, "posthaste", "-c", config, flag, (char *)NULL);
	else
		execl(path, "posthaste", "-c", config, (char *)NULL);
	_exit(99);
}

static int
end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* the process of a daemon, from its last "ready" line */
static pid_t
pid_of(const char *name)
{
	char what[64];
	const char *text = read_file("log"), *last = NULL;

	snprintf(what, sizeof what, "info %s ready pid=", name);
	for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what))
		last = p + strlen(what);
	if (last == NULL) {
		fail_msg("%s was never ready", name);
		return -1;
	}
	return (pid_t)strtol(last, NULL, 10);
}

static void
ask(char what)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof un.sun_path, "%s/spool/control", dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
	assert_int_equal(write(fd, &what, 1), 1);
	close(fd);
}

static bool
can_connect(int to)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)to),
	    .sin_addr.s_addr = inet_addr(address)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool ok = connect(fd, (struct sockaddr *)&in, sizeof in) == 0;

	close(fd);
	return ok;
}

static int
set_up(void **state)
{
	make_tree();
	return 0;
}

static int
tear_down(void **state)
{
	char *argv[] = {"rm", "-rf", dir, NULL};
	pid_t pid = fork();

	if (pid == 0) {
		execvp("rm", argv);
		_exit(1);
	}
	return end_of(pid);
}

static void
it_starts_all_daemons_and_stops_them_in_order(void **state)
{
	pid_t pid = launch("-f", NULL);
	const char *text, *inject, *deliver, *queue, *dns;

	await("info master ready", 1);
	assert_true(can_connect(port));
	await("info queued toy met injectd.0", 1);
	await("info deliverd toy met queued.0", 1);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(end_of(pid), 0);
	text = read_file("log");
	inject = strstr(text, "info injectd stopped");
	deliver = strstr(text, "info deliverd stopped");
	queue = strstr(text, "info queued stopped");
	dns = strstr(text, "info dnsd stopped");
	assert_true(inject != NULL && deliver != NULL && queue != NULL && dns != NULL);
	assert_true(inject < deliver && deliver < queue && queue < dns);
	if (count(text, "error ") != 0)
		fail_msg("errors in the log:\n%s\n%s", text, read_file("stderr"));
	assert_int_equal(count(read_file("stderr"), "info master ready"), 1);
}

static void
in_the_background_the_first_process_ends_when_all_are_ready(void **state)
{
	pid_t pid = launch(NULL, NULL), server;

	assert_int_equal(end_of(pid), 0);
	assert_non_null(strstr(read_file("log"), "info master ready"));
	server = (pid_t)strtol(read_file("spool/pid"), NULL, 10);
	assert_true(server > 1);
	assert_int_equal(kill(server, SIGTERM), 0);
	await("info master stopped status=0", 1);
}

static void
a_start_that_fails_says_so_to_whoever_started_it(void **state)
{
	assert_int_equal(end_of(launch(NULL, "bounced")), 75);
	assert_non_null(
	    strstr(read_file("stderr"), "start given up: bounced ended with status 75"));
	assert_int_equal(end_of(launch("-f", "bounced")), 75);
}

static void
a_second_instance_is_refused(void **state)
{
	pid_t pid = launch("-f", NULL);

	await("info master ready", 1);
	assert_int_equal(end_of(launch("-f", NULL)), 75);
	assert_non_null(
	    strstr(read_file("stderr"), "the spool is in use by another posthaste (process "));
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(end_of(pid), 0);
}

static void
what_dies_is_started_again_and_meets_its_peers(void **state)
{
	pid_t pid = launch("-f", NULL);

	await("info master ready", 1);
	assert_int_equal(kill(pid_of("queued"), SIGKILL), 0);
	await("error master queued died", 1);
	await("info queued ready", 2);
	await("info queued toy met injectd.0", 2);
	await("info injectd toy met queued.0", 2);
	assert_int_equal(kill(pid_of("dnsd"), SIGKILL), 0);
	await("info queued toy met dnsd.0", 3);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(end_of(pid), 0);
}

static void
whom_queued_does_not_believe_any_more_is_ended_and_begins_anew(void **state)
{
	pid_t pid = launch("-f", NULL), kid;

	await("info master ready", 1);
	kid = pid_of("injectd");
	ask('r');
	await("error master injectd broke the protocol and is ended", 1);
	await("info injectd ready", 2);
	await("info queued toy met injectd.0", 2);
	assert_int_not_equal(pid_of("injectd"), kid);
	assert_int_equal(count(read_file("log"), "info queued ready"), 1);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(end_of(pid), 0);
}

/* a zombie that nobody reaped is gone as well */
static bool
is_alive(pid_t pid)
{
	char path[64], text[256] = "";
	int fd;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY);
	if (fd == -1)
		return false;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	return n > 0 && strstr(text, ") Z ") == NULL;
}

static void
no_daemon_outlives_a_killed_master_and_the_next_one_starts(void **state)
{
	pid_t pid = launch("-f", NULL), kid;

	await("info master ready", 1);
	kid = pid_of("injectd");
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(end_of(pid), 1000 + SIGKILL);
	pid = launch("-f", NULL);
	await("info master ready", 2);
	/* it holds the lock, so none of the old ones is left */
	assert_false(is_alive(kid));
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(end_of(pid), 0);
}

static void
a_reload_switches_all_daemons_and_the_listeners(void **state)
{
	pid_t pid = launch("-f", NULL);
	int second = free_port();
	char more[64];

	await("info master ready", 1);
	snprintf(more, sizeof more, "smtp-listener %s:%d", address, second);
	write_config("two.example", port, more);
	assert_int_equal(kill(pid, SIGHUP), 0);
	await("info master reloaded", 1);
	await("toy switched host=two.example", 6);
	await("info injectd toy got kind=1 index=1", 1);
	assert_true(can_connect(second));
	assert_true(can_connect(port));
	write_config("three.example", second, "");
	ask('1');
	await("info queued toy answered token=77 ok=1", 1);
	/* all of them, before the answer */
	assert_int_equal(count(read_file("log"), "toy switched host=three.example"),
	    count(read_file("log"), " ready pid="));
	assert_true(can_connect(second));
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(end_of(pid), 0);
}

static void
a_reload_tells_who_has_not_switched_in_time(void **state)
{
	pid_t pid = launch("-f", NULL);

	await("info master ready", 1);
	write_config("slow.dnsd", port, "");
	ask('1');
	await("info queued toy answered token=77 ok=1", 1);
	await("but not yet in use by dnsd", 2); /* master's warning, and the answer */
	assert_int_equal(count(read_file("log"), "toy switched host=slow.dnsd"),
	    count(read_file("log"), " ready pid="));
	/* the next start has the new one, and the next reload waits for nobody */
	assert_int_equal(kill(pid_of("dnsd"), SIGKILL), 0);
	await("info dnsd ready pid=", 2);
	write_config("four.example", port, "");
	ask('1');
	await("text=\"the configuration was reloaded\"", 1);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(end_of(pid), 0);
}

static void
a_reload_that_fails_changes_nothing_and_says_why(void **state)
{
	pid_t pid = launch("-f", NULL);

	await("info master ready", 1);
	write_config("two.example", port, "no-such-directive 1");
	ask('1');
	await("info queued toy answered token=77 ok=0", 1);
	await("no-such-directive", 1);
	/* a port that is taken */
	write_config("two.example", port, "smtp-listener 198.51.100.1:2525");
	ask('1');
	await("info queued toy answered token=77 ok=0", 2);
	assert_int_equal(count(read_file("log"), "toy switched"), 0);
	assert_true(can_connect(port));
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(end_of(pid), 0);
}

static void
the_log_is_rotated_for_all(void **state)
{
	pid_t pid = launch("-f", NULL);

	await("info master ready", 1);
	ask('2');
	await("info queued toy answered token=77 ok=1", 1);
	assert_non_null(strstr(read_file("log.1"), "info master ready"));
	assert_null(strstr(read_file("log"), "info master ready"));
	ask('4');
	assert_int_equal(end_of(pid), 0);
	assert_non_null(strstr(read_file("log"), "info dnsd stopped"));
}

static void
a_daemon_has_a_clean_environment(void **state)
{
	pid_t pid = launch("-f", NULL);

	await("info master ready", 1);
	assert_int_equal(count(read_file("log"), "toy environment PATH=/usr/sbin:"), N_DAEMONS);
	assert_int_equal(count(read_file("log"), "toy environment TZ=UTC"), N_DAEMONS);
	assert_int_equal(count(read_file("log"), "LD_LIBRARY_PATH"), 0);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(end_of(pid), 0);
}

static void
a_log_that_is_a_link_is_neither_followed_nor_changed(void **state)
{
	char path[128], other[128];
	struct stat st;

	snprintf(path, sizeof path, "%s/log", dir);
	snprintf(other, sizeof other, "%s/other", dir);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(end_of(launch("-f", NULL)), 75);
	assert_non_null(strstr(read_file("stderr"), "is a symbolic link"));
	assert_int_equal(access(other, F_OK), -1);
	assert_int_equal(unlink(path), 0);
	close(open(other, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(link(other, path), 0);
	assert_int_equal(end_of(launch("-f", NULL)), 75);
	assert_non_null(strstr(read_file("stderr"), "has another name"));
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, 0);
}

static void
checking_a_configuration_starts_nothing(void **state)
{
	assert_int_equal(end_of(launch("-t", NULL)), 0);
	assert_non_null(strstr(read_file("stderr"), "is good"));
	write_config("two.example", port, "no-such-directive 1");
	assert_int_equal(end_of(launch("-t", NULL)), 78);
	assert_non_null(strstr(read_file("stderr"), "no-such-directive"));
	assert_int_equal(access(read_file("log"), F_OK), -1);
}

static int
run_all(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		it_starts_all_daemons_and_stops_them_in_order, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		in_the_background_the_first_process_ends_when_all_are_ready, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_start_that_fails_says_so_to_whoever_started_it, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_second_instance_is_refused, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		what_dies_is_started_again_and_meets_its_peers, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		whom_queued_does_not_believe_any_more_is_ended_and_begins_anew, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		no_daemon_outlives_a_killed_master_and_the_next_one_starts, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_reload_switches_all_daemons_and_the_listeners, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_reload_tells_who_has_not_switched_in_time, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_reload_that_fails_changes_nothing_and_says_why, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(the_log_is_rotated_for_all, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_daemon_has_a_clean_environment, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_log_that_is_a_link_is_neither_followed_nor_changed, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		checking_a_configuration_starts_nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* as root the daemons' users must exist; without them the tests run as an ordinary user */
static void
leave_root_if_needed(void)
{
	if (geteuid() != 0 || getpwnam("pmta-queue") != NULL)
		return;
	if (setgid(65534) == -1 || setuid(65534) == -1)
		fatal("nobody: %s", strerrordesc_np(errno));
}

int
main(int argc, char **argv)
{
	char *name = basename(argv[0]);
	ssize_t n;

	if (strcmp(name, "posthaste") == 0)
		return master_main(argc, argv);
	for (unsigned r = ROLE_INJECT; r < ROLE_INJECT + N_DAEMONS; r++) {
		if (strcmp(name, ipc_role_name((enum ipc_role)r)) == 0)
			return toy_main((enum ipc_role)r, argc, argv);
	}
	leave_root_if_needed();
	n = readlink("/proc/self/exe", self_path, sizeof self_path - 1);
	if (n == -1)
		return 1;
	return run_all();
}
