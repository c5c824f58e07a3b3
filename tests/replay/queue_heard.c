/*
 * What queued says to the daemons around it, as lines of the replay; accounting and reports are acknowledged.
 */
#include <stdarg.h>

#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "tests/replay/queue_replay.h"

/* ---- what queued says ---- */

void
replay_event(const char *fmt, ...)
{
	int64_t ms = mono_diff_ms(replay.start, ev_now());
	va_list ap;

	printf("! %lld.%03lld ", (long long)(ms / 1000), (long long)(ms % 1000));
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

static const char *
name_of(uint64_t id)
{
	for (size_t i = 0; i < replay.n_messages; i++)
		if (replay.messages[i].id == id)
			return replay.messages[i].name;
	return "?";
}

static void
said_resolve(const struct ipc_msg *m)
{
	const struct ipc_resolve *r = m->head;

	replay_event("resolve %.*s%s", STR_ARG(m->text[0]), r->kind == DNS_HOST ? " (host)" : "");
	for (size_t i = 0; i < MAX_ASKED; i++) {
		if (replay.asked[i].name == NULL) {
			replay.asked[i].name = xstrdup_str(m->text[0]);
			replay.asked[i].req = r->req;
			return;
		}
	}
	replay_die("too many questions");
}

static void
said_open(const struct ipc_msg *m)
{
	const struct ipc_conn_open *o = m->head;
	char from[300] = "";

	if (o->src.family != 0)
		snprintf(from, sizeof from, " from %u.%u.%u.%u %.*s", o->src.bytes[0],
		    o->src.bytes[1], o->src.bytes[2], o->src.bytes[3], STR_ARG(m->text[1]));
	replay_event("open conn=%u %u.%u.%u.%u:%u %.*s for %.*s/%.*s%s", o->conn, o->dst.bytes[0],
	    o->dst.bytes[1], o->dst.bytes[2], o->dst.bytes[3], o->dst.port, STR_ARG(m->text[0]),
	    STR_ARG(m->text[2]), STR_ARG(m->text[3]), from);
}

static void
said_close(const struct ipc_msg *m)
{
	const struct ipc_conn_close *c = m->head;

	static const char *const hows[CONN_CLOSE_MAX] = {
	    "?", "quit", "abort", "drain", "interrupt"};

	replay_event("%s conn=%u", hows[c->how % CONN_CLOSE_MAX], c->conn);
}

static void
said_txn(const struct ipc_msg *m)
{
	const struct ipc_txn *t = m->head;
	char list[256] = "";
	size_t len = 0;
	uint32_t index;

	for (size_t at = 0; at + sizeof index <= m->text[0].len && len < sizeof list - 12;
	     at += sizeof index) {
		memcpy(&index, m->text[0].p + at, sizeof index);
		len += (size_t)snprintf(
		    list + len, sizeof list - len, "%s%u", at == 0 ? "" : ",", index);
	}
	replay_event("txn conn=%u txn=%u %s rcpts=%s", t->conn, t->txn, name_of(t->place.id), list);
}

static void
said_record(const struct ipc_msg *m)
{
	static const char *const types[ACCT_TYPE_MAX] = {
	    "?", "d", "b", "t", "tq", "r", "rb", "rs", "f"};
	static const char *const finals[FINAL_MAX] = {
	    "", " delivered", " bounced", " expired", " deleted"};
	const struct ipc_record *r = m->head;
	struct ipc_record_ack ack = {.seq = r->seq};

	if (r->type == ACCT_QUEUE)
		replay_event("record tq \"%.*s\"", STR_ARG(m->text[0]));
	else
		replay_event("record %s %s rcpt=%u%s code=%u %u.%u.%u \"%.*s\"",
		    types[r->type % ACCT_TYPE_MAX], name_of(r->place.id), r->rcpt,
		    finals[r->final % FINAL_MAX], r->code, r->enh[0], r->enh[1], r->enh[2],
		    STR_ARG(m->text[0]));
	replay.last_seq = r->seq;
	if (!replay.no_acks)
		ipc_test_deliver(replay.chan[ROLE_ACCT], IPC_RECORD_ACK, &ack, NULL);
}

static void
said_report_rcpt(const struct ipc_msg *m)
{
	const struct ipc_report_rcpt *r = m->head;
	static const char *const kinds[] = {"?", "failed", "delayed", "delivered", "relayed"};

	replay_event(
	    "report %s rcpt=%u %s", name_of(r->id), r->rcpt, kinds[r->kind % countof(kinds)]);
}

static void
said_report(const struct ipc_msg *m)
{
	const struct ipc_report *r = m->head;
	struct ipc_report_done done = {.id = r->place.id, .ok = replay.reports == REPORTS_OK};

	if (replay.reports == REPORTS_OFF)
		return;
	ipc_test_deliver(replay.chan[ROLE_BOUNCE], IPC_REPORT_DONE, &done, NULL);
}

static void
said_notice(const struct ipc_msg *m)
{
	const struct ipc_notice *n = m->head;
	struct ipc_notice_done done = {.id = n->id, .ok = replay.reports == REPORTS_OK};
	struct str rest = m->text[2], line;

	replay_event("notice to %.*s: %.*s", STR_ARG(m->text[0]), STR_ARG(m->text[1]));
	while (rest.len > 0 && str_next(&rest, '\n', &line)) {
		if (str_has_prefix(line, STR("Because: ")) || str_has_prefix(line, STR("All SMTP")))
			replay_event("notice says %.*s", STR_ARG(line));
	}
	if (replay.reports != REPORTS_OFF)
		ipc_test_deliver(replay.chan[ROLE_BOUNCE], IPC_NOTICE_DONE, &done, NULL);
}

/* bounced's verdict, as `judge` said it; the category is told apart by the status */
static void
said_judge(const struct ipc_msg *m)
{
	const struct ipc_judge *q = m->head;
	struct ipc_judged v = replay.verdict;
	struct str texts[2] = {STR("of-a-test"), STR("actions")};

	if (replay.no_verdicts)
		return;
	v.seq = q->seq;
	v.line = 7;
	if (q->kind == JUDGE_ENDED || (v.action == JUDGED_BOUNCE && q->kind == JUDGE_QUEUE))
		v.action = JUDGED_NOTHING;
	ipc_test_deliver(replay.chan[ROLE_BOUNCE], IPC_JUDGED, &v, texts);
}

static void
said_heard(const struct ipc_msg *m)
{
	const struct ipc_record *r = m->head;
	struct ipc_record_ack ack = {.seq = r->seq};

	replay_event("record %s %s rcpt=%u nth=%u", r->type == ACCT_COMPLAINT ? "f" : "rb",
	    name_of(r->place.id), r->rcpt, r->nth);
	replay.last_seq = r->seq;
	if (!replay.no_acks)
		ipc_test_deliver(replay.chan[ROLE_ACCT], IPC_RECORD_ACK, &ack, NULL);
}

static void
said_process(const struct ipc_msg *m)
{
	replay.process = *(const struct ipc_process *)m->head;
	replay_event("process %s rcpt=%u", name_of(replay.process.place.id), replay.process.rcpt);
}

static void
said_copy(const struct ipc_msg *m)
{
	replay.copy = *(const struct ipc_copy *)m->head;
	replay_event("copy %s rcpt=%u to=\"%.*s\"%s", name_of(replay.copy.place.id),
	    replay.copy.rcpt, STR_ARG(m->text[0]), replay.copy.also ? " and whom it is for" : "");
}

static void
said_free(const struct ipc_msg *m)
{
	const struct ipc_segment *s = m->head;

	journal_segment_freed(replay.journal, s->segment, s->generation);
}

static void
said_renew(const struct ipc_msg *m)
{
	const struct ipc_peer *p = m->head;

	replay_event("renew %s", ipc_role_name(p->role));
}

static const struct {
	enum ipc_type type;
	void (*run)(const struct ipc_msg *m);
} sayings[] = {
    {IPC_RESOLVE, said_resolve},
    {IPC_CONN_OPEN, said_open},
    {IPC_CONN_CLOSE, said_close},
    {IPC_TXN, said_txn},
    {IPC_RECORD, said_record},
    {IPC_REPORT_RCPT, said_report_rcpt},
    {IPC_REPORT, said_report},
    {IPC_NOTICE, said_notice},
    {IPC_HEARD, said_heard},
    {IPC_PROCESS, said_process},
    {IPC_COPY, said_copy},
    {IPC_JUDGE, said_judge},
    {IPC_SEGMENT_FREE, said_free},
    {IPC_RENEW, said_renew},
    {IPC_CHECK, replay_said_check},
    {IPC_EXEC_RUN, replay_said_run},
};

bool
heard_one(struct ipc_chan *c)
{
	struct ipc_msg m;

	if (c == NULL || !ipc_test_take(c, &m))
		return false;
	for (size_t i = 0; i < countof(sayings); i++)
		if (sayings[i].type == m.type)
			sayings[i].run(&m);
	return true;
}
