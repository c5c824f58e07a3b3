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

#define PAD_ROOM   16 /* so that a padding line always fits, see add_padding() */
#define READ_BYTES (256u * 1024)

enum rename_state { RENAME_NOT, RENAME_DONE, RENAME_UNKNOWN };
struct journal_large {
	struct ev_work work;
	struct journal_large *next; /* waiting */
	struct journal *j;
	void *token;
	XXH3_state_t *hash;
	char *front; /* header line, envelope and the message's own front, `room` bytes */
	size_t room;
	char *own; /* the message's own front, or NULL */
	size_t own_len;
	struct spool_place place;
	uint32_t n_rcpts;
	int fd;
	bool is_counted; /* in j->n_named */
	enum rename_state renamed;
	bool failed;
	struct why why;
};

/* ---- at the start ---- */

static int
sync_queue_dir(int dirfd, uint64_t id)
{
	char name[SPOOL_NAME];
	int r, queue_fd = open_dir(dirfd, "queue");

	if (queue_fd < 0)
		return -1;
	r = sync_dir(queue_fd, queue_dir_name(name, id));
	close(queue_fd);
	return r;
}

static struct idfile_large *
find_named(struct idfile_text *t, uint64_t id)
{
	for (uint32_t i = 0; i < t->n_large; i++)
		if (t->large[i].id == id)
			return &t->large[i];
	return NULL;
}

static void
drop_named(struct idfile_text *t, uint64_t id)
{
	struct idfile_large *named = find_named(t, id);

	if (named != NULL)
		*named = t->large[--t->n_large];
}

static void
count_accepted(struct idfile_text *t, uint32_t n_rcpts)
{
	t->large_msgs++;
	t->large_rcpts += n_rcpts;
}

/* Was it renamed? What is seen must be on disk before W.id says the same. 1, 0, or -1 with errno. */
static int
was_renamed(int dirfd, uint64_t id)
{
	char name[SPOOL_NAME + 4], hex[SPOOL_NAME];
	struct stat st;

	if (sync_queue_dir(dirfd, id) < 0 || sync_dir(dirfd, "tmp") < 0)
		return -1;
	snprintf(name, sizeof name, "tmp/%s", id_name(hex, id));
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return errno == ENOENT ? 1 : -1;
}

/* Takes it out of the text, counted if it was renamed. -1 with errno: left as it was. */
static int
decide(struct idfile *f, int dirfd, uint64_t id)
{
	const struct idfile_large *named = find_named(&f->t, id);
	int r;

	if (named == NULL)
		return 0;
	r = was_renamed(dirfd, id);
	if (r < 0)
		return -1;
	if (r > 0)
		count_accepted(&f->t, named->n_rcpts);
	drop_named(&f->t, id);
	return 0;
}

static void
refuse(struct idfile *f, uint64_t id)
{
	if (f->n_refused == f->cap_refused) {
		f->cap_refused = PH_MAX(f->cap_refused * 2, (size_t)16);
		f->refused = xreallocarray(f->refused, f->cap_refused, sizeof *f->refused);
	}
	f->refused[f->n_refused++] = id;
}

void
large_forget(struct idfile *f, int dirfd)
{
	char name[SPOOL_NAME];
	size_t n = 0;
	int tmp_fd = f->n_refused == 0 ? -1 : open_dir(dirfd, "tmp");

	if (tmp_fd < 0)
		return;
	for (size_t i = 0; i < f->n_refused; i++) {
		if (find_named(&f->t, f->refused[i]) != NULL)
			f->refused[n++] = f->refused[i];
		else /* if that fails it is left for queued's next start */
			unlinkat(tmp_fd, id_name(name, f->refused[i]), 0);
	}
	f->n_refused = n;
	close(tmp_fd);
}

int
large_settle(struct idfile *f, int dirfd)
{
	bool has_changed = false;

	for (uint32_t i = f->t.n_large; i-- > 0;) {
		uint64_t id = f->t.large[i].id;
		int r = was_renamed(dirfd, id);
		if (r < 0)
			return -1;
		if (r > 0) {
			f->settled[f->n_settled++] = id;
			continue;
		}
		refuse(f, id);
		drop_named(&f->t, id);
		has_changed = true;
	}
	/* first the file that no longer names them: then "no tmp file" cannot be read as "accepted" */
	if (has_changed && idfile_write(f) < 0)
		return -1;
	large_forget(f, dirfd);
	return 0;
}

static void
count_settled_run(struct ev_work *work)
{
	struct idfile *f = &ph_container_of(work, struct journal, settled)->segs.ids;

	for (size_t i = 0; i < f->n_settled; i++) {
		const struct idfile_large *named = find_named(&f->t, f->settled[i]);
		if (named == NULL)
			continue;
		count_accepted(&f->t, named->n_rcpts);
		drop_named(&f->t, f->settled[i]);
	}
}

static void
count_settled_done(struct ev_work *work)
{
	ph_container_of(work, struct journal, settled)->is_counting = false;
}

void
journal_settled_known(struct journal *j)
{
	/* the list is only read from the start on, by both threads */
	if (j->is_counting || j->segs.ids.n_settled == 0)
		return;
	j->is_counting = true;
	j->settled = (struct ev_work){.run = count_settled_run, .done = count_settled_done};
	ev_worker_submit(j->flusher, &j->settled);
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
	free(l->own);
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
	/* who reads it is of the same group */
	fd = create_file(tmp_fd, id_name(name, id), SPOOL_FMODE);
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
journal_large_front(struct journal_large *l, struct str text)
{
	ph_assert(l->own == NULL);
	l->own = xstrdup_str(text);
	l->own_len = text.len;
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
next_step(struct journal_large *l, struct ev_worker *thread, void (*run)(struct ev_work *),
    void (*done)(struct ev_work *))
{
	l->work = (struct ev_work){.run = run, .done = done};
	ev_worker_submit(thread, &l->work);
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

/* Header line, envelope and the message's own front are whole: what binds them to the message. */
static void
seal_front(struct journal_large *l)
{
	struct str env = str_from(l->front + SPOOL_HEADER_LEN, l->place.env_len - SPOOL_HEADER_LEN);
	uint64_t core = record_core_of(env, XXH3_64bits_digest(l->hash));

	envelope_header(l->front, core,
	    &(struct record_header){.len = l->place.len, .env_len = l->place.env_len});
}

/* The message begins with what came last: its hash is made anew. */
static int
hash_again(struct journal_large *l)
{
	char *piece = xmalloc(READ_BYTES);
	uint64_t at = l->room;
	ssize_t n = 0;

	XXH3_64bits_reset(l->hash);
	XXH3_64bits_update(l->hash, l->own, l->own_len);
	while (at < l->place.len &&
	       (n = pread_all(l->fd, piece, (size_t)PH_MIN(l->place.len - at, (uint64_t)READ_BYTES),
		    at)) > 0) {
		XXH3_64bits_update(l->hash, piece, (size_t)n);
		at += (uint64_t)n;
	}
	free(piece);
	if (at == l->place.len)
		return 0;
	if (n == 0)
		errno = EIO;
	return -1;
}

static void
sync_run(struct ev_work *work)
{
	struct journal_large *l = ph_container_of(work, struct journal_large, work);

	if (l->own != NULL && hash_again(l) < 0) {
		(void)fail(l, "Cannot read a file in the spool");
		return;
	}
	seal_front(l);
	if (pwrite_all(l->fd, l->front, l->room, 0) < 0 || fsync(l->fd) < 0 ||
	    sync_dir(l->j->dirfd, "tmp") < 0)
		(void)fail(l, "Cannot write a file in the spool");
}

/* In the flusher: before the rename, W.id must know of it. */
static void
name_run(struct ev_work *work)
{
	struct journal_large *l = ph_container_of(work, struct journal_large, work);
	struct idfile *f = &l->j->segs.ids;

	if (f->t.n_large == IDFILE_LARGE) {
		l->failed = true;
		why_smtp(&l->why, 451, 4, 3, 0, "The disk does not settle earlier large messages.");
		return;
	}
	if (segments_lend(&l->j->segs, journal_id_ms(l->place.id)) < 0) {
		(void)fail(l, "Cannot write the journal's id file");
		return;
	}
	f->t.large[f->t.n_large++] = (struct idfile_large){l->place.id, l->n_rcpts};
	if (segments_write_ids(&l->j->segs) == 0)
		return;
	f->t.n_large--;
	(void)fail(l, "Cannot write the journal's id file");
}

static enum rename_state
rename_in(int queue_fd, int tmp_fd, uint64_t id)
{
	char dir[SPOOL_NAME], name[SPOOL_NAME];
	enum rename_state r = RENAME_NOT;
	int to = open_dir(queue_fd, queue_dir_name(dir, id));

	if (to < 0)
		return RENAME_NOT;
	id_name(name, id);
	if (rename_new(tmp_fd, name, to, name) == 0)
		r = fsync(to) == 0 ? RENAME_DONE : RENAME_UNKNOWN;
	/* there, but perhaps not for ever: take it back; as long as that is not on disk either it stays named */
	if (r == RENAME_UNKNOWN && renameat(to, name, tmp_fd, name) == 0 && fsync(to) == 0 &&
	    fsync(tmp_fd) == 0)
		r = RENAME_NOT;
	close(to);
	return r;
}

static void
rename_run(struct ev_work *work)
{
	struct journal_large *l = ph_container_of(work, struct journal_large, work);
	int queue_fd = open_dir(l->j->dirfd, "queue");
	int tmp_fd = open_dir(l->j->dirfd, "tmp");

	if (queue_fd >= 0 && tmp_fd >= 0)
		l->renamed = rename_in(queue_fd, tmp_fd, l->place.id);
	if (l->renamed != RENAME_DONE)
		(void)fail(l, "Cannot rename a file in the spool");
	if (queue_fd >= 0)
		close(queue_fd);
	if (tmp_fd >= 0)
		close(tmp_fd);
}

/* Those refused before that the disk would not tell about: perhaps it does now. */
static void
decide_refused(struct idfile *f, int dirfd)
{
	for (size_t i = 0; i < f->n_refused; i++) {
		if (find_named(&f->t, f->refused[i]) == NULL)
			continue;
		if (decide(f, dirfd, f->refused[i]) < 0)
			return;
		f->is_dirty = true; /* it still names it */
	}
}

/*
 * In the flusher: what became of it. If it was not renamed, W.id must forget it before its tmp file may go: the
 * file may name it even if the write failed that should have done so.
 */
static void
settle_run(struct ev_work *work)
{
	struct journal_large *l = ph_container_of(work, struct journal_large, work);
	struct segments *s = &l->j->segs;
	struct idfile *f = &s->ids;
	bool was_named = find_named(&f->t, l->place.id) != NULL;

	decide_refused(f, s->dirfd);
	if (l->renamed != RENAME_UNKNOWN)
		drop_named(&f->t, l->place.id);
	if (l->renamed == RENAME_DONE) {
		count_accepted(&f->t, l->n_rcpts);
		return;
	}
	refuse(f, l->place.id);
	/* its name is all that must stay */
	if (l->renamed == RENAME_NOT && ftruncate(l->fd, 0) < 0)
		log_debug("journal event=tmp-stays id=%016jx", (uintmax_t)l->place.id);
	if (!was_named && !f->is_dirty)
		large_forget(f, s->dirfd);
	else if (segments_write_ids(s) < 0)
		log_warn("journal event=tmp-stays id=%016jx", (uintmax_t)l->place.id);
}

static void name_or_wait(struct journal_large *l);

static void
settle_done(struct ev_work *work)
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
rename_done(struct ev_work *work)
{
	struct journal_large *l = ph_container_of(work, struct journal_large, work);

	next_step(l, l->j->flusher, settle_run, settle_done);
}

static void
name_done(struct ev_work *work)
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
sync_done(struct ev_work *work)
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
	size_t env_room = l->room - SPOOL_HEADER_LEN - l->own_len;

	l->front = xmalloc(l->room);
	memcpy(l->front + SPOOL_HEADER_LEN, env.p, env.len);
	add_padding(l->front + SPOOL_HEADER_LEN + env.len, env_room - env.len);
	if (l->own != NULL)
		memcpy(l->front + l->room - l->own_len, l->own, l->own_len);
	l->place.env_len = (uint32_t)(l->room - l->own_len);
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
	if (env.len + l->own_len + PAD_ROOM > l->room - SPOOL_HEADER_LEN) {
		l->failed = true;
		why_smtp(
		    &l->why, 552, 5, 3, 4, "The envelope is longer than the room kept for it.");
		next_step(l, l->j->flusher, settle_run, settle_done);
		return;
	}
	make_front(l, env);
	next_step(l, l->j->mover, sync_run, sync_done);
}
