#include "queued/spool/orphan.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "queued/end/outcome.h"
#include "queued/spool/recover.h"
#include "queued/state.h"

#define WAIT_MS 3000
#define N_TEXTS 5
#define MAX_ORPHANS                                                                                \
	2000000u /* of all deliverds: a table that a broken one cannot fill the memory with */

struct orphan {
	TAILQ_ENTRY(orphan) link;
	uint64_t id;
	uint32_t index;	 /* of the recipient */
	uint32_t handle; /* of the slab */
	uint32_t deliverer;
	uint32_t rcpt; /* handle of the recipient that waits for it, 0: not found yet */
	char *vmta;    /* owned */
	struct ipc_orphan_result *result; /* owned; NULL: pending */
	char *texts[N_TEXTS];		  /* owned; of the result */
};

static struct {
	TAILQ_HEAD(orphan_list, orphan) all;
	struct slab slots;
	struct hmap map;
	bool is_awaited[MAX_PEERS];
	bool is_waiting; /* for the first scan to begin */
	bool is_closed;	 /* the first scan is over */
	bool made;
	uint64_t n_results, n_pending, n_claimed;
	struct ev_timer deadline;
} orp;

static void on_deadline(struct ev_timer *t);

static void
make_once(void)
{
	if (orp.made)
		return;
	TAILQ_INIT(&orp.all);
	slab_init(&orp.slots, sizeof(struct orphan *));
	ev_timer_init(&orp.deadline, on_deadline);
	orp.made = true;
}

/* ---- the table ---- */

struct key {
	uint64_t id;
	uint32_t index;
};

static struct orphan **
slot(uint32_t handle)
{
	return slab_at(&orp.slots, handle);
}

static bool
is_orphan(const void *key, uint32_t handle)
{
	const struct key *k = key;
	const struct orphan *o = *slot(handle);

	return o->id == k->id && o->index == k->index;
}

static uint64_t
hash_of(uint64_t id, uint32_t index)
{
	return (id + index) * UINT64_C(0x9e3779b97f4a7c15) >> 16;
}

struct orphan *
orphan_find(uint64_t id, uint32_t index)
{
	struct key k = {.id = id, .index = index};
	uint32_t h = hmap_find(&orp.map, hash_of(id, index), is_orphan, &k);

	return h == 0 ? NULL : *slot(h);
}

/* NULL: too many, or nothing is wanted any more */
static struct orphan *
get(uint32_t instance, uint64_t id, uint32_t index, struct str vmta)
{
	struct orphan *o = orphan_find(id, index);

	if (o != NULL || orp.is_closed || orp.slots.n_used == MAX_ORPHANS)
		return o;
	make_once();
	o = xcalloc(1, sizeof *o);
	o->id = id;
	o->index = index;
	o->deliverer = instance;
	o->vmta = xstrdup_str(vmta);
	o->handle = slab_new(&orp.slots);
	*slot(o->handle) = o;
	hmap_add(&orp.map, hash_of(id, index), o->handle);
	TAILQ_INSERT_TAIL(&orp.all, o, link);
	return o;
}

static void
drop(struct orphan *o)
{
	hmap_remove(&orp.map, hash_of(o->id, o->index), o->handle);
	TAILQ_REMOVE(&orp.all, o, link);
	slab_free(&orp.slots, o->handle);
	for (size_t i = 0; i < N_TEXTS; i++)
		free(o->texts[i]);
	free(o->result);
	free(o->vmta);
	free(o);
}

struct str
orphan_vmta(const struct orphan *o)
{
	return str_of(o->vmta);
}

/* ---- ends ---- */

/* as if the connection by which it went were one of ours */
static void
end(struct orphan *o, uint32_t rcpt)
{
	struct conn c = {.queue = queue_at(rcpt_at(rcpt)->queue),
	    .extensions = o->result->extensions,
	    .up = true,
	    .host = o->texts[1],
	    .tls_protocol = o->texts[3],
	    .tls_cipher = o->texts[4]};

	net_from_ipc(&o->result->dst, &c.dst);
	net_from_ipc(&o->result->src, &c.src);
	outcome_rcpt(&c, rcpt, &o->result->result, str_of(o->texts[0]));
	drop(o);
}

static void
give_back(struct orphan *o)
{
	uint32_t rcpt = o->rcpt;
	struct queue *q;

	drop(o);
	if (rcpt == 0)
		return;
	q = queue_at(rcpt_at(rcpt)->queue);
	outcome_untried(q, rcpt);
	queue_kick(q);
}

void
orphan_claim(struct orphan *o, struct queue *q, uint32_t rcpt)
{
	struct rcpt *r = rcpt_at(rcpt);

	orp.n_claimed++;
	r->queue = q->handle;
	r->state = RCPT_FLIGHT;
	r->at = 0; /* on no connection of ours */
	q->n_flight++;
	message_at(r->message)->n_busy++;
	if (o->result != NULL)
		end(o, rcpt);
	else
		o->rcpt = rcpt;
}

/* ---- from deliverd ---- */

bool
orphan_result(uint32_t instance, const struct ipc_msg *m, struct why *why)
{
	const struct ipc_orphan_result *r = m->head;
	struct orphan *o;

	if (r->result.outcome != OUT_DELIVERED && r->result.outcome != OUT_FAILED)
		return why_set(why, "an orphan with outcome %u", r->result.outcome) == 0;
	o = get(instance, r->result.id, r->result.rcpt, m->text[2]);
	if (o == NULL || o->result != NULL)
		return true;
	orp.n_results++;
	o->result = xmalloc(sizeof *o->result);
	*o->result = *r;
	for (size_t i = 0; i < N_TEXTS; i++)
		o->texts[i] = xstrdup_str(m->text[i]);
	if (o->rcpt != 0)
		end(o, o->rcpt);
	return true;
}

bool
orphan_pending(uint32_t instance, const struct ipc_msg *m, struct why *why)
{
	const struct ipc_orphan *p = m->head;

	if (!orp.is_awaited[instance])
		return why_set(why, "an orphan came late") == 0;
	if (get(instance, p->id, p->rcpt, m->text[0]) != NULL)
		orp.n_pending++;
	return true;
}

void
orphan_untried(const struct ipc_msg *m)
{
	const struct ipc_orphan *u = m->head;
	struct orphan *o = orphan_find(u->id, u->rcpt);

	if (o != NULL && o->result == NULL)
		give_back(o);
}

/* ---- waiting for all of it ---- */

bool
orphan_is_awaited(void)
{
	return orp.is_waiting;
}

static void
go(void)
{
	orp.is_waiting = false;
	ev_timer_stop(&orp.deadline);
	if (orp.n_results + orp.n_pending > 0)
		log_info("event=orphans results=%lu pending=%lu", orp.n_results, orp.n_pending);
	recover_go();
	limit_wake_all(&qd.no_deliverd);
}

static void
go_when_all_told(void)
{
	if (!orp.is_waiting)
		return;
	for (uint32_t i = 0; i < MAX_PEERS; i++) {
		if (orp.is_awaited[i])
			return;
	}
	go();
}

static void
on_deadline(struct ev_timer *t)
{
	for (uint32_t i = 0; i < MAX_PEERS; i++) {
		if (orp.is_awaited[i])
			log_warn("event=orphans-unknown peer=deliverd instance=%u text=\"what it "
				 "delivered of late is "
				 "not known: it may be delivered twice\"",
			    i);
	}
	go();
}

void
orphan_start(void)
{
	make_once();
	orp.is_waiting = true;
	ev_timer_in_ms(&orp.deadline, WAIT_MS);
	go_when_all_told();
}

void
orphan_deliverer_came(uint32_t instance)
{
	orp.is_awaited[instance] = true;
}

void
orphan_end(uint32_t instance)
{
	orp.is_awaited[instance] = false;
	go_when_all_told();
}

void
orphan_deliverer_gone(uint32_t instance)
{
	struct orphan *o, *next;

	make_once();
	for (o = TAILQ_FIRST(&orp.all); o != NULL; o = next) {
		next = TAILQ_NEXT(o, link);
		if (o->deliverer == instance && o->result == NULL)
			give_back(o);
	}
	orphan_end(instance);
}

void
orphan_scan_over(void)
{
	struct orphan *o, *next;

	make_once();
	orp.is_closed = true;
	for (o = TAILQ_FIRST(&orp.all); o != NULL; o = next) {
		next = TAILQ_NEXT(o, link);
		if (o->rcpt == 0)
			drop(o);
	}
	if (orp.n_claimed > 0)
		log_info("event=orphans-claimed n=%lu", orp.n_claimed);
}
