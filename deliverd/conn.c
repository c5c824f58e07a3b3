/* Connections: from queued's grant to the report of their end. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deliverd/deliver.h"
#include "deliverd/local.h"
#include "deliverd/mail.h"
#include "deliverd/mail_edit.h"
#include "deliverd/orphan.h"
#include "deliverd/settings.h"
#include "deliverd/talk.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/stats/stats.h"

#define MAX_REPORT_TEXT 1200u
#define MAX_WINDOW	1024u

/* ---- by number ---- */

static uint64_t
hash_of(uint32_t number)
{
	return str_hash(str_from((const char *)&number, sizeof number));
}

static bool
is_number(const void *key, uint32_t handle)
{
	const struct conn *c = slab_at(&deliver.conns, handle);

	return c->number == *(const uint32_t *)key;
}

static struct conn *
find(uint32_t number)
{
	uint32_t handle = hmap_find(&deliver.by_number, hash_of(number), is_number, &number);

	return handle == 0 ? NULL : slab_at(&deliver.conns, handle);
}

void
conn_forget_number(struct conn *c)
{
	hmap_remove(&deliver.by_number, hash_of(c->number), c->handle);
}

/* ---- what the session says ---- */

/* does queued know of this connection? */
static bool
is_heard(const struct conn *c)
{
	return deliver.queued != NULL && !c->is_orphan;
}

static void
on_sealed(void *ctx)
{
	struct conn *c = ctx;

	session_sealed(c->session, ev_now());
	conn_update(c);
}

static struct mail *
on_load(
    void *ctx, const struct spool_place *place, const uint32_t *idx, uint32_t n, struct why *why)
{
	struct mail *m = mail_load(deliver.reader, place, idx, n, why);
	struct conn *c = ctx;
	struct mail_edit how = {.conf = daemon_conf(),
	    .queue = conf_queue(daemon_conf(), str_of(c->domain), str_of(c->vmta)),
	    .vmta = str_of(c->vmta),
	    .track = deliver.has_track ? &deliver.track : NULL,
	    .id = place->id,
	    .now = ev_wall()};
	struct dkim_ask ask = {
	    .domain = str_of(c->domain), .vmta = str_of(c->vmta), .done = on_sealed, .ctx = c};

	if (m != NULL)
		m->generation = daemon_generation();
	if (m != NULL && mail_edit(m, &how, why) == -1)
		mail_free(&m);
	if (m != NULL)
		dkim_seal(&deliver.dkim, m, place->id, &ask);
	else
		log_error("id=%016llx event=cannot-read reason=%s", (unsigned long long)place->id,
		    log_quote(str_of(why->text)));
	return m;
}

/* What was bound is asked of the kernel, never taken from the configuration; behind a proxy the peer sees another. */
static void
note_bound(struct conn *c)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	if (c->proxy.family != 0)
		c->bound = c->client;
	else if (c->fd != -1 && !c->is_connecting &&
		 getsockname(c->fd, (struct sockaddr *)&ss, &len) == 0)
		net_from_sockaddr((struct sockaddr *)&ss, len, &c->bound);
}

static void
on_up(void *ctx, uint32_t offered)
{
	struct conn *c = ctx;
	struct ipc_conn_up up = {.conn = c->number, .extensions = offered};
	struct str texts[2] = {STR(""), STR("")};

	note_bound(c);
	talk_up(c);
	net_to_ipc(&c->bound, &up.src);
	c->extensions = offered;
	if (c->tls != NULL) {
		texts[0] = str_of(tls_protocol(c->tls));
		texts[1] = str_of(tls_cipher(c->tls));
	}
	if (is_heard(c))
		ipc_send(deliver.queued, IPC_CONN_UP, &up, texts, -1);
}

static void
on_result(void *ctx, const struct session_result *r)
{
	struct conn *c = ctx;
	struct ipc_result res = {.id = r->id,
	    .bytes = r->bytes,
	    .conn = c->number,
	    .txn = r->txn,
	    .rcpt = r->rcpt,
	    .code = r->code,
	    .enh = {r->enh[0], r->enh[1], r->enh[2]},
	    .outcome = (uint8_t)r->outcome,
	    .stage = (uint8_t)r->stage,
	    .dsn_relayed = r->dsn_relayed};
	struct str text = str_sub(r->text, 0, MAX_REPORT_TEXT);

	if (r->outcome == OUT_DELIVERED) {
		if (c->n_counted != r->txn + 1)
			stat_inc(STAT_OUT_MSGS);
		c->n_counted = r->txn + 1;
		stat_inc(STAT_OUT_RCPTS);
		stat_add(STAT_OUT_BYTES, r->bytes);
	}
	talk_result(c, r);
	orphan_result(c, r, &res);
	if (is_heard(c))
		ipc_send(deliver.queued, IPC_RESULT, &res, &text, -1);
}

static void
on_txn_done(void *ctx, uint32_t txn)
{
	struct conn *c = ctx;
	struct ipc_txn_done done = {.conn = c->number, .txn = txn};

	if (is_heard(c))
		ipc_send(deliver.queued, IPC_TXN_DONE, &done, NULL, -1);
}

/* Refused by us or the peer before a word was said: a good-bye costs nothing. */
static void
say_goodbye(struct conn *c, const struct session_end *e)
{
	if (c->fd == -1 || c->tls != NULL || e->end != END_REPLY || e->was_up)
		return;
	if (send(c->fd, "QUIT\r\n", 6, MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
		log_debug("conn=%u event=no-quit errno=%d", c->number, errno);
}

/*
 * What was given up must not go on from the kernel's queue: sendfile lends it the spool's own pages, and by the time
 * that a slow peer takes them their segment may hold other mail. Nor may a message that is tried again elsewhere still
 * reach its end here.
 */
static void
take_back(struct conn *c, const struct session_end *e)
{
	static const struct linger none = {.l_onoff = 1, .l_linger = 0};

	if (c->fd == -1 || (!e->is_amid_content && (e->end == END_CLOSED || e->end == END_REPLY)))
		return;
	if (setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) == -1)
		log_debug("conn=%u event=no-reset errno=%d", c->number, errno);
}

/* Before queued hears of it: a peer that counts connections must see the end of this one before the
 * next one's beginning. */
static void
hang_up(struct conn *c)
{
	ev_timer_stop(&c->timer);
	ev_defer_cancel(&c->flush);
	if (c->fd == -1)
		return;
	ev_io_stop(&c->io);
	if (c->tls != NULL)
		tls_shutdown(c->tls);
	if (close(c->fd) == -1)
		log_warn("conn=%u event=close errno=%d", c->number, errno);
	c->fd = -1;
}

static void
on_down(void *ctx, const struct session_end *e)
{
	struct conn *c = ctx;
	struct ipc_conn_down down = {.conn = c->number,
	    .code = e->code,
	    .enh = {e->enh[0], e->enh[1], e->enh[2]},
	    .stage = (uint8_t)e->stage,
	    .end = (uint8_t)e->end,
	    .up = e->was_up,
	    .at_proxy = c->proxy.family != 0 && c->is_connecting && e->end != END_LOCAL &&
			e->end != END_CLOSED};
	struct str text = str_sub(e->text, 0, MAX_REPORT_TEXT);

	if (!e->was_up)
		stat_inc(STAT_OUT_CONNS_FAILED);
	if (e->stage == STAGE_TLS &&
	    (e->end == END_PROTOCOL || e->end == END_LOST || e->end == END_TIMEOUT))
		tls_avoid(&c->dst, c->tls_context, ev_now());
	note_bound(c);
	net_to_ipc(&c->bound, &down.src);
	talk_down(c, e);
	say_goodbye(c, e);
	take_back(c, e);
	hang_up(c);
	ev_defer_queue(&c->reap);
	if (c->is_orphan) {
		orphan_down(c);
		return;
	}
	conn_forget_number(c);
	if (is_heard(c))
		ipc_send(deliver.queued, IPC_CONN_DOWN, &down, &text, -1);
}

static void
on_spoken(void *ctx, bool from_peer, struct str line)
{
	talk_spoken(ctx, from_peer, line);
}

static void
on_start_tls(void *ctx)
{
	conn_start_tls(ctx);
}

static const struct session_ops session_ops = {
    .load = on_load,
    .up = on_up,
    .result = on_result,
    .txn_done = on_txn_done,
    .down = on_down,
    .start_tls = on_start_tls,
    .spoken = on_spoken,
};

/* ---- life ---- */

static void
reap(struct ev_defer *d)
{
	struct conn *c = ph_container_of(d, struct conn, reap);
	uint32_t handle = c->handle;

	tls_free(&c->tls);
	session_free(&c->session);
	free(c->host);
	free(c->vmta);
	free(c->domain);
	free(c->tlsa);
	tls_context_put(&c->tls_context);
	*c = (struct conn){0};
	slab_free(&deliver.conns, handle);
	stat_set(STAT_OUT_CONNS, --deliver.n_open);
	if (deliver.is_stopping && deliver.n_open == 0)
		daemon_exit();
}

static void
on_timer(struct ev_timer *t)
{
	struct conn *c = ph_container_of(t, struct conn, timer);

	session_tick(c->session, ev_now());
	conn_update(c);
}

/* An armed timer is only ever moved forward; one that comes too early finds the deadline moved and
 * is armed again. */
static void
arm(struct conn *c)
{
	struct mono at = session_deadline(c->session);

	if (at.ns == MONO_NEVER.ns)
		return;
	if (!ev_timer_is_armed(&c->timer) || mono_is_before(at, c->timer.at))
		ev_timer_at(&c->timer, at);
}

void
conn_update(struct conn *c)
{
	if (session_is_dead(c->session))
		return;
	arm(c);
	if (outq_unsent(session_out(c->session)) > 0 && !c->is_blocked && !c->in_handshake &&
	    !c->write_wants_read)
		ev_defer_queue(&c->flush);
	conn_want(c);
}

void
conn_failed(struct conn *c, int err)
{
	static const int ours[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL, EADDRINUSE,
	    EACCES, EPERM, EAFNOSUPPORT};
	enum conn_end end = c->is_connecting ? END_REFUSED : END_LOST;
	const char *what = strerrordesc_np(err);

	if (err == ETIMEDOUT)
		end = END_TIMEOUT;
	for (size_t i = 0; i < countof(ours) && c->is_connecting; i++)
		if (err == ours[i])
			end = END_LOCAL;
	session_lost(c->session, ev_now(), end, what == NULL ? "unknown error" : what);
}

/* RFC 7672 2.2: records make TLS mandatory, those that can be used say whose certificate it must be */
static void
use_tlsa(struct conn *c, struct str tlsa, struct session_conf *conf, struct tls_client_spec *spec)
{
	if (tlsa.len == 0)
		return;
	conf->tls = SESSION_TLS_MUST;
	if (!tls_has_usable_tlsa(tlsa))
		return;
	spec->is_dane = 1;
	c->tlsa = xmalloc(tlsa.len);
	memcpy(c->tlsa, tlsa.p, tlsa.len);
	c->tlsa_len = tlsa.len;
}

/* RFC 8461 4.2; what DANE says stands above it, and queued asks for one of them only */
static void
verify_by_policy(struct session_conf *conf, struct tls_client_spec *spec)
{
	const struct conf_set *g = conf_global(daemon_conf());

	conf->tls = SESSION_TLS_MUST;
	if (spec->ca[0] == '\0')
		str_copy(spec->ca, sizeof spec->ca, conf_str(g, CONF_GLOBAL_MTA_STS_CA_FILE));
}

static void
fill_conf(const struct ipc_conn_open *o, const struct str text[5], struct conn *c,
    struct session_conf *conf)
{
	const struct conf_set *queue = conf_queue(daemon_conf(), text[2], text[3]);
	struct settings set;

	settings_read(queue, &set);
	*conf = set.session;
	c->log_bits = (uint8_t)talk_bits(queue);
	c->trace_bits = (uint8_t)o->talk;
	conf->is_told = ((c->log_bits | c->trace_bits) & TALK_COMMANDS) != 0;
	conf->window = o->window;
	/* behind another port of this host there may be a relay with our own name */
	conf->detect_loop = c->dst.port == 25 || !net_addr_is_loopback(&c->dst);
	str_copy(conf->ehlo, sizeof conf->ehlo, text[1]);
	c->reuse_tls_session = set.reuse_tls_session;
	use_tlsa(c, text[4], conf, &set.tls);
	if (o->verify != 0)
		verify_by_policy(conf, &set.tls);
	c->tls_context = tls_context_get(&set.tls);
	explicit_bzero(&set, sizeof set);
	if (conf->tls == SESSION_TLS_MAY && tls_is_avoided(&c->dst, c->tls_context, ev_now()))
		conf->tls = SESSION_TLS_NO;
}

static bool
is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 127)
			return false;
	return s.len > 0 && s.len < sizeof((struct session_conf *)NULL)->ehlo;
}

int
conn_open(const struct ipc_conn_open *o, const struct str text[5], struct why *why)
{
	uint32_t handle;
	struct conn *c;
	struct session_conf conf;

	if (find(o->conn) != NULL || local_has(o->conn))
		return why_set(why, "connection %u is open already", o->conn);
	if (o->window == 0 || o->window > MAX_WINDOW || !is_name(text[1]))
		return why_set(why, "connection %u: window %u, EHLO name %s", o->conn, o->window,
		    log_quote(text[1]));
	if (o->dst.family != 4 && o->dst.family != 6)
		return why_set(why, "connection %u has no address", o->conn);
	if (o->verify > 1 || o->proxy_version > 2 ||
	    (o->proxy.family == 0) != (o->proxy_version == 0) ||
	    (o->proxy.family != 0 && o->client.family != o->dst.family))
		return why_set(why, "connection %u has an impossible proxy", o->conn);
	handle = slab_new(&deliver.conns);
	c = slab_at(&deliver.conns, handle);
	*c = (struct conn){.handle = handle,
	    .number = o->conn,
	    .fd = -1,
	    .host = xstrdup_str(text[0]),
	    .domain = xstrdup_str(text[2]),
	    .vmta = xstrdup_str(text[3]),
	    .proxy_version = (uint8_t)o->proxy_version};
	net_from_ipc(&o->dst, &c->dst);
	net_from_ipc(&o->src, &c->src);
	net_from_ipc(&o->proxy, &c->proxy);
	net_from_ipc(&o->client, &c->client);
	fill_conf(o, text, c, &conf);
	ev_timer_init(&c->timer, on_timer);
	ev_defer_init(&c->flush, conn_flush_cb);
	ev_defer_init(&c->reap, reap);
	hmap_add(&deliver.by_number, hash_of(c->number), handle);
	stat_inc(STAT_OUT_CONNS_TOTAL);
	stat_set(STAT_OUT_CONNS, ++deliver.n_open);
	c->session = session_new(&conf, &session_ops, c, ev_now());
	talk_connecting(c);
	if (deliver.is_stopping)
		session_lost(c->session, ev_now(), END_LOCAL, "deliverd is stopping");
	else
		conn_connect(c);
	conn_update(c);
	return 0;
}

int
conn_close(const struct ipc_conn_close *o, struct why *why)
{
	struct conn *c = find(o->conn);

	if (o->how < CONN_QUIT || o->how >= CONN_CLOSE_MAX)
		return why_set(why, "connection %u is to be closed in manner %u", o->conn, o->how);
	if (local_has(o->conn)) {
		local_close(o);
		return 0;
	}
	/* it may have ended while the order was on its way */
	if (c == NULL)
		return 0;
	if (o->how == CONN_QUIT)
		session_quit(c->session, ev_now());
	else if (o->how == CONN_LEAVE)
		session_leave(c->session, ev_now());
	else if (o->how == CONN_INTERRUPT)
		session_interrupt(c->session, ev_now());
	else
		session_abort(c->session, ev_now(), "closed by order");
	conn_update(c);
	return 0;
}

int
conn_txn(const struct ipc_txn *t, struct str indices, struct why *why)
{
	struct conn *c = find(t->conn);
	uint32_t *idx;
	uint32_t n = (uint32_t)(indices.len / sizeof *idx);
	int result = 0;

	if (n == 0 || indices.len % sizeof *idx != 0)
		return why_set(why, "transaction %u of connection %u has %zu bytes of recipients",
		    t->txn, t->conn, indices.len);
	if (c == NULL && !local_has(t->conn))
		return 0;
	idx = xcalloc(n, sizeof *idx);
	memcpy(idx, indices.p, indices.len);
	for (uint32_t i = 1; i < n && result == 0; i++)
		if (idx[i] <= idx[i - 1])
			result = why_set(why,
			    "transaction %u of connection %u has recipients out of order", t->txn,
			    t->conn);
	if (result == 0 && c == NULL) {
		result = local_txn(t, idx, n, why);
		free(idx);
		return result;
	}
	if (result == 0 && !session_txn(c->session, ev_now(), t, idx, n))
		result = why_set(why, "connection %u is given more than its window", t->conn);
	free(idx);
	if (c != NULL)
		conn_update(c);
	return result;
}

/* ---- all of them ---- */

void
conn_for_each(void (*act)(struct conn *, const void *), const void *arg)
{
	uint32_t end = slab_end(&deliver.conns);

	for (uint32_t h = 1; h < end; h++) {
		struct conn *c = slab_at(&deliver.conns, h);

		/* a free slot's first words are the slab's; ours are zero behind them */
		if (c->handle == h && !session_is_dead(c->session))
			act(c, arg);
	}
}

static void
abort_one(struct conn *c, const void *what)
{
	session_abort(c->session, ev_now(), what);
}

void
conn_abort_all(const char *what)
{
	conn_for_each(abort_one, what);
}

static void
drain_one(struct conn *c, const void *arg)
{
	(void)arg;
	session_drain(c->session, ev_now());
	conn_update(c);
}

void
conn_drain_all(void)
{
	conn_for_each(drain_one, NULL);
}

static void
want_one(struct conn *c, const void *arg)
{
	(void)arg;
	conn_want(c);
}

void
conn_hold_all(bool hold)
{
	deliver.is_held = hold;
	conn_for_each(want_one, NULL);
}
