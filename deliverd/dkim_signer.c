/* The signds: what they know, what they are asked, what they answer. */
#include <unistd.h>

#include "deliverd/dkim_int.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"

#define MAX_KEYS (1u << 24)

/* ---- what they know ---- */

static void
forget_known(struct dkim_known *k)
{
	free(k->kinds);
	*k = (struct dkim_known){0};
}

static struct dkim_known *
find_known(struct dkim_signer *s, uint64_t generation)
{
	for (size_t i = 0; i < DKIM_KNOWN; i++)
		if (s->known[i].generation == generation)
			return &s->known[i];
	return NULL;
}

static void
lose(struct dkim *d, struct dkim_signer *s, const char *what)
{
	struct dkim_job *j, *next;

	log_warn("event=signd-lost instance=%u reason=\"%s\"", ipc_peer_instance(s->chan), what);
	ipc_chan_free(&s->chan);
	for (size_t i = 0; i < DKIM_KNOWN; i++)
		forget_known(&s->known[i]);
	for (j = TAILQ_FIRST(&d->asked); j != NULL; j = next) {
		next = TAILQ_NEXT(j, link);
		if (j->signer == s)
			dkim_job_again(j);
	}
	s->n_asked = 0;
}

static int
on_keys(struct dkim *d, struct dkim_signer *s, const struct ipc_msg *m)
{
	const struct ipc_sign_keys *head = m->head;
	struct dkim_known *k;

	if (head->first == 0) {
		k = find_known(s, head->generation);
		if (k == NULL)
			k = &s->known[s->next_known++ % DKIM_KNOWN];
		forget_known(k);
		if (head->total > MAX_KEYS)
			return -1;
		*k = (struct dkim_known){.generation = head->generation,
		    .hash = head->hash,
		    .kinds = xcalloc(PH_MAX(head->total, 1u), 1),
		    .total = head->total};
	}
	k = find_known(s, head->generation);
	if (k == NULL || head->first != k->n || head->total != k->total ||
	    m->text[0].len > k->total - k->n)
		return -1;
	for (size_t i = 0; i < m->text[0].len; i++) {
		uint8_t kind = (uint8_t)m->text[0].p[i];
		if (kind >= DKIM_ALGORITHM_MAX)
			return -1;
		k->kinds[k->n++] = kind;
	}
	if (k->n == k->total)
		dkim_wake(d);
	return 0;
}

struct dkim_signer *
dkim_signer_choose(struct dkim *d, const struct dkim_known **known)
{
	struct dkim_signer *best = NULL;

	for (size_t i = 0; i < DKIM_SIGNERS; i++) {
		struct dkim_signer *s = &d->signers[i];
		const struct dkim_known *k;
		if (s->chan == NULL || (best != NULL && best->n_asked <= s->n_asked))
			continue;
		k = find_known(s, daemon_generation());
		if (k == NULL || k->n != k->total || k->hash != d->files_hash || k->kinds == NULL)
			continue;
		best = s;
		*known = k;
	}
	return best;
}

/* ---- questions and answers ---- */

void
dkim_signer_ask(struct dkim_job *j, const struct ipc_sign *sign)
{
	ipc_send(j->signer->chan, IPC_SIGN, sign, NULL, -1);
}

static void
take_signature(struct dkim_job *j, uint32_t part, struct str signature)
{
	struct dkim_made *made = &j->made[part];

	if (dkim_finish(&made->field, signature) == -1) {
		dkim_job_end(j, "the signature is too long");
		return;
	}
	made->is_whole = true;
	if (--j->n_missing == 0)
		dkim_job_end(j, NULL);
}

static int
on_signed(struct dkim *d, struct dkim_signer *s, const struct ipc_msg *m)
{
	const struct ipc_signed *head = m->head;
	struct dkim_job *j = dkim_job_find(d, head->job);
	struct dkim_known *k;
	char text[300];

	d->progress = ev_now();
	if (head->status >= SIGN_STATUS_MAX ||
	    (head->status == SIGN_OK &&
		(m->text[0].len == 0 || m->text[0].len > DKIM_MAX_SIGNATURE)))
		return -1;
	/* the message went away meanwhile */
	if (j == NULL)
		return 0;
	if (j->signer != s || head->part >= j->n_made || j->made[head->part].is_whole)
		return -1;
	if (head->status == SIGN_OK) {
		take_signature(j, head->part, m->text[0]);
		return 0;
	}
	if (head->status == SIGN_UNKNOWN) {
		k = find_known(s, j->generation);
		if (k != NULL)
			forget_known(k);
		dkim_job_again(j);
		return 0;
	}
	snprintf(text, sizeof text, "no signature could be had: %.*s", STR_ARG(m->text[0]));
	dkim_job_end(j, text);
	return 0;
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	struct dkim *d = ipc_ctx(c);
	struct dkim_signer *s = &d->signers[ipc_peer_instance(c)];
	int r = -1;

	if (m->type == IPC_SIGN_KEYS)
		r = on_keys(d, s, m);
	else if (m->type == IPC_SIGNED)
		r = on_signed(d, s, m);
	if (r == -1)
		lose(d, s, "it broke the protocol");
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	struct dkim *d = ipc_ctx(c);

	lose(d, &d->signers[ipc_peer_instance(c)], why->text);
}

static const struct ipc_events events = {.msg = on_msg, .down = on_down};

void
dkim_peer(struct dkim *d, uint32_t instance, int fd)
{
	struct dkim_signer *s;

	if (instance >= DKIM_SIGNERS) {
		log_warn("event=strange-peer role=signd instance=%u", instance);
		close(fd);
		return;
	}
	s = &d->signers[instance];
	if (s->chan != NULL)
		lose(d, s, "master gave a new one");
	s->chan = ipc_chan_new(fd, ROLE_DELIVER, ROLE_SIGN, instance, &events, d);
}

void
dkim_signers_clear(struct dkim *d)
{
	for (size_t i = 0; i < DKIM_SIGNERS; i++) {
		ipc_chan_free(&d->signers[i].chan);
		for (size_t k = 0; k < DKIM_KNOWN; k++)
			forget_known(&d->signers[i].known[k]);
	}
}
