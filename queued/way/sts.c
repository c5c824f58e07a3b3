#include "queued/way/sts.h"

#include "lib/base/hmap.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/spf/spf.h"
#include "queued/control/control_int.h"
#include "queued/exec.h"
#include "queued/state.h"
#include "queued/way/sts_int.h"

#define LOOK_AGAIN_MS (5 * 60 * 1000) /* a record is asked for again; dnsd has it until its TTL */
#define AWAY_MS	      2000	      /* execd is not there, or has too much to do */
#define FETCH_MS      60000	      /* RFC 8461 3.3 */
#define MAX_FETCHES   20
#define MAX_DEATHS    3 /* what kills it time and again may be what the domain serves */
#define MAX_DOMAINS   100000
/* a policy is got again so long before its end that who would have it forgotten must keep us from it for days (RFC 8461
 * 10.2): in the middle of its time, and after a day */
#define RENEW_NS      (24 * 3600 * NS_PER_SEC)
#define MAX_WAITERS   1000
#define MAX_ADDRESSES 400
/* requests of this file's; route.c's are far below */
#define REQ_BIT 0x80000000u

/* finding out about one domain */
struct sts_look {
	TAILQ_ENTRY(sts_look) link; /* in the line for a fetch */
	struct sts_domain *domain;
	bool is_in_line, is_fetching;
	uint32_t n_deaths;	 /* of posthttp under way */
	char id[STS_MAX_ID + 1]; /* of the record */
	char addresses[MAX_ADDRESSES];
	struct ev_timer again;
	uint32_t *waiters; /* queues' handles, owned */
	uint32_t n_waiters;
};

static struct {
	struct slab slots; /* of struct sts_domain * */
	struct hmap map;
	TAILQ_HEAD(look_list, sts_look) line;
	uint32_t serial;
	uint32_t n_fetches;
	bool made;
} st;

static void go_on(struct sts_domain *d);

static void
make_once(void)
{
	if (st.made)
		return;
	slab_init(&st.slots, sizeof(struct sts_domain *));
	TAILQ_INIT(&st.line);
	st.made = true;
}

/* ---- the table ---- */

static struct sts_domain *
at(uint32_t handle)
{
	struct sts_domain *d;

	if (!st.made || handle == 0 || handle >= slab_end(&st.slots))
		return NULL;
	d = *(struct sts_domain **)slab_at(&st.slots, handle);
	/* a free slot holds the next free number */
	return (uintptr_t)d > UINT32_MAX && d->handle == handle ? d : NULL;
}

static bool
is_named(const void *key, uint32_t handle)
{
	const struct str *name = key;

	return str_eq(str_of(at(handle)->name), *name);
}

static struct sts_domain *
find(struct str name)
{
	return st.made ? at(hmap_find(&st.map, str_hash(name), is_named, &name)) : NULL;
}

static void
forget_policy(struct sts_domain *d)
{
	xfree(&d->patterns);
	d->patterns_len = 0;
	d->mode = STS_MODE_NONE;
	d->id[0] = '\0';
	d->serial = ++st.serial;
}

static void
drop(struct sts_domain *d)
{
	hmap_remove(&st.map, str_hash(str_of(d->name)), d->handle);
	slab_free(&st.slots, d->handle);
	free(d->patterns);
	free(d->name);
	free(d);
}

struct sts_domain *
sts_domain_next(uint32_t *handle)
{
	struct sts_domain *d = NULL;

	while (d == NULL && st.made && ++*handle < slab_end(&st.slots))
		d = at(*handle);
	return d;
}

/* most domains have none, and that costs little to find out again */
static void
make_room(void)
{
	struct sts_domain *d;

	for (uint32_t h = 0; (d = sts_domain_next(&h)) != NULL;)
		if (d->look == NULL && d->patterns == NULL)
			drop(d);
}

struct sts_domain *
sts_domain_get(struct str name)
{
	struct sts_domain *d = find(name);

	if (d != NULL)
		return d;
	make_once();
	if (st.slots.n_used >= MAX_DOMAINS)
		make_room();
	d = xcalloc(1, sizeof *d);
	d->name = xstrdup_str(name);
	d->look_at = tick_now();
	d->serial = ++st.serial;
	d->handle = slab_new(&st.slots);
	*(struct sts_domain **)slab_at(&st.slots, d->handle) = d;
	hmap_add(&st.map, str_hash(name), d->handle);
	return d;
}

void
sts_domain_set(struct sts_domain *d, const struct sts_policy *p, struct str id, struct wall expires)
{
	forget_policy(d);
	d->patterns = xmalloc(p->patterns_len + 1);
	memcpy(d->patterns, p->patterns, p->patterns_len);
	d->patterns_len = p->patterns_len;
	d->mode = p->mode;
	d->expires = expires;
	d->renew_at.ns = ev_wall().ns + PH_MIN((expires.ns - ev_wall().ns) / 2, RENEW_NS);
	(void)str_copy(d->id, sizeof d->id, id);
}

/* ---- the end of looking ---- */

static void
start_next(void)
{
	struct sts_look *l;

	while (st.n_fetches < MAX_FETCHES && (l = TAILQ_FIRST(&st.line)) != NULL) {
		TAILQ_REMOVE(&st.line, l, link);
		l->is_in_line = false;
		go_on(l->domain);
	}
}

static void
end(struct sts_domain *d)
{
	struct sts_look *l = d->look;

	d->look = NULL;
	d->look_at = tick_in_ms(LOOK_AGAIN_MS);
	ev_timer_stop(&l->again);
	for (uint32_t i = 0; i < l->n_waiters; i++) {
		struct queue *q = queue_try(l->waiters[i]);
		if (q != NULL)
			queue_kick(q);
	}
	free(l->waiters);
	free(l);
	start_next();
}

static void
fail(struct sts_domain *d, struct str why)
{
	log_info("event=mta-sts-failed domain=%s kept=%s text=%s", d->name,
	    d->patterns == NULL ? "none" : sts_mode_name((enum sts_mode)d->mode), log_quote(why));
	end(d);
}

/* ---- the policy itself ---- */

static void
learn(struct sts_domain *d, const struct sts_policy *p)
{
	struct wall expires = {.ns = ev_wall().ns + (int64_t)p->max_age_s * NS_PER_SEC};

	sts_domain_set(d, p, str_of(d->look->id), expires);
	log_info("event=mta-sts domain=%s mode=%s id=%s max-age=%u", d->name,
	    sts_mode_name((enum sts_mode)p->mode), d->id, p->max_age_s);
	sts_file_touch();
	end(d);
}

static void
on_fetched(void *ctx, const struct run_end *e)
{
	static struct sts_policy p;
	struct sts_domain *d = ctx;

	st.n_fetches--;
	d->look->is_fetching = false;
	if (e->how == EXEC_LOST || e->how == EXEC_REFUSED ||
	    (e->how == EXEC_SIGNALED && ++d->look->n_deaths < MAX_DEATHS))
		ev_timer_in_ms(&d->look->again, AWAY_MS); /* that says nothing about the domain */
	else if (e->how != EXEC_EXITED || e->status != 0)
		fail(d, e->output.len > 0 ? e->output : STR("it took too long"));
	else if (!sts_policy_read(e->output, &p))
		fail(d, STR("what came is no policy"));
	else
		learn(d, &p);
}

static void
fetch(struct sts_domain *d)
{
	struct sts_look *l = d->look;
	struct str values[COMMAND_VALUES] = {STR_NULL};
	const struct commands *all = exec_commands();
	struct run_order o = {.hash = all->hash, .values = values};
	struct buf nothing;

	values[VALUE_DOMAIN] = str_of(d->name);
	values[VALUE_TO] = str_of(l->addresses);
	while (o.number < all->n && all->list[o.number].kind != COMMAND_STS)
		o.number++;
	if (o.number == all->n) {
		fail(d, STR("no domain uses it any more"));
		return;
	}
	buf_init(&nothing, 16);
	st.n_fetches++;
	l->is_fetching = true;
	run_text(exec_runner(), &o, &nothing, FETCH_MS, on_fetched, d);
}

/* ---- its record, and the host that has the policy ---- */

static void
ask_record(struct sts_domain *d)
{
	struct ipc_check msg = {.req = REQ_BIT | d->handle, .kind = CHECK_TXT};
	char name[300];
	struct str texts[3] = {STR_NULL, STR_NULL, STR_NULL};

	snprintf(name, sizeof name, "_mta-sts.%.255s", d->name);
	texts[0] = str_of(name);
	ipc_send(qd.dns.chan, IPC_CHECK, &msg, texts, -1);
}

static void
ask_host(struct sts_domain *d)
{
	struct ipc_resolve msg = {.req = REQ_BIT | d->handle, .kind = DNS_HOST, .families = 3};
	char name[300];
	struct str text;

	snprintf(name, sizeof name, "mta-sts.%.255s", d->name);
	text = str_of(name);
	ipc_send(qd.dns.chan, IPC_RESOLVE, &msg, &text, -1);
}

/* from where it stands to the next thing that must be waited for */
static void
go_on(struct sts_domain *d)
{
	struct sts_look *l = d->look;

	if (l->is_in_line || l->is_fetching || ev_timer_is_armed(&l->again))
		return;
	if (l->addresses[0] != '\0' && st.n_fetches >= MAX_FETCHES) {
		TAILQ_INSERT_TAIL(&st.line, l, link);
		l->is_in_line = true;
	} else if (l->addresses[0] != '\0')
		fetch(d);
	else if (qd.dns.chan == NULL)
		ev_timer_in_ms(&l->again, AWAY_MS);
	else if (l->id[0] != '\0')
		ask_host(d);
	else
		ask_record(d);
}

static void
on_again(struct ev_timer *t)
{
	go_on((ph_container_of(t, struct sts_look, again))->domain);
}

static void
begin(struct sts_domain *d)
{
	d->look = xcalloc(1, sizeof *d->look);
	d->look->domain = d;
	ev_timer_init(&d->look->again, on_again);
	go_on(d);
}

/* the domain whose answer this is, if it still waits for one of name servers */
static struct sts_domain *
asker(uint32_t req)
{
	struct sts_domain *d = at(req & ~REQ_BIT);
	const struct sts_look *l = d == NULL ? NULL : d->look;

	return l == NULL || l->is_fetching || l->is_in_line || ev_timer_is_armed(&l->again) ? NULL
											    : d;
}

bool
sts_is_mine(uint32_t req)
{
	return (req & REQ_BIT) != 0;
}

/* RFC 8461 3.1: without a record an earlier policy holds until its max_age is over; one says "none" to end it */
void
sts_checked(const struct ipc_msg *m)
{
	const struct ipc_checked *a = m->head;
	struct sts_domain *d = asker(a->req);
	char id[STS_MAX_ID + 1];

	if (d == NULL || d->look->id[0] != '\0')
		return;
	if (a->result != SPF_PASS || !sts_record_id(m->text[2], id) ||
	    (d->patterns != NULL && strcmp(id, d->id) == 0 && ev_wall().ns < d->renew_at.ns)) {
		end(d);
		return;
	}
	memcpy(d->look->id, id, sizeof d->look->id);
	go_on(d);
}

void
sts_dns_addr(const struct ipc_msg *m)
{
	const struct ipc_dns_addr *a = m->head;
	struct sts_domain *d = asker(a->req);
	struct net_addr addr;
	char text[NET_ADDR_TEXT];
	size_t n;

	if (d == NULL || a->addr.family == 0)
		return;
	net_from_ipc(&a->addr, &addr);
	n = strlen(d->look->addresses);
	(void)net_addr_text(&addr, text);
	if (n + strlen(text) + 2 < MAX_ADDRESSES)
		snprintf(
		    d->look->addresses + n, MAX_ADDRESSES - n, "%s%s", n == 0 ? "" : " ", text);
}

void
sts_dns_done(const struct ipc_msg *m)
{
	const struct ipc_dns_done *a = m->head;
	struct sts_domain *d = asker(a->req);

	if (d == NULL)
		return;
	if (d->look->addresses[0] == '\0')
		fail(d, m->text[0].len > 0 ? m->text[0] : STR("its host has no address"));
	else
		go_on(d);
}

void
sts_dns_gone(void)
{
	struct sts_domain *d;

	for (uint32_t h = 0; (d = sts_domain_next(&h)) != NULL;) {
		if (d->look == NULL || asker(d->handle) == NULL)
			continue;
		d->look->addresses[0] = '\0';
		ev_timer_in_ms(&d->look->again, AWAY_MS);
	}
}

/* ---- who asks ---- */

static void
expire(struct sts_domain *d)
{
	if (d->patterns == NULL || d->expires.ns > ev_wall().ns)
		return;
	forget_policy(d);
	d->look_at = tick_now();
}

static void
wait_for(struct sts_look *l, uint32_t queue)
{
	for (uint32_t i = 0; i < l->n_waiters; i++)
		if (l->waiters[i] == queue)
			return;
	if (l->n_waiters == MAX_WAITERS)
		return; /* it looks again when something else kicks it */
	l->waiters = xreallocarray(l->waiters, l->n_waiters + 1, sizeof *l->waiters);
	l->waiters[l->n_waiters++] = queue;
}

uint32_t
sts_ask(struct queue *q)
{
	struct sts_domain *d = sts_domain_get(queue_domain(q));

	expire(d);
	if (d->look == NULL && tick_is_due(d->look_at))
		begin(d);
	/* what is known holds while it is looked at again */
	if (d->look == NULL || d->patterns != NULL)
		return d->serial;
	wait_for(d->look, q->handle);
	return 0;
}

bool
sts_is_enforced(struct str domain)
{
	const struct sts_domain *d = find(domain);

	return d != NULL && d->patterns != NULL && d->mode == STS_MODE_ENFORCE;
}

bool
sts_allows(struct str domain, struct str host)
{
	const struct sts_domain *d = find(domain);

	return !sts_is_enforced(domain) ||
	       sts_mx_matches(str_from(d->patterns, d->patterns_len), host);
}

bool
sts_is_asked(const struct queue *q)
{
	const struct sts_domain *d = q->policy->use_mta_sts ? find(queue_domain(q)) : NULL;

	return d != NULL && d->look != NULL && d->patterns == NULL;
}

void
sts_text(const struct queue *q, char text[200])
{
	const struct sts_domain *d = find(queue_domain(q));
	char when[32];

	if (d == NULL || d->patterns == NULL)
		snprintf(text, 200, d != NULL && d->look != NULL ? "asked for" : "no policy");
	else
		snprintf(text, 200, "%s, id %s, until %.*s", sts_mode_name((enum sts_mode)d->mode),
		    d->id, STR_ARG(control_time(d->expires, when)));
}

void
sts_start(int spool_fd)
{
	make_once();
	sts_file_read(spool_fd);
}

void
sts_stop(void)
{
	sts_file_flush();
}
