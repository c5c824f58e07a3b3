#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/stats/stats.h"
#include "signd/signd.h"

#define TELL_AT_ONCE 32768u /* keys in one message */

struct ask {
	struct ipc_sign sign;
	struct ask *next;
};
struct made {
	struct ipc_signed head;
	size_t len;
	uint8_t text[DKIM_MAX_SIGNATURE];
};
struct peer {
	struct ipc_chan *chan;		   /* NULL: a free slot */
	struct made made[ANSWERS_AT_ONCE]; /* not yet told */
	uint32_t n_made;
	struct ask *first, **tail;
	uint32_t n_asks;
};
/* in turn: one deliverd that asks for much does not keep the others waiting */
static struct {
	struct peer peers[MAX_PEERS];
	struct ev_defer work;
	size_t turn;
} asked;

/* ---- answering ---- */

static void
tell_made(struct peer *p)
{
	for (uint32_t i = 0; i < p->n_made; i++) {
		struct str text = str_from((const char *)p->made[i].text, p->made[i].len);
		ipc_send(p->chan, IPC_SIGNED, &p->made[i].head, &text, -1);
	}
	p->n_made = 0;
}

static void
answer(struct peer *p, const struct ipc_sign *ask)
{
	struct made *m = &p->made[p->n_made++];
	struct keyset *s = signd_set(ask->generation);
	struct why why = {0};

	m->head = (struct ipc_signed){.job = ask->job, .part = ask->part, .status = SIGN_OK};
	m->len = 0;
	if (s == NULL)
		m->head.status = SIGN_UNKNOWN;
	else if ((m->len = keyset_sign(s, ask->key, ask->digest, m->text, &why)) == 0)
		m->head.status = SIGN_FAILED;
	if (m->head.status == SIGN_FAILED) {
		log_error("event=cannot-sign key=%u reason=\"%s\"", ask->key, why.text);
		m->len = PH_MIN(strlen(why.text), sizeof m->text);
		memcpy(m->text, why.text, m->len);
	}
	stat_inc(m->head.status == SIGN_OK ? STAT_SIGNATURES : STAT_SIGNATURES_FAILED);
	/* each time that answers come wakes deliverd, and all behind it */
	if (p->n_made == ANSWERS_AT_ONCE || p->n_asks == 0)
		tell_made(p);
}

static bool
answer_one(struct peer *p)
{
	struct ask *a = p->first;

	if (p->chan == NULL || a == NULL)
		return false;
	p->first = a->next;
	if (p->first == NULL)
		p->tail = &p->first;
	p->n_asks--;
	answer(p, &a->sign);
	free(a);
	return true;
}

static void
work(struct ev_defer *d)
{
	size_t done = 0, idle = 0;

	while (done < SIGN_PER_TURN && idle < MAX_PEERS) {
		asked.turn = (asked.turn + 1) % MAX_PEERS;
		if (answer_one(&asked.peers[asked.turn]))
			done++, idle = 0;
		else
			idle++;
	}
	for (size_t i = 0; i < MAX_PEERS; i++)
		if (asked.peers[i].n_asks > 0)
			ev_defer_queue(&asked.work);
}

/* ---- those who ask ---- */

static void
drop(struct peer *p, const char *what)
{
	struct ask *a;

	log_warn("event=deliverd-lost instance=%u reason=\"%s\"", ipc_peer_instance(p->chan), what);
	ipc_chan_free(&p->chan);
	while ((a = p->first) != NULL) {
		p->first = a->next;
		free(a);
	}
	p->tail = &p->first;
	p->n_asks = p->n_made = 0;
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	struct peer *p = ipc_ctx(c);
	struct ask *a;

	if (m->type != IPC_SIGN || p->n_asks >= MAX_OUTSTANDING) {
		drop(p, "it broke the protocol");
		return;
	}
	a = xmalloc(sizeof *a);
	a->sign = *(const struct ipc_sign *)m->head;
	a->next = NULL;
	*p->tail = a;
	p->tail = &a->next;
	p->n_asks++;
	ev_defer_queue(&asked.work);
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	drop(ipc_ctx(c), why->text);
}

static const struct ipc_events events = {.msg = on_msg, .down = on_down};

static void
tell(struct peer *p, const struct keyset *s)
{
	struct ipc_sign_keys head = {
	    .generation = keyset_generation(s), .hash = keyset_hash(s), .total = keyset_n(s)};
	char kinds[TELL_AT_ONCE];
	struct str text;

	do {
		text = str_from(kinds, PH_MIN(head.total - head.first, TELL_AT_ONCE));
		for (uint32_t i = 0; i < text.len; i++)
			kinds[i] = (char)keyset_algorithm(s, head.first + i);
		ipc_send(p->chan, IPC_SIGN_KEYS, &head, &text, -1);
		head.first += (uint32_t)text.len;
	} while (head.first < head.total);
}

void
asked_tell(const struct keyset *s)
{
	for (size_t i = 0; i < MAX_PEERS; i++)
		if (asked.peers[i].chan != NULL)
			tell(&asked.peers[i], s);
}

static struct peer *
find_slot(uint32_t instance)
{
	struct peer *empty = NULL;

	for (size_t i = 0; i < MAX_PEERS; i++) {
		struct peer *p = &asked.peers[i];
		if (p->chan == NULL)
			empty = empty == NULL ? p : empty;
		else if (ipc_peer_instance(p->chan) == instance)
			drop(p, "master gave a new one");
		if (p->chan == NULL && empty == NULL)
			empty = p;
	}
	return empty;
}

void
asked_peer(enum ipc_role role, uint32_t instance, int fd)
{
	struct peer *p = role == ROLE_DELIVER ? find_slot(instance) : NULL;

	if (p == NULL) {
		log_warn("event=strange-peer role=%s", ipc_role_name(role));
		close(fd);
		return;
	}
	p->first = NULL;
	p->tail = &p->first;
	p->chan = ipc_chan_new(fd, ROLE_SIGN, ROLE_DELIVER, instance, &events, p);
	/* the oldest first: what comes last is what holds */
	for (size_t i = MAX_SETS; i-- > 0;)
		if (signd.sets[i] != NULL)
			tell(p, signd.sets[i]);
}

void
asked_prepare(void)
{
	ev_defer_init(&asked.work, work);
}

void
asked_finish(void)
{
	struct why why;

	for (size_t i = 0; i < MAX_PEERS; i++)
		if (asked.peers[i].chan != NULL &&
		    ipc_flush_blocking(asked.peers[i].chan, 1000, &why) == -1)
			log_warn("event=last-words-lost reason=\"%s\"", why.text);
}
