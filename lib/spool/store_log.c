#include <errno.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/spool/files_int.h"
#include "lib/spool/live_int.h"
#include "lib/spool/store_int.h"
#include "lib/spool/sync_int.h"

/* ---- lists ---- */

void
lines_add(struct line_list *list, const struct done_line *l)
{
	if (list->n == list->cap) {
		list->cap = PH_MAX(list->cap * 2, (size_t)256);
		list->line = xreallocarray(list->line, list->cap, sizeof *list->line);
	}
	list->line[list->n++] = *l;
}

static struct log_file *
add_file(struct done_log *log, uint32_t number, size_t n_lines)
{
	if (log->n_files == log->cap_files) {
		log->cap_files = PH_MAX(log->cap_files * 2, (size_t)DONE_FILES);
		log->file = xreallocarray(log->file, log->cap_files, sizeof *log->file);
	}
	log->file[log->n_files] =
	    (struct log_file){.number = number, .n_lines = n_lines, .capacity = DONE_LINES};
	return &log->file[log->n_files++];
}

/* ---- loading ---- */

static void
add_finished(struct spool_store *s, const struct done_line *l, enum final_kind kind)
{
	if (s->n_finished == s->cap_finished) {
		s->cap_finished = PH_MAX(s->cap_finished * 2, (size_t)1024);
		s->finished = xreallocarray(s->finished, s->cap_finished, sizeof *s->finished);
	}
	s->finished[s->n_finished++] = (struct finished){l->id, l->rcpt, kind};
}

/* `counts`: the file is not older than the newest checkpoint. */
static void
load_lines(struct spool_store *s, const struct done_file *f, struct log_file *file,
    const struct live *live, bool counts)
{
	struct done_line l;
	enum final_kind kind;
	size_t at = 0;
	bool is_first;

	while (done_file_next(f, &at, &l)) {
		kind = done_kind(l.kind, &is_first);
		if (kind == FINAL_NONE)
			continue;
		if (counts && is_first)
			s->log.totals[kind]++;
		if (!live_needs(live, &l))
			continue;
		needs_add(&file->needs, need_key(&l));
		add_finished(s, &l, kind);
	}
}

static int
compare_finished(const void *a, const void *b)
{
	const struct finished *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->rcpt < y->rcpt ? -1 : x->rcpt > y->rcpt;
}

/* The newest file whose checkpoint is good; n when there is none. */
static size_t
find_checkpoint(struct spool_store *s, const uint32_t *number, size_t n)
{
	struct done_file f;

	for (size_t i = n; i-- > 0;) {
		bool is_good;
		if (done_file_read(&f, s->done_fd, number[i]) < 0)
			continue;
		is_good = f.is_good;
		memcpy(s->log.totals, f.head.by_kind, sizeof s->log.totals);
		done_file_clear(&f);
		if (is_good)
			return i;
	}
	memset(s->log.totals, 0, sizeof s->log.totals);
	return 0;
}

static int
load_files(struct spool_store *s, const uint32_t *number, size_t n, const struct live *live,
    struct why *why)
{
	struct done_file f;
	size_t checkpoint = find_checkpoint(s, number, n);

	for (size_t i = 0; i < n; i++) {
		if (done_file_read(&f, s->done_fd, number[i]) < 0)
			return why_errno(why, "Cannot read the done log's file %08x", number[i]);
		load_lines(s, &f, add_file(&s->log, number[i], f.n_lines), live, i >= checkpoint);
		s->log.file[i].may_go_on = f.is_good;
		s->log.file[i].capacity = done_capacity(f.is_good ? f.head.n_table : 0);
		done_file_clear(&f);
	}
	if (s->n_finished > 1)
		qsort(s->finished, s->n_finished, sizeof *s->finished, compare_finished);
	return 0;
}

/*
 * A killed queued may have written lines that it did not flush: they are visible, and the next checkpoint, made durable
 * in another file, would count them for ever although the power may still take them.
 */
static int
sync_files(int done_fd, const uint32_t *number, size_t n)
{
	char name[SPOOL_NAME];
	int fd, r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		fd = open_file(done_fd, done_name(name, number[i]), O_RDONLY);
		if (fd < 0)
			return -1;
		r = fdatasync(fd);
		close(fd);
	}
	return r;
}

static void on_kick(struct ev_defer *d);

int
log_load(struct spool_store *s, struct why *why)
{
	struct live live;
	uint32_t *number;
	size_t n;
	int r;

	s->log.fd = -1;
	ev_defer_init(&s->log.kick, on_kick);
	if (done_list(s->done_fd, &number, &n) < 0)
		return why_errno(why, "Cannot read the spool's directory done");
	if (sync_files(s->done_fd, number, n) < 0 || gone_load(&s->gone, s->dirfd) < 0) {
		free(number);
		return why_errno(why, "Cannot read the spool's done log");
	}
	r = live_load(&live, s->journal_fd, &s->gone);
	if (r < 0)
		why_errno(why, "Cannot read the spool's directory journal");
	else
		r = load_files(s, number, n, &live, why);
	live_clear(&live);
	free(number);
	return r;
}

void
log_clear(struct spool_store *s)
{
	struct done_log *log = &s->log;

	ev_defer_cancel(&log->kick);
	if (log->fd >= 0)
		close(log->fd);
	for (size_t i = 0; i < log->n_files; i++)
		needs_clear(&log->file[i].needs);
	free(log->file);
	free(log->pending.line);
	free(log->waiter);
}

bool
spool_is_done(const struct spool_store *s, uint64_t id, uint32_t rcpt, enum final_kind *kind)
{
	struct finished key = {.id = id, .rcpt = rcpt};
	struct finished *f;

	if (s->n_finished == 0)
		return false;
	f = bsearch(&key, s->finished, s->n_finished, sizeof key, compare_finished);
	if (f != NULL && kind != NULL)
		*kind = (enum final_kind)f->kind;
	return f != NULL;
}

/* Which recipients of the record are done: repeated with the file as holder, before its segment may go. */
static void
repeat_finished(struct spool_store *s, uint64_t id)
{
	struct done_line l = {.id = id, .writer = DONE_NO_WRITER};
	size_t lo = 0, hi = s->n_finished;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (s->finished[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < s->n_finished && s->finished[lo].id == id; lo++) {
		l.rcpt = s->finished[lo].rcpt;
		l.kind = ascii_lower(done_letter((enum final_kind)s->finished[lo].kind));
		log_append(s, &l);
	}
}

void
spool_record_moved(struct spool_store *s, const struct spool_place *record)
{
	struct done_line l = {.kind = 'M',
	    .id = record->id,
	    .writer = (uint8_t)record->writer,
	    .generation = record->generation};
	char name[SPOOL_NAME];

	if (sync_dir(s->queue_fd, queue_dir_name(name, record->id)) < 0)
		return;
	repeat_finished(s, record->id);
	gone_add_record(&s->gone, record->writer, record->generation, record->id);
	log_append(s, &l);
}

/* ---- writing: in the loop ---- */

static void
make_table(struct spool_store *s, struct line_list *table)
{
	for (size_t i = 0; i < s->gone.n_segments; i++) {
		const struct gone_segment *g = &s->gone.segment[i];
		lines_add(table, &(struct done_line){.kind = 'S',
				     .id = g->segment,
				     .writer = (uint8_t)g->writer,
				     .generation = g->generation});
	}
	for (size_t i = 0; i < s->gone.n_records; i++) {
		const struct gone_record *g = &s->gone.record[i];
		lines_add(table, &(struct done_line){.kind = 'M',
				     .id = g->id,
				     .writer = (uint8_t)g->writer,
				     .generation = g->generation});
	}
}

static void
begin_file(struct spool_store *s, struct sync_job *job)
{
	struct done_log *log = &s->log;
	struct log_file *last = log->n_files == 0 ? NULL : &log->file[log->n_files - 1];

	if (log->fd >= 0)
		close(log->fd);
	log->fd = job->fd = -1;
	job->head.number = last == NULL ? 1 : last->number + 1;
	job->head.previous = last == NULL ? 0 : last->number;
	job->head.previous_lines = last == NULL ? 0 : (uint32_t)last->n_lines;
	memcpy(job->head.by_kind, log->totals, sizeof job->head.by_kind);
	make_table(s, &job->table);
	job->head.n_table = (uint32_t)job->table.n;
	job->at = 0;
	job->capacity = done_capacity(job->table.n);
}

/* As many of the pending lines as fit go with the job. */
static void
take_pending(struct spool_store *s, struct sync_job *job)
{
	struct line_list *pending = &s->log.pending;
	size_t used = job->at + job->table.n;
	size_t n = PH_MIN(pending->n, job->capacity - PH_MIN(used, job->capacity));

	if (n == pending->n) {
		job->lines = *pending;
		*pending = (struct line_list){0};
		return;
	}
	for (size_t i = 0; i < n; i++)
		lines_add(&job->lines, &pending->line[i]);
	pending->n -= n;
	memmove(pending->line, pending->line + n, pending->n * sizeof *pending->line);
}

static void sync_done(struct ev_work *work);

static void
start_sync(struct spool_store *s)
{
	struct done_log *log = &s->log;
	struct sync_job *job = xcalloc(1, sizeof *job);
	struct log_file *last = log->n_files == 0 ? NULL : &log->file[log->n_files - 1];

	job->s = s;
	job->fd = log->fd;
	if (log->fd >= 0) {
		ph_assert(last != NULL); /* it is the last file that is open */
		job->head.number = last->number;
		job->at = last->n_lines;
		job->capacity = last->capacity;
	}
	if (log->fd < 0 || (!log->stays && last->n_lines + log->pending.n > last->capacity))
		begin_file(s, job);
	take_pending(s, job);
	log->syncing = true;
	job->work = (struct ev_work){.run = sync_job_run, .done = sync_done};
	ev_worker_submit(s->syncer, &job->work);
}

static void
job_free(struct sync_job *job)
{
	free(job->lines.line);
	free(job->table.line);
	free(job);
}

/* The lines are on disk: they count, and their holders need this file. */
static void
account(struct spool_store *s, const struct sync_job *job)
{
	struct done_log *log = &s->log;
	struct log_file *f;
	enum final_kind kind;
	bool counts;

	if (log->fd < 0) {
		f = add_file(log, job->head.number, job->table.n);
		f->may_go_on = true;
		f->capacity = job->capacity;
	}
	log->fd = job->fd;
	log->stays = false;
	f = &log->file[log->n_files - 1];
	f->n_lines += job->lines.n;
	log->n_synced += job->lines.n;
	for (size_t i = 0; i < job->lines.n; i++) {
		const struct done_line *l = &job->lines.line[i];
		kind = done_kind(l->kind, &counts);
		if (kind == FINAL_NONE)
			continue;
		log->totals[kind] += counts;
		needs_add(&f->needs, need_key(l));
	}
}

/* A file that failed once is not trusted again: its lines go, all of them, into the next one. */
static void
take_back(struct spool_store *s, struct sync_job *job)
{
	struct done_log *log = &s->log;
	struct line_list rest = log->pending;

	if (job->fd >= 0)
		close(job->fd);
	if (log->fd >= 0 && job->fd >= 0)
		log->file[log->n_files - 1].may_go_on = false;
	/* keep the failed new file's number from being tried again */
	if (log->fd < 0 && job->fd >= 0)
		add_file(log, job->head.number, 0);
	log->fd = -1;
	log->pending = job->lines;
	for (size_t i = 0; i < rest.n; i++)
		lines_add(&log->pending, &rest.line[i]);
	free(rest.line);
	job->lines = (struct line_list){0};
}

static void
tell_waiters(struct spool_store *s, const struct why *why)
{
	struct done_log *log = &s->log;
	struct waiter w;

	/* a callback may ask for another sync: it is added behind */
	for (size_t n = log->n_waiters; n > 0; n--) {
		w = log->waiter[0];
		if (why == NULL && w.upto > log->n_synced)
			break;
		log->n_waiters--;
		memmove(log->waiter, log->waiter + 1, log->n_waiters * sizeof *log->waiter);
		w.cb(w.ctx, why);
	}
}

/*
 * No new file could be made: the last one is gone on with, as far as it has room. So a start, which begins a new one,
 * never costs the room that a full disk has left.
 */
static bool
go_on_in_last(struct spool_store *s)
{
	struct done_log *log = &s->log;
	struct log_file *last = log->n_files == 0 ? NULL : &log->file[log->n_files - 1];
	char name[SPOOL_NAME];

	if (last == NULL || !last->may_go_on || last->n_lines >= last->capacity)
		return false;
	log->fd = open_file(s->done_fd, done_name(name, last->number), O_RDWR);
	log->stays = log->fd >= 0;
	return log->stays;
}

static void
sync_done(struct ev_work *work)
{
	struct sync_job *job = ph_container_of(work, struct sync_job, work);
	struct spool_store *s = job->s;
	bool was_new = s->log.fd < 0, is_second, has_no_file = job->fd < 0;

	s->log.syncing = false;
	if (job->failed) {
		/* a new file is tried at once; when that fails as well, the disk is in trouble */
		is_second = was_new;
		s->log.why = job->why;
		take_back(s, job);
		job_free(job);
		if (has_no_file && go_on_in_last(s))
			start_sync(s);
		else if (is_second)
			tell_waiters(s, &s->log.why);
		else
			start_sync(s);
		return;
	}
	account(s, job);
	job_free(job);
	if (was_new)
		recycle_start(s);
	ev_defer_queue(&s->log.kick);
	tell_waiters(s, NULL);
}

/* Goes on with what waits: somebody must want it, appending alone writes nothing. */
void
log_kick(struct spool_store *s)
{
	tell_waiters(s, NULL);
	if (!s->log.syncing && s->log.n_waiters > 0)
		start_sync(s);
}

static void
on_kick(struct ev_defer *d)
{
	log_kick(
	    ph_container_of(ph_container_of(d, struct done_log, kick), struct spool_store, log));
}

void
log_append(struct spool_store *s, const struct done_line *l)
{
	lines_add(&s->log.pending, l);
	s->log.n_appended++;
}

void
spool_store_sync(struct spool_store *s, spool_synced_cb *cb, void *ctx)
{
	struct done_log *log = &s->log;

	if (log->n_waiters == log->cap_waiters) {
		log->cap_waiters = PH_MAX(log->cap_waiters * 2, (size_t)16);
		log->waiter = xreallocarray(log->waiter, log->cap_waiters, sizeof *log->waiter);
	}
	log->waiter[log->n_waiters++] =
	    (struct waiter){.cb = cb, .ctx = ctx, .upto = log->n_appended};
	ev_defer_queue(&log->kick);
}

void
spool_done_append(struct spool_store *s, const struct spool_place *place, uint32_t rcpt,
    enum final_kind kind, struct wall when)
{
	struct done_line l = {.id = place->id,
	    .rcpt = rcpt,
	    .when_s = (uint32_t)wall_sec(when),
	    .kind = done_letter(kind),
	    .writer = DONE_NO_WRITER};

	ph_assert(kind > FINAL_NONE && kind < FINAL_MAX);
	if (place->kind == SPOOL_JOURNAL &&
	    !gone_has_record(&s->gone, place->writer, place->generation, place->id)) {
		l.writer = (uint8_t)place->writer;
		l.generation = place->generation;
	}
	s->ledger.by_kind[kind]++;
	log_append(s, &l);
	if (l.writer == DONE_NO_WRITER || !move_has(s, place->id))
		return;
	/* the copy that is being made of its record needs to know as well */
	l.kind = ascii_lower(l.kind);
	l.writer = DONE_NO_WRITER;
	l.generation = 0;
	log_append(s, &l);
}

void
spool_segment_gone(struct spool_store *s, const struct ipc_segment *seg)
{
	struct done_line l = {.kind = 'S',
	    .id = seg->segment,
	    .writer = (uint8_t)seg->writer,
	    .generation = seg->generation};

	if (gone_has_segment(&s->gone, seg->writer, seg->segment, seg->generation))
		return;
	gone_add_segment(&s->gone, seg->writer, seg->segment, seg->generation);
	log_append(s, &l);
	for (size_t i = 0; i < s->log.n_files; i++)
		needs_remove(&s->log.file[i].needs, need_key_segment(seg->writer, seg->generation));
}
