#include "bounced/segments.h"

#include "lib/base/xalloc.h"

void
segments_clear(struct segments *s)
{
	free(s->list);
	*s = (struct segments){0};
}

static struct own_segment *
find(const struct segments *s, uint32_t segment, uint32_t generation)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->list[i].s.segment == segment && s->list[i].s.generation == generation)
			return &s->list[i];
	}
	return NULL;
}

void
segments_note(struct segments *s, const struct ipc_segment *seg, bool sealed)
{
	struct own_segment *own = find(s, seg->segment, seg->generation);

	if (own == NULL) {
		if (s->n == s->cap) {
			s->cap = PH_MAX(s->cap * 2, (size_t)8);
			s->list = xreallocarray(s->list, s->cap, sizeof *s->list);
		}
		own = &s->list[s->n++];
	}
	*own = (struct own_segment){.s = *seg, .sealed = sealed};
}

void
segments_note_place(struct segments *s, const struct spool_place *p)
{
	struct own_segment *own;

	if (p->kind != SPOOL_JOURNAL)
		return;
	own = find(s, p->segment, p->generation);
	if (own != NULL && !own->sealed)
		own->s.end = PH_MAX(own->s.end, p->offset + p->len);
}

void
segments_note_freed(struct segments *s, const struct ipc_segment *seg)
{
	struct own_segment *own = find(s, seg->segment, seg->generation);

	if (own != NULL)
		*own = s->list[--s->n];
}

void
segments_tell(const struct segments *s, struct ipc_chan *queue)
{
	for (size_t i = 0; i < s->n; i++) {
		ipc_send(queue, IPC_SEGMENT_OPEN, &s->list[i].s, NULL, -1);
		if (s->list[i].sealed)
			ipc_send(queue, IPC_SEGMENT_SEALED, &s->list[i].s, NULL, -1);
	}
}
