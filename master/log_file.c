#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

static char *
log_path(const struct conf *c)
{
	return xstrdup_str(conf_str(conf_global(c), CONF_GLOBAL_LOG_FILE));
}

/*
 * The log's directory may belong to the group of the daemons: none of them may lead root elsewhere by a link. Devices
 * are named by links (/dev/stdout).
 */
static int
open_log(const char *path, mode_t mode, struct why *why)
{
	bool is_device = strncmp(path, "/dev/", 5) == 0;
	struct stat st;
	int fd = open(path,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY |
		(is_device ? 0 : O_NOFOLLOW | O_NONBLOCK),
	    mode);

	if (fd == -1 && errno == ELOOP)
		return why_set(why, "log-file %s is a symbolic link: name the file itself", path);
	if (fd == -1 || fstat(fd, &st) == -1) {
		why_errno(why, "log-file %s cannot be opened", path);
	} else if (!is_device && !S_ISREG(st.st_mode)) {
		why_set(why, "log-file %s is no plain file", path);
	} else if (S_ISREG(st.st_mode) && st.st_nlink != 1) {
		why_set(why, "log-file %s has another name as well (a hard link): remove it", path);
	} else {
		return fd;
	}
	if (fd != -1)
		close(fd);
	return -1;
}

int
log_file_check(const struct conf *c, struct why *why)
{
	char *path = log_path(c);
	int fd = -1;

	if (path[0] == '\0')
		why_set(why, "the configuration names no log-file");
	else
		fd = open_log(path, 0640, why);
	free(path);
	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

int
log_file_open(const struct conf *c, struct why *why)
{
	char *path = log_path(c);
	mode_t mode = conf_bool(conf_global(c), CONF_GLOBAL_LOG_FILE_WORLD_READABLE) ? 0644 : 0640;
	int fd, old = master.log_fd;

	if (path[0] == '\0') {
		free(path);
		return why_set(why, "the configuration names no log-file");
	}
	fd = open_log(path, mode, why);
	free(path);
	if (fd == -1)
		return -1;
	/* the umask must not decide; a device or pipe is as it is */
	if (fchmod(fd, mode) == -1)
		log_debug("mode of the log: %s", strerrordesc_np(errno));
	master.log_fd = fd;
	log_to_fd(fd, true);
	if (old != -1)
		close(old);
	return 0;
}

static void
shift_old_logs(const char *path, uint64_t keep)
{
	char *from, *to;

	for (uint64_t i = keep; i > 0; i--) {
		from = i == 1 ? xstrdup(path)
			      : xasprintf("%s.%llu", path, (unsigned long long)(i - 1));
		to = xasprintf("%s.%llu", path, (unsigned long long)i);
		if (rename(from, to) == -1 && errno != ENOENT)
			log_warn("%s cannot be renamed: %s", from, strerrordesc_np(errno));
		free(from);
		free(to);
	}
}

int
log_file_rotate(struct why *why)
{
	char *path = log_path(master.conf);
	uint64_t keep = conf_u64(conf_global(master.conf), CONF_GLOBAL_LOG_ROTATE);
	int r;

	if (keep == 0) {
		free(path);
		return why_set(why, "log-rotate is 0: the log is not rotated");
	}
	/* the number counts the current one too */
	shift_old_logs(path, PH_MIN(keep, UINT64_C(1000)) - 1);
	free(path);
	r = log_file_open(master.conf, why);
	for (size_t i = 0; i < master.n_kids; i++)
		give_log(&master.kids[i]);
	return r;
}

/* the clock may be set, so the date is looked at now and then, and the size with it */
#define LOOK_MS INT64_C(10000)

/* YYYYMMDD, as people here count days */
static int
local_day(time_t t, struct tm *tm)
{
	if (localtime_r(&t, tm) == NULL)
		return 0;
	return (tm->tm_year + 1900) * 10000 + (tm->tm_mon + 1) * 100 + tm->tm_mday;
}

int64_t
log_file_next_look_ms(int64_t now_sec)
{
	struct tm tm;
	time_t next;

	if (local_day((time_t)now_sec, &tm) == 0)
		return LOOK_MS;
	/* where a change of the clocks leaves no midnight, this is the first moment of the day */
	tm.tm_mday++;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_isdst = -1;
	next = mktime(&tm);
	return PH_MIN(PH_MAX((int64_t)(next - now_sec) * 1000, (int64_t)1000), LOOK_MS);
}

bool
log_file_is_new_day(int *day, int64_t now_sec)
{
	struct tm tm;
	int today = local_day((time_t)now_sec, &tm), last = *day;

	*day = today;
	/* a clock that was set back begins no day */
	return last != 0 && today > last;
}

bool
log_file_is_due(const struct conf *c, bool is_new_day, uint64_t size)
{
	const struct conf_set *g = conf_global(c);
	uint64_t max = conf_u64(g, CONF_GLOBAL_LOG_ROTATE_SIZE);

	if (conf_u64(g, CONF_GLOBAL_LOG_ROTATE) <= 1)
		return false;
	return (is_new_day && conf_bool(g, CONF_GLOBAL_LOG_AUTO_ROTATION)) ||
	       (max != 0 && size >= max);
}

static uint64_t
size_now(void)
{
	struct stat st;

	return fstat(master.log_fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

static void
on_midnight(struct ev_timer *t)
{
	bool is_new_day = log_file_is_new_day(&master.log_day, wall_sec(ev_wall()));
	struct why why;

	if (log_file_is_due(master.conf, is_new_day, size_now()) && log_file_rotate(&why) == -1)
		log_warn("log not rotated reason=\"%s\"", why.text);
	log_file_arm_midnight();
}

void
log_file_arm_midnight(void)
{
	if (master.midnight.cb == NULL) {
		ev_timer_init(&master.midnight, on_midnight);
		log_file_is_new_day(&master.log_day, wall_sec(ev_wall()));
	}
	ev_timer_in_ms(&master.midnight, log_file_next_look_ms(wall_sec(ev_wall())));
}
