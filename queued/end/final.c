#include "queued/end/final.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/alert/rate.h"
#include "queued/spool/copy.h"
#include "queued/control/events.h"
#include "queued/end/first.h"
#include "queued/control/happen.h"
#include "queued/end/judge.h"
#include "queued/names.h"
#include "queued/end/report.h"
#include "queued/state.h"
#include "queued/vmta.h"

#define N_TEXTS	      FINAL_TEXTS
#define TEXT_MAX      1200
#define SYNC_AGAIN_MS 1000

struct record_texts {
	struct str t[N_TEXTS];
};

static struct {
	struct final_list unacked; /* by seq */
	struct final_list ended;   /* appended to the done log, not flushed */
	struct final_list syncing;
	uint64_t seq;
	bool made, is_syncing;
	struct ev_timer again;
} fin;

static void sync_done(void);

static void
on_again(struct ev_timer *t)
{
	sync_done();
}

static void
make_once(void)
{
	if (fin.made)
		return;
	TAILQ_INIT(&fin.unacked);
	TAILQ_INIT(&fin.ended);
	TAILQ_INIT(&fin.syncing);
	ev_timer_init(&fin.again, on_again);
	fin.made = true;
}

/* ---- the record ---- */

static void
send_record(const struct final *f)
{
	struct str texts[N_TEXTS];
	size_t at = 0;

	if (qd.acct.chan == NULL)
		return;
	for (size_t i = 0; i < N_TEXTS; i++) {
		texts[i] = str_from(f->texts + at, f->text_len[i]);
		at += f->text_len[i];
	}
	ipc_send(qd.acct.chan, f->record.type >= ACCT_REMOTE_BOUNCE ? IPC_HEARD : IPC_RECORD,
	    &f->record, texts, -1);
}

static struct final *
new_final(const struct record_texts *texts)
{
	size_t len = FINAL_CATEGORY_MAX, at = 0;
	struct final *f;

	for (size_t i = 0; i < N_TEXTS; i++)
		len += PH_MIN(texts->t[i].len, (size_t)TEXT_MAX);
	f = xcalloc(1, sizeof *f + len);
	f->room = (uint16_t)len;
	for (size_t i = 0; i < N_TEXTS; i++) {
		f->text_len[i] = (uint16_t)PH_MIN(texts->t[i].len, (size_t)TEXT_MAX);
		if (f->text_len[i] > 0)
			memcpy(f->texts + at, texts->t[i].p, f->text_len[i]);
		at += f->text_len[i];
	}
	return f;
}

struct str
final_text(const struct final *f, enum final_which which)
{
	size_t at = 0;

	for (unsigned i = 0; i < which; i++)
		at += f->text_len[i];
	return str_from(f->texts + at, f->text_len[which]);
}

void
final_set_category(struct final *f, struct str category)
{
	struct str last = final_text(f, FINAL_CATEGORY);
	size_t at = (size_t)(last.p - f->texts);

	category = str_sub(category, 0, PH_MIN((size_t)FINAL_CATEGORY_MAX, f->room - at));
	if (category.len > 0)
		memcpy(f->texts + at, category.p, category.len);
	f->text_len[FINAL_CATEGORY] = (uint16_t)category.len;
}

struct final *
final_copy(const struct final *f)
{
	struct final *g = xmalloc(sizeof *g + f->room);

	memcpy(g, f, sizeof *g + f->room);
	return g;
}

static struct record_texts
texts_of(const struct queue *q, uint32_t pool, const struct final_facts *facts)
{
	const struct conn *c = facts->conn;
	struct record_texts t = {.t = {facts->reply, STR(""), queue_vmta_name(q), name_text(pool),
				     str_of(q->name), STR(""), STR(""), STR("")}};

	if (c == NULL)
		return t;
	t.t[1] = str_of(c->host);
	t.t[5] = str_of(c->tls_protocol);
	t.t[6] = str_of(c->tls_cipher);
	return t;
}

static void
fill(struct ipc_record *r, const struct final_facts *facts)
{
	r->logged_ns = ev_wall().ns;
	r->bytes = facts->bytes;
	r->code = facts->code;
	memcpy(r->enh, facts->enh, sizeof r->enh);
	r->local = facts->local;
	r->dsn_relayed = facts->dsn_relayed;
	r->quiet = facts->quiet;
	if (facts->conn == NULL)
		return;
	net_to_ipc(&facts->conn->src, &r->src);
	net_to_ipc(&facts->conn->dst, &r->dst);
	r->extensions = facts->conn->extensions;
}

/* not on its way yet */
static struct final *
make(struct queue *q, uint32_t rcpt, enum acct_type type, const struct final_facts *facts)
{
	struct message *m = rcpt == 0 ? NULL : message_at(rcpt_at(rcpt)->message);
	struct record_texts texts = texts_of(q, m == NULL ? 0 : m->pool, facts);
	struct final *f;

	make_once();
	f = new_final(&texts);
	fill(&f->record, facts);
	f->record.type = (uint8_t)type;
	f->record.delivery = q->policy->delivery;
	f->queue = q->handle;
	f->of_rcpt = facts->of_rcpt;
	if (q->policy->no_acct & 1u << type)
		f->record.quiet = 1;
	if (m != NULL) {
		f->message = rcpt_at(rcpt)->message;
		f->record.place = message_place(m);
		f->record.rcpt = rcpt_at(rcpt)->index;
		f->record.first_attempt_ns = first_when(rcpt).ns;
	}
	return f;
}

/* records are acknowledged in the order of their numbers, so each has its own when it goes */
void
final_post(struct final *f)
{
	f->record.seq = ++fin.seq;
	limit_take(&qd.accounting);
	TAILQ_INSERT_TAIL(&fin.unacked, f, link);
	send_record(f);
}

static bool
is_wanted(enum acct_type type)
{
	return (qd.acct_wants & 1u << type) != 0;
}

/* ---- beginning ---- */

static bool
is_report_due(const struct queue *q, const struct rcpt *r, enum final_kind kind,
    const struct final_facts *facts)
{
	const struct message *m = message_at(r->message);

	if (facts->no_report || q->policy->no_dsn ||
	    (m->flags & (MSG_NULL_SENDER | MSG_REPORT | MSG_NO_DSN)) != 0 ||
	    (r->notify & NOTIFY_NEVER) != 0)
		return false;
	if (kind == FINAL_DELIVERED)
		/* a next hop that knows DSN reports itself; what ends here, nobody else does */
		return (r->notify & NOTIFY_SUCCESS) != 0 && (facts->dsn_relayed || facts->local);
	return r->notify == NOTIFY_DEFAULT || (r->notify & NOTIFY_FAILURE) != 0;
}

/* bcc-upon-delivery; not of our own reports, and not of a copy */
static bool
is_copy_due(const struct queue *q, const struct rcpt *r, enum final_kind kind,
    const struct final_facts *facts)
{
	return kind == FINAL_DELIVERED && !facts->quiet &&
	       (message_at(r->message)->flags & MSG_REPORT) == 0 &&
	       conf_str(q->policy->set, CONF_DOMAIN_BCC_UPON_DELIVERY).len > 0;
}

static void
to_ending(struct queue *q, struct rcpt *r, uint32_t rcpt)
{
	if (r->state == RCPT_FLIGHT)
		q->n_flight--;
	else {
		queue_take(q, rcpt);
		message_at(r->message)->n_busy++;
	}
	r->state = RCPT_ENDING;
	q->n_ending++;
}

/* what senders may read of a 421; patterns and events have seen the original */
static struct str
shown(const struct queue *q, struct str reply)
{
	if (!q->policy->hides_421 || !str_has_prefix(reply, STR("421")))
		return reply;
	return STR("421 service unavailable");
}

/* what becomes of our own reports and notices says nothing about those whom we send mail for */
static uint8_t
kind_of_end(enum final_kind kind, const struct rcpt *r, const struct final_facts *facts)
{
	if (facts->is_ours || kind == FINAL_EXPIRED ||
	    (message_at(r->message)->flags & MSG_REPORT) != 0)
		return JUDGE_ENDED;
	return JUDGE_PERMANENT;
}

static void
count_failure(struct queue *q, const struct final *f)
{
	struct str category = final_text(f, FINAL_CATEGORY);

	q->n_bounced++;
	stat_inc(f->record.final == FINAL_EXPIRED ? STAT_Q_EXPIRED : STAT_Q_BOUNCED);
	stat_label_add(FAMILY_BOUNCES, category, 1);
	alert_rate_bounced(q, message_at(rcpt_at(f->rcpt)->message)->job, category);
}

static const enum tail_kind kinds[FINAL_MAX] = {
    [FINAL_DELIVERED] = TAIL_DELIVERED,
    [FINAL_BOUNCED] = TAIL_BOUNCED,
    [FINAL_EXPIRED] = TAIL_EXPIRED,
    [FINAL_DELETED] = TAIL_DELETED,
};

void
final_so_it_ends(const struct final *f)
{
	enum final_kind kind = (enum final_kind)f->record.final;
	struct queue *q = queue_at(f->queue);

	if (kind == FINAL_BOUNCED || kind == FINAL_EXPIRED)
		count_failure(q, f);
	happen_recorded(kinds[kind], q, f->rcpt, f);
}

void
final_begin(struct queue *q, uint32_t rcpt, enum final_kind kind, const struct final_facts *given)
{
	struct final_facts facts_shown = *given;
	const struct final_facts *facts = &facts_shown;
	struct rcpt *r = rcpt_at(rcpt);
	struct final *f;

	if (kind == FINAL_DELIVERED)
		alert_rate_delivered(q, message_at(r->message)->job);
	facts_shown.reply = shown(q, given->reply);
	to_ending(q, r, rcpt);
	f = make(q, rcpt, kind == FINAL_DELIVERED ? ACCT_DELIVERED : ACCT_BOUNCED, facts);
	f->record.final = (uint8_t)kind;
	f->rcpt = rcpt;
	f->report_due = is_report_due(q, r, kind, facts);
	f->copy_due = is_copy_due(q, r, kind, facts);
	f->judge = kind_of_end(kind, r, facts);
	if (kind == FINAL_BOUNCED || kind == FINAL_EXPIRED) {
		judge_ask(f);
		return;
	}
	if (kind == FINAL_DELETED)
		final_set_category(f, STR("other"));
	final_so_it_ends(f);
	final_post(f);
}

void
final_end_by(struct final *f, struct queue *q, uint32_t rcpt)
{
	struct rcpt *r = rcpt_at(rcpt);
	struct final_facts none = {.local = true};

	to_ending(q, r, rcpt);
	f->record.type = ACCT_BOUNCED;
	f->record.final = FINAL_BOUNCED;
	f->record.quiet = (q->policy->no_acct & 1u << ACCT_BOUNCED) != 0;
	f->rcpt = rcpt;
	f->queue = q->handle;
	f->report_due = is_report_due(q, r, FINAL_BOUNCED, &none);
	final_so_it_ends(f);
	final_post(f);
}

void
final_expired(struct queue *q, uint32_t rcpt, const struct final_facts *last)
{
	static const uint8_t expired[3] = {5, 4, 7};
	const struct event *e = events_last(q, 0);
	char text[400];
	int n;
	struct final_facts f = {.local = true};

	struct str error = e == NULL ? STR("") : shown(q, str_of(e->text));

	n = snprintf(text, sizeof text, "%s%s%.*s",
	    message_at(rcpt_at(rcpt)->message)->windows == 0 ? "delivery time expired"
							     : "no delivery window remains",
	    e == NULL ? "" : "; last error: ", STR_ARG(error));
	f.reply = str_from(text, PH_MIN((size_t)n, sizeof text - 1));
	if (last != NULL)
		f = *last;
	memcpy(f.enh, expired, sizeof f.enh);
	final_begin(q, rcpt, FINAL_EXPIRED, &f);
}

/* acctd will read the envelope where it is now: the message must not move or go before */
static struct final *
pin(struct final *f)
{
	message_at(f->message)->n_busy++;
	return f;
}

/* the outcome of an attempt after which the recipient waits: judged, and recorded where that is wanted */
void
final_transient(struct queue *q, uint32_t rcpt, const struct final_facts *facts)
{
	struct final *f = pin(make(q, rcpt, ACCT_TRANSIENT, facts));

	f->about = rcpt;
	f->tries = rcpt_at(rcpt)->tries;
	f->is_wanted = is_wanted(ACCT_TRANSIENT);
	f->judge = facts->is_ours ? JUDGE_ENDED : JUDGE_TRANSIENT;
	judge_ask(f);
}

void
final_post_transient(struct final *f)
{
	if (f->is_wanted) {
		final_post(f);
		return;
	}
	message_release(f->message);
	free(f);
}

void
final_make_transient(struct final *f)
{
	f->record.type = ACCT_TRANSIENT;
	f->record.final = FINAL_NONE;
	f->is_wanted = is_wanted(ACCT_TRANSIENT);
	f->report_due = false;
	f->rcpt = 0;
	final_post_transient(pin(f));
}

void
final_queue_transient(struct queue *q, const struct final_facts *facts)
{
	if (is_wanted(ACCT_QUEUE))
		final_post(make(q, 0, ACCT_QUEUE, facts));
}

void
final_queue_failed(struct queue *q, const struct final_facts *facts)
{
	struct final *f = make(q, 0, ACCT_QUEUE, facts);

	final_queue_transient(q, facts);
	f->judge = JUDGE_QUEUE;
	judge_ask(f);
}

void
final_received(struct queue *q, uint32_t rcpt)
{
	struct final_facts f = {.reply = STR("")};

	if (is_wanted(ACCT_RECEIVED))
		final_post(pin(make(q, rcpt, ACCT_RECEIVED, &f)));
}

uint32_t
final_heard(struct queue *q, uint32_t rcpt, const struct ipc_processed_rcpt *head, struct str pairs,
    void (*acked)(void *ctx), void *ctx)
{
	struct final *f;

	if (!is_wanted((enum acct_type)head->type))
		return 0;
	make_once();
	f = xcalloc(1, sizeof *f + pairs.len);
	f->record.seq = ++fin.seq;
	f->record.logged_ns = ev_wall().ns;
	f->record.type = head->type;
	f->record.nth = head->nth;
	f->record.place = message_place(message_at(rcpt_at(rcpt)->message));
	f->record.rcpt = rcpt_at(rcpt)->index;
	f->message = rcpt_at(rcpt)->message;
	f->acked = acked;
	f->ctx = ctx;
	f->text_len[0] = (uint16_t)pairs.len;
	memcpy(f->texts, pairs.p, pairs.len);
	limit_take(&qd.accounting);
	TAILQ_INSERT_TAIL(&fin.unacked, f, link);
	send_record(pin(f));
	return 1;
}

/* ---- ending ---- */

static void
forget(struct final *f)
{
	struct queue *q = queue_at(f->queue);

	q->n_ending--;
	q->bytes -= message_at(rcpt_at(f->rcpt)->message)->len;
	rcpt_forget(f->rcpt);
	free(f);
	/* with nothing under way any more it is empty, or waits for something else */
	if (q->n_flight + q->n_ending == 0)
		queue_kick(q);
}

/* the lines are still the store's, which writes them with its next flush */
static void
sync_failed(const struct why *why)
{
	log_error("event=done-log-failed text=\"%s\"", why->text);
	TAILQ_CONCAT(&fin.syncing, &fin.ended, link);
	TAILQ_CONCAT(&fin.ended, &fin.syncing, link);
	ev_timer_in_ms(&fin.again, SYNC_AGAIN_MS);
}

static void
synced(void *ctx, const struct why *why)
{
	struct final *f;

	fin.is_syncing = false;
	if (why != NULL) {
		sync_failed(why);
		return;
	}
	while ((f = TAILQ_FIRST(&fin.syncing)) != NULL) {
		TAILQ_REMOVE(&fin.syncing, f, link);
		limit_give(&qd.accounting);
		forget(f);
	}
	sync_done();
}

static void
sync_done(void)
{
	if (fin.is_syncing || TAILQ_EMPTY(&fin.ended) || ev_timer_is_armed(&fin.again))
		return;
	fin.is_syncing = true;
	TAILQ_CONCAT(&fin.syncing, &fin.ended, link);
	spool_store_sync(qd.store, synced, NULL);
}

void
final_end(struct final *f)
{
	enum final_kind kind = (enum final_kind)f->record.final;

	spool_done_append(qd.store, &f->record.place, f->record.rcpt,
	    f->record.quiet ? FINAL_QUIETLY(kind) : kind, ev_wall());
	TAILQ_INSERT_TAIL(&fin.ended, f, link);
}

void
final_end_flush(void)
{
	sync_done();
}

/* its record is on disk, and the copy where one is due */
static void
go_on(struct final *f)
{
	if (f->report_due)
		report_add(f);
	else
		final_end(f);
}

static void
on_copied(void *ctx)
{
	go_on(ctx);
	report_send_new();
	sync_done();
}

static void
order_copy(struct final *f)
{
	struct queue *q = queue_at(f->queue);
	struct copy_what what = {.place = f->record.place,
	    .rcpt = f->record.rcpt,
	    .rcpts = conf_str(q->policy->set, CONF_DOMAIN_BCC_UPON_DELIVERY),
	    .vmta = queue_vmta_name(q)};

	copy_order(&what, on_copied, f);
}

void
final_acknowledged(uint64_t seq)
{
	struct final *f;

	make_once();
	while ((f = TAILQ_FIRST(&fin.unacked)) != NULL && f->record.seq <= seq) {
		TAILQ_REMOVE(&fin.unacked, f, link);
		if (f->rcpt == 0) {
			limit_give(&qd.accounting);
			if (f->message != 0)
				message_release(f->message);
			if (f->acked != NULL)
				f->acked(f->ctx);
			free(f);
		} else if (f->copy_due)
			order_copy(f);
		else
			go_on(f);
	}
	report_send_new();
	sync_done();
}

void
final_resend_records(void)
{
	struct final *f;

	make_once();
	TAILQ_FOREACH(f, &fin.unacked, link)
	send_record(f);
}

bool
final_is_idle(void)
{
	make_once();
	return TAILQ_EMPTY(&fin.unacked) && TAILQ_EMPTY(&fin.ended) && TAILQ_EMPTY(&fin.syncing) &&
	       report_is_idle() && judge_is_idle();
}
