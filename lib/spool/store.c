#include "lib/spool/store.h"

#include <dirent.h>
#include <errno.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/spool/files_int.h"
#include "lib/spool/idfile_int.h"
#include "lib/spool/journal.h"
#include "lib/spool/store_int.h"

/* ---- directories ---- */

static int
check_dir(int fd, const struct stat *top, const char *name, struct why *why)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return why_errno(why, "Cannot look at the spool's directory %s", name);
	if ((st.st_mode & S_IWOTH) != 0)
		return why_set(why, "The spool's directory %s may be written by everybody.", name);
	if ((st.st_mode & S_IWGRP) != 0 && st.st_gid != top->st_gid)
		return why_set(why,
		    "The spool's directory %s may be written by group %u, the spool is group %u's.",
		    name, st.st_gid, top->st_gid);
	return 0;
}

/* The directory, made if missing, with the owner and group of the spool; -1 with `why`. */
static int
need_dir(int dirfd, const char *name, mode_t mode, const struct stat *top, struct why *why)
{
	int fd;
	bool is_new = mkdirat(dirfd, name, 0700) == 0;

	if (!is_new && errno != EEXIST)
		return why_errno(why, "Cannot make the spool's directory %s", name);
	fd = open_dir(dirfd, name);
	if (fd < 0)
		return why_errno(why, "Cannot open the spool's directory %s", name);
	if (is_new &&
	    ((geteuid() == 0 && fchown(fd, top->st_uid, top->st_gid) < 0) || fchmod(fd, mode) < 0))
		why_errno(why, "Cannot make the spool's directory %s", name);
	else if (check_dir(fd, top, name, why) == 0)
		return fd;
	close(fd);
	return -1;
}

static int
need_queue_dirs(int queue_fd, const struct stat *top, struct why *why)
{
	char name[SPOOL_NAME];
	int fd;

	for (unsigned i = 0; i < N_QUEUE_DIRS; i++) {
		queue_dir_name(name, (uint64_t)i << 32);
		fd = need_dir(queue_fd, name, 03770, top, why);
		if (fd < 0)
			return -1;
		close(fd);
	}
	return fsync(queue_fd) < 0 ? why_errno(why, "Cannot sync the spool's directory queue") : 0;
}

static int
open_dirs(struct spool_store *s, struct why *why)
{
	const struct {
		const char *name;
		mode_t mode;
		int *fd;
	} dirs[] = {
	    {"journal", 02770, &s->journal_fd},
	    {"queue", 02770, &s->queue_fd},
	    {"tmp", 03770, &s->tmp_fd},
	    {"done", 02770, &s->done_fd},
	    {"bad", 02770, &s->bad_fd},
	};
	struct stat top;

	if (fstat(s->dirfd, &top) < 0)
		return why_errno(why, "Cannot look at the spool");
	if (check_dir(s->dirfd, &top, ".", why) < 0)
		return -1;
	for (size_t i = 0; i < countof(dirs); i++) {
		*dirs[i].fd = need_dir(s->dirfd, dirs[i].name, dirs[i].mode, &top, why);
		if (*dirs[i].fd < 0)
			return -1;
	}
	if (fsync(s->dirfd) < 0)
		return why_errno(why, "Cannot sync the spool's directory");
	return need_queue_dirs(s->queue_fd, &top, why);
}

/* ---- what a crash left in tmp ---- */

/* Is it named in a W.id, so that its being there is what tells that it was not accepted? Its writer
 * removes it. */
static bool
is_under_way(const struct spool_store *s, uint64_t id)
{
	struct idfile_text t;
	char name[SPOOL_NAME];
	bool found = false, is_good;
	int fd;

	fd = open_file(s->journal_fd, writer_name(name, id >> 18 & 15), O_RDONLY);
	if (fd < 0)
		return false;
	is_good = idfile_read(fd, &t);
	close(fd);
	for (uint32_t i = 0; is_good && i < t.n_large; i++)
		found |= t.large[i].id == id;
	return found;
}

static bool
is_being_written(int tmp_fd, const char *name)
{
	int fd = open_file(tmp_fd, name, O_RDONLY);
	bool locked;

	if (fd < 0)
		return false;
	locked = flock(fd, LOCK_EX | LOCK_NB) < 0;
	close(fd);
	return locked;
}

static int
clean_tmp(struct spool_store *s, struct why *why)
{
	int fd = open_dir(s->tmp_fd, ".");
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	uint64_t id;

	if (dir == NULL)
		return why_errno(why, "Cannot read the spool's directory tmp");
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		if (id_name_parse(d->d_name, &id) &&
		    (is_being_written(s->tmp_fd, d->d_name) || is_under_way(s, id)))
			continue;
		unlinkat(s->tmp_fd, d->d_name, 0);
	}
	closedir(dir);
	return 0;
}

/* ---- life ---- */

static void
start_ledger(struct spool_store *s)
{
	/* what is still queued is counted in by the walk */
	for (int k = 0; k < FINAL_MAX; k++) {
		s->ledger.by_kind[k] = s->log.totals[k];
		s->ledger.accepted += s->log.totals[k];
	}
}

static void
store_free(struct spool_store *s)
{
	int *fds[] = {&s->journal_fd, &s->queue_fd, &s->tmp_fd, &s->done_fd, &s->bad_fd};

	for (size_t i = 0; i < countof(fds); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
	log_clear(s);
	gone_clear(&s->gone);
	free(s->limbo);
	free(s->finished);
	free(s);
}

struct spool_store *
spool_store_open(int dirfd, struct why *why)
{
	struct spool_store *s = xcalloc(1, sizeof *s);

	*s = (struct spool_store){.dirfd = dirfd,
	    .done_fd = -1,
	    .queue_fd = -1,
	    .tmp_fd = -1,
	    .bad_fd = -1,
	    .journal_fd = -1,
	    .log.fd = -1};
	gone_init(&s->gone);
	if (open_dirs(s, why) < 0 || clean_tmp(s, why) < 0 || log_load(s, why) < 0) {
		store_free(s);
		return NULL;
	}
	start_ledger(s);
	make_spare(s->done_fd);
	s->syncer = ev_worker_new("the done log");
	s->mover = ev_worker_new("what moves the spool");
	return s;
}

static void
on_last_sync(void *ctx, const struct why *why)
{
	bool *is_over = ctx;

	*is_over = true;
}

void
spool_store_close(struct spool_store **sp)
{
	struct spool_store *s = *sp;
	bool is_over = false;

	if (s == NULL)
		return;
	spool_store_sync(s, on_last_sync, &is_over);
	do {
		log_kick(s);
		ev_worker_drain(s->syncer);
		ev_worker_drain(s->mover);
	} while (!is_over || s->moves != NULL || s->log.n_waiters > 0 ||
		 ev_worker_is_busy(s->syncer) || ev_worker_is_busy(s->mover));
	ev_worker_free(&s->mover);
	ev_worker_free(&s->syncer);
	store_free(s);
	*sp = NULL;
}

void
spool_recovered(struct spool_store *s)
{
	xfree(&s->finished);
	s->n_finished = s->cap_finished = 0;
}

void
spool_count_accepted(struct spool_store *s, uint32_t n_rcpts)
{
	s->ledger.accepted += n_rcpts;
}

struct spool_ledger
spool_ledger(const struct spool_store *s)
{
	return s->ledger;
}

/* ---- queue files ---- */

void
store_add_limbo(struct spool_store *s, uint64_t id)
{
	if (s->n_limbo == s->cap_limbo) {
		s->cap_limbo = PH_MAX(s->cap_limbo * 2, (size_t)256);
		s->limbo = xreallocarray(s->limbo, s->cap_limbo, sizeof *s->limbo);
	}
	s->limbo[s->n_limbo++] = id;
	s->is_dirty[id >> 32 & 255] = true;
}

int
spool_file_remove(struct spool_store *s, uint64_t id, struct why *why)
{
	char name[SPOOL_NAME];
	int dir = open_dir(s->queue_fd, queue_dir_name(name, id)), r = -1, err;

	if (dir >= 0) {
		r = unlinkat(dir, id_name(name, id), 0);
		err = errno;
		close(dir);
		errno = err;
	}
	/* a directory that another user of the spool planted there is no message */
	if (r < 0 && errno != ENOENT && errno != EISDIR)
		return why_errno(why, "Cannot remove the finished message %016jx", (uintmax_t)id);
	store_add_limbo(s, id);
	move_file_removed(s, id);
	return 0;
}

/* ---- setting aside ---- */

static void
write_reason(struct spool_store *s, const char *name, const struct why *why)
{
	char file[2 * SPOOL_NAME];
	int fd;

	snprintf(file, sizeof file, "%s.why", name);
	fd = create_file(s->bad_fd, file, SPOOL_FMODE);
	if (fd < 0)
		return;
	if (write_all(fd, why->text, strlen(why->text)) < 0 || write_all(fd, "\n", 1) < 0)
		unlinkat(s->bad_fd, file, 0);
	close(fd);
}

static int
copy_bytes(int from, uint64_t offset, uint64_t len, int to)
{
	enum { PIECE = 64 * 1024 };
	char *piece = xmalloc(PIECE);
	ssize_t n = 0;
	int r = 0;

	len = PH_MIN(len, (uint64_t)JOURNAL_SEGMENT_BYTES);
	for (; len > 0 && r == 0; len -= (uint64_t)n, offset += (uint64_t)n) {
		n = pread_all(from, piece, PH_MIN(len, (uint64_t)PIECE), offset);
		if (n <= 0)
			break;
		r = write_all(to, piece, (size_t)n);
	}
	free(piece);
	return n < 0 ? -1 : r;
}

/* The bytes stay in their segment as well, until it is used again. */
static void
set_aside_record(struct spool_store *s, const struct spool_place *p, const struct why *why)
{
	char name[SPOOL_NAME], segment[SPOOL_NAME];
	int from, to;

	snprintf(name, sizeof name, "%u-%08x-%08x-%08jx", p->writer, p->segment, p->generation,
	    (uintmax_t)p->offset);
	from = open_file(s->journal_fd, segment_name(segment, p->writer, p->segment), O_RDONLY);
	if (from < 0)
		return;
	to = create_file(s->bad_fd, name, SPOOL_FMODE);
	if (to >= 0) {
		if (copy_bytes(from, p->offset, p->len, to) == 0)
			write_reason(s, name, why);
		close(to);
	}
	close(from);
}

static void
set_aside_file(struct spool_store *s, uint64_t id, const struct why *why)
{
	char name[SPOOL_NAME];
	int dir = open_dir(s->queue_fd, queue_dir_name(name, id));

	if (dir < 0)
		return;
	id_name(name, id);
	if (renameat(dir, name, s->bad_fd, name) == 0)
		write_reason(s, name, why);
	close(dir);
}

void
spool_set_aside(struct spool_store *s, const struct spool_place *place, const struct why *why)
{
	if (place->kind == SPOOL_FILE)
		set_aside_file(s, place->id, why);
	else if (place->kind == SPOOL_JOURNAL && place->writer < SPOOL_WRITERS)
		set_aside_record(s, place, why);
}

void
spool_delete_broken(struct spool_store *s, const struct spool_place *place)
{
	char name[SPOOL_NAME];
	int dir;

	if (place->kind != SPOOL_FILE)
		return;
	dir = open_dir(s->queue_fd, queue_dir_name(name, place->id));
	if (dir < 0)
		return;
	/* what cannot be removed is met again at the next start */
	unlinkat(dir, id_name(name, place->id), 0);
	close(dir);
}

int
spool_space(const struct spool_store *s, uint64_t *bytes, uint64_t *files, struct why *why)
{
	struct statfs f;

	if (fstatfs(s->dirfd, &f) < 0)
		return why_errno(why, "Cannot ask for the spool's free space");
	*bytes = (uint64_t)f.f_bavail * (uint64_t)f.f_bsize;
	/* file systems without a table of inodes say 0 of 0 */
	*files = f.f_files == 0 ? UINT64_MAX : (uint64_t)f.f_ffree;
	return 0;
}
