#include "queued/limit/pool.h"

#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/names.h"

static struct {
	struct pool **list; /* never forgotten: connections hold what they took */
	size_t n;
} pools;

static void
configure(struct pool *p)
{
	const struct conf_pool *c = conf_pool(daemon_conf(), p->name);
	const struct conf_set *set = c == NULL ? NULL : c->set;

	p->out.max = set == NULL ? UINT64_MAX : conf_u64(set, CONF_POOL_MAX_SMTP_OUT);
	p->out.set = set;
	p->out.key = set == NULL ? CONF_NONE : CONF_POOL_MAX_SMTP_OUT;
	limit_set_rate(&p->msg, set, CONF_POOL_MAX_SMTP_MSG_RATE);
	limit_set_rate(&p->volume, set, CONF_POOL_MAX_SMTP_DATA_VOLUME_RATE);
}

static struct pool *
get(struct str name)
{
	struct pool *p;

	for (size_t i = 0; i < pools.n; i++) {
		if (str_ieq(pools.list[i]->name, name))
			return pools.list[i];
	}
	p = xcalloc(1, sizeof *p);
	p->name = name_text(name_number(name));
	limit_init(&p->out, "max-smtp-out of pool", p->name);
	limit_init_rate(&p->msg, "max-smtp-msg-rate of pool", p->name);
	limit_init_rate(&p->volume, "max-smtp-data-volume-rate of pool", p->name);
	configure(p);
	pools.list = xreallocarray(pools.list, pools.n + 1, sizeof(struct pool *));
	pools.list[pools.n++] = p;
	return p;
}

static bool
has_member(const struct conf_pool *p, const struct conf_vmta *v)
{
	for (size_t i = 0; i < p->n_members; i++) {
		if (p->members[i].vmta == v)
			return true;
	}
	return false;
}

void
pools_of_member(const struct conf_vmta *v, struct pools *p)
{
	const struct conf *c = daemon_conf();

	p->n = 0;
	for (size_t i = 0; v != NULL && i < conf_n_pools(c) && p->n < POOLS_MAX; i++) {
		const struct conf_pool *pool = conf_pool_at(c, i);
		if (has_member(pool, v))
			p->list[p->n++] = get(pool->name);
	}
}

void
pool_reconfigure_all(void)
{
	for (size_t i = 0; i < pools.n; i++)
		configure(pools.list[i]);
}

void
pool_wake_all(void)
{
	for (size_t i = 0; i < pools.n; i++) {
		limit_wake_all(&pools.list[i]->out);
		limit_wake_all(&pools.list[i]->msg);
		limit_wake_all(&pools.list[i]->volume);
	}
}
