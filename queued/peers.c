#include "queued/peers.h"

#include <unistd.h>

#include "lib/base/log.h"
#include "lib/conf/conf.h"
#include "lib/daemon/daemon.h"
#include "queued/exec.h"
#include "queued/spool/arrive.h"
#include "queued/way/blocklist.h"
#include "queued/conn.h"
#include "queued/control/control.h"
#include "queued/end/errand.h"
#include "queued/end/final.h"
#include "queued/end/judge.h"
#include "queued/end/notice.h"
#include "queued/spool/orphan.h"
#include "queued/end/process.h"
#include "queued/spool/recover.h"
#include "queued/way/route.h"
#include "queued/way/spf_out.h"
#include "queued/way/sts.h"
#include "queued/spool/segment.h"
#include "queued/state.h"
#include "queued/end/suppress.h"
#include "queued/control/trace.h"

#define BOUNCE_WRITER 15

static struct peer *
peer_of(enum ipc_role role, uint32_t instance)
{
	switch (role) {
	case ROLE_INJECT:
		return instance < BOUNCE_WRITER ? &qd.injectors[instance] : NULL;
	case ROLE_DELIVER:
		return instance < MAX_PEERS ? &qd.deliverers[instance] : NULL;
	case ROLE_DNS:
		return &qd.dns;
	case ROLE_ACCT:
		return &qd.acct;
	case ROLE_BOUNCE:
		return &qd.bounce;
	case ROLE_FBL:
		return &qd.fbl;
	default:
		return NULL;
	}
}

static struct peer *
peer_of_chan(const struct ipc_chan *c)
{
	return peer_of(ipc_peer(c), ipc_peer_instance(c));
}

static uint16_t
writer_of(const struct ipc_chan *c)
{
	return ipc_peer(c) == ROLE_BOUNCE ? BOUNCE_WRITER : (uint16_t)ipc_peer_instance(c);
}

static void on_down(struct ipc_chan *c, const struct why *why);

/* what it said cannot be true: that peer dies */
static void
on_breach(struct ipc_chan *c, const struct why *why)
{
	struct why text;

	(void)why_set(&text, "It broke the protocol: %.400s", why->text);
	on_down(c, &text);
}

/* ---- what the messages mean ---- */

static void
on_segment_open(struct ipc_chan *c, struct ipc_msg *m)
{
	struct ipc_segment s = *(const struct ipc_segment *)m->head;

	s.writer = writer_of(c); /* who sent it is known from the channel */
	segment_opened(&s);
}

static void
on_segment_sealed(struct ipc_chan *c, struct ipc_msg *m)
{
	struct ipc_segment s = *(const struct ipc_segment *)m->head;

	s.writer = writer_of(c);
	segment_sealed(&s);
}

static void
on_accepted(struct ipc_chan *c, struct ipc_msg *m)
{
	struct spool_place p = *(const struct spool_place *)m->head;
	struct why why;

	p.writer = writer_of(c);
	if (!arrive_accepted(&p, &why))
		on_breach(c, &why);
}

static void
on_dns_addr(struct ipc_chan *c, struct ipc_msg *m)
{
	if (sts_is_mine(((const struct ipc_dns_addr *)m->head)->req))
		sts_dns_addr(m);
	else
		route_dns_addr(m);
}

static void
on_dns_done(struct ipc_chan *c, struct ipc_msg *m)
{
	if (sts_is_mine(((const struct ipc_dns_done *)m->head)->req))
		sts_dns_done(m);
	else
		route_dns_done(m);
}

static void
on_checked(struct ipc_chan *c, struct ipc_msg *m)
{
	if (sts_is_mine(((const struct ipc_checked *)m->head)->req))
		sts_checked(m);
	else
		spf_out_checked(m);
}

static void
on_dnsbl(struct ipc_chan *c, struct ipc_msg *m)
{
	blocklist_told(m->head, m->text[0]);
}

static void
on_conn_up(struct ipc_chan *c, struct ipc_msg *m)
{
	conn_came_up(peer_of_chan(c), m);
}

static void
on_conn_down(struct ipc_chan *c, struct ipc_msg *m)
{
	conn_went_down(peer_of_chan(c), m);
}

static void
on_result(struct ipc_chan *c, struct ipc_msg *m)
{
	conn_result(peer_of_chan(c), m);
}

static void
on_conn_talk(struct ipc_chan *c, struct ipc_msg *m)
{
	trace_line(((const struct ipc_conn_talk *)m->head)->conn, m->text[0]);
}

static void
on_txn_done(struct ipc_chan *c, struct ipc_msg *m)
{
	conn_txn_done(peer_of_chan(c), m);
}

static void
on_orphan_result(struct ipc_chan *c, struct ipc_msg *m)
{
	struct why why;

	if (!orphan_result(ipc_peer_instance(c), m, &why))
		on_breach(c, &why);
}

static void
on_orphan_pending(struct ipc_chan *c, struct ipc_msg *m)
{
	struct why why;

	if (!orphan_pending(ipc_peer_instance(c), m, &why))
		on_breach(c, &why);
}

static void
on_orphan_untried(struct ipc_chan *c, struct ipc_msg *m)
{
	orphan_untried(m);
}

static void
on_orphans_end(struct ipc_chan *c, struct ipc_msg *m)
{
	orphan_end(ipc_peer_instance(c));
}

static void
on_record_ack(struct ipc_chan *c, struct ipc_msg *m)
{
	final_acknowledged(((const struct ipc_record_ack *)m->head)->seq);
}

static void
on_report_done(struct ipc_chan *c, struct ipc_msg *m)
{
	final_reported(m->head);
}

static void
on_judged(struct ipc_chan *c, struct ipc_msg *m)
{
	judge_verdict(m);
}

static void
on_suppressed(struct ipc_chan *c, struct ipc_msg *m)
{
	suppress_answered(m);
}

static void
on_forward_field(struct ipc_chan *c, struct ipc_msg *m)
{
	control_forward_field(m);
}

static void
on_forward_end(struct ipc_chan *c, struct ipc_msg *m)
{
	control_forward_end(m);
}

static void
on_notice_done(struct ipc_chan *c, struct ipc_msg *m)
{
	notice_done(m->head);
}

static void
on_processed_rcpt(struct ipc_chan *c, struct ipc_msg *m)
{
	process_rcpt(ipc_peer(c), m);
}

static void
on_processed(struct ipc_chan *c, struct ipc_msg *m)
{
	process_done(ipc_peer(c), m);
}

static void
on_errand_done(struct ipc_chan *c, struct ipc_msg *m)
{
	errand_done(m->head);
}

static void
on_answer(struct ipc_chan *c, struct ipc_msg *m)
{
	control_answer(m);
}

static const struct {
	enum ipc_type type;
	ipc_msg_cb *fn;
} handlers[] = {
    {IPC_SEGMENT_OPEN, on_segment_open},
    {IPC_SEGMENT_SEALED, on_segment_sealed},
    {IPC_ACCEPTED, on_accepted},
    {IPC_DNS_ADDR, on_dns_addr},
    {IPC_DNS_DONE, on_dns_done},
    {IPC_CHECKED, on_checked},
    {IPC_DNSBL, on_dnsbl},
    {IPC_CONN_UP, on_conn_up},
    {IPC_CONN_DOWN, on_conn_down},
    {IPC_RESULT, on_result},
    {IPC_TXN_DONE, on_txn_done},
    {IPC_CONN_TALK, on_conn_talk},
    {IPC_ORPHAN_RESULT, on_orphan_result},
    {IPC_ORPHAN_PENDING, on_orphan_pending},
    {IPC_ORPHAN_UNTRIED, on_orphan_untried},
    {IPC_ORPHANS_END, on_orphans_end},
    {IPC_RECORD_ACK, on_record_ack},
    {IPC_REPORT_DONE, on_report_done},
    {IPC_NOTICE_DONE, on_notice_done},
    {IPC_PROCESSED_RCPT, on_processed_rcpt},
    {IPC_PROCESSED, on_processed},
    {IPC_ERRAND_DONE, on_errand_done},
    {IPC_JUDGED, on_judged},
    {IPC_SUPPRESSED, on_suppressed},
    {IPC_FORWARD_FIELD, on_forward_field},
    {IPC_FORWARD_END, on_forward_end},
    {IPC_ANSWER, on_answer},
};

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	for (size_t i = 0; i < countof(handlers); i++) {
		if (handlers[i].type == m->type) {
			handlers[i].fn(c, m);
			return;
		}
	}
}

/* ---- coming and going ---- */

static void
writer_gone(uint16_t writer)
{
	segment_writer_gone(writer);
	if (!qd.stopping)
		recover_writer(writer);
}

static void
gone(enum ipc_role role, uint32_t instance)
{
	if (role == ROLE_DELIVER) {
		conn_deliverer_gone(instance);
		orphan_deliverer_gone(instance);
	} else if (role == ROLE_DNS) {
		route_dns_gone();
		sts_dns_gone();
	} else if (role == ROLE_INJECT)
		writer_gone((uint16_t)instance);
	else if (role == ROLE_BOUNCE) {
		writer_gone(BOUNCE_WRITER);
		control_forward_gone();
	}
	if (role == ROLE_BOUNCE || role == ROLE_FBL)
		process_peer_gone(role);
}

/* it may live and know of no other channel: master begins it anew */
static void
renew(enum ipc_role role, uint32_t instance)
{
	struct ipc_peer p = {.role = role, .instance = instance};

	if (daemon_master() != NULL)
		ipc_send(daemon_master(), IPC_RENEW, &p, NULL, -1);
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	enum ipc_role role = ipc_peer(c);
	uint32_t instance = ipc_peer_instance(c);
	struct peer *p = peer_of_chan(c);

	if (!ipc_is_ended(c))
		renew(role, instance);
	log_info("event=peer-gone peer=%s instance=%u text=\"%s\"", ipc_role_name(role), instance,
	    why->text);
	ipc_chan_free(&p->chan);
	p->is_slow = false;
	gone(role, instance);
}

static void
on_pressure(struct ipc_chan *c, bool high)
{
	struct peer *p = peer_of_chan(c);

	p->is_slow = high;
	if (!high && ipc_peer(c) == ROLE_DELIVER)
		conn_deliverer_ready(ipc_peer_instance(c));
}

static void
came(enum ipc_role role, uint32_t instance)
{
	if (role == ROLE_DELIVER) {
		orphan_deliverer_came(instance);
		limit_wake_all(&qd.no_deliverd);
	} else if (role == ROLE_DNS)
		queue_kick_all();
	else if (role == ROLE_ACCT)
		final_resend_records();
	else if (role == ROLE_INJECT)
		segment_writer_came((uint16_t)instance);
	else if (role == ROLE_BOUNCE) {
		segment_writer_came(BOUNCE_WRITER);
		judge_resend();
		final_resend_reports();
		notice_resend();
		errand_resend();
		suppress_ask_again();
	}
	if (role == ROLE_BOUNCE || role == ROLE_FBL)
		process_peer_came(role);
	peers_tell_spool_state();
}

const struct ipc_events peers_events = {.msg = on_msg, .down = on_down, .pressure = on_pressure};

void
peers_join(struct ipc_chan *chan)
{
	struct peer *p = peer_of_chan(chan);

	if (p->chan != NULL) {
		ipc_chan_free(&p->chan);
		gone(ipc_peer(chan), ipc_peer_instance(chan));
	}
	p->is_slow = false;
	p->chan = chan;
	came(ipc_peer(chan), ipc_peer_instance(chan));
}

void
peers_add(enum ipc_role role, uint32_t instance, int fd)
{
	if (role == ROLE_EXEC) {
		exec_peer(fd);
		return;
	}
	if (peer_of(role, instance) != NULL) {
		peers_join(ipc_chan_new(fd, ROLE_QUEUE, role, instance, &peers_events, NULL));
		return;
	}
	if (role == ROLE_WEB) {
		control_add_web(instance, fd);
		return;
	}
	log_error("event=unknown-peer peer=%s instance=%u", ipc_role_name(role), instance);
	if (close(fd) == -1)
		log_warn("event=close-failed");
}

/* ---- may injectors accept? ---- */

/* what a queued recipient takes in all processes together, with its message, queue and page cache of the spool */
#define BYTES_PER_RCPT 512

/* "auto": as many as fit into half of the machine's memory */
static uint64_t
max_recipients(const struct conf_set *g)
{
	uint64_t fit = 0;
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	if (!str_ieq(conf_str(g, CONF_GLOBAL_SPOOL_MAX_RECIPIENTS), STR("auto")))
		return conf_u64(g, CONF_GLOBAL_SPOOL_MAX_RECIPIENTS);
	if (pages > 0 && size > 0)
		fit = (uint64_t)pages * (uint64_t)size / 2 / BYTES_PER_RCPT;
	return fit == 0 ? UINT64_MAX : fit;
}

static bool
may_accept(struct why *why)
{
	const struct conf_set *g = conf_global(daemon_conf());
	uint64_t bytes = UINT64_MAX;

	if (conf_str(g, CONF_GLOBAL_SPOOL_MAX_RECIPIENTS).len > 0 &&
	    qd.rcpts.n_used >= max_recipients(g))
		return why_set(why, "spool-max-recipients is reached") == 0;
	if (conf_is_set(g, CONF_GLOBAL_MAX_QUEUE_SIZE))
		bytes = conf_u64(g, CONF_GLOBAL_MAX_QUEUE_SIZE);
	if (qd.n_queued_bytes >= bytes)
		return why_set(why, "max-queue-size is reached") == 0;
	return true;
}

static void
tell(struct peer *p, const struct ipc_spool_state *s, const struct str *text)
{
	if (p->chan != NULL)
		ipc_send(p->chan, IPC_SPOOL_STATE, s, text, -1);
}

void
peers_tell_spool_state(void)
{
	struct why why = {{0}};
	struct ipc_spool_state s = {
	    .queued_rcpts = qd.rcpts.n_used, .queued_bytes = qd.n_queued_bytes};
	struct str text;

	if (!qd.started)
		return; /* there is no configuration yet */
	s.accept = may_accept(&why);
	text = str_of(why.text);
	for (uint32_t i = 0; i < MAX_PEERS; i++)
		tell(&qd.injectors[i], &s, &text);
	tell(&qd.bounce, &s, &text);
}
