#include "queued/way/spf_out.h"

#include "lib/base/hmap.h"
#include "lib/base/xalloc.h"
#include "lib/spf/spf.h"
#include "queued/conn.h"
#include "queued/control/events.h"
#include "queued/control/happen.h"
#include "queued/end/expire.h"
#include "queued/end/final.h"
#include "queued/peek.h"
#include "queued/react/retry.h"
#include "queued/state.h"

#define KEEP_MS	     (5 * 60 * 1000)
#define ERROR_MS     (30 * 1000)
#define ASK_AGAIN_MS 30000 /* dnsd has not answered: it was away */
#define LOOK_MS	     500   /* a recipient looks for its answer */
#define MAX_ANSWERS  10000
#define MAX_KEY	     640

struct answer {
	uint32_t handle;
	bool is_known;
	uint8_t result;	   /* enum spf_result */
	struct tick until; /* known: asked anew then; else the question is */
	char *key;	   /* owned: address, EHLO name, domain of the sender */
	char *reason;	   /* owned */
};

static struct {
	struct slab slots; /* of struct answer * */
	struct hmap map;
	bool made;
} so;

/* ---- answers ---- */

static struct answer *
at(uint32_t handle)
{
	struct answer *a;

	if (!so.made || handle == 0 || handle >= slab_end(&so.slots))
		return NULL;
	a = *(struct answer **)slab_at(&so.slots, handle);
	/* a free slot holds the next free number */
	return (uintptr_t)a > UINT32_MAX && a->handle == handle ? a : NULL;
}

static bool
is_key(const void *key, uint32_t handle)
{
	return strcmp(at(handle)->key, key) == 0;
}

static void
forget_known(void)
{
	for (uint32_t h = 1; h < slab_end(&so.slots); h++) {
		struct answer *a = at(h);
		if (a == NULL || !a->is_known)
			continue;
		hmap_remove(&so.map, str_hash(str_of(a->key)), h);
		slab_free(&so.slots, h);
		free(a->key);
		free(a->reason);
		free(a);
	}
}

static struct answer *
get(const char *key)
{
	uint64_t hash = str_hash(str_of(key));
	uint32_t handle = so.made ? hmap_find(&so.map, hash, is_key, key) : 0;
	struct answer *a;

	if (handle != 0)
		return at(handle);
	if (!so.made)
		slab_init(&so.slots, sizeof(struct answer *));
	so.made = true;
	if (so.slots.n_used >= MAX_ANSWERS)
		forget_known();
	a = xcalloc(1, sizeof *a);
	a->key = xstrdup(key);
	a->until = tick_now();
	a->handle = slab_new(&so.slots);
	*(struct answer **)slab_at(&so.slots, a->handle) = a;
	hmap_add(&so.map, hash, a->handle);
	return a;
}

static void
ask(struct answer *a, const struct conn *c, struct str sender)
{
	struct ipc_check msg = {.req = a->handle, .kind = CHECK_SPF, .max_void = SPF_VOID_LIMIT};
	const struct str texts[3] = {str_of(c->ehlo), sender, str_of(c->ehlo)};

	a->is_known = false;
	a->until = tick_in_ms(ASK_AGAIN_MS);
	net_to_ipc(&c->src, &msg.client);
	if (qd.dns.chan != NULL)
		ipc_send(qd.dns.chan, IPC_CHECK, &msg, texts, -1);
}

void
spf_out_checked(const struct ipc_msg *m)
{
	const struct ipc_checked *v = m->head;
	struct answer *a = at(v->req);

	if (a == NULL || v->result >= SPF_RESULT_MAX)
		return;
	a->is_known = true;
	a->result = v->result;
	a->until = tick_in_ms(v->result == SPF_TEMPERROR ? ERROR_MS : KEEP_MS);
	free(a->reason);
	a->reason = xstrdup_str(str_sub(m->text[1], 0, 200));
}

/* ---- what follows ---- */

static struct final_facts
facts_of(const struct conn *c, const struct answer *a, struct str sender, char text[600])
{
	static const uint8_t enh[2][3] = {{5, 7, 23}, {4, 7, 24}}; /* RFC 7372 */
	char addr[NET_ADDR_TEXT];
	struct final_facts f = {.local = true, .is_ours = true};

	snprintf(text, 600, "check-spf-outbound: %s for <%.*s> sent from %s%s%s",
	    spf_result_name((enum spf_result)a->result), STR_ARG(str_sub(sender, 0, 200)),
	    net_addr_text(&c->src, addr), a->reason[0] == '\0' ? "" : ": ", a->reason);
	f.reply = str_of(text);
	memcpy(f.enh, enh[a->result == SPF_TEMPERROR], sizeof f.enh);
	return f;
}

static void
defer(struct queue *q, uint32_t rcpt, const struct final_facts *f)
{
	struct rcpt *r = rcpt_at(rcpt);

	happen_deferred(q, rcpt, f);
	r->tries = (uint16_t)PH_MIN(r->tries + 1, UINT16_MAX);
	final_transient(q, rcpt, f);
	if (expire_is_over(q, r)) {
		final_expired(q, rcpt, f);
		return;
	}
	q->n_deferred++;
	stat_inc(STAT_Q_DEFERRED);
	queue_take(q, rcpt);
	queue_add_deferred(
	    q, rcpt, tick_in_ms(retry_rcpt_ms(q, r->tries, message_at(r->message)->id ^ r->index)));
}

static void
later(struct queue *q, uint32_t rcpt)
{
	queue_take(q, rcpt);
	queue_add_deferred(q, rcpt, tick_in_ms(LOOK_MS));
}

bool
spf_out_stops(struct conn *c, uint32_t rcpt)
{
	struct queue *q = c->queue;
	struct str address, sender, envid, domain;
	char key[MAX_KEY], addr[NET_ADDR_TEXT], text[600];
	struct final_facts f;
	struct answer *a;

	if (!q->policy->check_spf || !peek_rcpt(rcpt_at(rcpt), &address, &sender, &envid))
		return false;
	domain = str_skip(sender, PH_MIN(str_rfind(sender, '@'), sender.len));
	snprintf(key, sizeof key, "%s %.255s %.*s", net_addr_text(&c->src, addr), c->ehlo,
	    STR_ARG(str_sub(domain, 0, 255)));
	a = get(key);
	if (tick_is_due(a->until))
		ask(a, c, sender);
	if (a->is_known && a->result == SPF_PASS)
		return false;
	if (!a->is_known) {
		later(q, rcpt);
		return true;
	}
	f = facts_of(c, a, sender, text);
	events_add(q, f.reply);
	if (a->result == SPF_TEMPERROR)
		defer(q, rcpt, &f);
	else
		final_begin(q, rcpt, FINAL_BOUNCED, &f);
	return true;
}
