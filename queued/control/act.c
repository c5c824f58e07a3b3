/* the commands that change something */
#include "lib/base/xalloc.h"
#include "lib/conf/processor.h"
#include "lib/daemon/daemon.h"
#include "queued/control/control_int.h"
#include "queued/control/pause.h"
#include "queued/end/cancel.h"
#include "queued/state.h"
#include "queued/vmta.h"

/* what deleting one weighs against looking at one */
#define DELETE_COST 80

struct pausing {
	uint64_t number;
	const char *done;
};

static bool
step_pause(struct control *c, void *state)
{
	const struct pausing *p = state;

	if (!pause_is_done(p->number))
		return false;
	control_end(c, true, "%s", p->done);
	return true;
}

static void
pause_or_resume(struct control *c, enum pause_kind kind, bool on, const char *done)
{
	struct str what = control_arg(c, ARG_TARGET);
	struct pausing *p;
	struct why why;

	if (what.len == 0) {
		control_end(c, false, "Say which.");
		return;
	}
	if (pause_set(kind, what, on, &why) == -1) {
		control_end(c, false, "%s", why.text);
		return;
	}
	p = xmalloc(sizeof *p);
	*p = (struct pausing){.number = pause_last(), .done = done};
	control_go_on(c, step_pause, NULL, p);
}

void
control_pause_queue(struct control *c)
{
	pause_or_resume(c, PAUSE_QUEUE, true, "Queue(s) paused.");
}

void
control_resume_queue(struct control *c)
{
	pause_or_resume(c, PAUSE_QUEUE, false, "Queue(s) resumed.");
}

void
control_pause_job(struct control *c)
{
	pause_or_resume(c, PAUSE_JOB, true, "paused job.");
}

void
control_resume_job(struct control *c)
{
	pause_or_resume(c, PAUSE_JOB, false, "resumed job.");
}

/* the configuration has it, or had it when it was held */
static bool
is_vmta_there(struct control *c)
{
	struct str name = control_arg(c, ARG_TARGET);
	const struct vmta *v = vmta_find(name);

	if (name.len == 0 || str_ieq(name, STR("{default}")) ||
	    conf_vmta(daemon_conf(), name) != NULL || (v != NULL && v->is_held))
		return true;
	control_end(c, false, "There is no VirtualMTA \"%.*s\".", STR_ARG(name));
	return false;
}

void
control_hold(struct control *c)
{
	if (is_vmta_there(c))
		pause_or_resume(c, PAUSE_VMTA, true, "VirtualMTA held.");
}

void
control_release(struct control *c)
{
	if (is_vmta_there(c))
		pause_or_resume(c, PAUSE_VMTA, false, "VirtualMTA released.");
}

void
control_pause_domain(struct control *c)
{
	pause_or_resume(c, PAUSE_QUEUE, true, "Domain paused.");
}

struct schedule {
	struct queue_walk walk;
	uint32_t n, n_all;
	const char *done; /* NULL: how many */
};

static bool
schedule_one(struct control *c, const struct queue_brief *b, void *state)
{
	struct schedule *s = state;

	s->n_all++;
	if (!pause_match(control_arg(c, ARG_TARGET), str_of(b->q->name)))
		return true;
	s->n++;
	queue_schedule(b->q, control_flag(c, "retry-recipients"));
	return true;
}

static bool
step_schedule(struct control *c, void *state)
{
	struct schedule *s = state;

	if (!queue_walk_step(&s->walk, c, schedule_one, s))
		return false;
	if (s->done != NULL)
		control_end(c, true, "%s", s->done);
	else
		control_end(c, true, "%u of %u matching queues scheduled.", s->n, s->n_all);
	return true;
}

static void
schedule(struct control *c, const char *done)
{
	struct schedule *s = xcalloc(1, sizeof *s);

	s->done = done;
	control_go_on(c, step_schedule, NULL, s);
}

void
control_resume_domain(struct control *c)
{
	struct why why;

	if (control_arg(c, ARG_TARGET).len == 0)
		control_end(c, false, "Say which.");
	else if (pause_set(PAUSE_QUEUE, control_arg(c, ARG_TARGET), false, &why) == -1)
		control_end(c, false, "%s", why.text);
	else
		schedule(c, "Domain resumed.");
}

void
control_schedule(struct control *c)
{
	schedule(c, NULL);
}

/* in flight, and read by nobody of ours */
static bool
may_cancel(const struct rcpt *r)
{
	return r->state == RCPT_FLIGHT && queue_at(r->queue)->processor == CONF_NO_PROCESSOR &&
	       r->cancel == 0;
}

static unsigned
cancel_bits(struct control *c)
{
	return (control_flag(c, "no-accounting") ? CANCEL_QUIETLY : 0u) |
	       (control_flag(c, "dsn") ? CANCEL_TELL : 0u);
}

/* the walk's n counts those that end, its max those that end only if what is under way does not deliver them */
static bool
delete_one(struct walk *w, struct control *c, uint32_t rcpt, struct str address, struct str sender)
{
	const struct rcpt *r = rcpt_at(rcpt);
	bool is_sent = may_cancel(r);

	if (!is_sent && r->state != RCPT_READY && r->state != RCPT_DEFERRED &&
	    r->state != RCPT_HELD)
		return true;
	if (is_sent && !cancel_is_allowed(rcpt))
		w->max++;
	else
		w->n++;
	if (w->is_dry)
		return true;
	if (is_sent)
		cancel_ask(rcpt, cancel_bits(c));
	else
		cancel_now(rcpt, cancel_bits(c));
	return true;
}

static void
say_deleted(struct control *c, const struct walk *w)
{
	const char *done = w->is_dry ? "would be deleted" : "deleted";

	walk_say_cut(w, c);
	if (w->is_cut)
		control_end(c, true, "At least %u recipients would be deleted: " WALK_CUT WALK_ALL,
		    w->n + w->max, walk_per_cent(w));
	else if (w->max == 0)
		control_end(c, true, "%u recipients %s.", w->n, done);
	else
		control_end(c, true,
		    "%u recipients %s; %u more only if the transfer under way fails.", w->n, done,
		    w->max);
}

static bool
step_delete(struct control *c, void *state)
{
	struct walk *w = state;

	if (w->next == 0) {
		walk_init(w, c);
		w->is_thorough |= !w->is_dry;
		w->hit_cost = w->is_dry ? 0 : DELETE_COST;
	}
	/* deliveries need room for their records, too */
	if (qd.accounting.used > qd.accounting.max / 2)
		return false;
	if (!walk_step(w, c, delete_one))
		return false;
	say_deleted(c, w);
	return true;
}

void
control_delete(struct control *c)
{
	struct selection s;

	if (!selection_is_good(c))
		return;
	selection_init(&s, c);
	if (selection_is_empty(&s))
		control_end(c, false, "At least one selector is required.");
	else
		control_go_on(c, step_delete, walk_free, xcalloc(1, sizeof(struct walk)));
}

void
control_reload(struct control *c)
{
	control_ask(c, daemon_master(), ASK_RELOAD, STR(""));
}

void
control_rotate_log(struct control *c)
{
	control_ask(c, daemon_master(), ASK_ROTATE_LOG, STR(""));
}

void
control_rotate_acct(struct control *c)
{
	control_ask(c, qd.acct.chan, ASK_ROTATE_ACCT, control_arg(c, ARG_TARGET));
}

void
control_show_precache(struct control *c)
{
	control_ask(c, qd.dns.chan, ASK_PRECACHE, STR(""));
}

void
control_check_spf(struct control *c)
{
	struct str ip = control_arg(c, ARG_SOURCE), helo = control_arg(c, ARG_TARGET);
	struct str sender = control_arg(c, ARG_RCPT);
	char text[1024];

	if (ip.len == 0 || helo.len == 0)
		control_end(c, false, "Say the address and the HELO name.");
	else if ((size_t)snprintf(text, sizeof text, "%.*s %.*s %.*s", STR_ARG(ip), STR_ARG(helo),
		     STR_ARG(sender)) >= sizeof text)
		control_end(c, false, "That is too long for names.");
	else
		control_ask(c, qd.dns.chan, ASK_SPF, str_of(text));
}

void
control_stop(struct control *c)
{
	control_ask(c, daemon_master(), ASK_STOP, STR(""));
}

void
control_clear_dnscache(struct control *c)
{
	struct ipc_empty none = {0};
	struct str what = control_arg(c, ARG_TARGET);

	if (qd.dns.chan == NULL) {
		control_end(c, false, "The resolver is away; try again.");
		return;
	}
	if (what.len == 0)
		what = STR("*");
	ipc_send(qd.dns.chan, IPC_DNS_CLEAR, &none, &what, -1);
	if (str_eq(what, STR("*")))
		control_end(c, true, "DNS cache cleared.");
	else
		control_end(c, true, "Cleared %.*s from DNS cache.", STR_ARG(what));
}
