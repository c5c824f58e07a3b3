#include "master/master.h"

#include "lib/base/log.h"

/* for what is in flight at the first order to stop; what comes after it ends within the half minute in all */
#define DRAIN_MS 25000
/* for its last flush, beyond its time to drain; then it is killed */
#define GRACE_MS 10000

/* clients first, so that nothing new comes; then what is in flight; then the owner of the state; then its helpers */
static const enum ipc_role order[] = {ROLE_WEB, ROLE_INJECT, ROLE_DELIVER, ROLE_SIGN, ROLE_QUEUE,
    ROLE_BOUNCE, ROLE_FBL, ROLE_ACCT, ROLE_EXEC, ROLE_DNS};

static int64_t
left_ms(void)
{
	int64_t left = mono_diff_ms(ev_now(), master.stop.deadline);

	return PH_MAX(left, (int64_t)0);
}

static bool
is_due(const struct kid *k)
{
	return master.stop.stage < countof(order) && k->role == order[master.stop.stage];
}

static void
on_kill(struct ev_timer *t)
{
	for (size_t i = 0; i < master.n_kids; i++) {
		struct kid *k = &master.kids[i];
		if (k->pid != 0 && is_due(k)) {
			log_error("%s did not stop in time and is killed", kid_name(k));
			kid_kill(k);
		}
	}
}

/* tells the stage's daemons; how many still run */
static size_t
tell_stage(void)
{
	size_t n = 0;

	for (size_t i = 0; i < master.n_kids; i++) {
		struct kid *k = &master.kids[i];
		if (k->pid == 0 || !is_due(k))
			continue;
		n++;
		/* without a channel it is ending already */
		if (k->chan != NULL)
			ipc_send(k->chan, IPC_STOP,
			    &(struct ipc_stop){.drain_ms = (uint64_t)left_ms()}, NULL, -1);
	}
	if (n > 0)
		ev_timer_in_ms(&master.stop.kill, left_ms() + GRACE_MS);
	return n;
}

static bool
stage_runs(void)
{
	for (size_t i = 0; i < master.n_kids; i++) {
		if (master.kids[i].pid != 0 && is_due(&master.kids[i]))
			return true;
	}
	return false;
}

static void
finish(void)
{
	ev_timer_stop(&master.stop.kill);
	ev_stop();
}

static void
next_stages(void)
{
	while (++master.stop.stage < countof(order)) {
		if (tell_stage() > 0)
			return;
	}
	finish();
}

void
stop_begin(int exit_status)
{
	if (master.phase == PHASE_STOPPING) {
		log_info("stopping at once");
		master.stop.deadline = ev_now();
		tell_stage();
		return;
	}
	log_info("stopping drain_ms=%d", DRAIN_MS);
	notify_stopping();
	/* what never was ready has nothing in flight */
	master.stop.deadline =
	    master.phase == PHASE_STARTING ? ev_now() : mono_add_ms(ev_now(), DRAIN_MS);
	master.stop.exit_status = exit_status;
	master.phase = PHASE_STOPPING;
	reload_cancel("the server stops");
	kids_give_up_restarts();
	ev_timer_init(&master.stop.kill, on_kill);
	master.stop.stage = 0;
	if (tell_stage() == 0)
		next_stages();
}

void
stop_on_exit(void)
{
	if (!stage_runs())
		next_stages();
}
