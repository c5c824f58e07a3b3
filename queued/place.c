#include "queued/place.h"

#include "lib/conf/processor.h"
#include "lib/daemon/daemon.h"
#include "queued/domain.h"
#include "queued/move.h"
#include "queued/way/rollup.h"
#include "queued/way/route.h"
#include "queued/way/sts.h"
#include "queued/state.h"

#define LOOKS_A_TURN 4096

static struct {
	bool has_queue_to; /* some <domain> says queue-to */
	bool had_rules;	   /* rules are or were in force: mail may stand in queues of other names */
	bool is_running;
	uint32_t next; /* recipient to be placed again */
	struct ev_timer again;
	bool is_made;
} place;

static bool
has_rules(void)
{
	return place.has_queue_to || rollup_is_on();
}

/* ---- the name ---- */

static struct str
by_queue_to(struct str domain, struct str vmta, char lower[256])
{
	struct str to;

	if (!place.has_queue_to)
		return domain;
	to = conf_str(conf_queue(daemon_conf(), domain, vmta), CONF_DOMAIN_QUEUE_TO);
	if (to.len == 0)
		return domain;
	to = str_sub(to, 0, 255);
	str_copy(lower, 256, to);
	str_lower(lower, to.len);
	return str_from(lower, to.len);
}

static bool
may_roll_up(struct str name, struct str vmta)
{
	return rollup_is_on() &&
	       !conf_bool(conf_queue(daemon_conf(), name, vmta), CONF_DOMAIN_DISABLE_MX_ROLLUP);
}

static struct str
name_of(struct str domain, struct str vmta, char lower[256], bool stale)
{
	struct str name = by_queue_to(domain, vmta, lower), rollup = STR("");

	if (rollup_is_on())
		rollup = domain_rollup(name, stale);
	if (rollup.len > 0 && rollup_has(rollup) && may_roll_up(name, vmta))
		return rollup;
	return name;
}

struct str
place_name(struct str domain, struct str vmta, char lower[256])
{
	return name_of(domain, vmta, lower, false);
}

static struct queue *
get(struct str domain, struct str name, struct str vmta)
{
	struct queue *q = queue_get(name, vmta);

	q->is_grouped |= !str_ieq(domain, name);
	return q;
}

struct queue *
place_queue(struct str domain, struct str vmta)
{
	char lower[256];

	return get(domain, name_of(domain, vmta, lower, false), vmta);
}

/* ---- those who wait already ---- */

static void
place_again(struct queue *q, uint32_t rcpt, bool stale)
{
	struct str domain = domain_name(rcpt_at(rcpt)->domain);
	char lower[256];
	struct str name = name_of(domain, queue_vmta_name(q), lower, stale);

	if (q->processor == CONF_NO_PROCESSOR && !str_ieq(name, queue_domain(q)))
		move_rcpt(q, rcpt, get(domain, name, queue_vmta_name(q)));
}

void
place_landed(struct queue *q, uint32_t rcpt)
{
	if (place.had_rules)
		place_again(q, rcpt, true);
}

void
place_woken(struct queue *q, uint32_t rcpt)
{
	if (rollup_is_on() && rollup_has(queue_domain(q)))
		place_again(q, rcpt, false);
}

static void
on_again(struct ev_timer *t)
{
	uint32_t end = slab_end(&qd.rcpts);

	for (int n = 0; n < LOOKS_A_TURN && place.next < end; n++, place.next++) {
		const struct rcpt *r = rcpt_at(place.next);
		if (r->state != RCPT_READY && r->state != RCPT_DEFERRED && r->state != RCPT_HELD)
			continue;
		place_again(queue_at(r->queue), place.next, true);
	}
	if (place.next < end) {
		ev_timer_in_ms(t, 0);
		return;
	}
	place.is_running = false;
	queue_kick_all();
}

bool
place_is_running(void)
{
	return place.is_running;
}

void
place_configure(void)
{
	bool is_first = !place.is_made;

	if (is_first)
		ev_timer_init(&place.again, on_again);
	place.is_made = true;
	place.has_queue_to = conf_uses(daemon_conf(), CONF_DOMAIN_QUEUE_TO);
	if (rollup_configure())
		domain_forget_rollups();
	place.had_rules |= has_rules();
	if (is_first || !place.had_rules)
		return;
	place.next = 1;
	place.is_running = true;
	ev_timer_in_ms(&place.again, 0);
}

/* ---- mail exchangers ---- */

static bool
is_literal(struct str name)
{
	return name.len > 0 && name.p[0] == '[';
}

bool
place_waits_for_mx(const struct queue *q)
{
	return rollup_is_on() && !q->policy->no_rollup && !is_literal(queue_domain(q)) &&
	       !rollup_has(queue_domain(q)) &&
	       conf_str(q->policy->set, CONF_DOMAIN_SMTP_HOSTS).len == 0;
}

bool
place_mx_known(struct queue *q, const struct route *r)
{
	struct str rollup;

	if (r->mx.n == 0 || !place_waits_for_mx(q))
		return true;
	rollup = rollup_match(&r->mx, queue_vmta_name(q));
	if (rollup.len == 0)
		return true;
	/* RFC 8461 2: the policy is that of the recipient's domain */
	if (q->policy->use_mta_sts && sts_ask(q) == 0)
		return false;
	if (q->policy->use_mta_sts && sts_is_enforced(queue_domain(q)))
		return true;
	domain_set_rollup(queue_domain(q), rollup, r->valid_until);
	move_all(q, rollup, queue_vmta_name(q), r->valid_until);
	return true;
}
