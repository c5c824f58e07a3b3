#include "queued/control/memo.h"

#include "lib/base/xalloc.h"

#define FIRST_ROOM 1024u

/* the memos of the commands that are under way: hardly ever more than one */
static LIST_HEAD(memo_list, memo) memos[MEMO_OF_MAX];

void
memo_begin(struct memo *m, enum memo_of of)
{
	m->n = FIRST_ROOM;
	m->says = xcalloc(m->n, sizeof *m->says);
	LIST_INSERT_HEAD(&memos[of], m, link);
}

void
memo_clear(struct memo *m)
{
	if (m->says == NULL)
		return;
	LIST_REMOVE(m, link);
	xfree(&m->says);
	m->n = 0;
}

static void
grow(struct memo *m, uint32_t handle)
{
	uint32_t n = PH_MAX(m->n * 2, handle + 1);

	m->says = xreallocarray(m->says, n, sizeof *m->says);
	memset(m->says + m->n, MEMO_UNKNOWN, n - m->n);
	m->n = n;
}

enum memo_says
memo_set(struct memo *m, uint32_t handle, enum memo_says says)
{
	if (handle >= m->n)
		grow(m, handle);
	m->says[handle] = (uint8_t)says;
	return says;
}

void
memo_forget(enum memo_of of, uint32_t handle)
{
	struct memo *m;

	LIST_FOREACH(m, &memos[of], link)
	if (handle < m->n)
		m->says[handle] = MEMO_UNKNOWN;
}
