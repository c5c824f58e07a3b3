#include "queued/end/process.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/alert/rate.h"
#include "queued/spool/arrive.h"
#include "queued/spool/copy.h"
#include "queued/end/final.h"
#include "queued/end/process_what.h"
#include "queued/peek.h"
#include "queued/state.h"

#define WINDOW	    64	 /* messages that a reader has and has not answered */
#define MAX_OPEN    4096 /* and all that wait for what follows from them */
#define MAX_CRASHES 2

/* a recipient that its reader has, or whose records are under way */
struct asked {
	TAILQ_ENTRY(asked) link;
	uint32_t rcpt;	/* handle */
	uint32_t queue; /* handle */
	uint32_t serial;
	uint32_t n_told; /* records posted: what is told again after a crash is not posted again */
	uint32_t n_unacked;
	uint32_t n_errands; /* not done yet: copies, complaints to be obeyed */
	uint32_t fbl;
	uint8_t verdict; /* enum process_verdict */
	uint8_t crashes;
	bool is_begun;
	bool is_foreign; /* a complaint about mail of others than its <fbl> is for */
	bool goes_on;	 /* to the queue of its domain, when all else is done */
};
TAILQ_HEAD(asked_list, asked);

static struct {
	struct asked_list
	    of[CONF_N_PROCESSORS]; /* not answered, in the order in which they were sent */
	uint32_t n[CONF_N_PROCESSORS];
	uint32_t n_open; /* of all, also those answered */
	uint32_t serial;
	bool is_made;
} proc;

static const struct {
	struct str domain;
	enum ipc_role role;
} rows[CONF_N_PROCESSORS] = {
    [CONF_BOUNCES] = {STR("{bounce}"), ROLE_BOUNCE},
    [CONF_COMPLAINTS] = {STR("{feedbackLoop}"), ROLE_FBL},
};

struct str
process_domain(enum conf_processor which)
{
	return rows[which].domain;
}

enum conf_processor
process_of_domain(struct str domain)
{
	for (size_t i = CONF_BOUNCES; i < countof(rows); i++)
		if (str_ieq(domain, rows[i].domain))
			return (enum conf_processor)i;
	return CONF_NO_PROCESSOR;
}

static enum conf_processor
which_of(enum ipc_role role)
{
	return role == ROLE_FBL ? CONF_COMPLAINTS : CONF_BOUNCES;
}

static struct ipc_chan *
chan_of(enum conf_processor which)
{
	return which == CONF_COMPLAINTS ? qd.fbl.chan : qd.bounce.chan;
}

static void
make_once(void)
{
	if (proc.is_made)
		return;
	for (size_t i = 0; i < countof(proc.of); i++)
		TAILQ_INIT(&proc.of[i]);
	proc.is_made = true;
}

/* ---- to the reader ---- */

static void
send_one(enum conf_processor which, struct asked *a)
{
	struct ipc_process msg = {.place = message_place(message_at(rcpt_at(a->rcpt)->message)),
	    .rcpt = rcpt_at(a->rcpt)->index,
	    .handle = a->serial};

	a->is_begun = false;
	if (chan_of(which) != NULL)
		ipc_send(chan_of(which), IPC_PROCESS, &msg, NULL, -1);
}

static void
give(struct queue *q, enum conf_processor which, uint32_t rcpt)
{
	struct asked *a = xcalloc(1, sizeof *a);

	queue_take(q, rcpt);
	rcpt_at(rcpt)->state = RCPT_FLIGHT;
	rcpt_at(rcpt)->at = 0;
	q->n_flight++;
	message_at(rcpt_at(rcpt)->message)->n_busy++;
	a->rcpt = rcpt;
	a->queue = q->handle;
	a->serial = ++proc.serial;
	TAILQ_INSERT_TAIL(&proc.of[which], a, link);
	proc.n[which]++;
	proc.n_open++;
	send_one(which, a);
}

enum queue_hold
process_run(struct queue *q)
{
	enum conf_processor which = (enum conf_processor)q->processor;
	uint32_t rcpt;

	make_once();
	if (chan_of(which) == NULL)
		return HOLD_NO_PROCESSOR;
	while (proc.n[which] < WINDOW && proc.n_open < MAX_OPEN &&
	       (rcpt = order_first(&q->ready)) != 0) {
		if (!limit_has_room(&qd.accounting)) {
			limit_wait(&qd.accounting, q, 1);
			return HOLD_ACCOUNTING;
		}
		give(q, which, rcpt);
	}
	return HOLD_DELIVERING;
}

/* ---- the end of one ---- */

static void
end(struct asked *a)
{
	struct final_facts f = {.reply = STR("read by a processor"),
	    .enh = {2, 0, 0},
	    .local = true,
	    .quiet = true,
	    .no_report = true};
	struct queue *q = queue_at(a->queue);
	uint32_t rcpt = a->rcpt;
	bool goes_on = a->goes_on;

	proc.n_open--;
	free(a);
	if (goes_on)
		arrive_unprocessed(q, rcpt);
	else
		final_begin(q, rcpt, FINAL_DELIVERED, &f);
	queue_kick(q);
}

static void
end_if_done(struct asked *a)
{
	if (a->verdict != PROCESS_BEGUN && a->n_unacked == 0 && a->n_errands == 0)
		end(a);
}

static void
on_acknowledged(void *ctx)
{
	struct asked *a = ctx;

	a->n_unacked--;
	end_if_done(a);
}

static void
on_errand_done(void *ctx)
{
	struct asked *a = ctx;

	a->n_errands--;
	end_if_done(a);
}

static void
order_copies(struct asked *a, const struct process_what *what)
{
	struct copy_what copy = {.place = message_place(message_at(rcpt_at(a->rcpt)->message)),
	    .rcpt = rcpt_at(a->rcpt)->index,
	    .also = what->delivers_copy,
	    .rcpts = buf_str(&what->rcpts)};

	if (!what->delivers_copy && buf_len(&what->rcpts) == 0)
		return;
	a->n_errands++;
	copy_order(&copy, on_errand_done, a);
}

static void
order_handlers(struct asked *a)
{
	struct ipc_handle order = {.place = message_place(message_at(rcpt_at(a->rcpt)->message)),
	    .rcpt = rcpt_at(a->rcpt)->index,
	    .fbl = a->fbl};
	const struct errand_what errand = {
	    .type = IPC_HANDLE, .head = &order, .head_len = sizeof order};
	uint32_t i = UINT32_MAX;

	while (process_next_pipe(a->fbl, &i)) {
		order.handler = i;
		a->n_errands++;
		errand_order(&errand, on_errand_done, a);
	}
}

/* log-messages of <domain {bounce}> or <domain {feedbackLoop}> */
static void
log_message(enum conf_processor which, const struct asked *a)
{
	static const struct str names[CONF_N_PROCESSORS][2] = {
	    [CONF_BOUNCES] = {STR("{bounce}"), STR("{bounceProcessor}")},
	    [CONF_COMPLAINTS] = {STR("{feedbackLoop}"), STR("{feedbackLoop}")}};
	struct str address, sender, envid;
	bool wanted = false;

	for (size_t i = 0; i < 2; i++)
		wanted |= conf_bool(
		    conf_queue(daemon_conf(), names[which][i], STR("")), CONF_DOMAIN_LOG_MESSAGES);
	if (!wanted || !peek_rcpt(rcpt_at(a->rcpt), &address, &sender, &envid))
		return;
	log_info("id=%016lx event=filtered by=%.*s from=%s to=%s",
	    message_at(rcpt_at(a->rcpt)->message)->id, STR_ARG(names[which][0]), log_quote(sender),
	    log_quote(address));
}

/* Off the list of those not answered; what follows from the verdict begins. */
static void
settle(enum conf_processor which, struct asked *a, enum process_verdict verdict)
{
	struct process_what what;

	TAILQ_REMOVE(&proc.of[which], a, link);
	proc.n[which]--;
	a->verdict = (uint8_t)verdict;
	process_decide(which, verdict, a->is_foreign ? 0 : a->fbl, &what);
	a->goes_on = what.goes_on;
	order_copies(a, &what);
	if (verdict == PROCESS_MATCHED)
		log_message(which, a);
	if (verdict == PROCESS_MATCHED && !a->is_foreign)
		order_handlers(a);
	buf_clear(&what.rcpts);
	queue_kick(queue_at(a->queue));
	end_if_done(a);
}

/* ---- from the reader ---- */

static struct asked *
find(enum ipc_role role, uint32_t serial)
{
	struct asked *a;

	make_once();
	/* they answer in order: it is the first */
	TAILQ_FOREACH(a, &proc.of[which_of(role)], link)
	{
		if (a->serial == serial)
			return a;
	}
	return NULL;
}

/* what is not proved could have been written by anybody: it is recorded, and nothing follows */
static void
obey(struct asked *a, const struct ipc_processed_rcpt *head, const struct str *text)
{
	const struct ipc_complained order = {0};
	struct process_complaint c = {.fbl = head->fbl, .vmta = text[2]};
	struct str texts[5];
	struct errand_what errand = {.type = IPC_COMPLAINED,
	    .head = &order,
	    .head_len = sizeof order,
	    .texts = texts,
	    .n_texts = countof(texts)};

	if (head->type != ACCT_COMPLAINT)
		return;
	if (!process_is_theirs(&c)) {
		a->is_foreign = true;
		return;
	}
	if (head->proof == PROOF_NONE || !head->complains)
		return;
	alert_rate_counted(c.vmta, text[3], STR("complaints"));
	if (!process_suppresses(&c))
		return;
	texts[0] = text[1];
	texts[1] = c.vmta;
	texts[2] = text[3];
	texts[3] = c.scope;
	texts[4] = text[4];
	a->n_errands++;
	errand_order(&errand, on_errand_done, a);
}

static bool
is_record(uint8_t type)
{
	return type == ACCT_REMOTE_BOUNCE || type == ACCT_REMOTE_STATUS || type == ACCT_COMPLAINT;
}

void
process_rcpt(enum ipc_role role, const struct ipc_msg *m)
{
	const struct ipc_processed_rcpt *head = m->head;
	struct asked *a = find(role, head->handle);

	if (a == NULL || !is_record(head->type) || head->nth != a->n_told)
		return;
	a->n_told++;
	obey(a, head, m->text);
	a->n_unacked +=
	    final_heard(queue_at(a->queue), a->rcpt, head, m->text[0], on_acknowledged, a);
}

static void
log_verdict(enum ipc_role role, const struct ipc_processed *head, struct str why)
{
	static const char *const names[PROCESS_VERDICTS] = {
	    "begun", "unmatched", "matched", "error"};

	log_info("id=%016lx event=processed by=%s verdict=%s records=%u%s%s", head->id,
	    ipc_role_name(role), names[head->verdict], head->n, why.len > 0 ? " text=" : "",
	    why.len > 0 ? log_quote(why) : "");
}

void
process_done(enum ipc_role role, const struct ipc_msg *m)
{
	const struct ipc_processed *head = m->head;
	struct asked *a = find(role, head->handle);

	if (a == NULL || head->verdict >= PROCESS_VERDICTS)
		return;
	if (head->verdict == PROCESS_BEGUN) {
		a->is_begun = true;
		return;
	}
	log_verdict(role, head, m->text[0]);
	a->fbl = head->fbl;
	settle(which_of(role), a, (enum process_verdict)head->verdict);
}

void
process_peer_came(enum ipc_role role)
{
	enum conf_processor which = which_of(role);
	struct asked *a;

	make_once();
	TAILQ_FOREACH(a, &proc.of[which], link)
	send_one(which, a);
	for (uint32_t h = 0; (h = queue_next(h)) != 0;)
		if (queue_at(h)->processor == which)
			queue_kick(queue_at(h));
}

void
process_peer_gone(enum ipc_role role)
{
	enum conf_processor which = which_of(role);
	struct asked *a;

	make_once();
	/* it reads one after the other: the others that it has begun only wait for the disk */
	TAILQ_FOREACH_REVERSE(a, &proc.of[which], asked_list, link)
	{
		if (a->is_begun)
			break;
	}
	if (a == NULL || ++a->crashes < MAX_CRASHES)
		return;
	log_error(
	    "id=%016lx event=processor-killed by=%s text=\"its reader died of it twice; it is "
	    "delivered as it is\"",
	    message_at(rcpt_at(a->rcpt)->message)->id, ipc_role_name(role));
	settle(which, a, PROCESS_ERROR);
}

bool
process_is_idle(void)
{
	return proc.n_open == 0;
}
