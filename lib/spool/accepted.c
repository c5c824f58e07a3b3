#include "lib/spool/accepted.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "lib/base/xalloc.h"
#include "lib/spool/done_int.h"
#include "lib/spool/files_int.h"
#include "lib/spool/journal_int.h"
#include "lib/spool/scan_int.h"

struct part {
	uint32_t segment, generation;
	uint64_t limit; /* where a mark of an abandoned segment ends it */
};
/* the writer's segments, with what their headers say of each other */
struct parts {
	struct part *list;
	size_t n, cap;
	struct segment_mark *mark;
	size_t n_marks;
};

/* ---- a file of its own ---- */

static int
has_file(int dirfd, uint64_t id)
{
	char name[SPOOL_NAME];
	int fd, r, queue_fd = open_dir(dirfd, "queue");

	if (queue_fd < 0)
		return errno == ENOENT ? 0 : -1;
	fd = open_queue_file(queue_fd, id, O_RDONLY);
	r = fd >= 0 ? 1 : errno == ENOENT ? 0 : -1;
	if (fd >= 0)
		close(fd);
	/* what is believed must not vanish with the power */
	if (r == 1 && sync_dir(queue_fd, queue_dir_name(name, id)) < 0)
		r = -1;
	close(queue_fd);
	return r;
}

/* ---- the done log: an end of one of its recipients, or its move ---- */

static bool
file_tells(const struct done_file *f, uint64_t id)
{
	struct done_line l;
	size_t at = 0;

	while (done_file_next(f, &at, &l))
		if (l.kind != 'S' && l.id == id)
			return true;
	return false;
}

static int
is_in_log(int dirfd, uint64_t id)
{
	struct done_file f;
	uint32_t *number;
	size_t n;
	int r = 0, done_fd = open_dir(dirfd, "done");

	if (done_fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (done_list(done_fd, &number, &n) < 0) {
		close(done_fd);
		return -1;
	}
	for (size_t i = n; r == 0 && i-- > 0;) {
		if (done_file_read(&f, done_fd, number[i]) < 0) {
			r = errno == ENOENT ? 0 : -1;
			continue;
		}
		r = file_tells(&f, id);
		done_file_clear(&f);
	}
	free(number);
	close(done_fd);
	return r;
}

/* ---- the writer's segments ---- */

static void
take_header(struct parts *p, const struct segment_header *h)
{
	if (p->n == p->cap) {
		p->cap = PH_MAX(p->cap * 2, (size_t)16);
		p->list = xreallocarray(p->list, p->cap, sizeof *p->list);
	}
	p->list[p->n++] = (struct part){h->segment, h->generation, SCAN_NO_LIMIT};
	if (h->n_marks == 0)
		return;
	p->mark = xreallocarray(p->mark, p->n_marks + h->n_marks, sizeof *p->mark);
	memcpy(p->mark + p->n_marks, h->mark, h->n_marks * sizeof *h->mark);
	p->n_marks += h->n_marks;
}

static int
read_header(struct parts *p, int journal_fd, const char *name)
{
	char block[BLOCK_BYTES];
	struct segment_header h;
	int fd = open_file(journal_fd, name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	n = pread_all(fd, block, sizeof block, 0);
	close(fd);
	if (n < 0)
		return -1;
	if ((size_t)n == sizeof block && segment_header_parse(block, &h))
		take_header(p, &h);
	return 0;
}

static void
apply_marks(struct parts *p)
{
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->n_marks; k++)
			if (p->mark[k].segment == p->list[i].segment &&
			    p->mark[k].generation == p->list[i].generation)
				p->list[i].limit = PH_MIN(p->list[i].limit, p->mark[k].end);
}

static int
list_parts(struct parts *p, int journal_fd, unsigned writer)
{
	int fd = open_dir(journal_fd, "."), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	unsigned its_writer;
	uint32_t number;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while (r == 0 && (d = readdir(dir)) != NULL)
		if (segment_name_parse(d->d_name, &its_writer, &number) && its_writer == writer)
			r = read_header(p, journal_fd, d->d_name);
	closedir(dir);
	apply_marks(p);
	return r;
}

/* 1 with the file synced: what is seen there may only have been in memory */
static int
part_has(struct scan *scan, const struct part *part, int fd, uint64_t id)
{
	struct scan_record r;
	enum scan_event e;
	uint64_t its_id;
	uint32_t n_rcpts;

	scan_start(scan, fd, part->generation, BLOCK_BYTES, part->limit);
	while ((e = scan_next(scan, &r)) <= SCAN_TORN)
		if (e == SCAN_RECORD && record_peek(r.env, &its_id, &n_rcpts) && its_id == id)
			return fdatasync(fd) == 0 ? 1 : -1;
	return e == SCAN_ERROR ? -1 : 0;
}

static int
search(const struct parts *p, int journal_fd, unsigned writer, uint64_t id)
{
	char name[SPOOL_NAME];
	struct scan scan;
	int r = 0, fd;

	scan_init(&scan);
	for (size_t i = 0; r == 0 && i < p->n; i++) {
		fd =
		    open_file(journal_fd, segment_name(name, writer, p->list[i].segment), O_RDONLY);
		if (fd < 0) {
			r = errno == ENOENT ? 0 : -1;
			continue;
		}
		r = part_has(&scan, &p->list[i], fd, id);
		close(fd);
	}
	scan_clear(&scan);
	return r;
}

static int
is_in_journal(int dirfd, uint64_t id)
{
	unsigned writer = journal_id_writer(id);
	struct parts p = {0};
	int r, journal_fd = open_dir(dirfd, "journal");

	if (journal_fd < 0)
		return errno == ENOENT ? 0 : -1;
	r = list_parts(&p, journal_fd, writer);
	if (r == 0)
		r = search(&p, journal_fd, writer, id);
	free(p.list);
	free(p.mark);
	close(journal_fd);
	return r;
}

int
spool_was_accepted(int dirfd, uint64_t id)
{
	int r = has_file(dirfd, id);

	if (r == 0)
		r = is_in_log(dirfd, id);
	return r != 0 ? r : is_in_journal(dirfd, id);
}
