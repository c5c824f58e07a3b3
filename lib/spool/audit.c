#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "lib/base/xalloc.h"
#include "lib/spool/count_int.h"
#include "lib/spool/done_int.h"
#include "lib/spool/files_int.h"
#include "lib/spool/idfile_int.h"
#include "lib/spool/store.h"

/*
 * Three sources that do not copy from each other: the writers' own counts (accepted), the done log
 * (ended), and the records that are there (queued).
 */

struct ended {
	uint64_t id;
	uint32_t rcpt;
	uint32_t counts; /* not a repetition */
};
struct audit {
	struct spool_audit *a;
	int dirfd;
	struct ended *ended; /* sorted */
	size_t n_ended, cap_ended;
};

int64_t
spool_audit_missing(const struct spool_audit *a)
{
	uint64_t n = a->queued;

	for (int k = FINAL_NONE + 1; k < FINAL_MAX; k++)
		n += a->ledger.by_kind[k];
	return (int64_t)(a->ledger.accepted - n);
}

/* ---- ended ---- */

static void
add_ended(struct audit *au, const struct done_line *l, bool counts)
{
	if (au->n_ended == au->cap_ended) {
		au->cap_ended = PH_MAX(au->cap_ended * 2, (size_t)1024);
		au->ended = xreallocarray(au->ended, au->cap_ended, sizeof *au->ended);
	}
	au->ended[au->n_ended++] = (struct ended){l->id, l->rcpt, counts};
}

/*
 * From the newest file down: a good checkpoint ends the counting, and says how many lines of the
 * file before count (a file that failed was left behind with lines that stand in the next one
 * again).
 */
static void
take_lines(struct audit *au, const struct done_file *f, bool adds_up, size_t n_trusted)
{
	struct done_line l;
	enum final_kind kind;
	size_t at = 0;
	bool counts;

	while (done_file_next(f, &at, &l)) {
		kind = done_kind(l.kind, &counts);
		if (kind == FINAL_NONE)
			continue;
		counts = counts && at <= n_trusted;
		au->a->ledger.by_kind[kind] += adds_up && counts;
		add_ended(au, &l, counts);
	}
}

static int
take_done_files(struct audit *au, int done_fd, const uint32_t *number, size_t n, struct why *why)
{
	struct done_file f;
	bool adds_up = true;
	uint32_t trusted_file = 0;
	size_t n_trusted = 0;

	for (size_t i = n; i-- > 0;) {
		if (done_file_read(&f, done_fd, number[i]) < 0) {
			if (errno == ENOENT)
				continue;
			return why_errno(why, "Cannot read the done log's file %08x", number[i]);
		}
		take_lines(au, &f, adds_up, number[i] == trusted_file ? n_trusted : f.n_lines);
		if (f.is_good) {
			for (int k = 0; adds_up && k < FINAL_MAX; k++)
				au->a->ledger.by_kind[k] += f.head.by_kind[k];
			adds_up = false;
			trusted_file = f.head.previous;
			n_trusted = f.head.previous_lines;
		}
		done_file_clear(&f);
	}
	return 0;
}

static int
compare_ended(const void *a, const void *b)
{
	const struct ended *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->rcpt < y->rcpt ? -1 : x->rcpt > y->rcpt;
}

static void
find_twice(struct audit *au)
{
	bool counted = false;

	if (au->n_ended > 1)
		qsort(au->ended, au->n_ended, sizeof *au->ended, compare_ended);
	for (size_t i = 0; i < au->n_ended; i++) {
		if (i > 0 && compare_ended(&au->ended[i - 1], &au->ended[i]) != 0)
			counted = false;
		au->a->twice += counted && au->ended[i].counts;
		counted |= au->ended[i].counts;
	}
}

static int
audit_done(struct audit *au, struct why *why)
{
	int done_fd = open_dir(au->dirfd, "done"), r;
	uint32_t *number;
	size_t n;

	if (done_fd < 0)
		return why_errno(why, "Cannot open the spool's directory done");
	r = done_list(done_fd, &number, &n);
	if (r < 0)
		why_errno(why, "Cannot read the spool's directory done");
	else
		r = take_done_files(au, done_fd, number, n, why);
	free(number);
	close(done_fd);
	find_twice(au);
	return r;
}

static bool
has_ended(const struct audit *au, uint64_t id, uint32_t rcpt)
{
	struct ended key = {.id = id, .rcpt = rcpt};

	return au->n_ended > 0 &&
	       bsearch(&key, au->ended, au->n_ended, sizeof key, compare_ended) != NULL;
}

/* ---- accepted ---- */

struct writer_count {
	struct segment_header newest;
	bool has_newest;
	uint64_t n_rcpts;
	struct lost_headers lost;
};

static void
look_at_segment(int journal_fd, const char *name, struct writer_count *w, unsigned writer)
{
	char block[BLOCK_BYTES];
	struct segment_header h;
	struct segment_count c;
	int fd = open_file(journal_fd, name, O_RDONLY);

	if (fd < 0)
		return;
	if (pread_all(fd, block, sizeof block, 0) != BLOCK_BYTES) {
		close(fd);
		return;
	}
	if (!segment_header_parse(block, &h) || h.writer != writer) {
		if (segment_count(fd, 0, &c) == 0)
			lost_add(&w->lost, &c.in);
	} else if (!w->has_newest || h.generation > w->newest.generation) {
		w->newest = h;
		w->has_newest = true;
		w->n_rcpts =
		    h.n_rcpts + (segment_count(fd, h.generation, &c) == 0 ? c.in.n_rcpts : 0);
	}
	close(fd);
}

static bool
tmp_is_gone(int dirfd, uint64_t id)
{
	char name[SPOOL_NAME + 4];
	char hex[SPOOL_NAME];
	struct stat st;

	snprintf(name, sizeof name, "tmp/%s", id_name(hex, id));
	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

static void
add_writer(struct audit *au, int journal_fd, unsigned writer, const struct writer_count *w)
{
	struct idfile_text t;
	char name[SPOOL_NAME];
	uint64_t n = w->n_rcpts + lost_behind(&w->lost, w->newest.generation).n_rcpts;
	int fd = open_file(journal_fd, writer_name(name, writer), O_RDONLY);

	if (fd >= 0 && idfile_read(fd, &t)) {
		n = PH_MAX(n, t.n_rcpts) + t.large_rcpts;
		for (uint32_t i = 0; i < t.n_large; i++)
			if (tmp_is_gone(au->dirfd, t.large[i].id))
				n += t.large[i].n_rcpts;
	}
	if (fd >= 0)
		close(fd);
	au->a->ledger.accepted += n;
}

static int
audit_accepted(struct audit *au, struct why *why)
{
	int journal_fd = open_dir(au->dirfd, "journal");
	int fd = journal_fd < 0 ? -1 : open_dir(journal_fd, ".");
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	struct writer_count *w;
	unsigned writer;
	uint32_t segment;

	if (dir == NULL)
		return why_errno(why, "Cannot read the spool's directory journal");
	w = xcalloc(SPOOL_WRITERS, sizeof *w);
	while ((d = readdir(dir)) != NULL)
		if (segment_name_parse(d->d_name, &writer, &segment))
			look_at_segment(journal_fd, d->d_name, &w[writer], writer);
	closedir(dir);
	for (writer = 0; writer < SPOOL_WRITERS; writer++) {
		add_writer(au, journal_fd, writer, &w[writer]);
		lost_clear(&w[writer].lost);
	}
	free(w);
	close(journal_fd);
	return 0;
}

/* ---- queued ---- */

static void
count_record(struct audit *au, const struct walk_item *item)
{
	uint64_t id;
	uint32_t n_rcpts, n_live = 0;

	if (!record_peek(item->env, &id, &n_rcpts)) {
		au->a->broken++;
		return;
	}
	for (uint32_t i = 0; i < n_rcpts; i++)
		n_live += !has_ended(au, id, i);
	au->a->queued += n_live;
	au->a->messages += n_live > 0;
	au->a->files += item->place.kind == SPOOL_FILE;
}

static void
audit_queued(struct audit *au)
{
	struct spool_walk *w = spool_walk_new(au->dirfd);
	struct walk_item item;
	enum walk_event e;

	while ((e = spool_walk_next(w, -1, &item)) != WALK_END) {
		if (e == WALK_RECORD)
			count_record(au, &item);
		au->a->segments += e == WALK_SEGMENT;
		au->a->broken += e == WALK_BAD;
	}
	spool_walk_free(&w);
}

static void
count_set_aside(struct audit *au)
{
	int fd = open_dir(au->dirfd, "bad");
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (dir == NULL)
		return;
	while ((d = readdir(dir)) != NULL)
		au->a->set_aside +=
		    d->d_name[0] != '.' && !str_has_suffix(str_of(d->d_name), STR(".why"));
	closedir(dir);
}

int
spool_audit(int dirfd, struct spool_audit *a, struct why *why)
{
	struct audit au = {.a = a, .dirfd = dirfd};
	int r;

	*a = (struct spool_audit){0};
	r = audit_done(&au, why);
	if (r == 0) {
		audit_queued(&au);
		count_set_aside(&au);
		r = audit_accepted(&au, why);
	}
	free(au.ended);
	return r;
}
