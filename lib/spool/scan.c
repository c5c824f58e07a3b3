#include "lib/spool/scan_int.h"

#include <errno.h>

#include "lib/base/xalloc.h"
#include "lib/spool/files_int.h"
#include "lib/spool/journal.h"

#define CHUNK (1024u * 1024)

void
scan_init(struct scan *s)
{
	*s = (struct scan){.fd = -1};
}

void
scan_clear(struct scan *s)
{
	xfree(&s->buf);
	scan_init(s);
}

void
scan_start(struct scan *s, int fd, uint32_t generation, uint64_t from, uint64_t limit)
{
	s->fd = fd;
	s->generation = generation;
	s->any_generation = generation == 0;
	s->pos = s->base = from;
	s->limit = PH_MIN(limit, (uint64_t)JOURNAL_SEGMENT_BYTES);
	s->have = 0;
	s->ended = s->was_bad = false;
	s->n_good = 0;
	s->is_whole = from == BLOCK_BYTES;
}

/*
 * Makes `want` bytes from pos on lie in the buffer, fewer at the limit or the file's end. Reads a
 * chunk ahead. The bytes that are there, or -1.
 */
static ssize_t
fill(struct scan *s, size_t want)
{
	size_t skip = (size_t)(s->pos - s->base), room;
	ssize_t n;

	if (s->have >= skip + want)
		return (ssize_t)want;
	skip = PH_MIN(skip, s->have);
	s->have -= skip;
	if (s->have > 0)
		memmove(s->buf, s->buf + skip, s->have);
	s->base = s->pos;
	if (s->size < PH_MAX(want, (size_t)CHUNK)) {
		s->size = PH_MAX(want, (size_t)CHUNK);
		s->buf = xreallocarray(s->buf, 1, s->size);
	}
	room = s->size - s->have;
	if (s->limit < s->base + s->have + room)
		room = (size_t)(s->limit - PH_MIN(s->limit, s->base + s->have));
	n = pread_all(s->fd, s->buf + s->have, room, s->base + s->have);
	if (n < 0)
		return -1;
	s->have += (size_t)n;
	return (ssize_t)PH_MIN(s->have, want);
}

static struct str
at_pos(const struct scan *s, size_t len)
{
	return str_from(s->buf + (s->pos - s->base), len);
}

static bool
generation_fits(const struct scan *s, uint32_t generation)
{
	return s->any_generation || generation == s->generation;
}

/* Is there a whole record, or the end line, at pos? 1 record, 2 end, 0 neither, -1 errno. */
static int
look(struct scan *s, struct scan_record *r)
{
	ssize_t n = fill(s, SPOOL_HEADER_LEN);

	if (n < SPOOL_HEADER_LEN)
		return n < 0 ? -1 : 0;
	if (segment_end_parse(at_pos(s, SPOOL_HEADER_LEN), &s->end))
		return generation_fits(s, s->end.generation) ? 2 : 0;
	if (!record_header_parse(at_pos(s, SPOOL_HEADER_LEN), &r->h) ||
	    !generation_fits(s, r->h.generation) || r->h.len > s->limit - s->pos)
		return 0;
	n = fill(s, (size_t)r->h.len);
	if (n < 0)
		return -1;
	if ((uint64_t)n < r->h.len || !record_is_whole(at_pos(s, (size_t)n), &r->h))
		return 0;
	r->offset = s->pos;
	r->env = str_sub(at_pos(s, r->h.env_len), SPOOL_HEADER_LEN, r->h.env_len);
	return 1;
}

/* Moves pos to the next place behind it that could be a header line; false at the end. */
static int
find_candidate(struct scan *s)
{
	static const char mark[] = "posthaste-1 gen=";
	const char *hit;
	ssize_t n;

	s->pos++;
	for (;;) {
		if (s->pos >= s->limit)
			return 0;
		n = fill(s, CHUNK / 2);
		if (n < (ssize_t)SPOOL_HEADER_LEN)
			return n < 0 ? -1 : 0;
		hit = memmem(s->buf + (s->pos - s->base), (size_t)n, mark, sizeof mark - 1);
		if (hit != NULL) {
			s->pos = s->base + (uint64_t)(hit - s->buf);
			return 1;
		}
		s->pos += (uint64_t)n - (sizeof mark - 2);
	}
}

/*
 * Does all that is good from pos on belong to the group that [bad_from, pos) would belong to? A flush that was over
 * before later records were written has covered it: then it is damage. So it is when the end line knows of more
 * records than there are. pos stays.
 */
static int
is_last_group(struct scan *s)
{
	struct scan_record r;
	uint64_t pos = s->pos, n = s->n_good;
	int what = 1, is_last = 1;

	while (what > 0 && is_last > 0) {
		what = look(s, &r);
		if (what == 2) {
			is_last = s->is_whole && s->end.n_msgs == n;
			break;
		}
		if (what == 1) {
			is_last = r.h.from <= s->bad_from;
			s->pos += r.h.len;
			n++;
		} else if (what == 0) {
			what = find_candidate(s);
		}
	}
	s->pos = pos;
	return what < 0 ? -1 : is_last;
}

/* Nothing good at pos: is there anything behind? Leaves pos there, or back where it was. */
static enum scan_event
resync(struct scan *s)
{
	struct scan_record r;
	uint64_t from = s->pos;
	int found, what = 0, is_last;

	while ((found = find_candidate(s)) > 0)
		if ((what = look(s, &r)) != 0)
			break;
	if (found < 0 || what < 0)
		return SCAN_ERROR;
	if (found == 0) {
		s->pos = from;
		return SCAN_END;
	}
	s->bad_from = from;
	is_last = what == 1 ? is_last_group(s) : 0;
	if (is_last < 0)
		return SCAN_ERROR;
	return is_last ? SCAN_TORN : SCAN_BAD;
}

enum scan_event
scan_next(struct scan *s, struct scan_record *r)
{
	int what = look(s, r);

	if (what < 0)
		return SCAN_ERROR;
	if (what == 0)
		return resync(s);
	if (what == 2) {
		s->ended = true;
		return SCAN_END;
	}
	if (s->any_generation) {
		s->any_generation = false;
		s->generation = r->h.generation;
	}
	s->pos += r->h.len;
	s->n_good++;
	return SCAN_RECORD;
}
