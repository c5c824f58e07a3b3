#include <errno.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/spool/files_int.h"
#include "lib/spool/journal.h"
#include "lib/spool/store_int.h"

/*
 * Moving records out of a segment into queue files:
 *	1 mover	records written to tmp, data synced, renamed, directories synced
 *	2 loop	what was appended to the done log is synced
 *	3 mover	lines about recipients who are done already are gathered from the log
 *	4 loop	those lines are appended again with the queue file as holder, and synced
 *	5 loop	the caller is told; whose file he removes during the call stays in its segment
 *	6 loop	an M line for each of the others: its record in the segment no longer counts
 * 2 to 4 only if a message has several recipients. From 1 to 5, lines about these messages are
 * appended twice, see spool_done_append().
 */

struct move {
	struct ev_work work;
	struct spool_store *s;
	struct move *next; /* under way */
	struct spool_place *from, *to;
	uint64_t *id; /* sorted */
	size_t n, n_renamed;
	spool_moved_cb *cb;
	void *ctx;
	bool has_several; /* recipients, in one message at least */
	bool failed;
	struct why why;
	uint32_t *number; /* done-log files to search */
	size_t n_numbers;
	struct line_list copies;
	bool *stays; /* in its segment: the caller removed the file again */
};

static int
compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool
has_id(const struct move *m, uint64_t id)
{
	return bsearch(&id, m->id, m->n, sizeof *m->id, compare_ids) != NULL;
}

bool
move_has(const struct spool_store *s, uint64_t id)
{
	for (const struct move *m = s->moves; m != NULL; m = m->next)
		if (has_id(m, id))
			return true;
	return false;
}

/* ---- 1: in the thread ---- */

static const char *
tmp_name(char name[SPOOL_NAME], uint64_t id)
{
	id_name(name, id);
	memcpy(name + 16, ".move", sizeof ".move");
	return name;
}

static int
write_tmp(struct move *m, size_t i, const struct buf *text)
{
	char name[SPOOL_NAME];
	int r, fd = create_file(m->s->tmp_fd, tmp_name(name, m->from[i].id), SPOOL_FMODE);

	if (fd < 0)
		return why_errno(&m->why, "Cannot make a queue file");
	r = write_all(fd, text->base + text->head, buf_len(text));
	if (r < 0)
		why_errno(&m->why, "Cannot write a queue file");
	/* starts the writing, so that the syncs that follow share what they wait for */
	else
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	close(fd);
	return r;
}

/* The record with the header line of a queue file. */
static void
make_file_text(char *record, struct spool_place *place)
{
	struct str env = str_from(record + SPOOL_HEADER_LEN, place->env_len - SPOOL_HEADER_LEN);
	struct str message = str_from(record + place->env_len, place->len - place->env_len);

	envelope_header(record, record_core(env, message),
	    &(struct record_header){.len = place->len, .env_len = place->env_len});
	*place = (struct spool_place){.id = place->id,
	    .len = place->len,
	    .kind = SPOOL_FILE,
	    .writer = place->writer,
	    .env_len = place->env_len};
}

static int
copy_record(struct move *m, size_t i, struct spool_reader *reader, struct buf *text)
{
	uint64_t id;
	uint32_t n_rcpts;

	if (spool_read(reader, &m->from[i], m->from[i].len, text, NULL, NULL, &m->why) < 0)
		return -1;
	if (!record_peek(str_skip(buf_str(text), SPOOL_HEADER_LEN), &id, &n_rcpts))
		return why_set(&m->why, "The record has no envelope.");
	m->has_several |= n_rcpts > 1;
	make_file_text(text->base + text->head, &m->to[i]);
	return write_tmp(m, i, text);
}

static int
copy_records(struct move *m)
{
	struct spool_reader *reader = spool_reader_new(m->s->dirfd);
	struct buf text;
	int r = 0;

	buf_init(&text, JOURNAL_SEGMENT_BYTES);
	for (size_t i = 0; i < m->n && r == 0; i++)
		r = copy_record(m, i, reader, &text);
	buf_clear(&text);
	spool_reader_free(&reader);
	return r;
}

static int
sync_tmp(struct move *m)
{
	char name[SPOOL_NAME];
	int fd, r = 0;

	for (size_t i = 0; i < m->n && r == 0; i++) {
		fd = open_file(m->s->tmp_fd, tmp_name(name, m->from[i].id), O_RDONLY);
		r = fd < 0 ? -1 : fdatasync(fd);
		if (fd >= 0)
			close(fd);
	}
	return r < 0 ? why_errno(&m->why, "Cannot sync a queue file") : 0;
}

static int
rename_tmp(struct move *m, bool is_dirty[N_QUEUE_DIRS])
{
	char from[SPOOL_NAME], to[SPOOL_FILE_NAME];

	for (; m->n_renamed < m->n; m->n_renamed++) {
		uint64_t id = m->from[m->n_renamed].id;
		if (rename_new(m->s->tmp_fd, tmp_name(from, id), m->s->queue_fd,
			spool_file_name(id, to)) < 0)
			return why_errno(&m->why, "Cannot rename a queue file");
		is_dirty[id >> 32 & 255] = true;
	}
	return 0;
}

static int
sync_dirs(struct move *m, const bool is_dirty[N_QUEUE_DIRS])
{
	char name[SPOOL_NAME];

	for (unsigned i = 0; i < N_QUEUE_DIRS; i++)
		if (is_dirty[i] &&
		    sync_dir(m->s->queue_fd, queue_dir_name(name, (uint64_t)i << 32)) < 0)
			return why_errno(&m->why, "Cannot sync queue/%s", name);
	return 0;
}

/* A file that comes back after a crash does no harm: record and file have one id, and the file is
 * taken. */
static void
undo(struct move *m)
{
	char name[SPOOL_NAME], file[SPOOL_FILE_NAME];

	for (size_t i = 0; i < m->n_renamed; i++)
		unlinkat(m->s->queue_fd, spool_file_name(m->from[i].id, file), 0);
	for (size_t i = m->n_renamed; i < m->n; i++)
		unlinkat(m->s->tmp_fd, tmp_name(name, m->from[i].id), 0);
}

static void
copy_run(struct ev_work *work)
{
	struct move *m = ph_container_of(work, struct move, work);
	bool is_dirty[N_QUEUE_DIRS] = {0};

	m->failed = copy_records(m) < 0 || sync_tmp(m) < 0 || rename_tmp(m, is_dirty) < 0 ||
		    sync_dirs(m, is_dirty) < 0;
	if (m->failed)
		undo(m);
}

/* ---- 3: in the thread ---- */

static bool
is_of_segment(const struct move *m, const struct done_line *l)
{
	return l->writer == m->from[0].writer && l->generation == m->from[0].generation;
}

static void
gather_copies(struct move *m, const struct done_file *f)
{
	struct done_line l;
	size_t at = 0;
	bool counts;

	while (done_file_next(f, &at, &l)) {
		if (done_kind(l.kind, &counts) == FINAL_NONE || !is_of_segment(m, &l) ||
		    !has_id(m, l.id))
			continue;
		l.kind = ascii_lower(l.kind);
		l.writer = DONE_NO_WRITER;
		l.generation = 0;
		lines_add(&m->copies, &l);
	}
}

static void
gather_run(struct ev_work *work)
{
	struct move *m = ph_container_of(work, struct move, work);
	struct done_file f;

	for (size_t i = 0; i < m->n_numbers && !m->failed; i++) {
		if (done_file_read(&f, m->s->done_fd, m->number[i]) < 0) {
			m->failed = true;
			why_errno(&m->why, "Cannot read the done log");
			break;
		}
		gather_copies(m, &f);
		done_file_clear(&f);
	}
}

/* ---- 2, 4, 5: in the loop ---- */

/*
 * The file alone counts from now on. Need not be durable yet: as long as it is not, record and file
 * have one id, and the file's done lines are held by name.
 */
static void
mark_moved(struct move *m)
{
	struct spool_store *s = m->s;
	struct done_line l = {.kind = 'M'};

	for (size_t i = 0; i < m->n; i++) {
		if (m->stays[i])
			continue;
		l.id = m->from[i].id;
		l.writer = (uint8_t)m->from[i].writer;
		l.generation = m->from[i].generation;
		gone_add_record(&s->gone, l.writer, l.generation, l.id);
		log_append(s, &l);
	}
}

void
move_file_removed(struct spool_store *s, uint64_t id)
{
	struct move *m = s->telling;

	for (size_t i = 0; m != NULL && i < m->n; i++)
		m->stays[i] |= m->from[i].id == id;
}

static void
tell(struct move *m)
{
	if (m->failed) {
		m->cb(m->ctx, NULL, 0, &m->why);
		return;
	}
	m->s->telling = m;
	m->cb(m->ctx, m->to, m->n, NULL);
	m->s->telling = NULL;
	mark_moved(m);
}

static void
finish(struct move *m)
{
	struct move **at = &m->s->moves;

	tell(m);
	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	free(m->from);
	free(m->to);
	free(m->id);
	free(m->stays);
	free(m->number);
	free(m->copies.line);
	free(m);
}

static void
fail(struct move *m, const struct why *why)
{
	m->failed = true;
	if (why != NULL)
		m->why = *why;
	finish(m);
}

static void
on_repeated(void *ctx, const struct why *why)
{
	struct move *m = ctx;

	if (why != NULL)
		fail(m, why);
	else
		finish(m);
}

static void
repeat_lines(struct move *m)
{
	for (size_t i = 0; i < m->copies.n; i++)
		log_append(m->s, &m->copies.line[i]);
	spool_store_sync(m->s, on_repeated, m);
}

static void
gather_done(struct ev_work *work)
{
	struct move *m = ph_container_of(work, struct move, work);

	if (m->failed)
		fail(m, NULL);
	else
		repeat_lines(m);
}

static void
on_synced(void *ctx, const struct why *why)
{
	struct move *m = ctx;
	struct done_log *log = &m->s->log;
	uint64_t key = need_key_segment(m->from[0].writer, m->from[0].generation);

	if (why != NULL) {
		fail(m, why);
		return;
	}
	m->number = xcalloc(log->n_files + 1, sizeof *m->number);
	for (size_t i = 0; i < log->n_files; i++)
		if (needs_has(&log->file[i].needs, key))
			m->number[m->n_numbers++] = log->file[i].number;
	m->work = (struct ev_work){.run = gather_run, .done = gather_done};
	ev_worker_submit(m->s->mover, &m->work);
}

static void
copy_done(struct ev_work *work)
{
	struct move *m = ph_container_of(work, struct move, work);

	if (m->failed)
		fail(m, NULL);
	else if (m->has_several)
		spool_store_sync(m->s, on_synced, m);
	else
		finish(m);
}

void
spool_move_out(struct spool_store *s, const struct spool_place *places, size_t n,
    spool_moved_cb *cb, void *ctx)
{
	struct move *m = xcalloc(1, sizeof *m);

	ph_assert(n > 0);
	*m = (struct move){.s = s, .n = n, .cb = cb, .ctx = ctx, .next = s->moves};
	s->moves = m;
	m->from = xreallocarray(NULL, n, sizeof *m->from);
	m->to = xreallocarray(NULL, n, sizeof *m->to);
	m->id = xreallocarray(NULL, n, sizeof *m->id);
	m->stays = xcalloc(n, sizeof *m->stays);
	memcpy(m->from, places, n * sizeof *m->from);
	memcpy(m->to, places, n * sizeof *m->to);
	for (size_t i = 0; i < n; i++) {
		ph_assert(places[i].kind == SPOOL_JOURNAL &&
			  places[i].generation == places[0].generation);
		m->id[i] = places[i].id;
	}
	qsort(m->id, n, sizeof *m->id, compare_ids);
	m->work = (struct ev_work){.run = copy_run, .done = copy_done};
	ev_worker_submit(s->mover, &m->work);
}
