#include "acctd/spill.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"

#define SEGMENT_BYTES (8 * 1024 * 1024)
#define HEADER_MAX    (64 * 1024)
#define AT_BYTES      33 /* of KEY.at: "NNNNNNNNNN NNNNNNNNNNNNNNNNNNNNN\n" */
#define KEY_LEN	      16

struct spill {
	char key[KEY_LEN + 1];
	int spool_fd;
	int dir_fd; /* spool/pipes, -1: not opened yet */
	/* the writer's */
	struct buf header;
	struct spill_at end; /* durable up to here; offset 0: that segment is not there yet */
	uint32_t first;	     /* segment */
	int fd;		     /* of the segment under way, -1: none */
	bool is_torn;	     /* bytes behind `end` must be cut first */
	bool is_open;	     /* what an earlier run left was found */
	/* the loop's */
	bool is_known;	       /* the writer has opened it */
	struct spill_at known; /* what it knows of `end` */
	struct spill_at given;
	struct buf bytes;
	uint32_t read_segment;
	int read_fd, at_fd;
};

static void
segment_name(const struct spill *s, uint32_t n, char name[KEY_LEN + 12])
{
	snprintf(name, KEY_LEN + 12, "%s.%010" PRIu32, s->key, n);
}

/* FNV-1a of what is fed: it names files, nobody else chooses it */
static void
make_key(struct spill *s, const struct acct_def *def)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (const char *p = def->path; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	h ^= def->same * UINT64_C(0x9e3779b97f4a7c15);
	snprintf(s->key, sizeof s->key, "%016" PRIx64, h);
}

struct spill *
spill_new(int spool_fd, const struct acct_def *def)
{
	struct spill *s = xcalloc(1, sizeof *s);

	*s = (struct spill){
	    .spool_fd = spool_fd, .dir_fd = -1, .fd = -1, .read_fd = -1, .at_fd = -1};
	buf_init(&s->header, HEADER_MAX);
	buf_init(&s->bytes, SPILL_LINE_MAX * 2);
	make_key(s, def);
	spill_use(s, def);
	return s;
}

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

void
spill_free(struct spill **sp)
{
	struct spill *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	close_fd(&s->fd);
	close_fd(&s->read_fd);
	close_fd(&s->at_fd);
	close_fd(&s->dir_fd);
	buf_clear(&s->header);
	buf_clear(&s->bytes);
	free(s);
}

static void
next_segment(struct spill *s)
{
	close_fd(&s->fd);
	s->is_torn = false;
	if (s->end.offset == 0)
		return;
	s->end = (struct spill_at){.segment = s->end.segment + 1};
}

void
spill_use(struct spill *s, const struct acct_def *def)
{
	struct buf new;

	buf_init(&new, HEADER_MAX);
	if (acct_layout_header(&def->layout, &new) == -1)
		panic("a header line of more than %d bytes", HEADER_MAX);
	if (!str_eq(buf_str(&new), buf_str(&s->header)))
		next_segment(s);
	buf_clear(&s->header);
	s->header = new;
}

/* ---- what an earlier run left ---- */

/* behind the last whole line; blocks that never reached the disk read as zeros and go as well */
static uint64_t
whole_lines(int fd, uint64_t size)
{
	char bytes[4096];

	while (size > 0) {
		size_t n = (size_t)PH_MIN(size, (uint64_t)sizeof bytes);
		ssize_t got = pread(fd, bytes, n, (off_t)(size - n));
		if (got != (ssize_t)n)
			return size;
		for (; n > 0; n--, size--)
			if (bytes[n - 1] == '\n' && (n == 1 || bytes[n - 2] != '\0'))
				return size;
	}
	return 0;
}

static int
cut_last(struct spill *s, uint32_t n, struct why *why)
{
	char name[KEY_LEN + 12];
	struct stat st;
	uint64_t keep;
	int fd, r = 0;

	segment_name(s, n, name);
	fd = open_plain(s->dir_fd, name, O_RDWR, 0);
	if (fd == -1 || fstat(fd, &st) == -1) {
		close_fd(&fd);
		return why_errno(why, "Cannot open pipes/%s", name);
	}
	keep = whole_lines(fd, (uint64_t)st.st_size);
	if (keep < (uint64_t)st.st_size && (ftruncate(fd, (off_t)keep) == -1 || fsync(fd) == -1))
		r = why_errno(why, "Cannot cut pipes/%s", name);
	close(fd);
	return r;
}

static bool
is_ours(const struct spill *s, const char *name, uint32_t *n)
{
	struct str rest = str_of(name);

	if (!str_has_prefix(rest, str_of(s->key)) || rest.len <= KEY_LEN + 1)
		return false;
	return parse_u32(str_skip(rest, KEY_LEN + 1), 0, UINT32_MAX - 1, n);
}

static int
find_segments(struct spill *s, uint32_t *last, bool *has_any, struct why *why)
{
	int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;
	uint32_t n;

	if (d == NULL) {
		close_fd(&fd);
		return why_errno(why, "Cannot read the spool's directory pipes");
	}
	*has_any = false;
	while ((e = readdir(d)) != NULL) {
		if (!is_ours(s, e->d_name, &n))
			continue;
		s->first = *has_any ? PH_MIN(s->first, n) : n;
		*last = *has_any ? PH_MAX(*last, n) : n;
		*has_any = true;
	}
	closedir(d);
	return 0;
}

static void
read_given(struct spill *s)
{
	char text[AT_BYTES + 1] = "";
	struct str rest = str_of(text), number;
	struct spill_at at;

	if (pread(s->at_fd, text, AT_BYTES, 0) != AT_BYTES)
		return;
	rest = str_of(text);
	if (!str_next_word(&rest, &number) || !parse_u32(number, 0, UINT32_MAX, &at.segment) ||
	    !str_next_word(&rest, &number) || !parse_u64(number, 0, UINT64_MAX, &at.offset))
		return;
	if (at.segment >= s->first && at.segment <= s->end.segment)
		s->given = at;
}

static int
open_left(struct spill *s, struct why *why)
{
	char name[KEY_LEN + 12];
	uint32_t last = 0;
	bool has_any = false;

	s->dir_fd = openat(s->spool_fd, "pipes", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir_fd == -1)
		return why_errno(why, "Cannot open the spool's directory pipes");
	if (find_segments(s, &last, &has_any, why) == -1 ||
	    (has_any && cut_last(s, last, why) == -1))
		return -1;
	snprintf(name, sizeof name, "%s.at", s->key);
	s->at_fd = open_plain(s->dir_fd, name, O_RDWR | O_CREAT, 0640);
	if (s->at_fd == -1)
		return why_errno(why, "Cannot open pipes/%s", name);
	s->end.segment = has_any ? last + 1 : 1;
	s->first = has_any ? s->first : s->end.segment;
	s->given = (struct spill_at){.segment = s->first};
	read_given(s);
	return 0;
}

/* 0 also when it was done before */
static int
ensure_open(struct spill *s, struct why *why)
{
	if (s->is_open)
		return 0;
	if (open_left(s, why) == -1) {
		close_fd(&s->dir_fd);
		close_fd(&s->at_fd);
		return -1;
	}
	s->is_open = true;
	return 0;
}

/* ---- writing ---- */

static int
begin_segment(struct spill *s, struct why *why)
{
	char name[KEY_LEN + 12];

	segment_name(s, s->end.segment, name);
	if (unlinkat(s->dir_fd, name, 0) == -1 && errno != ENOENT)
		return why_errno(why, "Cannot remove pipes/%s", name);
	s->fd = openat(s->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (s->fd == -1)
		return why_errno(why, "Cannot create pipes/%s", name);
	if (fsync(s->dir_fd) == -1) {
		close_fd(&s->fd);
		return why_errno(why, "Cannot flush the spool's directory pipes");
	}
	return 0;
}

/* after a flush that failed nobody knows what the disk has: the same lines go into the next segment */
static void
abandon(struct spill *s)
{
	if (ftruncate(s->fd, (off_t)s->end.offset) == -1)
		log_warn("acct pipe=%s a segment that could not be flushed cannot be cut", s->key);
	next_segment(s);
}

static int
append(struct spill *s, struct str lines, struct why *why)
{
	uint64_t at = s->end.offset;

	if (s->is_torn && ftruncate(s->fd, (off_t)s->end.offset) == -1)
		return why_errno(why, "Cannot cut a segment of pipes/%s", s->key);
	s->is_torn = true;
	if (at == 0) {
		if (pwrite_all(s->fd, buf_str(&s->header).p, buf_len(&s->header), 0) == -1)
			return why_errno(why, "Cannot write to pipes/%s", s->key);
		at = buf_len(&s->header);
	}
	if (pwrite_all(s->fd, lines.p, lines.len, at) == -1)
		return why_errno(why, "Cannot write to pipes/%s", s->key);
	s->is_torn = false;
	if (fdatasync(s->fd) == -1) {
		why_errno(why, "Cannot flush pipes/%s", s->key);
		abandon(s);
		return -1;
	}
	s->end.offset = at + lines.len;
	return 0;
}

int
spill_commit(struct spill *s, struct buf *data, struct why *why)
{
	if (ensure_open(s, why) == -1)
		return -1;
	if (buf_len(data) == 0)
		return 0;
	if (s->end.offset >= SEGMENT_BYTES)
		next_segment(s);
	if (s->fd == -1 && begin_segment(s, why) == -1)
		return -1;
	if (append(s, buf_str(data), why) == -1)
		return -1;
	buf_consume(data, buf_len(data));
	return 0;
}

/* ---- reading ---- */

void
spill_written(struct spill *s)
{
	s->known = s->end;
	s->is_known = s->is_open;
}

struct str
spill_header(const struct spill *s)
{
	return buf_str(&s->header);
}

bool
spill_is_ready(const struct spill *s)
{
	return s->is_known;
}

struct spill_at
spill_begin(struct spill *s)
{
	return s->given;
}

static int
open_segment(struct spill *s, uint32_t n, struct why *why)
{
	char name[KEY_LEN + 12];

	if (s->read_fd != -1 && s->read_segment == n)
		return 0;
	close_fd(&s->read_fd);
	segment_name(s, n, name);
	s->read_fd = open_plain(s->dir_fd, name, O_RDONLY, 0);
	if (s->read_fd == -1)
		return why_errno(why, "Cannot open pipes/%s", name);
	s->read_segment = n;
	return 0;
}

/* how much of the segment may be read from `at` on; 0 with an older one: its end */
static uint64_t
left_in(const struct spill *s, const struct spill_at *at)
{
	struct stat st;
	uint64_t end = s->known.offset;

	if (at->segment < s->known.segment)
		end = fstat(s->read_fd, &st) == -1 ? 0 : (uint64_t)st.st_size;
	return end > at->offset ? end - at->offset : 0;
}

/* *text: whole lines of at most max bytes; empty: there is none whole */
static int
read_lines(
    struct spill *s, const struct spill_at *at, size_t max, struct str *text, struct why *why)
{
	size_t room, want = (size_t)PH_MIN(left_in(s, at), (uint64_t)max);
	char *to;
	ssize_t n;

	buf_reset(&s->bytes);
	to = buf_reserve(&s->bytes, max, &room);
	n = pread(s->read_fd, to, PH_MIN(want, room), (off_t)at->offset);
	if (n == -1)
		return why_errno(why, "Cannot read pipes/%s", s->key);
	*text = str_from(to, (size_t)n);
	text->len = str_rfind(*text, '\n') == STR_NPOS ? 0 : str_rfind(*text, '\n') + 1;
	return 0;
}

bool
spill_is_at_end(const struct spill *s, const struct spill_at *at)
{
	return at->segment > s->known.segment ||
	       (at->segment == s->known.segment && at->offset >= s->known.offset);
}

static enum spill_next
took(struct spill_at *at, struct str *text)
{
	bool is_header = at->offset == 0;

	if (is_header)
		text->len = str_find(*text, '\n') + 1;
	at->offset += text->len;
	return is_header ? SPILL_HEADER : SPILL_LINES;
}

enum spill_next
spill_read(struct spill *s, struct spill_at *at, size_t max, struct str *text, struct why *why)
{
	if (!s->is_known)
		return SPILL_NONE;
	if (at->segment < s->first)
		*at = s->given;
	if (at->offset == 0)
		max = HEADER_MAX;
	while (!spill_is_at_end(s, at)) {
		if (open_segment(s, at->segment, why) == -1 ||
		    read_lines(s, at, max, text, why) == -1)
			return SPILL_FAILED;
		if (text->len == 0 && max < SPILL_LINE_MAX) {
			max = SPILL_LINE_MAX;
			continue;
		}
		if (text->len > 0)
			return took(at, text);
		*at = (struct spill_at){.segment = at->segment + 1};
		max = HEADER_MAX;
	}
	return SPILL_NONE;
}

static void
remove_before(struct spill *s, uint32_t segment)
{
	char name[KEY_LEN + 12];

	for (; s->first < segment; s->first++) {
		segment_name(s, s->first, name);
		if (unlinkat(s->dir_fd, name, 0) == -1 && errno != ENOENT)
			log_warn("acct pipe=%s cannot remove %s: %s", s->key, name,
			    strerrordesc_np(errno));
	}
}

void
spill_gave(struct spill *s, const struct spill_at *at)
{
	char text[AT_BYTES + 1];

	if (!s->is_known || (at->segment == s->given.segment && at->offset == s->given.offset))
		return;
	snprintf(text, sizeof text, "%010" PRIu32 " %021" PRIu64 "\n", at->segment, at->offset);
	if (pwrite(s->at_fd, text, AT_BYTES, 0) != AT_BYTES) {
		log_warn(
		    "acct pipe=%s cannot note what was given: some may be given again", s->key);
		return;
	}
	s->given = *at;
	remove_before(s, at->segment);
}

uint64_t
spill_bytes_after(const struct spill *s, const struct spill_at *at)
{
	uint64_t whole = (uint64_t)SEGMENT_BYTES;

	if (!s->is_known || spill_is_at_end(s, at))
		return 0;
	if (at->segment == s->known.segment)
		return s->known.offset - at->offset;
	return whole - PH_MIN(at->offset, whole) + (s->known.segment - at->segment - 1) * whole +
	       s->known.offset;
}

void
spill_tell_strangers(int spool_fd, struct spill *const *known, size_t n)
{
	int fd = openat(spool_fd, "pipes", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;
	size_t i;

	if (d == NULL) {
		close_fd(&fd);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		struct str name = str_of(e->d_name);
		for (i = 0; i < n; i++)
			if (str_has_prefix(name, str_of(known[i]->key)))
				break;
		if (i == n && name.p[0] != '.' && !str_has_suffix(name, STR(".at")))
			log_warn(
			    "acct spool/pipes/%s waits for a command that is not configured any "
			    "more: it is kept",
			    e->d_name);
	}
	closedir(d);
}
