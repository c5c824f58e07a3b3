#include "queued/way/reroute.h"

#include "lib/base/log.h"
#include "lib/daemon/daemon.h"
#include "queued/move.h"
#include "queued/vmta.h"

#define CHAIN_MAX   32
#define MOVE_A_TURN 2000

struct str
reroute_target(const struct queue *q, enum conf_key *key)
{
	struct str name = STR("");

	*key = CONF_DOMAIN_BACKOFF_REROUTE_TO_VIRTUAL_MTA;
	if (q->backoff)
		name = conf_str(q->policy->set, *key);
	if (name.len > 0)
		return name;
	*key = CONF_DOMAIN_REROUTE_TO_VIRTUAL_MTA;
	return conf_str(q->policy->set, *key);
}

/* the next queue on the way; NULL: the way ends here. A pool has more than one: those of its own are passed over. */
static struct queue *
step(struct queue *q)
{
	enum conf_key key;
	struct str name = reroute_target(q, &key), member;
	const struct conf_pool *pool;

	if (!q->policy->reroutes || name.len == 0)
		return NULL;
	pool = conf_pool(daemon_conf(), name);
	if (pool == NULL)
		return queue_get(queue_domain(q), str_ieq(name, STR("{default}")) ? STR("") : name);
	for (size_t i = 0; i <= pool->n_members; i++) {
		member = pool_choose(name);
		if (!str_ieq(member, queue_vmta_name(q)))
			return queue_get(queue_domain(q), member);
	}
	return NULL;
}

/* those between that have nothing themselves are not kept */
static void
let_go(struct queue *const *way, uint32_t n, const struct queue *end)
{
	for (uint32_t i = 1; i < n; i++) {
		if (way[i] != end && queue_n_rcpts(way[i]) == 0)
			queue_kick(way[i]);
	}
}

static void
say_loop(struct queue *q)
{
	if (q->loop_said)
		return;
	q->loop_said = true;
	log_warn("event=reroute-loop queue=%s text=\"its mail would come back to it: it stays\"",
	    q->name);
}

/* index in the way of a queue that is there already, or n */
static uint32_t
seen_at(struct queue *const *way, uint32_t n, const struct queue *q)
{
	uint32_t i = 0;

	while (i < n && way[i] != q)
		i++;
	return i;
}

/* The queue that mail for `q` goes to now; q itself when it is not re-routed. */
static struct queue *
reroute_of(struct queue *q)
{
	struct queue *way[CHAIN_MAX], *next, *end;
	uint32_t n = 1, i;

	if (!q->policy->reroutes)
		return q;
	way[0] = q;
	while (n < CHAIN_MAX && (next = step(way[n - 1])) != NULL) {
		i = seen_at(way, n, next);
		if (i < n) {
			/* those of the circle are taken as not re-routed */
			say_loop(next);
			end = way[i > 0 ? i - 1 : 0];
			let_go(way, n, end);
			return end;
		}
		way[n++] = next;
	}
	let_go(way, n, way[n - 1]);
	return way[n - 1];
}

struct queue *
reroute_new(struct queue *q)
{
	struct queue *to = reroute_of(q);

	if (to != q && queue_n_rcpts(q) == 0)
		queue_kick(q);
	return to;
}

static uint32_t
first_of(const struct queue *q)
{
	if (q->ready.n > 0)
		return order_first(&q->ready);
	return q->deferred.n > 0 ? due_first(&q->deferred) : q->held.head;
}

bool
reroute_run(struct queue *q)
{
	uint32_t rcpt;

	if (!q->policy->reroutes || q->paused || q->policy->hold)
		return false;
	for (int n = 0; n < MOVE_A_TURN; n++) {
		struct queue *to;
		rcpt = first_of(q);
		if (rcpt == 0)
			return false;
		to = reroute_of(q);
		if (to == q)
			return false;
		move_rcpt(q, rcpt, to);
	}
	queue_kick(q);
	return true;
}
