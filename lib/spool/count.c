#include "lib/spool/count_int.h"

#include "lib/base/xalloc.h"

int
segment_count(int fd, uint32_t generation, struct segment_count *c)
{
	struct scan scan;
	struct scan_record r;
	enum scan_event what;
	uint64_t id;
	uint32_t n;

	*c = (struct segment_count){.end = BLOCK_BYTES};
	scan_init(&scan);
	scan_start(&scan, fd, generation, BLOCK_BYTES, SCAN_NO_LIMIT);
	while ((what = scan_next(&scan, &r)) <= SCAN_TORN) {
		if (what != SCAN_RECORD)
			continue;
		c->in.n_msgs++;
		c->in.n_rcpts += record_peek(r.env, &id, &n) ? n : 0;
		c->end = scan.pos;
	}
	c->ended = scan.ended;
	if (scan.ended)
		c->in = scan.end;
	c->in.generation = scan.generation;
	scan_clear(&scan);
	return what == SCAN_ERROR ? -1 : 0;
}

bool
segment_may_live(int fd, const struct gone *gone, unsigned writer, uint32_t segment)
{
	struct segment_count c;

	if (segment_count(fd, 0, &c) == -1)
		return true;
	return c.in.n_msgs > 0 && !gone_has_segment(gone, writer, segment, c.in.generation);
}

void
lost_add(struct lost_headers *l, const struct segment_end *in)
{
	if (l->n == l->cap) {
		l->cap = PH_MAX(l->cap * 2, (size_t)8);
		l->in = xreallocarray(l->in, l->cap, sizeof *l->in);
	}
	l->in[l->n++] = *in;
}

struct segment_end
lost_behind(const struct lost_headers *l, uint32_t generation)
{
	struct segment_end sum = {0};

	for (size_t i = 0; i < l->n; i++) {
		if (l->in[i].generation <= generation)
			continue;
		sum.n_msgs += l->in[i].n_msgs;
		sum.n_rcpts += l->in[i].n_rcpts;
	}
	return sum;
}

void
lost_clear(struct lost_headers *l)
{
	free(l->in);
	*l = (struct lost_headers){0};
}
