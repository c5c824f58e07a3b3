#include "deliverd/local.h"

#include <errno.h>
#include <unistd.h>

#include "deliverd/local_int.h"
#include "deliverd/mail_edit.h"
#include "deliverd/orphan.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/stats/stats.h"

#define PIECE	    (64u * 1024u)
#define VALUES_MAX  (32u * 1024u)
#define AWAIT_MS    1000 /* execd is away, or another configuration is in force there */
#define MAX_AWAITED 20	 /* times; then the connection ends by our own doing */

/* the rows that make a kind of command of a type of delivery */
static const struct {
	enum command_kind kind;
	enum conf_key key;
} kinds[DELIVERY_TYPES] = {
    [DELIVERY_PIPE] = {COMMAND_PIPE, CONF_DOMAIN_COMMAND},
    [DELIVERY_FILE] = {COMMAND_FILE, CONF_DOMAIN_FILE_DESTINATION},
    [DELIVERY_HTTP] = {COMMAND_HTTP, CONF_DOMAIN_HTTP_DELIVERY_URL},
};

struct local {
	TAILQ_ENTRY(local) link;
	struct conn shell; /* what orphan.h and the reports want of a connection */
	enum delivery_type type;
	uint32_t window, n_txns;
	STAILQ_HEAD(, local_txn) txns; /* the first is under way when `mail` is there */
	struct mail *mail;
	uint32_t turn; /* recipient of the first transaction whose run it is */
	struct run *run;
	int fd; /* the command's standard input, -1 */
	struct ev_io io;
	struct ev_timer timer; /* of the run; or until execd is asked again */
	struct ev_defer go;
	struct local_body body;
	struct buf out, value_bytes;
	uint32_t n_awaited;
	const char *stuck; /* why it was killed, NULL: it was not */
	bool is_closing;   /* no more transactions */
	bool is_leaving;   /* none is begun any more */
	bool is_up, is_over;
};

static struct {
	TAILQ_HEAD(, local) all;
	struct runner runner;
	struct commands commands;
	bool is_made;
} locals;

static void
make_once(void)
{
	if (!locals.is_made)
		TAILQ_INIT(&locals.all);
	locals.is_made = true;
}

static struct local *
find(uint32_t number)
{
	struct local *l;

	make_once();
	TAILQ_FOREACH(l, &locals.all, link)
	{
		if (l->shell.number == number && !l->shell.is_orphan && !l->is_over)
			return l;
	}
	return NULL;
}

bool
local_has(uint32_t number)
{
	return find(number) != NULL;
}

static bool
is_heard(const struct local *l)
{
	return deliver.queued != NULL && !l->shell.is_orphan;
}

static const struct conf_set *
settings_of(const struct local *l)
{
	return conf_queue(daemon_conf(), str_of(l->shell.domain), str_of(l->shell.vmta));
}

/* ---- the end ---- */

static void
drop_txn(struct local *l)
{
	struct local_txn *t = STAILQ_FIRST(&l->txns);

	STAILQ_REMOVE_HEAD(&l->txns, link);
	l->n_txns--;
	free(t);
}

static void
close_input(struct local *l)
{
	if (l->fd == -1)
		return;
	ev_io_stop(&l->io);
	close(l->fd);
	l->fd = -1;
}

static void
reap(struct ev_defer *d)
{
	struct local *l = ph_container_of(d, struct local, go);

	TAILQ_REMOVE(&locals.all, l, link);
	free(l->shell.host);
	free(l->shell.domain);
	free(l->shell.vmta);
	buf_clear(&l->out);
	buf_clear(&l->value_bytes);
	free(l);
	stat_set(STAT_OUT_CONNS, --deliver.n_open);
	if (deliver.is_stopping && deliver.n_open == 0)
		daemon_exit();
}

/* what has no result is given back with this */
static void
down(struct local *l, enum conn_end how, const char *what)
{
	struct ipc_conn_down d = {
	    .conn = l->shell.number, .stage = STAGE_IDLE, .end = (uint8_t)how, .up = l->is_up};
	struct str text = str_of(what);

	if (l->is_over)
		return;
	l->is_over = true;
	run_cancel(&l->run);
	close_input(l);
	ev_timer_stop(&l->timer);
	mail_free(&l->mail);
	while (!STAILQ_EMPTY(&l->txns))
		drop_txn(l);
	if (is_heard(l))
		ipc_send(deliver.queued, IPC_CONN_DOWN, &d, &text, -1);
	ev_defer_cancel(&l->go);
	ev_defer_init(&l->go, reap);
	ev_defer_queue(&l->go);
}

/* ---- results ---- */

static void
tell(struct local *l, uint32_t rcpt, const struct local_verdict *v)
{
	const struct local_txn *t = STAILQ_FIRST(&l->txns);
	struct session_result r = {
	    .outcome = v->outcome, .id = t->head.place.id, .rcpt = rcpt, .text = str_of(v->text)};
	struct ipc_result res = {.id = r.id,
	    .bytes = v->outcome == OUT_DELIVERED ? l->body.bytes : 0,
	    .conn = l->shell.number,
	    .txn = t->head.txn,
	    .rcpt = rcpt,
	    .enh = {v->enh[0], v->enh[1], v->enh[2]},
	    .outcome = (uint8_t)v->outcome,
	    .stage = STAGE_BODY};

	if (v->outcome == OUT_DELIVERED) {
		stat_inc(STAT_OUT_RCPTS);
		stat_add(STAT_OUT_BYTES, res.bytes);
	}
	orphan_result(&l->shell, &r, &res);
	if (is_heard(l))
		ipc_send(deliver.queued, IPC_RESULT, &res, &r.text, -1);
}

static void
end_txn(struct local *l)
{
	struct ipc_txn_done done = {
	    .conn = l->shell.number, .txn = STAILQ_FIRST(&l->txns)->head.txn};

	mail_free(&l->mail);
	drop_txn(l);
	stat_inc(STAT_OUT_MSGS);
	if (is_heard(l))
		ipc_send(deliver.queued, IPC_TXN_DONE, &done, NULL, -1);
}

/* ---- a run ---- */

static void
on_writable(struct ev_io *io, int what)
{
	struct local *l = ph_container_of(io, struct local, io);
	struct str s;
	ssize_t n;

	if (buf_len(&l->out) == 0 && !l->body.is_over &&
	    !local_body_next(&l->body, PIECE, &l->out)) {
		/* its end of file never comes: it must not take a part for the whole */
		l->stuck = "the message cannot be read";
		close_input(l);
		run_kill(l->run);
		return;
	}
	s = buf_str(&l->out);
	n = s.len == 0 ? 0 : write(l->fd, s.p, s.len);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		buf_consume(&l->out, (size_t)n);
		ev_timer_in_ms(&l->timer, conf_ms(settings_of(l), CONF_DOMAIN_DATA_SEND_TIMEOUT));
	}
	if (n > 0 && (buf_len(&l->out) > 0 || !l->body.is_over))
		return;
	/* all of it; or the command reads no more, and its end says why */
	close_input(l);
	run_input_ends(l->run);
	ev_timer_in_ms(
	    &l->timer, conf_ms(settings_of(l), CONF_DOMAIN_SMTP_DATA_TERMINATION_TIMEOUT));
}

static void
on_started(void *ctx, int fd)
{
	struct local *l = ctx;

	l->fd = fd;
	l->n_awaited = 0;
	buf_reset(&l->out);
	local_body_begin(&l->body, l->mail, l->type == DELIVERY_HTTP);
	ev_io_init(&l->io, fd, on_writable);
	ev_io_want(&l->io, EV_OUT);
	ev_timer_in_ms(&l->timer, conf_ms(settings_of(l), CONF_DOMAIN_DATA_SEND_TIMEOUT));
}

static void
await_execd(struct local *l)
{
	if (++l->n_awaited > MAX_AWAITED)
		down(l, END_LOCAL, "commands cannot be run now");
	else
		ev_timer_in_ms(&l->timer, AWAIT_MS);
}

static void
on_done(void *ctx, const struct run_end *end)
{
	struct local *l = ctx;
	const struct local_txn *t = STAILQ_FIRST(&l->txns);
	struct local_verdict v;

	l->run = NULL;
	close_input(l);
	ev_timer_stop(&l->timer);
	if (end->how == EXEC_REFUSED) {
		await_execd(l);
		return;
	}
	local_judge(end, l->type, &v);
	if (l->stuck != NULL && v.outcome == OUT_DEFERRED)
		snprintf(v.text, sizeof v.text, "%s", l->stuck);
	l->stuck = NULL;
	tell(l, t->idx[l->turn++], &v);
	ev_defer_queue(&l->go);
}

/* its file's format; nothing else has one */
static uint32_t
option_of(const struct local *l, const struct conf_set *set)
{
	return l->type == DELIVERY_FILE ? (uint32_t)conf_enum(set, CONF_DOMAIN_FILE_FORMAT) : 0;
}

static void
run_next(struct local *l)
{
	const struct conf_set *set = settings_of(l);
	struct str values[COMMAND_VALUES];
	struct run_order o = {
	    .hash = locals.commands.hash, .option = option_of(l, set), .values = values};

	if (!commands_find_of(
		&locals.commands, kinds[l->type].kind, set, kinds[l->type].key, &o.number)) {
		down(l, END_LOCAL, "the configuration names no command, path or URL for it");
		return;
	}
	local_values(l->mail, l->turn, STAILQ_FIRST(&l->txns),
	    conf_bool(set, CONF_DOMAIN_MACRO_VARIABLES_PRESERVE_CASE), &l->value_bytes, values);
	l->run = run_start(&locals.runner, &o, on_started, on_done, l);
	if (l->run == NULL)
		await_execd(l);
}

/* ---- transactions ---- */

static void
on_sealed(void *ctx)
{
	struct local *l = ctx;

	ev_defer_queue(&l->go);
}

/* read, edited, and signed or on its way to it */
static struct mail *
load(struct local *l, const struct local_txn *t, struct why *why)
{
	struct mail *m = mail_load(deliver.reader, &t->head.place, t->idx, t->n, why);
	struct mail_edit how = {.conf = daemon_conf(),
	    .queue = settings_of(l),
	    .vmta = str_of(l->shell.vmta),
	    .id = t->head.place.id,
	    .now = ev_wall()};
	struct dkim_ask ask = {.domain = str_of(l->shell.domain),
	    .vmta = str_of(l->shell.vmta),
	    .done = on_sealed,
	    .ctx = l};

	if (m != NULL)
		m->generation = daemon_generation();
	if (m != NULL && mail_edit(m, &how, why) == -1)
		mail_free(&m);
	if (m != NULL)
		dkim_seal(&deliver.dkim, m, t->head.place.id, &ask);
	return m;
}

/* The message is there: its next recipient's run, unless it waits for its signature. */
static void
go_on(struct local *l)
{
	char why_not[sizeof l->mail->why_not];

	if (l->mail->seal == MAIL_SEALED) {
		run_next(l);
	} else if (l->mail->seal == MAIL_FAILED) {
		(void)str_copy(why_not, sizeof why_not, str_of(l->mail->why_not));
		down(l, END_LOCAL, why_not);
	}
}

static void
cannot_read(struct local *l, struct local_txn *t, const struct why *why)
{
	struct local_verdict v = {.outcome = OUT_DEFERRED, .enh = {4, 3, 0}};

	log_error("id=%016llx event=cannot-read reason=%s", (unsigned long long)t->head.place.id,
	    log_quote(str_of(why->text)));
	snprintf(v.text, sizeof v.text, "the message cannot be read");
	for (uint32_t i = 0; i < t->n; i++)
		tell(l, t->idx[i], &v);
	end_txn(l);
}

/* what comes next, one thing a turn of the loop */
static void
go(struct ev_defer *d)
{
	struct local *l = ph_container_of(d, struct local, go);
	struct local_txn *t = STAILQ_FIRST(&l->txns);
	struct why why;

	if (l->run != NULL || ev_timer_is_armed(&l->timer))
		return;
	if (l->mail != NULL && l->turn == t->n) {
		end_txn(l);
		t = STAILQ_FIRST(&l->txns);
	}
	/* an orphan ends with the recipient under way */
	if (l->mail != NULL && !l->shell.is_orphan) {
		go_on(l);
		return;
	}
	if (l->is_leaving || l->shell.is_orphan || (t == NULL && l->is_closing)) {
		down(l, END_CLOSED, "closed");
		return;
	}
	if (t == NULL)
		return;
	l->turn = 0;
	l->mail = load(l, t, &why);
	if (l->mail == NULL)
		cannot_read(l, t, &why);
	ev_defer_queue(&l->go);
}

static void
on_timer(struct ev_timer *timer)
{
	struct local *l = ph_container_of(timer, struct local, timer);

	if (l->run == NULL) {
		ev_defer_queue(&l->go); /* execd is asked again */
		return;
	}
	l->stuck = l->fd != -1 ? "the command takes nothing any more" : "the command does not end";
	run_kill(l->run);
}

/* ---- queued's orders ---- */

static void
tell_up(struct local *l)
{
	struct ipc_conn_up up = {.conn = l->shell.number};
	struct str texts[2] = {STR(""), STR("")};

	l->is_up = true;
	ipc_send(deliver.queued, IPC_CONN_UP, &up, texts, -1);
}

int
local_open(const struct ipc_conn_open *o, const struct str text[5], struct why *why)
{
	struct local *l;

	if (o->type >= DELIVERY_TYPES || kinds[o->type].key == CONF_NONE || o->window == 0 ||
	    find(o->conn) != NULL)
		return why_set(
		    why, "connection %u of type %u, window %u", o->conn, o->type, o->window);
	make_once();
	l = xcalloc(1, sizeof *l);
	l->shell = (struct conn){.number = o->conn,
	    .host = xstrdup(""),
	    .domain = xstrdup_str(text[2]),
	    .vmta = xstrdup_str(text[3])};
	l->type = (enum delivery_type)o->type;
	l->window = o->window;
	l->fd = -1;
	STAILQ_INIT(&l->txns);
	buf_init(&l->out, 4 * PIECE + MAIL_MAX_HEAD);
	buf_init(&l->value_bytes, VALUES_MAX);
	ev_timer_init(&l->timer, on_timer);
	ev_defer_init(&l->go, go);
	TAILQ_INSERT_TAIL(&locals.all, l, link);
	stat_inc(STAT_OUT_CONNS_TOTAL);
	stat_set(STAT_OUT_CONNS, ++deliver.n_open);
	if (deliver.is_stopping)
		down(l, END_LOCAL, "deliverd is stopping");
	else
		tell_up(l);
	return 0;
}

int
local_txn(const struct ipc_txn *t, const uint32_t *idx, uint32_t n, struct why *why)
{
	struct local *l = find(t->conn);
	struct local_txn *new;

	if (l->n_txns >= l->window)
		return why_set(why, "connection %u is given more than its window", t->conn);
	new = xmalloc(sizeof *new + n * sizeof *idx);
	new->head = *t;
	new->n = n;
	memcpy(new->idx, idx, n * sizeof *idx);
	STAILQ_INSERT_TAIL(&l->txns, new, link);
	l->n_txns++;
	ev_defer_queue(&l->go);
	return 0;
}

void
local_close(const struct ipc_conn_close *o)
{
	struct local *l = find(o->conn);

	if (o->how == CONN_ABORT) {
		down(l, END_CLOSED, "closed by order");
		return;
	}
	l->is_closing = true;
	l->is_leaving = o->how != CONN_QUIT;
	ev_defer_queue(&l->go);
}

/* ---- all of them ---- */

void
local_abort_all(void)
{
	struct local *l;

	make_once();
	TAILQ_FOREACH(l, &locals.all, link)
	down(l, END_LOCAL, "deliverd is stopping");
}

void
local_drain_all(void)
{
	struct local *l;

	make_once();
	TAILQ_FOREACH(l, &locals.all, link)
	{
		l->is_closing = l->is_leaving = true;
		ev_defer_queue(&l->go);
	}
}

void
local_orphan_all(void)
{
	struct local *l;

	make_once();
	TAILQ_FOREACH(l, &locals.all, link)
	{
		l->shell.is_orphan = true;
		if (!l->is_over)
			ev_defer_queue(&l->go);
	}
}

void
local_tell_pending(void)
{
	struct local *l;

	make_once();
	TAILQ_FOREACH(l, &locals.all, link)
	{
		const struct local_txn *t = STAILQ_FIRST(&l->txns);
		struct ipc_orphan o;
		struct str vmta = str_of(l->shell.vmta);
		if (l->is_over || l->run == NULL)
			continue;
		o = (struct ipc_orphan){.id = t->head.place.id, .rcpt = t->idx[l->turn]};
		ipc_send(deliver.queued, IPC_ORPHAN_PENDING, &o, &vmta, -1);
	}
}

static void
on_runner(struct runner *r)
{
	struct local *l;

	if (!runner_is_up(r))
		return;
	TAILQ_FOREACH(l, &locals.all, link)
	{
		if (l->is_over || l->run != NULL || l->mail == NULL)
			continue;
		ev_timer_stop(&l->timer);
		ev_defer_queue(&l->go);
	}
}

void
local_init(void)
{
	make_once();
	runner_init(&locals.runner, on_runner);
}

void
local_config(void)
{
	commands_clear(&locals.commands);
	commands_make(&locals.commands, daemon_conf());
}

void
local_peer(int fd)
{
	runner_peer(&locals.runner, ROLE_DELIVER, fd);
}

void
local_clear(void)
{
	runner_clear(&locals.runner);
	commands_clear(&locals.commands);
}
