/* deliverd between its neighbours: master's and queued's messages. */
#include "deliverd/deliver.h"

#include <errno.h>
#include <unistd.h>

#include "deliverd/deliver_int.h"
#include "deliverd/local.h"
#include "deliverd/orphan.h"
#include "lib/base/log.h"
#include "lib/daemon/daemon.h"
#include "lib/spool/reader.h"

#define LAST_FLUSH_MS 1000

struct deliver deliver = {.spool_fd = -1};

/* ---- queued ---- */

static int
on_conn_open(const struct ipc_msg *m, struct why *why)
{
	const struct ipc_conn_open *o = m->head;

	if (o->type != DELIVERY_SMTP)
		return local_open(o, m->text, why);
	return conn_open(o, m->text, why);
}

static int
on_conn_close(const struct ipc_msg *m, struct why *why)
{
	return conn_close(m->head, why);
}

static int
on_txn(const struct ipc_msg *m, struct why *why)
{
	return conn_txn(m->head, m->text[0], why);
}

static int (*const from_queued[])(const struct ipc_msg *, struct why *) = {
    [IPC_CONN_OPEN] = on_conn_open,
    [IPC_CONN_CLOSE] = on_conn_close,
    [IPC_TXN] = on_txn,
};

/* The next one hears how what it had begun has ended. */
static void
lose_queued(const char *what)
{
	ipc_chan_free(&deliver.queued);
	log_warn("event=queued-lost reason=\"%s\" connections=%llu", what,
	    (unsigned long long)deliver.n_open);
	orphan_all();
	local_orphan_all();
	if (deliver.is_held)
		conn_hold_all(false);
}

static void
queued_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	struct why why;

	(void)c;
	if ((size_t)m->type >= countof(from_queued) || from_queued[m->type] == NULL)
		why_set(&why, "queued sent %s", ipc_type_name(m->type));
	else if (from_queued[m->type](m, &why) == 0)
		return;
	log_error("event=protocol reason=%s", log_quote(str_of(why.text)));
	lose_queued(why.text);
}

static void
queued_down(struct ipc_chan *c, const struct why *why)
{
	(void)c;
	lose_queued(why->text);
}

static void
queued_pressure(struct ipc_chan *c, bool high)
{
	(void)c;
	conn_hold_all(high);
}

static const struct ipc_events queued_events = {queued_msg, queued_down, queued_pressure};

/* ---- master ---- */

static void
give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	if (what->kind == FD_SPOOL_DIR && deliver.spool_fd == -1) {
		deliver.spool_fd = fd;
		return;
	}
	if (what->kind == FD_TLS_FILE) {
		tls_take_file(text, fd);
		return;
	}
	if (what->kind == FD_TRACK_KEY) {
		deliver.has_track = track_init_fd(&deliver.track, fd);
		return;
	}
	if (close(fd) == -1)
		log_warn("event=close errno=%d", errno);
}

static void
add_peer(enum ipc_role role, uint32_t instance, int fd)
{
	if (role == ROLE_SIGN) {
		dkim_peer(&deliver.dkim, instance, fd);
		return;
	}
	if (role == ROLE_EXEC) {
		local_peer(fd);
		return;
	}
	if (role != ROLE_QUEUE) {
		log_warn("event=strange-peer role=%s", ipc_role_name(role));
		if (close(fd) == -1)
			log_warn("event=close errno=%d", errno);
		return;
	}
	if (deliver.queued != NULL)
		lose_queued("master gave a new one");
	deliver.queued = ipc_chan_new(fd, ROLE_DELIVER, ROLE_QUEUE, instance, &queued_events, NULL);
	orphan_tell_all();
}

static void
reload(const struct conf *old)
{
	/* connections keep what they copied; only the table of keys points into it */
	(void)old;
	dkim_config(&deliver.dkim);
	tls_use_files();
	local_config();
}

static void
on_drain(struct ev_timer *t)
{
	(void)t;
	conn_abort_all("deliverd is stopping");
	local_abort_all();
	daemon_exit();
}

static void
stop(int64_t drain_ms)
{
	deliver.is_stopping = true;
	if (drain_ms > 0) {
		conn_drain_all();
		local_drain_all();
	} else {
		conn_abort_all("deliverd is stopping");
		local_abort_all();
	}
	if (deliver.n_open == 0 || drain_ms == 0) {
		daemon_exit();
		return;
	}
	ev_timer_in_ms(&deliver.drain, drain_ms);
}

const struct daemon_ops deliver_daemon = {
    .role = ROLE_DELIVER,
    .give_fd = give_fd,
    .peer = add_peer,
    .config = reload,
    .stop = stop,
};

void
deliver_prepare(void)
{
	slab_init(&deliver.conns, sizeof(struct conn));
	hmap_init(&deliver.by_number);
	memory_init(&deliver.memory, MEMORY_BYTES, MEMORY_RESULTS);
	ev_timer_init(&deliver.drain, on_drain);
	local_init();
	dkim_prepare(&deliver.dkim);
}

void
deliver_init(void)
{
	if (deliver.spool_fd == -1)
		fatal("event=no-spool text=\"master gave no spool directory\"");
	tls_init();
	dkim_config(&deliver.dkim);
	tls_use_files();
	local_config();
	deliver.reader = spool_reader_new(deliver.spool_fd);
}

void
deliver_finish(void)
{
	struct why why;

	if (deliver.queued != NULL && ipc_flush_blocking(deliver.queued, LAST_FLUSH_MS, &why) == -1)
		log_warn("event=last-words-lost reason=\"%s\"", why.text);
	tls_finish();
	memory_clear(&deliver.memory);
	dkim_clear(&deliver.dkim);
	local_clear();
	spool_reader_free(&deliver.reader);
}
