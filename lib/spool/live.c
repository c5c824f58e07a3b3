#include "lib/spool/live_int.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "lib/base/xalloc.h"
#include "lib/spool/needs_int.h"

static void
add_key(struct live *v, uint64_t key)
{
	if (v->n == v->cap) {
		v->cap = PH_MAX(v->cap * 2, (size_t)64);
		v->key = xreallocarray(v->key, v->cap, sizeof *v->key);
	}
	v->key[v->n++] = key;
}

static int
compare_keys(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct newest {
	uint32_t segment, generation;
};

/* Keeps in *still those of *gone that are about a generation that a file still has. */
static void
look_at(struct live *v, int journal_fd, const char *name, const struct gone *gone,
    struct gone *still, struct newest newest[SPOOL_WRITERS])
{
	char block[BLOCK_BYTES] = {0};
	struct segment_header h;
	unsigned writer;
	uint32_t segment;
	int fd;
	ssize_t n;

	if (!segment_name_parse(name, &writer, &segment))
		return;
	fd = open_file(journal_fd, name, O_RDONLY);
	if (fd < 0)
		return;
	n = pread_all(fd, block, sizeof block, 0);
	close(fd);
	if (n >= 0 && is_zero(block, sizeof block))
		return;
	if (!segment_header_parse(block, &h) || h.writer != writer || h.segment != segment) {
		v->is_unsure[writer] = true;
		return;
	}
	if (h.generation >= newest[writer].generation)
		newest[writer] = (struct newest){segment, h.generation};
	if (gone != NULL && gone_has_segment(gone, writer, segment, h.generation))
		gone_add_segment(still, writer, segment, h.generation);
	else
		add_key(v, need_key_segment(writer, h.generation));
}

/* A killed writer may have left its last header in the page cache only: the power may bring back the one before. */
static void
sync_newest(struct live *v, int journal_fd, const struct newest newest[SPOOL_WRITERS])
{
	char name[SPOOL_NAME];
	int fd;

	for (unsigned w = 0; w < SPOOL_WRITERS; w++) {
		if (newest[w].generation == 0)
			continue;
		fd = open_file(journal_fd, segment_name(name, w, newest[w].segment), O_RDONLY);
		v->is_unsure[w] |= fd < 0 || fdatasync(fd) < 0;
		if (fd >= 0)
			close(fd);
	}
}

static void
keep(struct gone *gone, struct gone *still, const struct live *v)
{
	struct done_line l = {.kind = 'M'};

	for (size_t i = 0; i < gone->n_segments; i++)
		if (v->is_unsure[gone->segment[i].writer])
			gone_add_segment(still, gone->segment[i].writer, gone->segment[i].segment,
			    gone->segment[i].generation);
	for (size_t i = 0; i < gone->n_records; i++) {
		const struct gone_record *r = &gone->record[i];
		l.writer = (uint8_t)r->writer;
		l.generation = r->generation;
		if (live_needs(v, &l))
			gone_add_record(still, r->writer, r->generation, r->id);
	}
	gone_clear(gone);
	*gone = *still;
	gone_init(still);
}

int
live_load(struct live *v, int journal_fd, struct gone *gone)
{
	int fd = open_dir(journal_fd, ".");
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	struct newest newest[SPOOL_WRITERS] = {0};
	struct gone still;

	*v = (struct live){0};
	if (dir == NULL)
		return -1;
	if (gone != NULL && fsync(fd) < 0) {
		closedir(dir);
		return -1;
	}
	gone_init(&still);
	while ((d = readdir(dir)) != NULL)
		look_at(v, journal_fd, d->d_name, gone, &still, newest);
	closedir(dir);
	if (gone != NULL)
		sync_newest(v, journal_fd, newest);
	if (v->n > 1)
		qsort(v->key, v->n, sizeof *v->key, compare_keys);
	if (gone != NULL)
		keep(gone, &still, v);
	gone_clear(&still);
	return 0;
}

bool
live_needs(const struct live *v, const struct done_line *l)
{
	uint64_t key = need_key_segment(l->writer, l->generation);

	if (l->writer == DONE_NO_WRITER || v->is_unsure[l->writer & 15])
		return true;
	return v->n > 0 && bsearch(&key, v->key, v->n, sizeof key, compare_keys) != NULL;
}

void
live_clear(struct live *v)
{
	free(v->key);
	*v = (struct live){0};
}
