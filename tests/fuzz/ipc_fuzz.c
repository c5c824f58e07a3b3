/*
 * A channel's receive path, fed with anything. The first byte chooses who we are and who sends, the second in what
 * pieces the rest comes. What is handed out must be what its row says.
 */
#include "lib/base/log.h"
#include "lib/ipc/ipc.h"
#include "lib/ipc/ipc_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct ipc_chan *chan;
	uint64_t sum;
};

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	struct seen *s = ipc_ctx(c);
	const struct ipc_row *row = ipc_row(m->type);
	const uint8_t *head = m->head;

	ph_assert(row != NULL && !row->with_fd && (uintptr_t)m->head % 8 == 0);
	/* every byte that it points to must be there to read */
	for (size_t i = 0; i < row->head_size; i++)
		s->sum += head[i];
	for (size_t i = 0; i < row->n_texts; i++) {
		for (size_t k = 0; k < m->text[i].len; k++)
			s->sum += (uint8_t)m->text[i].p[k];
	}
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	struct seen *s = ipc_ctx(c);

	ph_assert(why->text[0] != '\0');
	ipc_chan_free(&s->chan);
}

static const struct ipc_events events = {.msg = on_msg, .down = on_down};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen s = {0};
	size_t step, n;

	if (size < 2)
		return 0;
	s.chan = ipc_chan_new_test((enum ipc_role)(data[0] % ROLE_MAX),
	    (enum ipc_role)(data[0] / ROLE_MAX % ROLE_MAX), 0, &events, &s);
	step = data[1] == 0 ? size : data[1];
	for (size_t at = 2; at < size && s.chan != NULL; at += n) {
		n = PH_MIN(step, size - at);
		ipc_test_deliver_bytes(s.chan, str_from((const char *)data + at, n));
	}
	ipc_chan_free(&s.chan);
	return 0;
}
