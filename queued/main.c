/*
 * queued: the only owner of every message's state. See README beside this file.
 */
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/sandbox.h"
#include "lib/stats/stats.h"
#include "queued/spool/age.h"
#include "queued/alert/rate.h"
#include "queued/alert/watch.h"
#include "queued/way/blocklist.h"
#include "queued/limit/cold.h"
#include "queued/conn.h"
#include "queued/control/changes.h"
#include "queued/control/control.h"
#include "queued/end/errand.h"
#include "queued/end/first.h"
#include "queued/end/final.h"
#include "queued/exec.h"
#include "queued/limit/keep.h"
#include "queued/spool/orphan.h"
#include "queued/end/notice.h"
#include "queued/react/pattern.h"
#include "queued/control/pause.h"
#include "queued/peers.h"
#include "queued/place.h"
#include "queued/end/process.h"
#include "queued/spool/recover.h"
#include "queued/way/own.h"
#include "queued/spool/segment.h"
#include "queued/state.h"
#include "queued/end/suppress.h"
#include "queued/control/survey.h"
#include "queued/way/sts.h"
#include "queued/control/tail.h"
#include "queued/way/target.h"
#include "queued/vmta.h"

#define HOUSEKEEPING_MS 1000

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
	if (what->kind == FD_SUPPRESS_FILTER) {
		suppress_take_filter(what->index, fd);
		return;
	}
	if (close(fd) == -1)
		log_warn("event=close-failed");
}

static void
config(const struct conf *old)
{
	state_configure();
	vmta_reconfigure_all();
	policy_forget_all();
	patterns_prepare();
	queue_reconfigure_all();
	place_configure();
	vmta_wake_all();
	target_configure();
	exec_configure();
	alert_rate_configure();
	blocklist_configure();
	first_configure();
	limit_wake_all(&qd.total_out);
	limit_wake_all(&qd.total_file);
	tail_queue(TAIL_COMMAND, "", STR("the configuration was loaded"));
}

static void
maybe_leave(void)
{
	bool injectors = false, deliverers = false;

	for (uint32_t i = 0; i < MAX_PEERS; i++) {
		injectors |= qd.injectors[i].chan != NULL;
		deliverers |= qd.deliverers[i].chan != NULL;
	}
	if (!injectors && !deliverers && final_is_idle() && notice_is_idle() && errand_is_idle() &&
	    process_is_idle())
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
	stat_set(STAT_Q_UNACKED, qd.accounting.used);
	stats_note_use();
	peers_tell_spool_state();
	segment_compact();
	target_sweep();
	if (qd.stopping)
		maybe_leave();
	ev_timer_in_ms(t, qd.stopping ? 50 : HOUSEKEEPING_MS);
}

static void
init_tables(void)
{
	state_init();
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
	own_init();
	state_configure();
	place_configure();
	target_configure();
	qd.store = spool_store_open(qd.spool_fd, &why);
	if (qd.store == NULL)
		fatal("event=spool-failed text=\"%s\"", why.text);
	qd.reader = spool_reader_new(qd.spool_fd);
	keep_start(qd.spool_fd, cold_line, cold_fill);
	if (pause_load(qd.spool_fd, &why) == -1)
		fatal("event=pauses-unreadable text=\"%s\"", why.text);
	age_start(qd.spool_fd);
	changes_start(qd.spool_fd);
	sts_start(qd.spool_fd);
	patterns_prepare();
	recover_start();
	orphan_start();
	qd.started = true;
	survey_start();
	exec_configure();
	alert_rate_configure();
	blocklist_configure();
	first_configure();
	alert_watch_start();
	peers_tell_spool_state();
	ev_timer_in_ms(&housekeeping, HOUSEKEEPING_MS);
}

static void
queued_finish(void)
{
	keep_stop();
	sts_stop();
	age_stop();
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
	suppress_await();
	queued_init();
	sandbox_enter(&box);
	daemon_ready();
	daemon_run();
	queued_finish();
	return 0;
}
