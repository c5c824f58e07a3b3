/*
 * queued: the only owner of every message's state. See README beside this file.
 */
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/sandbox.h"
#include "lib/stats/stats.h"
#include "queued/conn.h"
#include "queued/control.h"
#include "queued/final.h"
#include "queued/job.h"
#include "queued/pause.h"
#include "queued/peers.h"
#include "queued/recover.h"
#include "queued/run.h"
#include "queued/segment.h"
#include "queued/state.h"
#include "queued/vmta.h"

#define HOUSEKEEPING_MS 1000
#define MAX_UNACKED	20000

struct queued qd = {.spool_fd = -1};

static struct ev_timer housekeeping;
static struct ev_timer stop_deadline;

static void
give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	if (what->kind == FD_SPOOL_DIR && qd.spool_fd == -1) {
		qd.spool_fd = fd;
		return;
	}
	if (what->kind == FD_LISTEN_CONTROL) {
		control_listen(fd);
		return;
	}
	if (what->kind == FD_STATS_PAGE) {
		control_stats_page(what, fd);
		return;
	}
	if (close(fd) == -1)
		log_warn("event=close-failed");
}

static void
read_limits(void)
{
	const struct conf_set *g = conf_global(daemon_conf());

	qd.total_out.max = conf_u64(g, CONF_GLOBAL_TOTAL_MAX_SMTP_OUT);
	qd.total_out.set = g;
	qd.total_out.key = CONF_GLOBAL_TOTAL_MAX_SMTP_OUT;
}

static void
read_acct_wants(void)
{
	static const struct {
		struct str name;
		int	   type;
	} rows[] = {{STR("d"), ACCT_DELIVERED}, {STR("b"), ACCT_BOUNCED}, {STR("t"), ACCT_TRANSIENT},
	    {STR("tq"), ACCT_QUEUE}, {STR("r"), ACCT_RECEIVED}};
	const struct conf *c = daemon_conf();
	unsigned	   bits = 0;

	for (size_t f = 0; f < conf_n_blocks(c, CONF_BLOCK_ACCT); f++) {
		const struct conf_set *set = conf_block_at(c, CONF_BLOCK_ACCT, f);
		for (size_t i = 0; i < conf_n(set, CONF_ACCT_RECORDS); i++) {
			for (size_t k = 0; k < countof(rows); k++) {
				if (str_ieq(conf_item(set, CONF_ACCT_RECORDS, i), rows[k].name))
					bits |= 1u << rows[k].type;
			}
		}
	}
	qd.acct_wants = (uint8_t)bits;
}

static void
config(const struct conf *old)
{
	read_limits();
	read_acct_wants();
	vmta_reconfigure_all();
	queue_reconfigure_all();
	limit_wake_all(&qd.total_out);
}

static void
maybe_leave(void)
{
	bool injectors = false, deliverers = false;

	for (uint32_t i = 0; i < MAX_PEERS; i++) {
		injectors |= qd.injectors[i].chan != NULL;
		deliverers |= qd.deliverers[i].chan != NULL;
	}
	if (!injectors && !deliverers && final_is_idle())
		daemon_exit();
}

static void
on_stop_deadline(struct ev_timer *t)
{
	daemon_exit();
}

/* master stops injectors and deliverers first; what they still report is taken in */
static void
stop(int64_t drain_ms)
{
	qd.stopping = true;
	if (drain_ms == 0) {
		daemon_exit();
		return;
	}
	ev_timer_in_ms(&stop_deadline, drain_ms);
	maybe_leave();
}

static void
master_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	if (m->type == IPC_ANSWER)
		control_answer(m);
}

static void
on_housekeeping(struct ev_timer *t)
{
	stat_set(STAT_Q_RCPTS, qd.rcpts.n_used);
	stat_set(STAT_Q_MSGS, qd.messages.n_used);
	stat_set(STAT_Q_BYTES, qd.n_queued_bytes);
	peers_tell_spool_state();
	segment_compact();
	if (qd.stopping)
		maybe_leave();
	ev_timer_in_ms(t, qd.stopping ? 50 : HOUSEKEEPING_MS);
}

static void
init_tables(void)
{
	slab_init(&qd.messages, sizeof(struct message));
	slab_init(&qd.rcpts, sizeof(struct rcpt));
	slab_init(&qd.queues, sizeof(struct queue *));
	slab_init(&qd.jobs, sizeof(struct job));
	slab_init(&qd.segments, sizeof(struct segment));
	TAILQ_INIT(&qd.run_line);
	limit_init(&qd.total_out, "total-max-smtp-out", STR(""));
	limit_init(&qd.accounting, "records not yet on disk", STR(""));
	limit_init(&qd.no_deliverd, "deliverd", STR(""));
	qd.accounting.max = MAX_UNACKED;
	ev_defer_init(&qd.run, run_turn);
	ev_timer_init(&housekeeping, on_housekeeping);
	ev_timer_init(&stop_deadline, on_stop_deadline);
}

static void
queued_init(void)
{
	struct why why;

	if (qd.spool_fd == -1)
		fatal("event=no-spool text=\"master gave no spool directory\"");
	control_init();
	read_limits();
	read_acct_wants();
	qd.store = spool_store_open(qd.spool_fd, &why);
	if (qd.store == NULL)
		fatal("event=spool-failed text=\"%s\"", why.text);
	qd.reader = spool_reader_new(qd.spool_fd);
	if (pause_load(qd.spool_fd, &why) == -1)
		fatal("event=pauses-unreadable text=\"%s\"", why.text);
	recover_start();
	qd.started = true;
	peers_tell_spool_state();
	ev_timer_in_ms(&housekeeping, HOUSEKEEPING_MS);
}

static void
queued_finish(void)
{
	spool_store_close(&qd.store);
}

static const struct daemon_ops ops = {
    .role = ROLE_QUEUE,
    .give_fd = give_fd,
    .peer = peers_add,
    .config = config,
    .stop = stop,
    .msg = master_msg,
};
static const struct sandbox box = {
    .user = "pmta-queue",
    .root_spool = true,
    .calls = BOX_LOOP | BOX_FILES_READ | BOX_FILES_WRITE | BOX_ACCEPT | BOX_THREADS | BOX_CONFIG,
};

int
main(int argc, char **argv)
{
	init_tables();
	daemon_begin(argc, argv, &ops);
	ticks_init();
	queued_init();
	sandbox_enter(&box);
	daemon_ready();
	daemon_run();
	queued_finish();
	return 0;
}
