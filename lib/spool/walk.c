#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "lib/spool/count_int.h"
#include "lib/spool/files_int.h"
#include "lib/spool/gone_int.h"
#include "lib/spool/idfile_int.h"
#include "lib/spool/ids_int.h"
#include "lib/spool/journal.h"
#include "lib/spool/reader.h"
#include "lib/spool/scan_int.h"

#define FIRST_READ (64u * 1024) /* of a queue file: nearly always the whole envelope */
#define CHECK_BYTES                                                                                \
	SPOOL_LARGE_BYTES /* longer queue files are believed by their envelope and size */
#define LOOK_AT_CLOCK 32  /* items between two looks */
#define N_DIRS	      256
#define ALL_WRITERS   (-1)

struct walk_segment {
	struct ipc_segment s;
	uint64_t from, limit;
	bool has_header, is_newest, is_gone, has_limit, is_short;
};
struct stop {
	uint32_t writer, segment;
	uint64_t offset;
};
struct spool_walk {
	int dirfd; /* borrowed */
	int only_writer;
	uint32_t from_generation;
	uint64_t from_offset;
	struct gone gone;

	/* queue files */
	int queue_fd;
	unsigned n_dirs; /* begun */
	DIR *dir;
	struct buf text;
	struct id_list files;
	struct id_list under_way; /* large messages whose rename may not be on disk; sorted */

	/* segments */
	int journal_fd;
	bool has_list;
	struct walk_segment *segment;
	size_t n_segments, cap_segments, at;
	int fd; /* of segment[at], -1: not begun */
	bool told_end;
	struct scan scan;
	struct stop *stop;
	size_t n_stops;

	struct mono slice_began;
	bool in_slice;
	unsigned n_items;
};

const char *
spool_file_name(uint64_t id, char name[SPOOL_FILE_NAME])
{
	char dir[SPOOL_NAME], file[SPOOL_NAME];

	snprintf(name, SPOOL_FILE_NAME, "%.2s/%.16s", queue_dir_name(dir, id), id_name(file, id));
	return name;
}

/* ---- life ---- */

static void
load_under_way(struct spool_walk *w)
{
	struct idfile_text t;
	char name[SPOOL_NAME];
	int fd;

	for (unsigned writer = 0; writer < SPOOL_WRITERS && w->journal_fd >= 0; writer++) {
		fd = open_file(w->journal_fd, writer_name(name, writer), O_RDONLY);
		if (fd < 0)
			continue;
		for (uint32_t i = 0; idfile_read(fd, &t) && i < t.n_large; i++)
			id_list_add(&w->under_way, t.large[i].id);
		close(fd);
	}
	id_list_sort(&w->under_way);
}

struct spool_walk *
spool_walk_new(int dirfd)
{
	struct spool_walk *w = xcalloc(1, sizeof *w);

	*w = (struct spool_walk){.dirfd = dirfd, .only_writer = ALL_WRITERS};
	w->queue_fd = open_dir(dirfd, "queue");
	w->journal_fd = open_dir(dirfd, "journal");
	w->fd = -1;
	buf_init(&w->text, SPOOL_MAX_ENV + FIRST_READ);
	scan_init(&w->scan);
	gone_init(&w->gone);
	/* unreadable: everything is believed to be there, and told as it is found */
	if (gone_load(&w->gone, dirfd) < 0)
		gone_clear(&w->gone);
	load_under_way(w);
	return w;
}

struct spool_walk *
spool_walk_new_writer(int dirfd, uint16_t writer, uint32_t generation, uint64_t offset)
{
	struct spool_walk *w = spool_walk_new(dirfd);

	w->only_writer = writer;
	w->from_generation = generation;
	w->from_offset = offset;
	return w;
}

void
spool_walk_free(struct spool_walk **wp)
{
	struct spool_walk *w = *wp;

	if (w == NULL)
		return;
	if (w->dir != NULL)
		closedir(w->dir);
	if (w->queue_fd >= 0)
		close(w->queue_fd);
	if (w->journal_fd >= 0)
		close(w->journal_fd);
	if (w->fd >= 0)
		close(w->fd);
	buf_clear(&w->text);
	scan_clear(&w->scan);
	gone_clear(&w->gone);
	free(w->files.id);
	free(w->under_way.id);
	free(w->segment);
	free(w->stop);
	xfree(wp);
}

void
spool_walk_stop_at(struct spool_walk *w, uint16_t writer, uint32_t segment, uint64_t offset)
{
	w->stop = xreallocarray(w->stop, w->n_stops + 1, sizeof *w->stop);
	w->stop[w->n_stops++] = (struct stop){writer, segment, offset};
}

/* ---- queue files ---- */

static int
read_more(struct spool_walk *w, int fd, size_t want, struct walk_item *item)
{
	size_t have = buf_len(&w->text), room;
	char *p;
	ssize_t n;

	if (want <= have)
		return 0;
	p = buf_reserve(&w->text, want - have, &room);
	if (p == NULL || room < want - have)
		return why_set(&item->why, "The file is too long.");
	n = pread_all(fd, p, want - have, have);
	if (n < 0) {
		item->is_unreadable = true;
		return why_errno(&item->why, "The file cannot be read");
	}
	buf_wrote(&w->text, (size_t)n);
	return 0;
}

static int
check_file(struct spool_walk *w, uint64_t id, const struct record_header *h, uint64_t size,
    struct why *why)
{
	struct str text = buf_str(&w->text), line;
	uint64_t its_id;

	if (size < h->len || text.len < h->env_len)
		return why_set(why, "The file is cut off.");
	line = str_skip(text, SPOOL_HEADER_LEN);
	if (h->generation != 0 || !take_hex(&line, "id: ", 16, &its_id) || its_id != id)
		return why_set(why, "The file is another message's.");
	if (memcmp(text.p + h->env_len - 2, "\n\n", 2) != 0)
		return why_set(why, "The envelope does not end where it should.");
	if (h->len <= CHECK_BYTES && !record_is_whole(str_sub(text, 0, h->len), h))
		return why_set(why, "The file's checksum does not fit.");
	return 0;
}

static int
read_file(struct spool_walk *w, int fd, uint64_t id, struct walk_item *item)
{
	struct record_header h;
	struct stat st;
	struct why *why = &item->why;

	buf_reset(&w->text);
	if (fstat(fd, &st) < 0) {
		item->is_unreadable = true;
		return why_errno(why, "The file cannot be looked at");
	}
	if (read_more(w, fd, PH_MIN((size_t)st.st_size, (size_t)FIRST_READ), item) < 0)
		return -1;
	if (!record_header_parse(buf_str(&w->text), &h))
		return why_set(why, "The file has no header line.");
	if (read_more(w, fd, h.len <= CHECK_BYTES ? h.len : h.env_len, item) < 0 ||
	    check_file(w, id, &h, (uint64_t)st.st_size, why) < 0)
		return -1;
	item->place.len = h.len;
	item->place.env_len = h.env_len;
	item->env = str_sub(buf_str(&w->text), SPOOL_HEADER_LEN, h.env_len - SPOOL_HEADER_LEN);
	return 0;
}

static enum walk_event
take_file(struct spool_walk *w, uint64_t id, struct walk_item *item)
{
	char name[SPOOL_NAME];
	int fd, r;

	item->place = (struct spool_place){.id = id, .kind = SPOOL_FILE};
	fd = open_file(dirfd(w->dir), id_name(name, id), O_RDONLY);
	if (fd < 0 && errno == ENOENT)
		return WALK_AGAIN; /* removed meanwhile: go on */
	if (fd < 0) {
		item->is_unreadable = true;
		why_errno(&item->why, "The file cannot be opened");
		return WALK_BAD;
	}
	if (id_list_has(&w->under_way, id))
		(void)fsync(dirfd(w->dir));
	r = read_file(w, fd, id, item);
	close(fd);
	if (r < 0)
		return WALK_BAD;
	id_list_add(&w->files, id);
	return WALK_RECORD;
}

static bool
next_dir(struct spool_walk *w)
{
	char name[SPOOL_NAME];
	int fd;

	while (w->dir == NULL && w->n_dirs < N_DIRS && w->queue_fd >= 0) {
		fd = open_dir(w->queue_fd, queue_dir_name(name, (uint64_t)w->n_dirs++ << 32));
		if (fd >= 0)
			w->dir = fdopendir(fd);
	}
	return w->dir != NULL;
}

static bool
is_wanted_file(const struct spool_walk *w, uint64_t id)
{
	return w->only_writer == ALL_WRITERS || (int)(id >> 18 & 15) == w->only_writer;
}

/* One name of the queue. WALK_AGAIN: nothing to tell, go on; WALK_END: no more files. */
static enum walk_event
next_file(struct spool_walk *w, struct walk_item *item)
{
	struct dirent *d;
	uint64_t id;

	if (!next_dir(w))
		return WALK_END;
	d = readdir(w->dir);
	if (d == NULL) {
		closedir(w->dir);
		w->dir = NULL;
		return WALK_AGAIN;
	}
	if (d->d_name[0] == '.')
		return WALK_AGAIN;
	if (id_name_parse(d->d_name, &id) && (id >> 32 & 255) == w->n_dirs - 1)
		return is_wanted_file(w, id) ? take_file(w, id, item) : WALK_AGAIN;
	item->place = (struct spool_place){0};
	why_set(&item->why, "A file in queue/%02x does not belong there.", w->n_dirs - 1);
	return WALK_BAD;
}

/* ---- the list of segments ---- */

static void
apply_stop(const struct spool_walk *w, struct walk_segment *g)
{
	for (size_t i = 0; i < w->n_stops; i++) {
		if (w->stop[i].writer != g->s.writer || w->stop[i].segment != g->s.segment)
			continue;
		g->limit = PH_MIN(g->limit, w->stop[i].offset);
		g->has_limit = true;
	}
}

/* False: never used, or cannot be opened now. */
static bool
look_at_segment(
    struct spool_walk *w, const char *name, struct walk_segment *g, struct segment_header *h)
{
	char block[2 * BLOCK_BYTES] = {0};
	int fd = open_file(w->journal_fd, name, O_RDONLY);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return errno != ENOENT;
	n = pread_all(fd, block, sizeof block, 0);
	g->is_short = fstat(fd, &st) == 0 && st.st_size < (off_t)JOURNAL_SEGMENT_BYTES;
	close(fd);
	if (n >= 0 && is_zero(block, sizeof block))
		return false;
	g->has_header = segment_header_parse(block, h) && h->writer == g->s.writer &&
			h->segment == g->s.segment;
	if (!g->has_header)
		return true;
	g->s.generation = h->generation;
	g->is_gone = gone_has_segment(&w->gone, h->writer, h->segment, h->generation);
	return true;
}

struct newest {
	struct segment_header h;
	bool is_set;
};

static void
list_segment(struct spool_walk *w, const char *name, struct newest newest[SPOOL_WRITERS])
{
	struct segment_header h = {0};
	struct walk_segment g = {.from = BLOCK_BYTES, .limit = SCAN_NO_LIMIT};
	unsigned writer;

	if (!segment_name_parse(name, &writer, &g.s.segment))
		return;
	g.s.writer = writer;
	if (w->only_writer != ALL_WRITERS && (int)writer != w->only_writer)
		return;
	if (!look_at_segment(w, name, &g, &h))
		return;
	if (g.has_header && (!newest[writer].is_set || h.generation > newest[writer].h.generation))
		newest[writer] = (struct newest){h, true};
	if (g.has_header && g.s.generation < w->from_generation)
		return;
	if (g.has_header && w->from_generation != 0 && g.s.generation == w->from_generation)
		g.from = PH_MAX(w->from_offset, (uint64_t)BLOCK_BYTES);
	apply_stop(w, &g);
	if (w->n_segments == w->cap_segments) {
		w->cap_segments = PH_MAX(w->cap_segments * 2, (size_t)64);
		w->segment = xreallocarray(w->segment, w->cap_segments, sizeof *w->segment);
	}
	w->segment[w->n_segments++] = g;
}

/* What the newest header of its writer says about segments that were abandoned. */
static void
apply_newest(struct walk_segment *g, const struct newest *newest)
{
	if (!newest->is_set || !g->has_header)
		return;
	g->is_newest = newest->h.segment == g->s.segment;
	for (uint32_t i = 0; i < newest->h.n_marks; i++) {
		const struct segment_mark *m = &newest->h.mark[i];
		if (m->segment != g->s.segment || m->generation != g->s.generation)
			continue;
		g->limit = PH_MIN(g->limit, m->end);
		g->has_limit = true;
	}
}

static int
compare_segments(const void *a, const void *b)
{
	const struct walk_segment *x = a, *y = b;

	if (x->s.writer != y->s.writer)
		return x->s.writer < y->s.writer ? -1 : 1;
	if (x->s.generation != y->s.generation)
		return x->s.generation < y->s.generation ? -1 : 1;
	return x->s.segment < y->s.segment ? -1 : x->s.segment > y->s.segment;
}

static void
list_segments(struct spool_walk *w)
{
	struct newest *newest = xcalloc(SPOOL_WRITERS, sizeof *newest);
	int fd = w->journal_fd < 0 ? -1 : open_dir(w->journal_fd, ".");
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	w->has_list = true;
	while (dir != NULL && (d = readdir(dir)) != NULL)
		list_segment(w, d->d_name, newest);
	if (dir != NULL)
		closedir(dir);
	for (size_t i = 0; i < w->n_segments; i++)
		apply_newest(&w->segment[i], &newest[w->segment[i].s.writer]);
	free(newest);
	if (w->n_segments > 1)
		qsort(w->segment, w->n_segments, sizeof *w->segment, compare_segments);
	if (w->files.n > 1)
		id_list_sort(&w->files);
}

/* ---- a segment ---- */

static void
set_place(struct walk_item *item, const struct walk_segment *g, uint64_t offset, uint64_t len)
{
	item->place = (struct spool_place){.kind = SPOOL_JOURNAL,
	    .writer = (uint16_t)g->s.writer,
	    .segment = g->s.segment,
	    .generation = g->s.generation,
	    .offset = offset,
	    .len = len};
}

static void
leave_segment(struct spool_walk *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	w->told_end = false;
	w->at++;
}

/* A segment that was followed by another ends with its end line; and its file was never smaller. */
static bool
is_end_missing(const struct spool_walk *w, const struct walk_segment *g)
{
	if (g->is_gone)
		return false;
	return g->is_short || (g->has_header && !g->is_newest && !g->has_limit && !w->scan.ended);
}

static enum walk_event
end_of_segment(struct spool_walk *w, struct walk_item *item)
{
	struct walk_segment *g = &w->segment[w->at];

	if (!w->told_end && is_end_missing(w, g)) {
		w->told_end = true;
		set_place(item, g, w->scan.pos, BLOCK_BYTES);
		why_set(&item->why, "The end of the segment is missing: records may be lost.");
		return WALK_BAD;
	}
	item->segment = g->s;
	item->segment.end = g->is_gone ? BLOCK_BYTES : w->scan.pos;
	if (!g->has_header)
		item->segment.generation = w->scan.generation;
	leave_segment(w);
	return WALK_SEGMENT;
}

static enum walk_event
begin_segment(struct spool_walk *w, struct walk_item *item)
{
	struct walk_segment *g = &w->segment[w->at];
	char name[SPOOL_NAME];

	if (g->is_gone)
		return end_of_segment(w, item);
	apply_stop(w, g); /* some may have come since the list was made */
	w->fd = open_file(w->journal_fd, segment_name(name, g->s.writer, g->s.segment), O_RDONLY);
	if (w->fd < 0 && errno == ENOENT) {
		leave_segment(w);
		return WALK_AGAIN;
	}
	if (w->fd < 0) {
		set_place(item, g, 0, 0);
		item->is_unreadable = true;
		why_errno(&item->why, "The segment cannot be opened");
		leave_segment(w);
		return WALK_BAD;
	}
	/* what a killed writer left is visible, but may not be on disk: what is told must stay */
	if (g->is_newest)
		(void)fdatasync(w->fd);
	scan_start(&w->scan, w->fd, g->s.generation, g->from, g->limit);
	if (g->has_header || !segment_may_live(w->fd, &w->gone, g->s.writer, g->s.segment))
		return WALK_AGAIN;
	set_place(item, g, 0, BLOCK_BYTES);
	why_set(&item->why, "The segment's header is broken; its records are read all the same.");
	return WALK_BAD;
}

static bool
is_gone_record(
    const struct spool_walk *w, const struct walk_segment *g, uint32_t generation, uint64_t id)
{
	return gone_has_record(&w->gone, g->s.writer, generation, id) ||
	       (!g->has_header &&
		   gone_has_segment(&w->gone, g->s.writer, g->s.segment, generation));
}

static enum walk_event
tell_record(struct spool_walk *w, const struct scan_record *r, struct walk_item *item)
{
	struct walk_segment *g = &w->segment[w->at];
	uint32_t n;

	set_place(item, g, r->offset, r->h.len);
	item->place.env_len = r->h.env_len;
	item->place.generation = r->h.generation;
	if (!record_peek(r->env, &item->place.id, &n)) {
		why_set(&item->why, "The record's envelope does not begin as it should.");
		return WALK_BAD;
	}
	if (is_gone_record(w, g, r->h.generation, item->place.id))
		return WALK_AGAIN;
	if (id_list_has(&w->files, item->place.id))
		return WALK_MOVED;
	item->env = str_sub(r->env, 0, r->h.env_len - SPOOL_HEADER_LEN);
	return WALK_RECORD;
}

static enum walk_event
tell_stretch(struct spool_walk *w, struct walk_item *item, enum walk_event e, const char *text)
{
	set_place(item, &w->segment[w->at], w->scan.bad_from, w->scan.pos - w->scan.bad_from);
	why_set(&item->why, "%s", text);
	return e;
}

static enum walk_event
next_in_segment(struct spool_walk *w, struct walk_item *item)
{
	struct walk_segment *g = &w->segment[w->at];
	struct scan_record r;

	if (w->fd < 0)
		return begin_segment(w, item);
	switch (w->told_end ? SCAN_END : scan_next(&w->scan, &r)) {
	case SCAN_RECORD:
		return tell_record(w, &r, item);
	case SCAN_BAD:
		return tell_stretch(
		    w, item, WALK_BAD, "The journal is broken here; records follow.");
	case SCAN_TORN:
		return tell_stretch(
		    w, item, WALK_TORN, "The last group was not flushed as a whole.");
	case SCAN_ERROR:
		set_place(item, g, w->scan.pos, 0);
		item->is_unreadable = true;
		why_errno(&item->why, "The segment cannot be read");
		leave_segment(w);
		return WALK_BAD;
	case SCAN_END:
		break;
	}
	return end_of_segment(w, item);
}

/* ---- all of it ---- */

static bool
is_slice_over(struct spool_walk *w, int slice_ms)
{
	if (slice_ms < 0 || (w->in_slice && ++w->n_items % LOOK_AT_CLOCK != 0))
		return false;
	ev_update_time();
	if (!w->in_slice) {
		w->in_slice = true;
		w->slice_began = ev_now();
		return false;
	}
	w->in_slice = mono_diff_ms(w->slice_began, ev_now()) < slice_ms;
	return !w->in_slice;
}

enum walk_event
spool_walk_next(struct spool_walk *w, int slice_ms, struct walk_item *item)
{
	enum walk_event e;

	item->is_unreadable = false;
	for (;;) {
		if (is_slice_over(w, slice_ms))
			return WALK_AGAIN;
		if (!w->has_list) {
			e = next_file(w, item);
			if (e == WALK_END)
				list_segments(w);
		} else {
			e = w->at < w->n_segments ? next_in_segment(w, item) : WALK_END;
			if (e == WALK_END)
				return WALK_END;
		}
		if (e != WALK_AGAIN && e != WALK_END)
			return e;
	}
}
