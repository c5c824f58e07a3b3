#include "injectd/pickup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "injectd/injectd.h"
#include "injectd/pickup_int.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/daemon/daemon.h"
#include "lib/spool/accepted.h"

/*
 *	NAME			put there by somebody
 *	.IIIIIIIIIIIIIIII.NAME	claimed: the message will have this id; the directory is synced before it is told
 *
 * Once the message is durable the claimed file is unlinked, and the directory synced again. A crash leaves claimed
 * files: accepted under that id, the file goes; otherwise it gets its name back.
 */

#define JOBS	 32
#define LOOK_MS	 500
#define YOUNG_S	 1    /* somebody may still be writing to it, without a lock */
#define PAUSE_MS 5000 /* after an answer that says "later" */
#define ID_LEN	 16
#define PREFIX	 (ID_LEN + 2)
#define MAX_NAME (NAME_MAX - PREFIX)

static struct {
	struct pickup_job job[JOBS];
	int dir_fd, bad_fd;	/* in use; -1: there is no pickup directory */
	int next_dir, next_bad; /* from master */
	size_t n_jobs;
	struct timespec changed; /* the directory, at the last look */
	struct ev_timer look;
	struct ev_defer sync;
	bool must_look; /* something waits that will not change the directory */
	bool is_switching, is_stopped;
} pickup = {.dir_fd = -1, .bad_fd = -1, .next_dir = -1, .next_bad = -1};

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

/* ---- names ---- */

static bool
parse_claimed(const char *name, uint64_t *id)
{
	struct str s = str_of(name);

	return s.len > PREFIX && s.p[0] == '.' && s.p[PREFIX - 1] == '.' &&
	       parse_hex64(str_sub(s, 1, ID_LEN), ID_LEN, id);
}

/* the name that somebody gave it */
static const char *
given_name(const char *name)
{
	uint64_t id;

	return parse_claimed(name, &id) ? name + PREFIX : name;
}

static int
rename_new(int to_fd, const char *from, const char *to)
{
	return renameat2(pickup.dir_fd, from, to_fd, to, RENAME_NOREPLACE);
}

/* ---- what becomes of a file ---- */

static int
sync_dir(void)
{
	if (fsync(pickup.dir_fd) == 0)
		return 0;
	log_error("event=pickup-sync why=\"%s\"", strerrordesc_np(errno));
	return -1;
}

static void
on_sync(struct ev_defer *d)
{
	if (pickup.dir_fd != -1)
		(void)sync_dir();
}

static void
set_bad(const char *name, const char *why)
{
	const char *base = given_name(name);
	char other[NAME_MAX + 1];
	int r = rename_new(pickup.bad_fd, name, base);

	log_warn(
	    "event=pickup-bad file=%s why=%s", log_quote(str_of(base)), log_quote(str_of(why)));
	for (unsigned i = 1; r == -1 && errno == EEXIST && i < 1000; i++) {
		snprintf(other, sizeof other, "%.240s.%u", base, i);
		r = rename_new(pickup.bad_fd, name, other);
	}
	if (r == -1)
		log_error("event=pickup-stuck file=%s why=\"%s\"", log_quote(str_of(name)),
		    strerrordesc_np(errno));
	ev_defer_queue(&pickup.sync);
}

/* A claimed file: as if nothing had happened. */
static void
give_back(const char *name)
{
	if (rename_new(pickup.dir_fd, name, given_name(name)) == 0)
		return;
	/* somebody has put another of that name there */
	if (errno == EEXIST)
		set_bad(name, "Another file of this name has come while it was waiting");
	else
		log_error("event=pickup-stuck file=%s why=\"%s\"", log_quote(str_of(name)),
		    strerrordesc_np(errno));
}

static void
remove_sent(const char *name)
{
	if (unlinkat(pickup.dir_fd, name, 0) == -1)
		log_error("event=pickup-stuck file=%s why=\"%s\"", log_quote(str_of(name)),
		    strerrordesc_np(errno));
	ev_defer_queue(&pickup.sync);
}

/* ---- jobs ---- */

static void
look_in_ms(int64_t ms)
{
	if (pickup.dir_fd != -1 && !pickup.is_stopped)
		ev_timer_in_ms(&pickup.look, ms);
}

static void switch_if_idle(void);

static void
on_done(struct pickup_job *j, enum pickup_outcome outcome)
{
	char why[sizeof j->why.text + 16];

	snprintf(why, sizeof why, "%d %s", j->why.smtp_code, j->why.text);
	if (outcome == PICKUP_SENT && j->has_more) {
		set_bad(j->name, "It has more than one message: only the first was sent");
	} else if (outcome == PICKUP_SENT) {
		remove_sent(j->name);
	} else if (outcome == PICKUP_BAD) {
		set_bad(j->name, why);
	} else {
		log_warn("event=pickup-waits file=%s why=%s", log_quote(str_of(j->name)),
		    log_quote(str_of(why)));
		give_back(j->name);
	}
	pickup_job_clear(j);
	pickup.n_jobs--;
	pickup.must_look = true;
	look_in_ms(outcome == PICKUP_LATER ? PAUSE_MS : 0);
	switch_if_idle();
	stop_check();
}

static struct pickup_job *
free_job(void)
{
	for (size_t i = 0; i < JOBS; i++)
		if (pickup.job[i].fd == -1)
			return &pickup.job[i];
	return NULL;
}

/* ---- finding files ---- */

static bool
is_young(const struct stat *st)
{
	int64_t age = ev_wall().ns / NS_PER_SEC - st->st_mtim.tv_sec;

	return age >= 0 && age <= YOUNG_S;
}

/* 1: it may be taken; 0: not yet; -1: never, `why` */
static int
examine(int fd, struct stat *st, struct why *why)
{
	if (fstat(fd, st) == -1 || S_ISDIR(st->st_mode))
		return 0;
	if (!S_ISREG(st->st_mode))
		return why_set(why, "It is no plain file");
	if (is_young(st) || flock(fd, LOCK_EX | LOCK_NB) == -1)
		return 0;
	if (st->st_nlink > 1)
		return why_set(why, "It has another name besides");
	return 1;
}

static int
open_error(const char *name, struct why *why)
{
	if (errno == ELOOP)
		return why_set(why, "It is a symbolic link");
	if (errno == EACCES || errno == EPERM)
		return why_set(why, "The user pmta-inject may not read it");
	if (errno == ENXIO)
		return why_set(why, "It is no plain file");
	return 0;
}

/* Is what now has our name what was opened? Somebody may have changed it in between. */
static bool
is_same(const char *name, const struct stat *st)
{
	struct stat now;

	return fstatat(pickup.dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       now.st_ino == st->st_ino && now.st_dev == st->st_dev && now.st_nlink == 1;
}

static int
claim(struct pickup_job *j, int fd, const struct stat *st, const char *name)
{
	uint64_t id = journal_new_id(injectd.journal);

	*j = (struct pickup_job){.fd = fd, .id = id, .done = on_done};
	snprintf(j->name, sizeof j->name, ".%016jx.%s", (uintmax_t)id, name);
	if (rename_new(pickup.dir_fd, name, j->name) == -1) {
		log_error("event=pickup-stuck file=%s why=\"%s\"", log_quote(str_of(name)),
		    strerrordesc_np(errno));
		return -1;
	}
	if (is_same(j->name, st))
		return 0;
	set_bad(j->name, "It was changed while it was taken");
	return -1;
}

/* Takes the file if it can be; true: a job has it. */
static bool
try_file(const char *name)
{
	struct pickup_job *j = free_job();
	struct why why = {0};
	struct stat st = {0};
	int fd, r;

	if (strlen(name) > MAX_NAME) {
		set_bad(name, "Its name is too long");
		return false;
	}
	fd = openat(pickup.dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	r = fd == -1 ? open_error(name, &why) : examine(fd, &st, &why);
	if (r == 1 && claim(j, fd, &st, name) == 0)
		return true;
	if (fd != -1)
		close(fd);
	j->fd = -1;
	if (r == -1)
		set_bad(name, why.text);
	else if (r == 0)
		pickup.must_look = true;
	return false;
}

/* They keep the names they came with: what the disk does not settle is not begun. */
static void
leave(struct pickup_job *const *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		give_back(jobs[i]->name);
		close_fd(&jobs[i]->fd);
	}
	pickup.must_look = true;
	look_in_ms(PAUSE_MS);
}

/* Claims what there is room for. */
static void
look_through(DIR *dir)
{
	struct pickup_job *started[JOBS];
	struct dirent *d;
	size_t n = 0;

	while (pickup.n_jobs + n < JOBS && (d = readdir(dir)) != NULL) {
		struct pickup_job *j = free_job();
		if (d->d_name[0] != '.' && d->d_type != DT_DIR && try_file(d->d_name))
			started[n++] = j;
	}
	if (n == 0)
		return;
	/* from here on each one is known by its id, whatever happens */
	if (sync_dir() == -1) {
		leave(started, n);
		return;
	}
	pickup.n_jobs += n;
	for (size_t i = 0; i < n; i++)
		pickup_job_start(started[i], &injectd.world);
}

static DIR *
open_dir(void)
{
	int fd = openat(pickup.dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);

	if (dir == NULL)
		log_error("event=pickup-directory why=\"%s\"", strerrordesc_np(errno));
	if (dir == NULL && fd != -1)
		close(fd);
	return dir;
}

/* The directory's time is as coarse as a tick: a change soon after a look may not show. */
static bool
has_changed(void)
{
	struct stat st;
	bool changed;

	if (fstat(pickup.dir_fd, &st) == -1)
		return true;
	changed = st.st_mtim.tv_sec != pickup.changed.tv_sec ||
		  st.st_mtim.tv_nsec != pickup.changed.tv_nsec || is_young(&st);
	pickup.changed = st.st_mtim;
	return changed;
}

static void
on_look(struct ev_timer *t)
{
	DIR *dir;

	look_in_ms(LOOK_MS);
	if (pickup.is_switching || pickup.n_jobs == JOBS || injectd.world.refusal.smtp_code != 0)
		return;
	if (!has_changed() && !pickup.must_look)
		return;
	pickup.must_look = false;
	dir = open_dir();
	if (dir == NULL)
		return;
	look_through(dir);
	closedir(dir);
}

/* ---- after a crash ---- */

static void
settle(const char *name, uint64_t id)
{
	int r =
	    journal_has_settled(injectd.journal, id) ? 1 : spool_was_accepted(injectd.spool_fd, id);

	log_info("event=pickup-settled file=%s accepted=%s", log_quote(str_of(name + PREFIX)),
	    r == 1   ? "yes"
	    : r == 0 ? "no"
		     : "unknown");
	if (r == 1)
		remove_sent(name);
	else if (r == 0)
		give_back(name);
	/* else it stays as it is: neither lost nor sent twice */
}

static void
settle_all(void)
{
	DIR *dir = open_dir();
	struct dirent *d;
	uint64_t id;

	while (dir != NULL && (d = readdir(dir)) != NULL)
		if (parse_claimed(d->d_name, &id))
			settle(d->d_name, id);
	if (dir == NULL)
		return;
	closedir(dir);
	if (sync_dir() == 0)
		journal_settled_known(injectd.journal);
}

/* ---- which directories ---- */

/* Between files: those that master gave last, or none. */
static void
switch_if_idle(void)
{
	if (!pickup.is_switching || pickup.n_jobs > 0 || injectd.journal == NULL)
		return;
	pickup.is_switching = false;
	close_fd(&pickup.dir_fd);
	close_fd(&pickup.bad_fd);
	pickup.dir_fd = pickup.next_dir;
	pickup.bad_fd = pickup.next_bad;
	pickup.next_dir = pickup.next_bad = -1;
	if (pickup.dir_fd == -1 || pickup.bad_fd == -1) {
		ev_timer_stop(&pickup.look);
		close_fd(&pickup.dir_fd);
		journal_settled_known(injectd.journal);
		return;
	}
	settle_all();
	pickup.must_look = true;
	look_in_ms(0);
}

void
pickup_take_dir(int fd)
{
	close_fd(&pickup.next_dir);
	pickup.next_dir = fd;
}

void
pickup_take_bad_dir(int fd)
{
	close_fd(&pickup.next_bad);
	pickup.next_bad = fd;
}

void
pickup_use_conf(void)
{
	pickup.is_switching = true;
	switch_if_idle();
}

void
pickup_forget_conf(void)
{
	for (size_t i = 0; i < JOBS; i++)
		if (pickup.job[i].fd != -1)
			session_forget_conf(&pickup.job[i].feed.session);
}

/* ---- life ---- */

void
pickup_init(void)
{
	for (size_t i = 0; i < JOBS; i++)
		pickup.job[i].fd = -1;
	ev_timer_init(&pickup.look, on_look);
	ev_defer_init(&pickup.sync, on_sync);
}

bool
pickup_is_busy(void)
{
	return pickup.n_jobs > 0;
}

void
pickup_stop(void)
{
	pickup.is_stopped = true;
	ev_timer_stop(&pickup.look);
	for (size_t i = 0; i < JOBS; i++) {
		struct pickup_job *j = &pickup.job[i];
		if (j->fd == -1 || j->feed.session.state == SESSION_WAIT)
			continue;
		give_back(j->name);
		pickup_job_clear(j);
		pickup.n_jobs--;
	}
}

void
pickup_close(void)
{
	for (size_t i = 0; i < JOBS; i++)
		if (pickup.job[i].fd != -1)
			pickup_job_clear(&pickup.job[i]);
	ev_defer_cancel(&pickup.sync);
	close_fd(&pickup.dir_fd);
	close_fd(&pickup.bad_fd);
}
