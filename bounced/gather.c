#include "bounced/gather.h"

#include "lib/base/xalloc.h"

#define MAX_TEXT 2048

void
gather_init(struct gather *g)
{
	TAILQ_INIT(&g->all);
	g->bytes = 0;
}

void
gathered_free(struct gathered **rp)
{
	struct gathered *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n; i++) {
		free(r->rcpts[i].reply);
		free(r->rcpts[i].mta);
		free(r->rcpts[i].vmta);
	}
	free(r->rcpts);
	free(r);
}

void
gather_clear(struct gather *g)
{
	struct gathered *r;

	while ((r = TAILQ_FIRST(&g->all)) != NULL) {
		TAILQ_REMOVE(&g->all, r, link);
		gathered_free(&r);
	}
	g->bytes = 0;
}

static struct gathered *
find(struct gather *g, uint64_t id)
{
	struct gathered *r;

	TAILQ_FOREACH(r, &g->all, link)
	{
		if (r->id == id)
			return r;
	}
	return NULL;
}

static struct gathered *
get(struct gather *g, uint64_t id)
{
	struct gathered *r = find(g, id);

	if (r != NULL)
		return r;
	r = xcalloc(1, sizeof *r);
	r->id = id;
	g->bytes += sizeof *r;
	r->bytes = sizeof *r;
	TAILQ_INSERT_HEAD(&g->all, r, link);
	return r;
}

bool
gather_add(struct gather *g, const struct ipc_report_rcpt *head, const struct str *text)
{
	struct gathered *r;
	size_t cost = sizeof(struct gathered_rcpt) * 2;

	for (size_t i = 0; i < 3; i++)
		cost += PH_MIN(text[i].len, (size_t)MAX_TEXT) + 16;
	if (g->bytes + cost > GATHER_MAX_BYTES)
		return false;
	r = get(g, head->id);
	if (r->n == r->cap) {
		r->cap = PH_MAX(r->cap * 2, (size_t)4);
		r->rcpts = xreallocarray(r->rcpts, r->cap, sizeof *r->rcpts);
	}
	r->rcpts[r->n++] = (struct gathered_rcpt){.head = *head,
	    .reply = xstrdup_str(str_sub(text[0], 0, MAX_TEXT)),
	    .mta = xstrdup_str(str_sub(text[1], 0, MAX_TEXT)),
	    .vmta = xstrdup_str(str_sub(text[2], 0, MAX_TEXT))};
	r->bytes += cost;
	g->bytes += cost;
	return true;
}

static int
by_index(const void *a, const void *b)
{
	uint32_t x = ((const struct gathered_rcpt *)a)->head.rcpt,
		 y = ((const struct gathered_rcpt *)b)->head.rcpt;

	return (x > y) - (x < y);
}

struct gathered *
gather_take(struct gather *g, uint64_t id)
{
	struct gathered *r = find(g, id);

	if (r == NULL)
		return NULL;
	TAILQ_REMOVE(&g->all, r, link);
	g->bytes -= r->bytes;
	qsort(r->rcpts, r->n, sizeof *r->rcpts, by_index);
	return r;
}
