#include "deliverd/orphan.h"

#include "deliverd/local.h"

/* ---- the channel went ---- */

static void
orphan_one(struct conn *c, const void *arg)
{
	(void)arg;
	if (!c->is_orphan) {
		conn_forget_number(c);
		c->is_orphan = true;
	}
	session_leave(c->session, ev_now());
	conn_update(c);
}

void
orphan_all(void)
{
	conn_for_each(orphan_one, NULL);
}

/* ---- results ---- */

static void
tell_result(const struct ipc_orphan_result *r, const struct str texts[MEMORY_TEXTS])
{
	ipc_send(deliver.queued, IPC_ORPHAN_RESULT, r, texts, -1);
}

static void
tell_untried(struct conn *c, uint64_t id, uint32_t rcpt)
{
	struct ipc_orphan o = {.id = id, .rcpt = rcpt};

	(void)c;
	if (deliver.queued != NULL)
		ipc_send(deliver.queued, IPC_ORPHAN_UNTRIED, &o, NULL, -1);
}

void
orphan_result(struct conn *c, const struct session_result *r, const struct ipc_result *told)
{
	struct ipc_orphan_result o = {.result = *told, .extensions = c->extensions};
	struct str texts[MEMORY_TEXTS] = {str_sub(r->text, 0, MEMORY_MAX_REPLY), str_of(c->host),
	    str_of(c->vmta), STR(""), STR("")};

	if (r->outcome != OUT_DELIVERED && r->outcome != OUT_FAILED) {
		if (c->is_orphan)
			tell_untried(c, r->id, r->rcpt);
		return;
	}
	o.result.conn = o.result.txn = 0;
	net_to_ipc(&c->dst, &o.dst);
	net_to_ipc(&c->bound, &o.src);
	if (c->tls != NULL) {
		texts[3] = str_of(tls_protocol(c->tls));
		texts[4] = str_of(tls_cipher(c->tls));
	}
	memory_keep(&deliver.memory, ev_now(), &o, texts);
	if (c->is_orphan && deliver.queued != NULL)
		tell_result(&o, texts);
}

static void
undecided(void *ctx, uint64_t id, uint32_t rcpt)
{
	tell_untried(ctx, id, rcpt);
}

void
orphan_down(struct conn *c)
{
	session_each_undecided(c->session, undecided, c);
}

/* ---- a new queued ---- */

static void
pending(void *ctx, uint64_t id, uint32_t rcpt)
{
	const struct conn *c = ctx;
	struct ipc_orphan o = {.id = id, .rcpt = rcpt};
	struct str vmta = str_sub(str_of(c->vmta), 0, MEMORY_MAX_NAME);

	ipc_send(deliver.queued, IPC_ORPHAN_PENDING, &o, &vmta, -1);
}

static void
tell_pending(struct conn *c, const void *arg)
{
	(void)arg;
	session_each_undecided(c->session, pending, c);
}

void
orphan_tell_all(void)
{
	memory_each(&deliver.memory, ev_now(), tell_result);
	conn_for_each(tell_pending, NULL);
	local_tell_pending();
	ipc_send(deliver.queued, IPC_ORPHANS_END, NULL, NULL, -1);
}
