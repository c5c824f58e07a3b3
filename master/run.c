#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/stats/stats.h"
#include "lib/tls/server.h"

#define EXIT_USAGE 64

static void PH_NORETURN
give_up(const struct why *why)
{
	log_error("start given up: %s", why->text);
	background_report(EXIT_WORLD);
	_exit(EXIT_WORLD);
}

/* programs lie beside this one: bin/../libexec/posthaste */
static char *
find_libexec(void)
{
	char *self = realpath("/proc/self/exe", NULL), *path;
	size_t slash;

	if (self == NULL)
		fatal("its own path cannot be found: %s", strerrordesc_np(errno));
	slash = str_rfind(str_of(self), '/');
	path = xasprintf("%.*s/../libexec/posthaste", (int)slash, self);
	free(self);
	return path;
}

static void
on_stop_signal(int signo, void *arg)
{
	stop_begin(0);
}

static void
on_reload_signal(int signo, void *arg)
{
	reload_start(false, 0);
}

static void
watch_signals(void)
{
	ev_signal(SIGCHLD, kids_on_child, NULL);
	ev_signal(SIGTERM, on_stop_signal, NULL);
	ev_signal(SIGINT, on_stop_signal, NULL);
	ev_signal(SIGHUP, on_reload_signal, NULL);
}

static void
prepare_process(void)
{
	struct sigaction ign = {.sa_handler = SIG_IGN};
	struct rlimit r;

	if (sigaction(SIGPIPE, &ign, NULL) == -1 || close_range(STDERR_FILENO + 1, ~0U, 0) == -1)
		fatal("the process cannot be prepared: %s", strerrordesc_np(errno));
	/* the daemons that need many descriptors inherit it */
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &r) == -1)
			log_debug("limit of descriptors: %s", strerrordesc_np(errno));
	}
	umask(0027);
}

static void
parse_command_line(int argc, char **argv)
{
	struct why why;

	if (options_parse(argc, argv, &master.options, &why) == -1) {
		fprintf(stderr, "posthaste: %s\n", why.text);
		exit(EXIT_USAGE);
	}
	if (master.options.version) {
		puts("posthaste " PH_VERSION);
		exit(0);
	}
}

static void
leave_good(void)
{
	if (!master.options.machine)
		printf("posthaste: %s is good\n", master.options.config);
	exit(0);
}

static void
read_config(void)
{
	struct why why;
	char *path = realpath(master.options.config, NULL);

	/* a reload reads the same file, whatever becomes of the working directory */
	if (path != NULL)
		master.options.config = path;
	master.conf = master.options.test ? config_test(&master.options, &why)
					  : config_load(master.options.config, &why);
	if (master.conf != NULL && master.options.any_address)
		leave_good();
	master.keys_fd = master.conf == NULL ? -1 : keys_load(master.conf, &why);
	if (master.keys_fd == -1) {
		fprintf(stderr, "posthaste: the configuration is not usable\n");
		exit(EXIT_CONF);
	}
	if (tls_files_open(master.conf, &master.tls_files, &why) == -1 ||
	    give_address_files(NULL, master.conf, &why) == -1) {
		fprintf(
		    stderr, "error: %s\nposthaste: the configuration is not usable\n", why.text);
		exit(EXIT_CONF);
	}
	if (master.options.test)
		leave_good();
}

static int
open_all(struct why *why)
{
	if (users_check(why) == -1 || dirs_prepare(master.conf, why) == -1 ||
	    lock_take(why) == -1 || track_key_load(why) == -1 ||
	    log_file_open(master.conf, why) == -1 || listeners_open_control(why) == -1 ||
	    listeners_open(master.conf, NULL, &master.listeners, why) == -1)
		return -1;
	master.stats_fd = stats_create(ROLE_MASTER, 0);
	if (master.stats_fd == -1 || stats_map_own(master.stats_fd) == -1)
		return why_errno(why, "a page of statistics cannot be made");
	stats_own->started_ns = ev_wall().ns;
	certificates_tell(&master.tls_files);
	master.board_fd = memfd_create("posthaste-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (master.board_fd == -1 || ftruncate(master.board_fd, IPC_BOARD_BYTES) == -1 ||
	    fcntl(master.board_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1)
		return why_errno(why, "memory for counts cannot be had");
	return 0;
}

static void
start(void)
{
	struct why why;

	master.is_root = geteuid() == 0;
	master.libexec = find_libexec();
	log_also_to_stderr(true);
	if (open_all(&why) == -1)
		give_up(&why);
	log_info(
	    "posthaste " PH_VERSION " starts config=%s", log_quote(str_of(master.options.config)));
	if (!master.is_root)
		log_warn("not root: all processes run as one user; missing: own users, chroot; in "
			 "force: "
			 "no_new_privs, filter of system calls, limits");
	kids_plan(master.conf);
	ev_init();
	watch_signals();
	log_file_arm_midnight();
	lock_write_pid();
	kids_start_all();
	guard_start();
}

int
master_main(int argc, char **argv)
{
	log_init("master", LOG_LEVEL_INFO);
	tls_server_init();
	prepare_process();
	parse_command_line(argc, argv);
	read_config();
	if (!master.options.foreground)
		background_enter();
	start();
	ev_run();
	lock_remove_pid();
	log_info("stopped status=%d", master.stop.exit_status);
	background_report(master.stop.exit_status);
	return master.stop.exit_status;
}
