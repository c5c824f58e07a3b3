#include "injectd/injectd.h"

#include "injectd/api.h"
#include "injectd/pickup.h"
#include "lib/base/log.h"
#include "lib/daemon/daemon.h"

#define STOP_MS 5000 /* for the journal to answer, once no session may go on */

struct injectd injectd = {.spool_fd = -1, .meminfo_fd = -1, .queue_fd = -1};

void
stop_check(void)
{
	if (!injectd.is_stopping || injectd.is_stop_due || injectd.n_conns > 0 ||
	    pickup_is_busy() || api_is_busy())
		return;
	if (injectd.journal != NULL && journal_pending(injectd.journal) > 0)
		return;
	injectd.is_stop_due = true;
	daemon_exit();
}

/* Nobody may take longer. */
static void
on_stop_tick(struct ev_timer *t)
{
	if (injectd.is_stop_due)
		return;
	if (injectd.n_conns > 0) {
		ev_timer_in_ms(t, STOP_MS);
		conns_free();
		return;
	}
	log_warn("event=stop-forced pending=%zu",
	    injectd.journal == NULL ? 0 : journal_pending(injectd.journal));
	injectd.is_stop_due = true;
	daemon_exit();
}

void
stop_init(void)
{
	ev_timer_init(&injectd.stop_tick, on_stop_tick);
}

void
stop_begin(int64_t drain_ms)
{
	injectd.is_stopping = injectd.world.is_stopping = true;
	listen_stop();
	park_free();
	dummy_stop();
	pickup_stop();
	api_stop();
	conns_stop();
	stop_check();
	if (!injectd.is_stop_due)
		ev_timer_in_ms(&injectd.stop_tick, drain_ms);
}
