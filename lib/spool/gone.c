#include "lib/spool/gone_int.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/xalloc.h"
#include "lib/spool/done_int.h"
#include "lib/spool/files_int.h"

void
gone_init(struct gone *g)
{
	*g = (struct gone){0};
}

void
gone_clear(struct gone *g)
{
	free(g->segment);
	free(g->record);
	gone_init(g);
}

/* Where (writer, segment) is or would be. */
static size_t
find_segment(const struct gone *g, uint32_t writer, uint32_t segment)
{
	uint64_t key = (uint64_t)writer << 32 | segment;
	size_t lo = 0, hi = g->n_segments;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct gone_segment *s = &g->segment[mid];
		if (((uint64_t)s->writer << 32 | s->segment) < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
is_segment(const struct gone *g, size_t i, uint32_t writer, uint32_t segment)
{
	return i < g->n_segments && g->segment[i].writer == writer &&
	       g->segment[i].segment == segment;
}

bool
gone_has_segment(const struct gone *g, uint32_t writer, uint32_t segment, uint32_t generation)
{
	size_t i = find_segment(g, writer, segment);

	return is_segment(g, i, writer, segment) && g->segment[i].generation >= generation;
}

static void
drop_records(struct gone *g, uint32_t writer, uint32_t generation)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n_records; i++)
		if (g->record[i].writer != writer || g->record[i].generation != generation)
			g->record[n++] = g->record[i];
	g->n_records = n;
}

void
gone_add_segment(struct gone *g, uint32_t writer, uint32_t segment, uint32_t generation)
{
	size_t i = find_segment(g, writer, segment);

	drop_records(g, writer, generation);
	if (is_segment(g, i, writer, segment)) {
		g->segment[i].generation = PH_MAX(g->segment[i].generation, generation);
		return;
	}
	if (g->n_segments == g->cap_segments) {
		g->cap_segments = PH_MAX(g->cap_segments * 2, (size_t)64);
		g->segment = xreallocarray(g->segment, g->cap_segments, sizeof *g->segment);
	}
	memmove(g->segment + i + 1, g->segment + i, (g->n_segments - i) * sizeof *g->segment);
	g->segment[i] = (struct gone_segment){writer, segment, generation};
	g->n_segments++;
}

void
gone_drop_segment(struct gone *g, uint32_t writer, uint32_t segment, uint32_t generation)
{
	size_t i = find_segment(g, writer, segment);

	if (!is_segment(g, i, writer, segment) || g->segment[i].generation != generation)
		return;
	g->n_segments--;
	memmove(g->segment + i, g->segment + i + 1, (g->n_segments - i) * sizeof *g->segment);
}

static size_t
find_record(const struct gone *g, uint64_t id)
{
	size_t lo = 0, hi = g->n_records;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (g->record[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool
gone_has_record(const struct gone *g, uint32_t writer, uint32_t generation, uint64_t id)
{
	size_t i = find_record(g, id);

	return i < g->n_records && g->record[i].id == id && g->record[i].writer == writer &&
	       g->record[i].generation == generation;
}

void
gone_add_record(struct gone *g, uint32_t writer, uint32_t generation, uint64_t id)
{
	size_t i = find_record(g, id);

	if (i < g->n_records && g->record[i].id == id) {
		g->record[i] = (struct gone_record){id, writer, generation};
		return;
	}
	if (g->n_records == g->cap_records) {
		g->cap_records = PH_MAX(g->cap_records * 2, (size_t)64);
		g->record = xreallocarray(g->record, g->cap_records, sizeof *g->record);
	}
	/* ids rise with time: nearly always at the end */
	memmove(g->record + i + 1, g->record + i, (g->n_records - i) * sizeof *g->record);
	g->record[i] = (struct gone_record){id, writer, generation};
	g->n_records++;
}

static void
add_lines(struct gone *g, const struct done_file *f)
{
	struct done_line l;
	size_t at = 0;

	while (done_file_next(f, &at, &l)) {
		if (l.kind == 'S')
			gone_add_segment(g, l.writer, (uint32_t)l.id, l.generation);
		else if (l.kind == 'M')
			gone_add_record(g, l.writer, l.generation, l.id);
	}
}

/* The newest file with a good header repeats what stood before it; files behind it are added. */
static int
load_from(struct gone *g, int done_fd, const uint32_t *number, size_t n)
{
	struct done_file f;
	size_t first = n;
	bool is_good = false;

	while (first > 0 && !is_good) {
		if (done_file_read(&f, done_fd, number[--first]) < 0) {
			if (errno == ENOENT)
				continue;
			return -1;
		}
		is_good = f.is_good;
		done_file_clear(&f);
	}
	for (; first < n; first++) {
		if (done_file_read(&f, done_fd, number[first]) < 0)
			continue;
		add_lines(g, &f);
		done_file_clear(&f);
	}
	return 0;
}

int
gone_load(struct gone *g, int dirfd)
{
	int done_fd = open_dir(dirfd, "done"), r;
	uint32_t *number;
	size_t n;

	if (done_fd < 0)
		return errno == ENOENT ? 0 : -1;
	r = done_list(done_fd, &number, &n);
	if (r == 0)
		r = load_from(g, done_fd, number, n);
	free(number);
	close(done_fd);
	return r;
}
