/* explain: why a queue or a recipient waits, since when, until when, by which line; and resolve */
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/conn.h"
#include "queued/control/control_int.h"
#include "queued/control/events.h"
#include "queued/job.h"
#include "queued/end/judge.h"
#include "queued/move.h"
#include "queued/control/pause.h"
#include "queued/react/retry.h"
#include "queued/way/route.h"
#include "queued/way/source.h"
#include "queued/state.h"
#include "queued/way/sts.h"
#include "queued/vmta.h"

/* a route that was asked for is kept so long for the client's next look */
#define RESOLVE_KEEP_MS 5000
#define MAX_ROWS	100
#define MAX_SETTINGS	400

static struct str
shown_vmta(const struct queue *q)
{
	return str_skip(str_of(q->name), (size_t)q->domain_len + 1);
}

static void
cause_of_retry(const struct queue *q, struct reason *k)
{
	/* a route that could not be found was dropped; one that did not work is kept */
	bool by_dns = q->route == NULL;

	if (q->retrying)
		k->until = tick_to_wall(q->retry_at);
	if (q->ordered != NULL) {
		k->by = q->ordered;
		snprintf(
		    k->detail, sizeof k->detail, "a reply ordered it: %.150s", q->ordered->text);
		return;
	}
	k->set = q->policy->set;
	k->key = by_dns	      ? CONF_DOMAIN_RETRY_AFTER_DNS_ERROR
		 : q->backoff ? CONF_DOMAIN_BACKOFF_RETRY_AFTER
			      : CONF_DOMAIN_RETRY_AFTER;
	if (by_dns)
		snprintf(k->detail, sizeof k->detail, "the look-up of its hosts failed");
	else if (q->retry_nth <= 1)
		snprintf(k->detail, sizeof k->detail, "no connection worked");
	else
		snprintf(k->detail, sizeof k->detail, "no connection worked, %u times in a row",
		    q->retry_nth);
}

/* which of them comes back first */
static void
cause_of_sources(const struct queue *q, struct reason *k)
{
	struct tick next = source_next_change(q);

	if (q->sources_off == NULL || !q->sources_off->all) {
		k->set = conf_global(daemon_conf());
		k->key = CONF_GLOBAL_DNSBL_ACTION;
		snprintf(k->detail, sizeof k->detail, "%s",
		    "block lists name all of them, see show alerts; until they are clear");
		return;
	}
	k->by = &q->sources_off->list[0].by;
	if (next.t != INT32_MAX)
		k->until = tick_to_wall(next);
	snprintf(k->detail, sizeof k->detail, "%u of VirtualMTA %.*s, see show disabled sources",
	    q->sources_off->n, STR_ARG(str_sub(shown_vmta(q), 0, 100)));
}

static void
cause_of_rcpts(const struct queue *q, struct reason *k)
{
	const struct judge_cause *by;

	k->set = q->policy->set;
	k->key = CONF_DOMAIN_RETRY_RECIPIENTS_AFTER;
	if (q->deferred.n == 0)
		return;
	k->until = tick_to_wall(rcpt_at(due_first(&q->deferred))->due);
	by = judge_cause(due_first(&q->deferred));
	if (by == NULL)
		return;
	/* the first that comes back waits by a <bounce-action> */
	k->set = NULL;
	snprintf(k->detail, sizeof k->detail, "a bounce action for %s: %.120s:%u", by->category,
	    by->file, by->line);
}

static void
cause_of_schedule(const struct queue *q, struct reason *k)
{
	if (q->deferred.n > 0)
		k->until = tick_to_wall(rcpt_at(due_first(&q->deferred))->due);
}

static void
cause_of_hold_domain(const struct queue *q, struct reason *k)
{
	k->set = q->policy->set;
	k->key = CONF_DOMAIN_HOLD_DOMAIN;
}

static void
cause_of_type(const struct queue *q, struct reason *k)
{
	k->set = q->policy->set;
	k->key = CONF_DOMAIN_TYPE;
}

static void
cause_of_pause(const struct queue *q, struct reason *k)
{
	snprintf(k->detail, sizeof k->detail, "until \"resume queue %.100s\"", q->name);
}

static void
cause_of_hold_vmta(const struct queue *q, struct reason *k)
{
	snprintf(k->detail, sizeof k->detail, "VirtualMTA %.*s, until it is released",
	    STR_ARG(str_sub(shown_vmta(q), 0, 100)));
}

static void
cause_of_jobs(const struct queue *q, struct reason *k)
{
	uint32_t job = q->held.head == 0 ? 0 : message_at(rcpt_at(q->held.head)->message)->job;

	if (job != 0)
		snprintf(k->detail, sizeof k->detail, "job %.100s, until it is resumed",
		    job_at(job)->name);
}

static void
cause_of_no_vmta(const struct queue *q, struct reason *k)
{
	snprintf(k->detail, sizeof k->detail, "the configuration has no VirtualMTA %.*s",
	    STR_ARG(str_sub(shown_vmta(q), 0, 100)));
}

static void
cause_of_no_source(const struct queue *q, struct reason *k)
{
	const struct conf_vmta *v = q->vmta->conf;
	bool own = v != NULL && v->set != NULL && conf_is_set(v->set, CONF_VMTA_SMTP_SOURCE_HOST);

	k->set = own ? v->set : conf_global(daemon_conf());
	k->key = own ? CONF_VMTA_SMTP_SOURCE_HOST : CONF_GLOBAL_SMTP_SOURCE_HOST;
	if (q->retrying)
		k->until = tick_to_wall(q->retry_at);
	snprintf(k->detail, sizeof k->detail, "VirtualMTA %.*s sends from %s only",
	    STR_ARG(str_sub(shown_vmta(q), 0, 100)), vmta_families(q->vmta) == 1 ? "IPv4" : "IPv6");
}

static void
cause_of_resolving(const struct queue *q, struct reason *k)
{
	if (sts_is_asked(q)) {
		k->set = q->policy->set;
		k->key = CONF_DOMAIN_USE_MTA_STS;
		snprintf(
		    k->detail, sizeof k->detail, "the MTA-STS policy of its domain is asked for");
		return;
	}
	k->set = conf_global(daemon_conf());
	k->key = CONF_GLOBAL_NAME_SERVER;
}

static void
cause_of_moving(const struct queue *q, struct reason *k)
{
	struct str to = move_where(q);

	if (rollup_has(to)) {
		k->key = CONF_ROLLUP_MX;
		k->set = conf_block_at(daemon_conf(), CONF_BLOCK_ROLLUP, 0);
	}
	snprintf(k->detail, sizeof k->detail, "to %.*s", STR_ARG(str_sub(to, 0, 100)));
}

static void (*const causes[HOLD_MAX])(const struct queue *, struct reason *) = {
    [HOLD_LIMIT] = control_cause_of_limit,
    [HOLD_ACCOUNTING] = control_cause_of_limit,
    [HOLD_RETRY] = cause_of_retry,
    [HOLD_RCPT_WAIT] = cause_of_rcpts,
    [HOLD_SCHEDULED] = cause_of_schedule,
    [HOLD_HELD_DOMAIN] = cause_of_hold_domain,
    [HOLD_HELD_TYPE] = cause_of_type,
    [HOLD_PAUSED] = cause_of_pause,
    [HOLD_HELD_VMTA] = cause_of_hold_vmta,
    [HOLD_HELD_JOBS] = cause_of_jobs,
    [HOLD_NO_VMTA] = cause_of_no_vmta,
    [HOLD_NO_SOURCE] = cause_of_no_source,
    [HOLD_SOURCES_DISABLED] = cause_of_sources,
    [HOLD_RESOLVING] = cause_of_resolving,
    [HOLD_MOVING] = cause_of_moving,
};

void
control_reason(const struct queue *q, struct reason *k)
{
	*k = (struct reason){.wakes = hold_wakes((enum queue_hold)q->hold)};
	if (causes[q->hold] != NULL)
		causes[q->hold](q, k);
}

struct conf_origin
control_reason_origin(const struct reason *k)
{
	if (k->by != NULL)
		return (struct conf_origin){.file = k->by->file, .line = k->by->line};
	if (k->set == NULL || k->key == CONF_NONE)
		return (struct conf_origin){0};
	return k->item > 0 ? conf_item_origin(k->set, k->key, k->item - 1)
			   : conf_origin(k->set, k->key);
}

const char *
control_reason_directive(const struct reason *k)
{
	if (k->by != NULL)
		return k->by->directive;
	return k->key == CONF_NONE ? NULL : conf_key_name(k->key);
}

static void
explain_queue(struct control *c, const struct queue *q, uint32_t i)
{
	const struct event *e = events_last(q, 0);
	enum queue_hold hold = (enum queue_hold)q->hold;
	struct conf_origin o;
	struct reason k;
	char when[32];

	control_reason(q, &k);
	o = control_reason_origin(&k);
	control_text(c, str_of(q->name), "queue[%u].name", i);
	control_text(c, str_of(hold_name(hold)), "queue[%u].state", i);
	control_text(c, str_of(hold_text(hold)), "queue[%u].why", i);
	control_text(c, str_of(k.detail), "queue[%u].limit", i);
	control_text(c, control_time(tick_to_wall(q->hold_since), when), "queue[%u].since", i);
	control_text(c, control_time(k.until, when), "queue[%u].until", i);
	control_text(c, str_of(k.until.ns == 0 ? k.wakes : ""), "queue[%u].wakes", i);
	control_text(c, str_of(control_reason_directive(&k)), "queue[%u].directive", i);
	control_text(c, str_of(o.file), "queue[%u].file", i);
	control_number(c, o.line, "queue[%u].line", i);
	if (q->policy->use_mta_sts) {
		sts_text(q, k.detail);
		control_text(c, str_of(k.detail), "queue[%u].mtaSts", i);
	}
	control_mode_explain(c, q, i);
	control_number(c, q->ready.n, "queue[%u].ready", i);
	control_number(c, q->deferred.n, "queue[%u].deferred", i);
	control_number(c, q->held.n, "queue[%u].held", i);
	control_number(c, q->n_flight, "queue[%u].sending", i);
	control_number(c, q->n_conns, "queue[%u].conn", i);
	control_text(c, e == NULL ? STR("") : str_of(e->text), "queue[%u].lastError", i);
}

static const char *
rcpt_why(const struct queue *q, const struct rcpt *r)
{
	switch (r->state) {
	case RCPT_DEFERRED:
		return "it was deferred and waits for its own retry time (retry-recipients-after), "
		       "or it is scheduled";
	case RCPT_HELD:
		return "its job is paused; resume the job";
	case RCPT_FLIGHT:
		return "it is being sent";
	case RCPT_ENDING:
		return "it has ended; its record is being written";
	default:
		return q->hold == HOLD_DELIVERING ? "it stands in line for a connection"
						  : "its queue does not move";
	}
}

static void
explain_rcpt(struct control *c, const struct queue *q, uint32_t rcpt, uint32_t i)
{
	const struct rcpt *r = rcpt_at(rcpt);
	const struct judge_cause *cause = judge_cause(rcpt);
	char id[20], when[32];
	struct wall until = {0};

	if (r->state == RCPT_DEFERRED)
		until = tick_to_wall(r->due);
	snprintf(id, sizeof id, "%016lx", message_at(r->message)->id);
	control_text(c, str_of(id), "rcpt[%u].id", i);
	control_text(c, str_of(q->name), "rcpt[%u].queue", i);
	control_text(c,
	    cause != NULL ? STR("it was deferred, and a bounce action (bounce-action, "
				"bounce-handling) says when it is tried again")
			  : str_of(rcpt_why(q, r)),
	    "rcpt[%u].why", i);
	if (cause != NULL) {
		control_text(c, str_of(cause->category), "rcpt[%u].category", i);
		control_text(c, str_of(cause->file), "rcpt[%u].file", i);
		control_number(c, cause->line, "rcpt[%u].line", i);
	}
	control_text(c, control_time(until, when), "rcpt[%u].until", i);
	control_number(c, r->tries, "rcpt[%u].attempts", i);
	control_text(c, control_time(tick_to_wall(message_at(r->message)->born), when),
	    "rcpt[%u].timeQueued", i);
}

#define MAX_RCPTS  20
#define MAX_QUEUES 16

/* the recipients of an address, then the queues that they are in */
struct look {
	struct walk w;
	uint32_t queues[MAX_QUEUES];
	uint32_t n_queues;
};

static void
note_queue(struct look *l, uint32_t queue)
{
	for (uint32_t i = 0; i < l->n_queues; i++) {
		if (l->queues[i] == queue)
			return;
	}
	if (l->n_queues < MAX_QUEUES)
		l->queues[l->n_queues++] = queue;
}

static bool
explain_hit(struct walk *w, struct control *c, uint32_t rcpt, struct str address, struct str sender)
{
	struct look *l = ph_container_of(w, struct look, w);

	explain_rcpt(c, queue_at(rcpt_at(rcpt)->queue), rcpt, w->n++);
	note_queue(l, rcpt_at(rcpt)->queue);
	w->n_vain--;
	return w->n < MAX_RCPTS;
}

static void
explain_end(struct control *c, const struct look *l)
{
	for (uint32_t i = 0; i < l->n_queues; i++) {
		uint32_t h = l->queues[i];
		if (queue_next(h - 1) == h)
			explain_queue(c, queue_at(h), i);
	}
	walk_say_cut(&l->w, c);
	if (l->w.is_cut)
		control_end(c, true,
		    "%u recipients shown: " WALK_CUT
		    "; an address without wildcards is found at once.",
		    l->w.n, walk_per_cent(&l->w));
	else if (l->w.n > 0)
		control_end(c, true, "%s", "");
	else
		control_end(c, true,
		    "No waiting mail for %.*s; what was sent is in the accounting files.",
		    STR_ARG(control_arg(c, ARG_TARGET)));
}

static void
look_free(void *state)
{
	struct look *l = state;

	walk_clear(&l->w);
	free(l);
}

static bool
step_address(struct control *c, void *state)
{
	struct look *l = state;
	struct str address = control_arg(c, ARG_TARGET);

	if (l->w.next == 0) {
		walk_init(&l->w, c);
		selection_of_rcpt(&l->w.s, address);
		l->w.s.queue = STR("");
		l->w.tells = true;
	}
	if (!walk_step(&l->w, c, explain_hit))
		return false;
	explain_end(c, l);
	return true;
}

void
control_explain(struct control *c)
{
	struct str what = control_arg(c, ARG_TARGET);
	uint32_t n = 0;

	if (str_find(what, '@') != STR_NPOS) {
		control_go_on(c, step_address, look_free, xcalloc(1, sizeof(struct look)));
		return;
	}
	for (uint32_t h = 0; (h = queue_next(h)) != 0 && n < MAX_ROWS;) {
		if (pause_match(what, str_of(queue_at(h)->name)))
			explain_queue(c, queue_at(h), n++);
	}
	if (n > 0)
		return;
	control_no_rows(c, "queue");
	control_end(c, true, "No queue matches, so nothing waits there.");
}

/* the hosts that a queue of that domain would use; those that are known already */
void
control_resolve(struct control *c)
{
	struct queue *q = queue_get(control_arg(c, ARG_TARGET), STR(""));
	enum route_state state = route_ensure(q);
	char text[NET_ADDR_TEXT];

	q->keep_until = tick_in_ms(RESOLVE_KEEP_MS);
	if (state == ROUTE_WAIT) {
		c->next = c->req->cursor + 1;
		control_end(c, true, "asking");
		return;
	}
	for (uint32_t i = 0; state == ROUTE_READY && i < q->route->n; i++) {
		control_number(c, q->route->hosts[i].pref, "host[%u].pref", i);
		control_text(c, str_of(q->route->hosts[i].name), "host[%u].name", i);
		control_text(
		    c, str_of(net_addr_text(&q->route->hosts[i].addr, text)), "host[%u].ip[0]", i);
		control_number(c, q->route->hosts[i].addr.port, "host[%u].port", i);
		control_bool(c, q->route->hosts[i].tlsa != NULL, "host[%u].tlsa", i);
	}
	if (state == ROUTE_FAILED)
		control_end(c, false, "%s", q->route->why.text);
	queue_kick(q);
}

/* ---- settings ---- */

/* by name, the type of a queue before all */
static int
by_name(const void *a, const void *b)
{
	const enum conf_key *x = a, *y = b;

	if (*x == CONF_DOMAIN_TYPE || *y == CONF_DOMAIN_TYPE)
		return (*x != CONF_DOMAIN_TYPE) - (*y != CONF_DOMAIN_TYPE);
	return strcmp(conf_key_name(*x), conf_key_name(*y));
}

static void
show_setting(
    struct control *c, const struct conf_set *set, enum conf_key k, const char *section, uint32_t i)
{
	struct conf_origin o = conf_origin(set, k);
	struct str name = str_of(conf_key_name(k));
	char *line = conf_print(set, k);

	control_text(c, name, "%s[%u].name", section, i);
	control_text(c, str_trim(str_skip(str_of(line), name.len)), "%s[%u].value", section, i);
	control_text(c, str_of(o.file), "%s[%u].file", section, i);
	control_number(c, o.line, "%s[%u].line", section, i);
	free(line);
}

static void
show_block(
    struct control *c, const struct conf_set *set, enum conf_block block, const char *section)
{
	enum conf_key keys[MAX_SETTINGS] = {CONF_NONE}, k = CONF_NONE;
	uint32_t n = 0;

	while (n < MAX_SETTINGS && (k = conf_next_key(block, k)) != CONF_NONE)
		keys[n++] = k;
	qsort(keys, n, sizeof keys[0], by_name);
	for (uint32_t i = 0; i < n; i++)
		show_setting(c, set, keys[i], section, i);
}

static void
show_source(struct control *c, const struct conf_source_host *s, size_t i)
{
	char text[NET_ADDR_TEXT];

	control_text(c, str_of(s->addr.family == 0 ? "(any)" : net_addr_text(&s->addr, text)),
	    "source[%zu].ip", i);
	control_text(c, s->host, "source[%zu].host", i);
	if (s->proxy.family != 0)
		control_text(c, str_of(net_addr_text(&s->proxy, text)), "source[%zu].proxy", i);
}

/* the keys of <domain> blocks are with the queues; those of the VirtualMTA are its domain-key lines */
void
control_show_vmta_settings(struct control *c)
{
	struct str name = control_arg(c, ARG_TARGET);
	bool is_default = str_ieq(name, STR("{default}"));
	const struct conf_vmta *v =
	    is_default ? conf_default_vmta(daemon_conf()) : conf_vmta(daemon_conf(), name);

	if (v == NULL) {
		control_end(c, false, "There is no VirtualMTA \"%.*s\".", STR_ARG(name));
		return;
	}
	if (v->set != NULL)
		show_block(c, v->set, CONF_BLOCK_VMTA, "vmta");
	for (size_t i = 0; i < v->n_sources; i++)
		show_source(c, &v->sources[i], i);
	for (size_t i = 0; v->set != NULL && i < conf_n(v->set, CONF_VMTA_DOMAIN_KEY); i++)
		control_text(c, conf_item(v->set, CONF_VMTA_DOMAIN_KEY, i), "key[%zu].line", i);
}

void
control_show_settings(struct control *c)
{
	struct str what = control_arg(c, ARG_TARGET), vmta = STR("");
	size_t slash = str_rfind(what, '/');
	const struct conf_vmta *v;

	if (what.len == 0) {
		control_end(c, false, "Say which queue: domain[/vmta].");
		return;
	}
	if (slash != STR_NPOS) {
		vmta = str_skip(what, slash + 1);
		what = str_sub(what, 0, slash);
	}
	v = conf_vmta(daemon_conf(), vmta);
	if (vmta.len > 0 && v == NULL && !str_ieq(vmta, STR("{default}"))) {
		control_end(c, false, "There is no VirtualMTA \"%.*s\".", STR_ARG(vmta));
		return;
	}
	if (v != NULL)
		show_block(c, v->set, CONF_BLOCK_VMTA, "vmta");
	show_block(c, conf_queue(daemon_conf(), what, v == NULL ? STR("") : v->name),
	    CONF_BLOCK_DOMAIN, "queue");
}
