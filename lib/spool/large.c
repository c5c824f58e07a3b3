#include "lib/spool/large_int.h"

#include <errno.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/spool/journal_int.h"

/*
 * A large message's way, each step in the thread that may block for it:
 *	mover	 envelope written into its room, file synced, spool/tmp synced
 *	flusher	 named in W.id as under way, W.id synced
 *	mover	 renamed to queue/hh/id, queue/hh synced
 *	flusher	 counted, in memory: written with W.id's next change; until then "no tmp file" says it
 */

#define PAD_ROOM 16 /* so that a padding line always fits, see add_padding() */

struct journal_large {
	struct spool_work work;
	struct journal_large *next; /* waiting */
	struct journal *j;
	void *token;
	XXH3_state_t *hash;
	char *front; /* header line and envelope, `room` bytes */
	size_t room;
	struct spool_place place;
	uint32_t n_rcpts;
	int fd;
	bool is_counted; /* in j->n_named */
	bool is_renamed;
	bool failed;
	struct why why;
};

/* ---- at the start ---- */

static int
was_accepted(int tmp_fd, uint64_t id, bool *yes)
{
	char name[SPOOL_NAME];
	struct stat st;

	*yes = fstatat(tmp_fd, id_name(name, id), &st, AT_SYMLINK_NOFOLLOW) < 0;
	return *yes && errno != ENOENT ? -1 : 0;
}

static void
remove_tmp_files(int tmp_fd, const struct idfile_large *l, uint32_t n)
{
	char name[SPOOL_NAME];

	/* those that were accepted have none; a failure leaves one for queued's next start */
	for (uint32_t i = 0; i < n; i++)
		unlinkat(tmp_fd, id_name(name, l[i].id), 0);
}

static int
settle(struct idfile *f, int tmp_fd)
{
	struct idfile_text before = f->t;
	bool yes;

	for (uint32_t i = 0; i < before.n_large; i++) {
		if (was_accepted(tmp_fd, before.large[i].id, &yes) < 0)
			return -1;
		f->t.large_msgs += yes;
		f->t.large_rcpts += yes ? before.large[i].n_rcpts : 0;
	}
	f->t.n_large = 0;
	/* first the file that no longer names them: then "no tmp file" cannot be read as "accepted"
	 */
	if (before.n_large > 0 && idfile_write(f) < 0)
		return -1;
	remove_tmp_files(tmp_fd, before.large, before.n_large);
	return 0;
}

int
large_settle(struct idfile *f, int dirfd)
{
	int tmp_fd, r;

	if (f->t.n_large == 0)
		return 0;
	tmp_fd = open_dir(dirfd, "tmp");
	if (tmp_fd < 0)
		return -1;
	r = settle(f, tmp_fd);
	close(tmp_fd);
	return r;
}

/* ---- writing ---- */

static void
remove_tmp(struct journal_large *l)
{
	char name[SPOOL_NAME];
	int tmp_fd = open_dir(l->j->dirfd, "tmp");

	if (tmp_fd < 0)
		return;
	unlinkat(tmp_fd, id_name(name, l->place.id), 0);
	close(tmp_fd);
}

static void
large_free(struct journal_large *l)
{
	if (l->fd >= 0)
		close(l->fd);
	XXH3_freeState(l->hash);
	free(l->front);
	l->j->n_large--;
	free(l);
}

static int
make_tmp(struct journal *j, uint64_t id)
{
	char name[SPOOL_NAME];
	int fd, tmp_fd = open_dir(j->dirfd, "tmp");

	if (tmp_fd < 0)
		return -1;
	/* queued, of the same group, appends its state lines later */
	fd = create_file(tmp_fd, id_name(name, id), 0660);
	close(tmp_fd);
	/* the lock tells queued's cleaning that somebody is still at it */
	if (fd >= 0)
		(void)flock(fd, LOCK_EX | LOCK_NB);
	return fd;
}

struct journal_large *
journal_large_start(struct journal *j, uint64_t id, size_t env_room, struct why *why)
{
	struct journal_large *l;
	int fd;

	if (env_room > SPOOL_MAX_ENV - SPOOL_HEADER_LEN - PAD_ROOM) {
		why_smtp(why, 552, 5, 3, 4, "The envelope is too large.");
		return NULL;
	}
	fd = make_tmp(j, id);
	if (fd < 0) {
		why_disk(why, "Cannot make a file in the spool");
		return NULL;
	}
	l = xcalloc(1, sizeof *l);
	l->j = j;
	l->fd = fd;
	l->room = SPOOL_HEADER_LEN + env_room + PAD_ROOM;
	l->place = (struct spool_place){.id = id, .len = l->room, .kind = SPOOL_FILE};
	l->place.writer = j->writer;
	l->place.env_len = (uint32_t)l->room;
	l->hash = XXH3_createState();
	if (l->hash == NULL)
		fatal("out of memory");
	XXH3_64bits_reset(l->hash);
	j->n_large++;
	return l;
}

int
journal_large_write(struct journal_large *l, struct str piece, struct why *why)
{
	if (pwrite_all(l->fd, piece.p, piece.len, l->place.len) < 0)
		return why_disk(why, "Cannot write a file in the spool");
	XXH3_64bits_update(l->hash, piece.p, piece.len);
	l->place.len += piece.len;
	return 0;
}

void
journal_large_abort(struct journal_large **lp)
{
	struct journal_large *l = *lp;

	if (l == NULL)
		return;
	*lp = NULL;
	remove_tmp(l);
	large_free(l);
}

/* ---- commit ---- */

static int
fail(struct journal_large *l, const char *what)
{
	l->failed = true;
	return why_disk(&l->why, what);
}

/* The steps hand over to each other in the loop. */
static void
next_step(struct journal_large *l, struct spool_worker *thread, void (*run)(struct spool_work *),
    void (*done)(struct spool_work *))
{
	l->work = (struct spool_work){.run = run, .done = done};
	spool_worker_submit(thread, &l->work);
}

static void
tell(struct journal_large *l)
{
	l->j->ev.done(l->token, l->failed ? NULL : &l->place, l->failed ? &l->why : NULL);
	large_free(l);
}

/* "pad:----\n": what is left of the room, at least PAD_ROOM bytes with the empty line */
static void
add_padding(char *p, size_t n)
{
	memcpy(p, "pad:", 4);
	memset(p + 4, '-', n - 6);
	p[n - 2] = p[n - 1] = '\n';
}

static void
sync_run(struct spool_work *work)
{
	struct journal_large *l = ph_container_of(work, struct journal_large, work);

	if (pwrite_all(l->fd, l->front, l->room, 0) < 0 || fsync(l->fd) < 0 ||
	    sync_dir(l->j->dirfd, "tmp") < 0)
		(void)fail(l, "Cannot write a file in the spool");
}

static struct idfile_large *
find_named(struct idfile_text *t, uint64_t id)
{
	for (uint32_t i = 0; i < t->n_large; i++)
		if (t->large[i].id == id)
			return &t->large[i];
	return NULL;
}

/* In the flusher: before the rename, W.id must know of it. */
static void
name_run(struct spool_work *work)
{
	struct journal_large *l = ph_container_of(work, struct journal_large, work);
	struct idfile *f = &l->j->segs.ids;

	ph_assert(f->t.n_large < IDFILE_LARGE);
	if (segments_lend(&l->j->segs, journal_id_ms(l->place.id)) < 0) {
		(void)fail(l, "Cannot write the journal's id file");
		return;
	}
	f->t.large[f->t.n_large++] = (struct idfile_large){l->place.id, l->n_rcpts};
	if (idfile_write(f) == 0)
		return;
	f->t.n_large--;
	(void)fail(l, "Cannot write the journal's id file");
}

static int
rename_in(int queue_fd, int tmp_fd, uint64_t id)
{
	char dir[SPOOL_NAME], name[SPOOL_NAME];
	int r, to = open_dir(queue_fd, queue_dir_name(dir, id));

	if (to < 0)
		return -1;
	id_name(name, id);
	r = rename_new(tmp_fd, name, to, name);
	if (r == 0 && fsync(to) < 0)
		/* there, but perhaps not for ever: take it back, or else it counts as accepted */
		r = renameat(to, name, tmp_fd, name) == 0 ? -1 : 1;
	close(to);
	return r;
}

static void
rename_run(struct spool_work *work)
{
	struct journal_large *l = ph_container_of(work, struct journal_large, work);
	int queue_fd = open_dir(l->j->dirfd, "queue");
	int tmp_fd = open_dir(l->j->dirfd, "tmp"), r = -1;

	if (queue_fd >= 0 && tmp_fd >= 0)
		r = rename_in(queue_fd, tmp_fd, l->place.id);
	l->is_renamed = r >= 0;
	if (r != 0)
		(void)fail(l, "Cannot rename a file in the spool");
	if (queue_fd >= 0)
		close(queue_fd);
	if (tmp_fd >= 0)
		close(tmp_fd);
}

/*
 * In the flusher: what became of it. Renamed counts as accepted even if the client is told
 * otherwise, for the file may be there after a restart. If it was not renamed, W.id must forget it
 * before its tmp file may go.
 */
static void
settle_run(struct spool_work *work)
{
	struct journal_large *l = ph_container_of(work, struct journal_large, work);
	struct idfile_text *t = &l->j->segs.ids.t;
	struct idfile_large *named = find_named(t, l->place.id);

	if (named != NULL)
		*named = t->large[--t->n_large];
	if (l->is_renamed) {
		t->large_msgs++;
		t->large_rcpts += l->n_rcpts;
		return;
	}
	if (named == NULL || idfile_write(&l->j->segs.ids) == 0)
		remove_tmp(l);
}

static void name_or_wait(struct journal_large *l);

static void
settle_done(struct spool_work *work)
{
	struct journal_large *l = ph_container_of(work, struct journal_large, work);
	struct journal_large *next = l->j->waiting;

	if (l->is_counted) {
		l->j->n_named--;
		if (next != NULL) {
			l->j->waiting = next->next;
			name_or_wait(next);
		}
	}
	tell(l);
}

static void
rename_done(struct spool_work *work)
{
	struct journal_large *l = ph_container_of(work, struct journal_large, work);

	next_step(l, l->j->flusher, settle_run, settle_done);
}

static void
name_done(struct spool_work *work)
{
	struct journal_large *l = ph_container_of(work, struct journal_large, work);

	if (l->failed)
		next_step(l, l->j->flusher, settle_run, settle_done);
	else
		next_step(l, l->j->mover, rename_run, rename_done);
}

static void
name_or_wait(struct journal_large *l)
{
	struct journal *j = l->j;

	l->next = NULL;
	if (j->n_named < IDFILE_LARGE) {
		j->n_named++;
		l->is_counted = true;
		next_step(l, j->flusher, name_run, name_done);
		return;
	}
	if (j->waiting == NULL)
		j->waiting = l;
	else
		j->last_waiting->next = l;
	j->last_waiting = l;
}

static void
sync_done(struct spool_work *work)
{
	struct journal_large *l = ph_container_of(work, struct journal_large, work);

	if (l->failed)
		next_step(l, l->j->flusher, settle_run, settle_done);
	else
		name_or_wait(l);
}

static void
make_front(struct journal_large *l, struct str env)
{
	struct str all;
	uint64_t core;

	l->front = xmalloc(l->room);
	memcpy(l->front + SPOOL_HEADER_LEN, env.p, env.len);
	add_padding(l->front + SPOOL_HEADER_LEN + env.len, l->room - SPOOL_HEADER_LEN - env.len);
	all = str_from(l->front + SPOOL_HEADER_LEN, l->room - SPOOL_HEADER_LEN);
	core = record_core_of(all, XXH3_64bits_digest(l->hash));
	envelope_header(l->front, 0, l->place.len, l->place.env_len,
	    record_sum(core, 0, l->place.len, l->place.env_len));
}

void
journal_large_commit(struct journal_large **lp, struct str env, void *token)
{
	struct journal_large *l = *lp;
	uint64_t id;

	*lp = NULL;
	l->token = token;
	if (!record_peek(env, &id, &l->n_rcpts) || id != l->place.id)
		panic("the envelope of %016jx is not what envelope_write() makes",
		    (uintmax_t)l->place.id);
	if (env.len + PAD_ROOM > l->room - SPOOL_HEADER_LEN) {
		l->failed = true;
		why_smtp(
		    &l->why, 552, 5, 3, 4, "The envelope is longer than the room kept for it.");
		next_step(l, l->j->flusher, settle_run, settle_done);
		return;
	}
	make_front(l, env);
	next_step(l, l->j->mover, sync_run, sync_done);
}
