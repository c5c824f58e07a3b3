#include "injectd/suppressed.h"

#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/slab.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"
#include "lib/suppress/filter.h"

#define N_FILTERS 2
#define ANSWER_MS 5000 /* then it counts as away */
#define MAX_LISTS 4096

/* the slab writes into the first bytes of what is free */
struct asked {
	uint64_t link;
	struct session *session; /* NULL: free */
	struct mono late;
	uint32_t turn;
};

static struct {
	struct filter *filter[N_FILTERS]; /* the store's, the lists'; NULL: none came yet */
	struct ipc_chan *chan;		  /* NULL: it is away */
	struct slab slots;		  /* struct asked */
	uint32_t turn;
	struct ev_timer late;
} sup;

/* ---- lists ---- */

static void
add_names(const struct conf_set *set, enum conf_key key, char *text, size_t *len)
{
	for (size_t i = 0; i < conf_n(set, key) && *len < MAX_LISTS; i++)
		*len += (size_t)snprintf(text + *len, MAX_LISTS - *len, "%s%.*s",
		    *len == 0 ? "" : ",", STR_ARG(conf_item(set, key, i)));
}

char *
suppressed_lists(const struct conf_set *source)
{
	char text[MAX_LISTS];
	size_t len = 0;

	add_names(source, CONF_SOURCE_SUPPRESSION_LISTS, text, &len);
	return len == 0 ? NULL : xstrdup(text);
}

/* ---- asking ---- */

static bool
may_be(struct str address)
{
	return (sup.filter[0] != NULL && filter_may_have(sup.filter[0], address)) ||
	       (sup.filter[1] != NULL && filter_may_list(sup.filter[1], address));
}

static bool
ask(struct session *s, struct str address, struct str lists)
{
	const struct str text[4] = {address, lists, STR(""), STR("")};
	struct ipc_is_suppressed head;
	struct asked *a;
	uint32_t handle;

	if (sup.chan == NULL)
		return false;
	handle = slab_new(&sup.slots);
	a = slab_at(&sup.slots, handle);
	a->session = s;
	a->turn = ++sup.turn;
	a->late = mono_add_ms(ev_now(), ANSWER_MS);
	head.token = (uint64_t)a->turn << 32 | handle;
	ipc_send(sup.chan, IPC_IS_SUPPRESSED, &head, text, -1);
	if (!ev_timer_is_armed(&sup.late))
		ev_timer_in_ms(&sup.late, ANSWER_MS);
	return true;
}

static void
forget(uint32_t handle)
{
	struct asked *a = slab_at(&sup.slots, handle);

	a->session = NULL;
	slab_free(&sup.slots, handle);
	if (sup.slots.n_used == 0)
		ev_timer_stop(&sup.late);
}

static void
cancel(struct session *s)
{
	for (uint32_t h = 1; h < slab_end(&sup.slots); h++) {
		const struct asked *a = slab_at(&sup.slots, h);
		if (a->session == s)
			forget(h);
	}
}

static const struct suppress_ops ops = {.may_be = may_be, .ask = ask, .cancel = cancel};

bool
suppressed_ask(struct session *s, struct str address)
{
	const struct suppress_ops *o = s->world->suppress;
	const struct conf_set *set = session_set(s);
	char text[MAX_LISTS];
	size_t len = 0;

	if (o == NULL || session_is_inner(s) || !o->may_be(address) ||
	    conf_bool(set, CONF_SOURCE_ACCEPT_INVALID_RECIPIENTS))
		return false;
	text[0] = '\0';
	add_names(conf_global(s->world->conf), CONF_GLOBAL_SUPPRESSION_LISTS, text, &len);
	add_names(set, CONF_SOURCE_SUPPRESSION_LISTS, text, &len);
	s->asks_suppress = o->ask(s, address, str_of(text));
	return s->asks_suppress;
}

void
suppressed_forget(struct session *s)
{
	if (s->asks_suppress)
		s->world->suppress->cancel(s);
	s->asks_suppress = false;
}

/* ---- answers ---- */

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	const struct ipc_suppressed *answer = m->head;
	uint32_t handle = (uint32_t)answer->token;
	struct session *s;
	struct asked *a;

	if (m->type != IPC_SUPPRESSED || handle == 0 || handle >= slab_end(&sup.slots))
		return;
	a = slab_at(&sup.slots, handle);
	s = a->session;
	/* the session may have gone meanwhile, and another asked */
	if (s == NULL || a->turn != answer->token >> 32)
		return;
	forget(handle);
	session_suppressed(s, answer->is_suppressed != 0 ? m->text[0] : STR(""));
}

/* Whoever waits since before then has his recipient taken: queued asks again. Their number. */
static unsigned
let_in(struct mono late)
{
	unsigned n = 0;

	for (uint32_t h = 1; h < slab_end(&sup.slots); h++) {
		const struct asked *a = slab_at(&sup.slots, h);
		struct session *s = a->session;
		if (s == NULL || mono_is_before(late, a->late))
			continue;
		forget(h);
		session_suppressed(s, STR(""));
		n++;
	}
	return n;
}

static void
on_late(struct ev_timer *t)
{
	unsigned n = let_in(ev_now());

	if (n > 0)
		log_warn("event=bounced-late recipients=%u text=\"taken without its answer\"", n);
	if (sup.slots.n_used > 0)
		ev_timer_in_ms(t, ANSWER_MS);
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	log_warn("event=bounced-away why=%s", log_quote(str_of(why->text)));
	ipc_chan_free(&sup.chan);
	(void)let_in(MONO_NEVER);
}

static const struct ipc_events events = {.msg = on_msg, .down = on_down};

/* ---- life ---- */

void
suppressed_init(struct world *w)
{
	slab_init(&sup.slots, sizeof(struct asked));
	ev_timer_init(&sup.late, on_late);
	w->suppress = &ops;
}

void
suppressed_up(int fd)
{
	ipc_chan_free(&sup.chan);
	(void)let_in(MONO_NEVER);
	sup.chan = ipc_chan_new(fd, ROLE_INJECT, ROLE_BOUNCE, 0, &events, NULL);
}

void
suppressed_take_filter(uint32_t index, int fd)
{
	(void)filter_take(sup.filter, N_FILTERS, index, fd);
}

void
suppressed_close(void)
{
	ipc_chan_free(&sup.chan);
	slab_clear(&sup.slots);
	ev_timer_stop(&sup.late);
	for (size_t i = 0; i < N_FILTERS; i++)
		filter_free(&sup.filter[i]);
}
