#include "queued/control/control.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/control/control_int.h"
#include "queued/state.h"
#include "queued/control/tail.h"
#include "queued/control/trace.h"

#define MAX_CLIENTS 1024
/* between two pieces of a long answer: others have their turn */
#define TURN_MS 1
/* a client that reads nothing for so long while an answer waits for it is dropped */
#define STALL_MS 60000
/* without a descriptor for one more, none is looked for */
#define NO_FD_PAUSE_MS 500

struct client {
	enum ctl_rights rights;
	uid_t uid;
	uint32_t token;	   /* of the question that another process answers, 0: none */
	bool is_forwarded; /* the process is bounced */
	struct ipc_chan *chan;
	struct client *next;
	bool is_high; /* it does not read */
	bool streams; /* events go to it until it leaves */

	/* the answer that goes on; step NULL: none */
	struct control c;
	struct ipc_ctl_request req;
	struct str args[ARG_MAX];
	char *args_text;
	control_step *step;
	void (*done)(void *state);
	void *state;
	struct ev_timer turn;
};

static struct {
	struct ev_io io;
	struct ev_timer accept_again;
	struct client *clients; /* the newest first */
	uint32_t n_clients;
	uint32_t token;
} ctl;

static const struct {
	enum ctl_command command;
	control_fn *fn;
} functions[] = {
    {CTL_SHOW_STATUS, control_show_status},
    {CTL_SHOW_QUEUES, control_show_queues},
    {CTL_SHOW_TOPQUEUES, control_show_queues},
    {CTL_SHOW_DOMAINS, control_show_domains},
    {CTL_SHOW_TOPDOMAINS, control_show_domains},
    {CTL_SHOW_VMTAS, control_show_vmtas},
    {CTL_SHOW_JOBS, control_show_jobs},
    {CTL_SHOW_SETTINGS, control_show_settings},
    {CTL_SHOW_VMTA_SETTINGS, control_show_vmta_settings},
    {CTL_TAIL, control_tail},
    {CTL_SHOW_ALERTS, control_show_alerts},
    {CTL_SHOW_RATES, control_show_rates},
    {CTL_SHOW_CHANGES, control_show_changes},
    {CTL_TRACE, control_trace},
    {CTL_SHOW_VERSION, control_show_version},
    {CTL_LIST, control_list},
    {CTL_CAT, control_cat},
    {CTL_EXPLAIN, control_explain},
    {CTL_SET_QUEUE, control_set_queue},
    {CTL_DISABLE_SOURCE, control_disable_source},
    {CTL_ENABLE_SOURCE, control_enable_source},
    {CTL_SHOW_DISABLED_SOURCES, control_show_sources},
    {CTL_DELETE, control_delete},
    {CTL_SCHEDULE, control_schedule},
    {CTL_SHOW_PRECACHE, control_show_precache},
    {CTL_CHECK_SPF, control_check_spf},
    {CTL_CHECK_MFROM, control_check_spf},
    {CTL_SET_PRIORITY, control_set_priority},
    {CTL_PAUSE_QUEUE, control_pause_queue},
    {CTL_RESUME_QUEUE, control_resume_queue},
    {CTL_PAUSE_JOB, control_pause_job},
    {CTL_RESUME_JOB, control_resume_job},
    {CTL_PAUSE_DOMAIN, control_pause_domain},
    {CTL_RESUME_DOMAIN, control_resume_domain},
    {CTL_HOLD, control_hold},
    {CTL_RELEASE, control_release},
    {CTL_RESOLVE, control_resolve},
    {CTL_CLEAR_DNSCACHE, control_clear_dnscache},
    {CTL_RELOAD, control_reload},
    {CTL_ROTATE_LOG, control_rotate_log},
    {CTL_ROTATE_ACCT, control_rotate_acct},
    {CTL_RESET_COUNTERS, control_reset_counters},
    {CTL_RESET_STATUS, control_reset_counters},
    {CTL_STOP, control_stop},
    {CTL_LEDGER, control_ledger},
    {CTL_SHOW_SUPPRESSED, control_forward},
    {CTL_SUPPRESS, control_forward},
    {CTL_UNSUPPRESS, control_forward},
    {CTL_SUPPRESSION_EXPORT, control_forward},
    {CTL_SUPPRESSION_IMPORT, control_forward},
    {CTL_CLASSIFY, control_forward},
    {CTL_SHOW_METRICS, control_show_metrics},
};

/* ---- answering ---- */

static void
send_end(struct ipc_chan *chan, const struct ipc_ctl_end *end, struct str text)
{

	text = str_sub(text, 0, 2000);
	ipc_send(chan, IPC_CTL_END, end, &text, -1);
}

void
control_end(struct control *c, bool ok, const char *fmt, ...)
{
	struct ipc_ctl_end end = {.cursor = c->next, .ok = ok, .exit = ok ? 0 : (uint32_t)c->exit};
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	send_end(c->chan, &end, str_of(text));
	c->later = true; /* it was ended */
}

struct str
control_arg(const struct control *c, enum ctl_arg a)
{
	return c->args[a];
}

bool
control_flag(const struct control *c, const char *word)
{
	return ctl_has_flag(c->args[ARG_FLAGS], word);
}

/* one question at a time, and none while it does not read */
static void
hold_or_resume(struct client *cl)
{
	ipc_hold(cl->chan, cl->step != NULL || cl->token != 0 || (cl->is_high && !cl->streams));
}

/* ---- answers that go on ---- */

static void
stop_going_on(struct client *cl)
{
	ev_timer_stop(&cl->turn);
	if (cl->step == NULL)
		return;
	cl->step = NULL;
	cl->done(cl->state);
	cl->state = NULL;
	xfree(&cl->args_text);
}

static void
go_on(struct client *cl)
{
	if (cl->is_high) {
		ev_timer_in_ms(&cl->turn, STALL_MS);
		return;
	}
	if (!cl->step(&cl->c, cl->state)) {
		ev_timer_in_ms(&cl->turn, TURN_MS);
		return;
	}
	stop_going_on(cl);
	hold_or_resume(cl);
}

static void drop(struct client *cl);

static void
on_turn(struct ev_timer *t)
{
	struct client *cl = ph_container_of(t, struct client, turn);

	if (cl->is_high) {
		log_info("event=control-client-dropped reason=\"it does not read\"");
		drop(cl);
		return;
	}
	go_on(cl);
}

static void
on_pressure(struct ipc_chan *chan, bool high)
{
	struct client *cl = ipc_ctx(chan);

	cl->is_high = high;
	hold_or_resume(cl);
	if (cl->step != NULL)
		ev_timer_in_ms(&cl->turn, high ? STALL_MS : TURN_MS);
}

/* what the request borrowed is gone with its handler */
static void
copy_args(struct client *cl, const struct str *args)
{
	size_t len = 0, at = 0;

	for (size_t i = 0; i < ARG_MAX; i++)
		len += args[i].len;
	cl->args_text = xmalloc(len + 1);
	for (size_t i = 0; i < ARG_MAX; i++) {
		if (args[i].len > 0)
			memcpy(cl->args_text + at, args[i].p, args[i].len);
		cl->args[i] = str_from(cl->args_text + at, args[i].len);
		at += args[i].len;
	}
}

void
control_go_on(struct control *c, control_step *step, void (*done)(void *state), void *state)
{
	struct client *cl = ipc_ctx(c->chan);

	copy_args(cl, c->args);
	cl->req = *c->req;
	cl->c = *c;
	cl->c.req = &cl->req;
	cl->c.args = cl->args;
	cl->step = step;
	cl->done = done == NULL ? free : done;
	cl->state = state;
	c->later = true;
	hold_or_resume(cl);
	go_on(cl);
}

/* ---- answers of others ---- */

static uint32_t
new_token(void)
{
	if (++ctl.token == 0)
		ctl.token = 1;
	return ctl.token;
}

void
control_ask(struct control *c, struct ipc_chan *whom, enum ask_what what, struct str argument)
{
	struct client *cl = ipc_ctx(c->chan);
	struct ipc_ask ask = {.what = (uint32_t)what};

	if (whom == NULL) {
		c->exit = EX_TEMPFAIL;
		control_end(c, false, "The process that does this is away; try again.");
		return;
	}
	ask.token = cl->token = new_token();
	cl->is_forwarded = false;
	ipc_send(whom, IPC_ASK, &ask, &argument, -1);
	c->later = true;
	hold_or_resume(cl);
}

void
control_answer(const struct ipc_msg *m)
{
	const struct ipc_answer *a = m->head;

	for (struct client *cl = ctl.clients; cl != NULL; cl = cl->next) {
		if (cl->token != a->token)
			continue;
		cl->token = 0;
		send_end(cl->chan, &(struct ipc_ctl_end){.ok = a->ok != 0}, m->text[0]);
		hold_or_resume(cl);
		return;
	}
}

/* ---- commands of bounced ---- */

void
control_forward(struct control *c)
{
	struct client *cl = ipc_ctx(c->chan);
	struct ipc_forward head = {.request = *c->req};

	if (qd.bounce.chan == NULL) {
		control_end(c, false, "The bounce processor is away; try again.");
		return;
	}
	head.token = cl->token = new_token();
	cl->is_forwarded = true;
	ipc_send(qd.bounce.chan, IPC_FORWARD, &head, c->args, -1);
	c->later = true;
	hold_or_resume(cl);
}

static struct client *
client_of(uint32_t token)
{
	struct client *cl = ctl.clients;

	while (cl != NULL && (!cl->is_forwarded || cl->token != token))
		cl = cl->next;
	return cl;
}

void
control_forward_field(const struct ipc_msg *m)
{
	const struct ipc_forward_field *f = m->head;
	struct ipc_ctl_field head = {.kind = f->kind};
	struct client *cl = client_of(f->token);

	if (cl != NULL)
		ipc_send(cl->chan, IPC_CTL_FIELD, &head, m->text, -1);
}

static void
end_forwarded(struct client *cl, bool ok, uint64_t cursor, struct str text)
{
	cl->token = 0;
	cl->is_forwarded = false;
	send_end(cl->chan, &(struct ipc_ctl_end){.ok = ok, .cursor = cursor}, text);
	hold_or_resume(cl);
}

void
control_forward_end(const struct ipc_msg *m)
{
	const struct ipc_forward_end *e = m->head;
	struct client *cl = client_of(e->token);

	if (cl != NULL)
		end_forwarded(cl, e->ok != 0, e->cursor, m->text[0]);
}

void
control_forward_gone(void)
{
	for (struct client *cl = ctl.clients; cl != NULL; cl = cl->next)
		if (cl->is_forwarded)
			end_forwarded(
			    cl, false, 0, STR("The bounce processor went away; try again."));
}

/* rows of an import are many, and parted by line ends and TABs */
static bool
are_rows(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\n' && s.p[i] != '\t') ||
		    s.p[i] == 0x7f)
			return false;
	return s.len <= CONTROL_MAX_ROWS;
}

/* ---- answers without an end ---- */

void
control_stream(struct control *c)
{
	struct client *cl = ipc_ctx(c->chan);

	cl->streams = true;
	c->later = true;
}

void
control_stream_end(struct ipc_chan *chan, bool ok, const char *text)
{
	struct client *cl = ipc_ctx(chan);

	cl->streams = false;
	send_end(chan, &(struct ipc_ctl_end){.ok = ok}, str_of(text));
	hold_or_resume(cl);
}

static bool
are_texts(const struct str *args)
{
	for (size_t i = 0; i < ARG_MAX; i++) {
		if (args[i].len > CONTROL_MAX_ARG)
			return false;
		for (size_t k = 0; k < args[i].len; k++) {
			if ((unsigned char)args[i].p[k] < 0x20 || args[i].p[k] == 0x7f)
				return false;
		}
	}
	return true;
}

/* what was given with the command, as far as there is room */
static void
add_arguments(const struct str *args, char *text, size_t room)
{
	static const enum ctl_arg order[] = {ARG_SOURCE, ARG_TARGET, ARG_RCPT, ARG_JOB, ARG_ENVID,
	    ARG_OLDER, ARG_MODE, ARG_PRIORITY, ARG_VMTA, ARG_FLAGS};

	for (size_t i = 0; i < countof(order); i++) {
		size_t n = strlen(text);
		if (args[order[i]].len > 0)
			snprintf(
			    text + n, room - n, " %.*s", STR_ARG(str_sub(args[order[i]], 0, 100)));
	}
}

static void
note_command(const struct client *cl, const struct ctl_row *row, const struct str *args)
{
	char given[300] = "", text[400];
	int n;

	add_arguments(args, given, sizeof given);
	n = snprintf(text, sizeof text, "uid %u: %s%s", cl->uid, row->words, given);
	log_info("event=control client=%s uid=%u command=\"%s\" arguments=%s",
	    ipc_role_name(ipc_peer(cl->chan)), cl->uid, row->words,
	    log_quote(str_trim(str_of(given))));
	tail_queue(TAIL_COMMAND, "", str_from(text, PH_MIN((size_t)n, sizeof text - 1)));
}

static void
answer(struct ipc_chan *chan, struct ipc_msg *m)
{
	const struct ipc_ctl_request *req = m->head;
	const struct client *cl = ipc_ctx(chan);
	const struct ctl_row *row = ctl_row_of(req->command);
	struct control c = {.chan = chan, .req = req, .args = m->text, .rights = cl->rights};

	if (cl->streams) {
		drop(ipc_ctx(chan)); /* it was to listen */
		return;
	}
	if (row == NULL) {
		control_end(&c, false, "This server does not know that command.");
		return;
	}
	if (row->rights > cl->rights) {
		c.exit = EX_NOPERM;
		control_end(&c, false, "You may not use \"%s\".", row->words);
		return;
	}
	if (row->command == CTL_SUPPRESSION_IMPORT ? !are_rows(c.args[ARG_TARGET])
						   : !are_texts(c.args)) {
		control_end(&c, false, "An argument is too long or holds a control character.");
		return;
	}
	if (row->rights > CTL_RIGHT_READ && row->command != CTL_SUPPRESSION_IMPORT &&
	    row->command != CTL_SUPPRESSION_EXPORT)
		note_command(cl, row, c.args);
	if (control_flag(&c, "dry-run") && control_dry_run(&c, row))
		return;
	for (size_t i = 0; i < countof(functions); i++) {
		if (functions[i].command == row->command)
			functions[i].fn(&c);
	}
	if (!c.later)
		control_end(&c, true, "%s", "");
}

/* ---- clients ---- */

static void
drop(struct client *cl)
{
	struct client **at = &ctl.clients;

	while (*at != cl)
		at = &(*at)->next;
	*at = cl->next;
	ctl.n_clients--;
	stop_going_on(cl);
	tail_gone(cl->chan);
	trace_gone(cl->chan);
	ipc_chan_free(&cl->chan);
	free(cl);
}

static void
on_down(struct ipc_chan *chan, const struct why *why)
{
	drop(ipc_ctx(chan));
}

static const struct ipc_events events = {.msg = answer, .down = on_down, .pressure = on_pressure};

/* the client that has been idle longest gives its place to a new one */
static bool
drop_oldest_idle(void)
{
	struct client *oldest = NULL;

	for (struct client *cl = ctl.clients; cl != NULL; cl = cl->next) {
		if (cl->step == NULL && cl->token == 0 && !cl->streams &&
		    ipc_peer(cl->chan) == ROLE_CTL)
			oldest = cl;
	}
	if (oldest != NULL)
		drop(oldest);
	return oldest != NULL;
}

static void
add_client(int fd, enum ipc_role role, uint32_t number, int rights, uid_t uid)
{
	struct client *cl = xcalloc(1, sizeof *cl);

	cl->rights = (enum ctl_rights)rights;
	cl->uid = uid;
	ev_timer_init(&cl->turn, on_turn);
	cl->chan = ipc_chan_new(fd, ROLE_QUEUE, role, number, &events, cl);
	cl->next = ctl.clients;
	ctl.clients = cl;
	ctl.n_clients++;
}

static void
accept_failed(void)
{
	if ((errno == EMFILE || errno == ENFILE) && drop_oldest_idle())
		return;
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	log_warn("event=control-accept-failed errno=%d", errno);
	ev_io_want(&ctl.io, 0);
	ev_timer_in_ms(&ctl.accept_again, NO_FD_PAUSE_MS);
}

static void
on_accept_again(struct ev_timer *t)
{
	ev_io_want(&ctl.io, EV_IN);
}

static void
on_accept(struct ev_io *io, int what)
{
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int rights;
	uid_t uid = 0;

	if (fd == -1) {
		accept_failed();
		return;
	}
	rights = control_rights_of(fd, &uid);
	if (rights == -1 || (ctl.n_clients >= MAX_CLIENTS && !drop_oldest_idle())) {
		if (close(fd) == -1)
			log_warn("event=close-failed");
		return;
	}
	add_client(fd, ROLE_CTL, 0, rights, uid);
}

void
control_add_web(uint32_t number, int fd)
{
	add_client(fd, ROLE_WEB, number, CTL_RIGHT_ADMIN, geteuid());
}

void
control_listen(int fd)
{
	if (ctl.io.cb != NULL) {
		ev_io_stop(&ctl.io);
		if (close(ctl.io.fd) == -1)
			log_warn("event=close-failed");
	}
	ev_timer_stop(&ctl.accept_again);
	ev_timer_init(&ctl.accept_again, on_accept_again);
	ev_io_init(&ctl.io, fd, on_accept);
	ev_io_want(&ctl.io, EV_IN);
}

void
control_init(void)
{
	control_rights_init();
	control_stats_init();
}
