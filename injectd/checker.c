#include "injectd/checker.h"

#include "injectd/session.h"
#include "lib/base/log.h"
#include "lib/base/slab.h"
#include "lib/ipc/ipc.h"
#include "lib/spf/spf.h"

#define NUMBER_BITS                                                                                \
	20 /* of a request's number: its place; the others tell one use of it from the next */

/* the slab writes into the first bytes of what is free */
struct asked {
	uint64_t link;
	struct session *session; /* NULL: free */
	uint32_t turn;
	uint8_t kind;
};

static struct {
	struct ipc_chan *chan; /* NULL: it is away */
	struct slab slots;     /* struct asked */
	uint32_t turn;
} checker;

static void
forget(uint32_t handle)
{
	struct asked *a = slab_at(&checker.slots, handle);

	a->session = NULL;
	slab_free(&checker.slots, handle);
}

static bool
ask(struct session *s, const struct ipc_check *q, const struct str text[3])
{
	struct ipc_check numbered = *q;
	struct asked *a;
	uint32_t handle;

	if (checker.chan == NULL || checker.slots.n_used >= (1u << NUMBER_BITS) - 1)
		return false;
	handle = slab_new(&checker.slots);
	a = slab_at(&checker.slots, handle);
	a->session = s;
	a->turn = ++checker.turn & ((1u << (32 - NUMBER_BITS)) - 1);
	a->kind = q->kind;
	numbered.req = a->turn << NUMBER_BITS | handle;
	ipc_send(checker.chan, IPC_CHECK, &numbered, text, -1);
	return true;
}

static void
cancel(struct session *s)
{
	for (uint32_t h = 1; h < slab_end(&checker.slots); h++) {
		const struct asked *a = slab_at(&checker.slots, h);
		if (a->session == s)
			forget(h);
	}
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	const struct ipc_checked *r = m->head;
	uint32_t handle = r->req & ((1u << NUMBER_BITS) - 1);
	struct session *s;
	struct asked *a;

	if (m->type != IPC_CHECKED || handle == 0 || handle >= slab_end(&checker.slots))
		return;
	a = slab_at(&checker.slots, handle);
	s = a->session;
	/* the session may have gone meanwhile, and another asked */
	if (s == NULL || a->turn != r->req >> NUMBER_BITS || a->kind != r->kind ||
	    r->result >= SPF_RESULT_MAX)
		return;
	forget(handle);
	session_checked(s, (enum check_kind)r->kind, r->result, m->text);
}

/* Whoever waits is not kept waiting. */
static void
fail_all(void)
{
	const struct str text[3] = {STR_NULL, STR("the resolver is away"), STR_NULL};

	for (uint32_t h = 1; h < slab_end(&checker.slots); h++) {
		struct asked *a = slab_at(&checker.slots, h);
		struct session *s = a->session;
		enum check_kind kind = (enum check_kind)a->kind;
		if (s == NULL)
			continue;
		forget(h);
		session_checked(s, kind, SPF_TEMPERROR, text);
	}
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	log_warn("event=dnsd-away why=%s", log_quote(str_of(why->text)));
	ipc_chan_free(&checker.chan);
	fail_all();
}

static const struct ipc_events events = {.msg = on_msg, .down = on_down};
static const struct check_ops ops = {.ask = ask, .cancel = cancel};

void
checker_init(struct world *w)
{
	slab_init(&checker.slots, sizeof(struct asked));
	w->checks = &ops;
}

void
checker_up(int fd)
{
	ipc_chan_free(&checker.chan);
	fail_all();
	checker.chan = ipc_chan_new(fd, ROLE_INJECT, ROLE_DNS, 0, &events, NULL);
}

void
checker_close(void)
{
	ipc_chan_free(&checker.chan);
	slab_clear(&checker.slots);
}
