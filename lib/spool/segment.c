#include "lib/spool/segment_int.h"

#include <dirent.h>
#include <errno.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/spool/count_int.h"
#include "lib/spool/gone_int.h"
#include "lib/spool/large_int.h"

#define LEASE_MS	 60000
#define LEASE_GENERATION 256
#define RETRY_MS	 1000

/* ---- lists ---- */

static void
add_spare(struct segments *s, uint32_t segment)
{
	if (s->n_spare == s->cap_spare) {
		s->cap_spare = PH_MAX(s->cap_spare * 2, (size_t)16);
		s->spare = xreallocarray(s->spare, s->cap_spare, sizeof *s->spare);
	}
	s->spare[s->n_spare++] = segment;
}

static void
add_used(struct segments *s, uint32_t segment, uint32_t generation, bool abandoned)
{
	if (s->n_used == s->cap_used) {
		s->cap_used = PH_MAX(s->cap_used * 2, (size_t)16);
		s->used = xreallocarray(s->used, s->cap_used, sizeof *s->used);
	}
	s->used[s->n_used++] = (struct segment_used){segment, generation, abandoned};
}

/* ---- the id file ---- */

int
segments_write_ids(struct segments *s)
{
	segments_accepted(s, &s->ids.t.n_msgs, &s->ids.t.n_rcpts);
	if (idfile_write(&s->ids) < 0)
		return -1;
	large_forget(&s->ids, s->dirfd);
	return 0;
}

static int
lend(struct segments *s, uint64_t ms)
{
	uint64_t lease_ms = s->ids.t.lease_ms;
	uint32_t generation = s->ids.t.generation;

	if (ms > lease_ms)
		s->ids.t.lease_ms = ms + LEASE_MS;
	if (s->head.generation >= generation)
		s->ids.t.generation = s->head.generation + LEASE_GENERATION;
	if (segments_write_ids(s) == 0)
		return 0;
	s->ids.t.lease_ms = lease_ms;
	s->ids.t.generation = generation;
	return -1;
}

int
segments_lend(struct segments *s, uint64_t ms)
{
	return ms <= s->ids.t.lease_ms ? 0 : lend(s, ms);
}

void
segments_accepted(const struct segments *s, uint64_t *n_msgs, uint64_t *n_rcpts)
{
	*n_msgs = s->head.n_msgs + s->in.n_msgs;
	*n_rcpts = s->head.n_rcpts + s->in.n_rcpts;
}

/* Room on the file system is short: spares, which may be a gigabyte, are given back for what must be written. */
static bool
is_room_short(const struct segments *s)
{
	struct statvfs v;

	return fstatvfs(s->journal_fd, &v) == 0 &&
	       (uint64_t)v.f_bavail * v.f_frsize < SEGMENT_LOW_ROOM;
}

static void
drop_spares(struct segments *s)
{
	char name[SPOOL_NAME];

	while (s->n_spare > SEGMENT_LOW_SPARES) {
		/* the first have been there longest */
		if (unlinkat(s->journal_fd, segment_name(name, s->writer, s->spare[0]), 0) < 0)
			return;
		memmove(s->spare, s->spare + 1, --s->n_spare * sizeof s->spare[0]);
	}
}

/* ---- opening: what is there? ---- */

struct found {
	struct segment_header newest;
	struct gone gone;
	struct lost_headers lost;
	bool has_newest;
};

static bool
is_untouched(const char block[BLOCK_BYTES])
{
	for (size_t i = 0; i < BLOCK_BYTES; i++)
		if (block[i] != 0)
			return false;
	return true;
}

/* A broken header: the records may be good; queued says when the segment is free. */
static void
take_lost(struct segments *s, int fd, uint32_t segment, struct found *f)
{
	struct segment_count c;

	if (segment_count(fd, 0, &c) == 0)
		lost_add(&f->lost, &c.in);
	add_used(s, segment, 0, false);
}

/* One of our segment files: spare, or used by mail that queued has still to let go of. */
static void
take_stock_of(struct segments *s, const char *name, uint32_t segment, struct found *f)
{
	char block[2 * BLOCK_BYTES] = {0};
	struct segment_header h;
	int fd = open_file(s->journal_fd, name, O_RDONLY);
	ssize_t n;

	s->next_number = PH_MAX(s->next_number, segment + 1);
	if (fd < 0)
		return;
	n = pread_all(fd, block, sizeof block, 0);
	if (n >= 0 && n <= (ssize_t)BLOCK_BYTES) {
		/* died while it was made: too short for any record */
		unlinkat(s->journal_fd, name, 0);
	} else if (n == (ssize_t)sizeof block && segment_header_parse(block, &h) &&
		   h.writer == s->writer && h.segment == segment) {
		if (!f->has_newest || h.generation > f->newest.generation)
			f->newest = h;
		f->has_newest = true;
		if (gone_has_segment(&f->gone, s->writer, segment, h.generation))
			add_spare(s, segment);
		else
			add_used(s, segment, h.generation, false);
	} else if (n == (ssize_t)sizeof block && is_untouched(block) &&
		   is_untouched(block + BLOCK_BYTES)) {
		add_spare(s, segment);
	} else {
		take_lost(s, fd, segment, f);
	}
	close(fd);
}

static int
take_stock(struct segments *s, struct found *f, struct why *why)
{
	int fd = open_dir(s->journal_fd, ".");
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	unsigned writer;
	uint32_t segment;

	if (dir == NULL)
		return why_errno(why, "Cannot read the spool's directory journal");
	while ((d = readdir(dir)) != NULL)
		if (segment_name_parse(d->d_name, &writer, &segment) && writer == s->writer)
			take_stock_of(s, d->d_name, segment, f);
	closedir(dir);
	return 0;
}

static struct segment_used *
find_used(struct segments *s, const struct segment_mark *m)
{
	for (size_t i = 0; i < s->n_used; i++)
		if (s->used[i].segment == m->segment && s->used[i].generation == m->generation)
			return &s->used[i];
	return NULL;
}

static void
mark_abandoned(struct segments *s)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < s->head.n_marks; k++) {
		struct segment_used *u = find_used(s, &s->head.mark[k]);
		/* the mark of a segment that is no more has done its service */
		if (u == NULL)
			continue;
		u->abandoned = true;
		s->head.mark[n++] = s->head.mark[k];
	}
	s->head.n_marks = n;
}

/* Counts what is in the newest segment and, unless it was ended, ends it behind the last good
 * record. */
static int
end_newest(struct segments *s, int fd)
{
	struct segment_count c;
	char line[SPOOL_HEADER_LEN];

	/* what a killed process wrote but did not flush is visible: it must not vanish after it was
	 * counted */
	if (fdatasync(fd) < 0 || segment_count(fd, s->head.generation, &c) < 0)
		return -1;
	s->in = c.in;
	if (c.ended || c.end > SEGMENT_ROOM)
		return 0;
	segment_end_write(line, &c.in);
	if (pwrite_all(fd, line, sizeof line, c.end) < 0)
		return -1;
	return fdatasync(fd);
}

static int
count_newest(struct segments *s, struct why *why)
{
	char name[SPOOL_NAME];
	int fd, r;

	segment_name(name, s->writer, s->head.segment);
	fd = open_file(s->journal_fd, name, O_RDWR);
	if (fd < 0)
		return why_errno(why, "Cannot open journal/%s", name);
	r = end_newest(s, fd);
	if (r < 0)
		why_errno(why, "Cannot end journal/%s", name);
	close(fd);
	return r;
}

static int
start_ids(struct segments *s, const struct segment_end *lost, uint64_t now_ms, struct why *why)
{
	const struct idfile_text *t = &s->ids.t;

	/* a segment header that was lost must lower neither the counts nor the generation */
	s->head.n_msgs = PH_MAX(s->head.n_msgs + s->in.n_msgs + lost->n_msgs, t->n_msgs);
	s->head.n_rcpts = PH_MAX(s->head.n_rcpts + s->in.n_rcpts + lost->n_rcpts, t->n_rcpts);
	s->in = (struct segment_end){0};
	s->head.generation = PH_MAX(s->head.generation, t->generation);
	s->first_ms = t->lease_ms + 1;
	if (large_settle(&s->ids, s->dirfd) < 0)
		return why_errno(why, "Cannot tell which large messages were accepted");
	if (lend(s, PH_MAX(now_ms, s->first_ms)) < 0 || fsync(s->journal_fd) < 0)
		return why_errno(why, "Cannot write the journal's id file");
	return 0;
}

static int
start(struct segments *s, struct found *f, uint64_t now_ms, struct why *why)
{
	struct segment_end lost;

	if (gone_load(&f->gone, s->dirfd) < 0)
		return why_errno(why, "Cannot read the spool's done log");
	if (take_stock(s, f, why) < 0)
		return -1;
	if (f->has_newest) {
		s->head = f->newest;
		mark_abandoned(s);
		if (count_newest(s, why) < 0)
			return -1;
	}
	lost = lost_behind(&f->lost, s->head.generation);
	if (start_ids(s, &lost, now_ms, why) < 0)
		return -1;
	/* now that W.id has the counts, which the newest one's header had */
	if (is_room_short(s))
		drop_spares(s);
	return 0;
}

int
segments_open(struct segments *s, int dirfd, unsigned writer, uint64_t now_ms, struct why *why)
{
	struct found f = {0};
	int r;

	*s = (struct segments){
	    .fd = -1, .dirfd = dirfd, .journal_fd = -1, .writer = writer, .ids.fd = -1};
	s->journal_fd = open_dir(dirfd, "journal");
	if (s->journal_fd < 0)
		return why_errno(why, "Cannot open the spool's directory journal");
	if (idfile_open(&s->ids, dirfd, s->journal_fd, writer, why) < 0)
		return -1;
	gone_init(&f.gone);
	r = start(s, &f, now_ms, why);
	gone_clear(&f.gone);
	lost_clear(&f.lost);
	return r;
}

void
segments_close(struct segments *s, uint64_t last_ms)
{
	if (last_ms != 0) {
		/* nothing beyond was given: the next start need not step over it */
		s->ids.t.lease_ms = last_ms;
		s->ids.t.generation = s->head.generation;
		if (segments_write_ids(s) < 0)
			log_debug("journal event=unfinished writer=%u", s->writer);
	}
	if (s->fd >= 0)
		close(s->fd);
	if (s->journal_fd >= 0)
		close(s->journal_fd);
	idfile_close(&s->ids);
	free(s->spare);
	free(s->used);
	*s = (struct segments){.fd = -1, .journal_fd = -1, .ids.fd = -1};
}

/* ---- spares ---- */

int
segments_add_spare(struct segments *s, bool zero, struct why *why)
{
	char name[SPOOL_NAME];
	uint32_t number = s->next_number;
	int fd, r;

	segment_name(name, s->writer, number);
	fd = create_file(s->journal_fd, name, SPOOL_FMODE);
	if (fd < 0)
		return why_disk(why, "Cannot make a journal segment");
	r = allocate_file(fd, JOURNAL_SEGMENT_BYTES, zero);
	if (r == 0)
		r = fsync(s->journal_fd);
	if (r < 0) {
		why_disk(why, "Cannot make room for a journal segment");
		unlinkat(s->journal_fd, name, 0);
	}
	close(fd);
	if (r < 0)
		return -1;
	s->next_number++;
	add_spare(s, number);
	return 0;
}

static void
drop_mark(struct segments *s, uint32_t segment, uint32_t generation)
{
	for (uint32_t i = 0; i < s->head.n_marks; i++)
		if (s->head.mark[i].segment == segment &&
		    s->head.mark[i].generation == generation) {
			s->head.mark[i] = s->head.mark[--s->head.n_marks];
			return;
		}
}

void
segments_freed(struct segments *s, uint32_t segment, uint32_t generation)
{
	char name[SPOOL_NAME];
	bool abandoned, is_short;
	size_t i = 0;

	while (i < s->n_used && s->used[i].segment != segment)
		i++;
	if (i == s->n_used || (s->used[i].generation != generation && s->used[i].generation != 0))
		return;
	abandoned = s->used[i].abandoned;
	is_short = is_room_short(s);
	if (is_short && s->n_spare > SEGMENT_LOW_SPARES && s->fd >= 0)
		drop_spares(s);
	/* a segment that failed once is not trusted again; a mark must outlive the file */
	if (!abandoned && s->n_spare < (is_short ? SEGMENT_LOW_SPARES : SEGMENT_SPARES)) {
		s->used[i] = s->used[--s->n_used];
		add_spare(s, segment);
		return;
	}
	/* with none open its header may be the only one that has the counts; else it waits for the next start */
	if (s->fd < 0 && segments_write_ids(s) < 0)
		return;
	s->used[i] = s->used[--s->n_used];
	if (unlinkat(s->journal_fd, segment_name(name, s->writer, segment), 0) == 0 && abandoned &&
	    fsync(s->journal_fd) == 0)
		drop_mark(s, segment, generation);
}

/* ---- the open segment ---- */

/* The next spare becomes the open one. */
static int
open_spare(struct segments *s)
{
	char name[SPOOL_NAME];
	struct stat st;
	uint32_t segment = s->spare[--s->n_spare];

	s->fd = open_file(s->journal_fd, segment_name(name, s->writer, segment), O_RDWR);
	if (s->fd < 0)
		return -1;
	if (fstat(s->fd, &st) < 0 || st.st_size != JOURNAL_SEGMENT_BYTES) {
		unlinkat(s->journal_fd, name, 0);
		close(s->fd);
		s->fd = -1;
		errno = EINVAL;
		return -1;
	}
	segments_accepted(s, &s->head.n_msgs, &s->head.n_rcpts);
	s->head.writer = s->writer;
	s->head.segment = segment;
	s->head.generation++;
	s->in = (struct segment_end){.generation = s->head.generation};
	s->pos = BLOCK_BYTES;
	return 0;
}

static int
open_any_spare(struct segments *s, struct why *why)
{
	while (s->n_spare > 0) {
		if (open_spare(s) == 0)
			return 0;
		if (errno == EMFILE || errno == ENFILE) {
			s->n_spare++; /* nothing is wrong with it */
			return why_disk(why, "Cannot open a journal segment");
		}
	}
	if (segments_add_spare(s, false, why) < 0)
		return -1;
	if (open_spare(s) < 0)
		return why_disk(why, "Cannot open a journal segment");
	return 0;
}

/* A segment whose header may not be on disk has no record: nothing of it need be remembered. */
static void
throw_away(struct segments *s)
{
	char name[SPOOL_NAME];

	close(s->fd);
	s->fd = -1;
	if (unlinkat(s->journal_fd, segment_name(name, s->writer, s->head.segment), 0) < 0)
		add_used(s, s->head.segment, s->head.generation, true);
}

/*
 * First W.id says what was accepted so far, for the header that said it last may be overwritten; then the new header,
 * with the marks, is made durable; only then records follow. So a torn header never has records.
 */
static int
open_next(struct segments *s, struct why *why)
{
	char block[BLOCK_BYTES];

	if (s->head.n_marks == SEGMENT_MARKS)
		return why_smtp(why, 451, 4, 3, 0, "Too many journal segments have failed.");
	if (lend(s, 0) < 0)
		return why_disk(why, "Cannot write the journal's id file");
	if (open_any_spare(s, why) < 0)
		return -1;
	segment_header_write(block, &s->head);
	if (pwrite_all(s->fd, block, sizeof block, 0) == 0 && fdatasync(s->fd) == 0)
		return 0;
	why_disk(why, "Cannot write the journal");
	throw_away(s);
	return -1;
}

static void
tell_sealed(const struct segments *s, struct ipc_segment *sealed)
{
	*sealed = (struct ipc_segment){.writer = s->writer,
	    .segment = s->head.segment,
	    .generation = s->head.generation,
	    .end = s->pos};
}

void
segments_seal(struct segments *s, struct ipc_segment *sealed)
{
	char line[SPOOL_HEADER_LEN];
	bool ok;

	if (s->fd < 0)
		return;
	segment_end_write(line, &s->in);
	/* without its end line a segment is complete all the same: the walk only cannot prove it */
	ok = pwrite_all(s->fd, line, sizeof line, s->pos) == 0 && fdatasync(s->fd) == 0;
	tell_sealed(s, sealed);
	add_used(s, s->head.segment, s->head.generation, !ok);
	close(s->fd);
	s->fd = -1;
}

int
segments_need_room(
    struct segments *s, uint64_t len, struct mono now, struct ipc_segment *sealed, struct why *why)
{
	*sealed = (struct ipc_segment){0};
	if (len > SEGMENT_ROOM - BLOCK_BYTES)
		return why_smtp(why, 552, 5, 3, 4, "The message is too large for the journal.");
	if (s->fd >= 0 && s->pos + len <= SEGMENT_ROOM)
		return 0;
	segments_seal(s, sealed);
	if (s->has_failed && mono_diff_ms(s->failed_at, now) < RETRY_MS) {
		*why = s->why;
		return -1;
	}
	s->has_failed = open_next(s, why) < 0;
	if (!s->has_failed)
		return 0;
	s->failed_at = now;
	s->why = *why;
	return -1;
}

/* After a failed write or flush nobody knows what the disk has: nothing behind pos is ever
 * believed. */
static void
abandon(struct segments *s)
{
	s->head.mark[s->head.n_marks++] =
	    (struct segment_mark){s->head.segment, s->head.generation, s->pos};
	add_used(s, s->head.segment, s->head.generation, true);
	close(s->fd);
	s->fd = -1;
}

int
segments_write(struct segments *s, struct iovec *piece, size_t n, const struct segment_end *adds,
    struct ipc_segment *sealed, struct why *why)
{
	struct why ignored;
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += piece[i].iov_len;
	if (pwritev_all(s->fd, piece, n, s->pos) < 0 || fdatasync(s->fd) < 0) {
		why_disk(why, "Cannot write the journal");
		tell_sealed(s, sealed);
		abandon(s);
		/* the mark goes to disk with the header of the next one, at once: a crash before the next group
		 * must not bring back what was refused. If that fails the disk takes nothing at all. */
		(void)open_next(s, &ignored);
		return -1;
	}
	s->pos += len;
	s->in.n_msgs += adds->n_msgs;
	s->in.n_rcpts += adds->n_rcpts;
	return 0;
}
