#include "lib/spool/reader.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/xalloc.h"
#include "lib/spool/files_int.h"
#include "lib/spool/journal.h"
#include "lib/spool/record_int.h"

#define CACHE	 64		    /* open segments */
#define MAX_LINE (4u * 1024 * 1024) /* read at a time */

struct cached {
	int fd; /* -1: free */
	uint16_t writer;
	uint32_t segment;
	uint64_t used; /* by the reader's clock: the smallest goes first */
};
struct spool_reader {
	int dirfd; /* borrowed */
	int journal_fd, queue_fd;
	int file_fd; /* the queue file of the last call */
	uint64_t turn;
	struct cached cache[CACHE];
};

struct spool_reader *
spool_reader_new(int dirfd)
{
	struct spool_reader *r = xcalloc(1, sizeof *r);

	*r = (struct spool_reader){.dirfd = dirfd, .journal_fd = -1, .queue_fd = -1, .file_fd = -1};
	for (size_t i = 0; i < CACHE; i++)
		r->cache[i].fd = -1;
	return r;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
spool_reader_free(struct spool_reader **rp)
{
	struct spool_reader *r = *rp;

	if (r == NULL)
		return;
	for (size_t i = 0; i < CACHE; i++)
		close_fd(&r->cache[i].fd);
	close_fd(&r->journal_fd);
	close_fd(&r->queue_fd);
	close_fd(&r->file_fd);
	xfree(rp);
}

/* ---- descriptors ---- */

/* Opened at first use: a reader may be made before the spool's directories are. */
static int
directory(const struct spool_reader *r, int *fd, const char *name)
{
	if (*fd < 0)
		*fd = open_dir(r->dirfd, name);
	return *fd;
}

static struct cached *
oldest(struct spool_reader *r)
{
	struct cached *c = &r->cache[0];

	for (size_t i = 1; i < CACHE; i++)
		if (r->cache[i].used < c->used)
			c = &r->cache[i];
	return c;
}

static int
segment_fd(struct spool_reader *r, const struct spool_place *place)
{
	char name[SPOOL_NAME];
	struct cached *c;
	int dir, fd;

	r->turn++;
	for (size_t i = 0; i < CACHE; i++) {
		c = &r->cache[i];
		if (c->fd < 0 || c->writer != place->writer || c->segment != place->segment)
			continue;
		c->used = r->turn;
		return c->fd;
	}
	dir = directory(r, &r->journal_fd, "journal");
	if (dir < 0)
		return -1;
	fd = open_file(dir, segment_name(name, place->writer, place->segment), O_RDONLY);
	if (fd < 0)
		return -1;
	c = oldest(r);
	close_fd(&c->fd);
	*c = (struct cached){fd, place->writer, place->segment, r->turn};
	return fd;
}

static int
place_fd(struct spool_reader *r, const struct spool_place *place)
{
	int dir;

	close_fd(&r->file_fd);
	if (place->kind == SPOOL_JOURNAL)
		return segment_fd(r, place);
	dir = directory(r, &r->queue_fd, "queue");
	if (dir >= 0)
		r->file_fd = open_queue_file(dir, place->id, O_RDONLY);
	return r->file_fd;
}

/* ---- reading ---- */

static bool
is_sane(const struct spool_place *p)
{
	if (p->env_len <= SPOOL_HEADER_LEN || p->env_len > SPOOL_MAX_ENV || p->len < p->env_len)
		return false;
	if (p->kind == SPOOL_FILE)
		return p->offset == 0 && p->len <= INT64_MAX;
	return p->kind == SPOOL_JOURNAL && p->offset >= BLOCK_BYTES &&
	       p->offset <= JOURNAL_SEGMENT_BYTES && p->len <= JOURNAL_SEGMENT_BYTES - p->offset;
}

static int
not_there(struct why *why, const char *text)
{
	why_set(why, "%s", text);
	errno = EBADMSG;
	return -1;
}

static int
read_bytes(int fd, uint64_t at, size_t want, struct buf *b, struct why *why)
{
	size_t room;
	char *p;
	ssize_t n;

	while (want > 0) {
		p = buf_reserve(b, PH_MIN(want, (size_t)MAX_LINE), &room);
		if (p == NULL)
			return not_there(why, "The record is longer than the reader's buffer.");
		n = pread_all(fd, p, PH_MIN(PH_MIN(room, want), (size_t)MAX_LINE), at);
		if (n < 0)
			return why_errno(why, "Cannot read a record");
		if (n == 0)
			return not_there(why, "The record is cut off.");
		buf_wrote(b, (size_t)n);
		at += (uint64_t)n;
		want -= (size_t)n;
	}
	return 0;
}

static int
check_record(const struct spool_place *place, struct str s, struct why *why)
{
	struct record_header h;
	uint64_t id;
	struct str line = str_skip(s, SPOOL_HEADER_LEN);

	if (!record_header_parse(s, &h))
		return not_there(why, "There is no record at this place.");
	if (place->kind == SPOOL_JOURNAL && h.generation != place->generation)
		return not_there(why, "The record is of another generation.");
	if (h.len != place->len || h.env_len != place->env_len)
		return not_there(why, "The record has another length than its place says.");
	if (!take_hex(&line, "id: ", 16, &id) || id != place->id)
		return not_there(why, "The record is another message's.");
	if (s.len == h.len && !record_is_whole(s, &h))
		return not_there(why, "The record's checksum does not fit.");
	return 0;
}

static void
forget_segment(struct spool_reader *r, const struct spool_place *place)
{
	for (size_t i = 0; i < CACHE; i++)
		if (r->cache[i].writer == place->writer && r->cache[i].segment == place->segment)
			close_fd(&r->cache[i].fd);
}

static int
read_record(struct spool_reader *r, const struct spool_place *place, size_t want, struct buf *b,
    int *fd, struct why *why)
{
	buf_reset(b);
	*fd = place_fd(r, place);
	if (*fd < 0)
		return why_errno(
		    why, "Cannot open the record of message %016jx", (uintmax_t)place->id);
	if (read_bytes(*fd, place->offset, want, b, why) < 0)
		return -1;
	return check_record(place, buf_str(b), why);
}

int
spool_read(struct spool_reader *r, const struct spool_place *place, size_t want, struct buf *b,
    int *fd, uint64_t *offset, struct why *why)
{
	const size_t least = SPOOL_HEADER_LEN + sizeof "id: 0123456789abcdef\n" - 1;
	int from;

	buf_reset(b);
	if (!is_sane(place))
		return not_there(why, "The place is none that a record can have.");
	want = PH_MIN(PH_MAX(want, least), place->len);
	if (read_record(r, place, want, b, &from, why) < 0) {
		/* the segment's file may have been removed and made anew since it was opened */
		if (place->kind != SPOOL_JOURNAL)
			return -1;
		forget_segment(r, place);
		if (read_record(r, place, want, b, &from, why) < 0)
			return -1;
	}
	if (fd != NULL)
		*fd = from;
	if (offset != NULL)
		*offset = place->offset + place->env_len;
	return 0;
}
