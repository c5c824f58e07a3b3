#include <errno.h>
#include <unistd.h>

#include "lib/base/xalloc.h"
#include "lib/spool/files_int.h"
#include "lib/spool/live_int.h"
#include "lib/spool/store_int.h"

/*
 * After a new done-log file has become durable (with it what is gone and moved):
 *	mover	directories of removed queue files are synced; files that nothing needed are unlinked; a spare is made;
 *		segments whose files are removed for ever are looked for
 *	loop	lines of those queue files are needed no more, nor those of these segments; what became unneeded goes
 *		the next time and, when there are too many files:
 *	mover	the oldest file's lines that are still needed are gathered
 *	loop	and appended again; once they are durable nothing needs the old file: from the top
 */

struct recycle {
	struct ev_work work;
	struct spool_store *s;
	uint64_t *limbo; /* ids */
	size_t n_limbo;
	bool is_dirty[N_QUEUE_DIRS];
	bool synced;
	uint32_t *number; /* files to unlink */
	size_t n_numbers;
	struct gone_segment
	    *segment; /* those let go of; out: those of them that have no file any more */
	size_t n_segments;
};

struct compact {
	struct ev_work work;
	struct spool_store *s;
	uint32_t number;
	struct needs needs;	/* a copy */
	struct line_list lines; /* outcome */
	bool failed;
};

/* ---- in the thread ---- */

static int
sync_queue_dirs(struct recycle *r)
{
	char name[SPOOL_NAME];

	for (unsigned i = 0; i < N_QUEUE_DIRS; i++)
		if (r->is_dirty[i] &&
		    sync_dir(r->s->queue_fd, queue_dir_name(name, (uint64_t)i << 32)) < 0)
			return -1;
	return 0;
}

void
make_spare(int done_fd)
{
	struct stat st;
	int fd;

	if (fstatat(done_fd, "spare", &st, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	fd = create_file(done_fd, "spare", SPOOL_FMODE);
	if (fd < 0)
		return;
	if (allocate_file(fd, DONE_FILE_BYTES, true) < 0)
		unlinkat(done_fd, "spare", 0);
	close(fd);
}

/* Otherwise the table of what is gone would grow with every segment that a backlog has ever filled. */
static void
find_removed(struct recycle *r)
{
	char name[SPOOL_NAME];
	struct stat st;
	size_t n = 0;

	for (size_t i = 0; i < r->n_segments; i++) {
		const struct gone_segment *g = &r->segment[i];
		segment_name(name, g->writer, g->segment);
		if (fstatat(r->s->journal_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno == ENOENT)
			r->segment[n++] = *g;
	}
	/* with the power they could come back, records and all */
	r->n_segments = n > 0 && fsync(r->s->journal_fd) == 0 ? n : 0;
}

static void
recycle_run(struct ev_work *work)
{
	struct recycle *r = ph_container_of(work, struct recycle, work);
	char name[SPOOL_NAME];

	r->synced = sync_queue_dirs(r) == 0;
	/* an unlinked queue file may come back: then its lines must not have gone before */
	for (size_t i = 0; r->synced && i < r->n_numbers; i++)
		unlinkat(r->s->done_fd, done_name(name, r->number[i]), 0);
	make_spare(r->s->done_fd);
	find_removed(r);
}

static bool
file_exists(int queue_fd, uint64_t id)
{
	char name[SPOOL_FILE_NAME];
	struct stat st;

	return fstatat(queue_fd, spool_file_name(id, name), &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	       errno != ENOENT;
}

static void
gather_needed(struct compact *c, const struct done_file *f, const struct live *live)
{
	struct done_line l;
	size_t at = 0;
	bool counts;

	while (done_file_next(f, &at, &l)) {
		if (done_kind(l.kind, &counts) == FINAL_NONE || !needs_has(&c->needs, need_key(&l)))
			continue;
		if (l.writer == DONE_NO_WRITER ? !file_exists(c->s->queue_fd, l.id)
					       : !live_needs(live, &l))
			continue;
		l.kind = ascii_lower(l.kind);
		lines_add(&c->lines, &l);
	}
}

static void
compact_run(struct ev_work *work)
{
	struct compact *c = ph_container_of(work, struct compact, work);
	struct done_file f;
	struct live live;

	c->failed = live_load(&live, c->s->journal_fd, NULL) < 0;
	if (!c->failed)
		c->failed = done_file_read(&f, c->s->done_fd, c->number) < 0;
	if (!c->failed) {
		gather_needed(c, &f, &live);
		done_file_clear(&f);
	}
	live_clear(&live);
}

/* ---- in the loop ---- */

static struct log_file *
find_file(struct spool_store *s, uint32_t number)
{
	for (size_t i = 0; i < s->log.n_files; i++)
		if (s->log.file[i].number == number)
			return &s->log.file[i];
	return NULL;
}

static void
compact_free(struct compact *c)
{
	c->s->log.compacting = false;
	needs_clear(&c->needs);
	free(c->lines.line);
	free(c);
}

static void
on_compacted(void *ctx, const struct why *why)
{
	struct compact *c = ctx;
	struct log_file *f = find_file(c->s, c->number);

	struct spool_store *s = c->s;

	if (why == NULL && f != NULL)
		needs_clear(&f->needs);
	compact_free(c);
	/* at once: a restart would find the lines in both files */
	if (why == NULL)
		recycle_start(s);
}

static void
compact_done(struct ev_work *work)
{
	struct compact *c = ph_container_of(work, struct compact, work);

	if (c->failed) {
		compact_free(c);
		return;
	}
	for (size_t i = 0; i < c->lines.n; i++)
		log_append(c->s, &c->lines.line[i]);
	spool_store_sync(c->s, on_compacted, c);
}

static void
compact_oldest(struct spool_store *s)
{
	struct log_file *f = &s->log.file[0];
	struct compact *c;

	/* a file that is needed for the most part is better left alone */
	if (s->log.compacting || s->log.n_files <= DONE_FILES ||
	    f->needs.n_lines > DONE_LINES / 4 || f->needs.n_keys == 0)
		return;
	s->log.compacting = true;
	c = xcalloc(1, sizeof *c);
	c->s = s;
	c->number = f->number;
	needs_copy(&c->needs, &f->needs);
	c->work = (struct ev_work){.run = compact_run, .done = compact_done};
	ev_worker_submit(s->mover, &c->work);
}

static void
forget_limbo(struct spool_store *s, const struct recycle *r)
{
	for (size_t i = 0; i < r->n_limbo; i++)
		for (size_t k = 0; k < s->log.n_files; k++)
			needs_remove(&s->log.file[k].needs, r->limbo[i]);
}

static void
recycle_done(struct ev_work *work)
{
	struct recycle *r = ph_container_of(work, struct recycle, work);
	struct spool_store *s = r->s;

	s->log.recycling = false;
	if (r->synced) {
		forget_limbo(s, r);
	} else {
		/* try again with the next file; the lines stay */
		for (size_t i = 0; i < r->n_limbo; i++)
			store_add_limbo(s, r->limbo[i]);
	}
	for (size_t i = 0; i < r->n_segments; i++)
		gone_drop_segment(&s->gone, r->segment[i].writer, r->segment[i].segment,
		    r->segment[i].generation);
	free(r->limbo);
	free(r->number);
	free(r->segment);
	free(r);
	compact_oldest(s);
}

static void
take_unneeded(struct spool_store *s, struct recycle *r)
{
	struct done_log *log = &s->log;
	size_t n = 0;

	r->number = xcalloc(log->n_files, sizeof *r->number);
	for (size_t i = 0; i < log->n_files; i++) {
		/* the newest but one stays as well: the newest one's checkpoint can be proved from
		 * it */
		if (log->file[i].needs.n_keys == 0 && i + 2 < log->n_files) {
			r->number[r->n_numbers++] = log->file[i].number;
			needs_clear(&log->file[i].needs);
		} else {
			log->file[n++] = log->file[i];
		}
	}
	log->n_files = n;
}

static void
take_gone(const struct spool_store *s, struct recycle *r)
{
	r->n_segments = s->gone.n_segments;
	r->segment = xcalloc(r->n_segments, sizeof *r->segment);
	if (r->n_segments > 0)
		memcpy(r->segment, s->gone.segment, r->n_segments * sizeof *r->segment);
}

void
recycle_start(struct spool_store *s)
{
	struct recycle *r;

	if (s->log.recycling)
		return;
	s->log.recycling = true;
	r = xcalloc(1, sizeof *r);
	r->s = s;
	r->limbo = s->limbo;
	r->n_limbo = s->n_limbo;
	s->limbo = NULL;
	s->n_limbo = s->cap_limbo = 0;
	memcpy(r->is_dirty, s->is_dirty, sizeof r->is_dirty);
	memset(s->is_dirty, 0, sizeof s->is_dirty);
	take_unneeded(s, r);
	take_gone(s, r);
	r->work = (struct ev_work){.run = recycle_run, .done = recycle_done};
	ev_worker_submit(s->mover, &r->work);
}
