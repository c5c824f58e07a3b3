#include "queued/vmta.h"

#include "lib/base/hmap.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/names.h"
#include "queued/way/proxy.h"
#include "queued/state.h"

/* a pool at work: what its members have saved up; kept across reloads by name */
struct turn {
	uint32_t member; /* name */
	int64_t current;
	int64_t weight;
};
struct turns {
	uint32_t pool;	   /* name */
	uint32_t made_for; /* configuration */
	size_t n;
	struct turn *list; /* as the configuration's members */
};
static struct {
	struct turns *list;
	uint32_t n;
	struct hmap map; /* by the pool's name */
	uint32_t configuration;
} pools;

static struct hmap by_name;

static void
configure(struct vmta *v)
{
	const struct conf_set *set;

	v->conf =
	    v->name.len == 0 ? conf_default_vmta(daemon_conf()) : conf_vmta(daemon_conf(), v->name);
	v->exists = v->name.len == 0 || v->conf != NULL;
	v->out.max = UINT64_MAX;
	v->out.set = NULL; /* the old configuration is about to go */
	v->out.key = CONF_NONE;
	limit_set_rate(&v->msg, NULL, CONF_NONE);
	limit_set_rate(&v->volume, NULL, CONF_NONE);
	pools_of_member(v->conf, &v->pools);
	if (v->conf == NULL || v->conf->set == NULL)
		return;
	set = v->conf->set;
	v->out.set = set;
	v->out.key = CONF_VMTA_MAX_SMTP_OUT;
	if (conf_is_set(set, CONF_VMTA_MAX_SMTP_OUT))
		v->out.max = conf_u64(set, CONF_VMTA_MAX_SMTP_OUT);
	limit_set_rate(&v->msg, set, CONF_VMTA_MAX_SMTP_MSG_RATE);
	limit_set_rate(&v->volume, set, CONF_VMTA_MAX_SMTP_DATA_VOLUME_RATE);
}

size_t
vmta_n(void)
{
	return qd.vmtas.n;
}

struct vmta *
vmta_at(size_t i)
{
	return qd.vmtas.list[i];
}

static bool
is_vmta(const void *key, uint32_t h)
{
	const struct str *name = key;

	return str_ieq(qd.vmtas.list[h - 1]->name, *name);
}

struct vmta *
vmta_find(struct str name)
{
	uint32_t h;

	if (str_ieq(name, STR("{default}")))
		name = STR("");
	h = hmap_find(&by_name, str_ihash(name), is_vmta, &name);
	return h == 0 ? NULL : qd.vmtas.list[h - 1];
}

struct vmta *
vmta_get(struct str name)
{
	struct vmta *v = vmta_find(name);

	if (v != NULL)
		return v;
	if (str_ieq(name, STR("{default}")))
		name = STR("");
	v = xcalloc(1, sizeof *v);
	v->name = name_text(name_number(name));
	preempt_init(&v->preempt);
	limit_init(&v->out, "max-smtp-out of VirtualMTA", v->name);
	limit_init_rate(&v->msg, "max-smtp-msg-rate of VirtualMTA", v->name);
	limit_init_rate(&v->volume, "max-smtp-data-volume-rate of VirtualMTA", v->name);
	configure(v);
	qd.vmtas.list = xreallocarray(qd.vmtas.list, qd.vmtas.n + 1, sizeof(struct vmta *));
	v->index = (uint32_t)qd.vmtas.n;
	qd.vmtas.list[qd.vmtas.n++] = v;
	hmap_add(&by_name, str_ihash(v->name), (uint32_t)qd.vmtas.n);
	return v;
}

void
vmta_reconfigure_all(void)
{
	pools.configuration++;
	pool_reconfigure_all();
	for (size_t i = 0; i < qd.vmtas.n; i++)
		configure(qd.vmtas.list[i]);
}

void
vmta_wake_all(void)
{
	for (size_t i = 0; i < qd.vmtas.n; i++) {
		limit_wake_all(&qd.vmtas.list[i]->out);
		limit_wake_all(&qd.vmtas.list[i]->msg);
		limit_wake_all(&qd.vmtas.list[i]->volume);
	}
	pool_wake_all();
}

uint8_t
vmta_families(const struct vmta *v)
{
	unsigned bits = 0;

	if (v->conf == NULL || v->conf->n_sources == 0)
		return 3;
	for (size_t i = 0; i < v->conf->n_sources; i++) {
		uint8_t f = v->conf->sources[i].addr.family;
		bits |= f == 4 ? 1u : f == 6 ? 2u : 3u;
	}
	return (uint8_t)bits;
}

bool
vmta_next_source(struct vmta *v, uint8_t family, struct conf_source_host *source)
{
	size_t n = v->conf == NULL ? 0 : v->conf->n_sources;
	uint32_t rank = proxy_rank(v, family);
	bool is_left = proxy_is_left(v, family);

	if (n == 0) {
		*source = (struct conf_source_host){0};
		if (v->conf != NULL && v->conf->set != NULL)
			source->host = conf_str(v->conf->set, CONF_VMTA_HOST_NAME);
		if (source->host.len == 0)
			source->host = conf_str(conf_global(daemon_conf()), CONF_GLOBAL_HOST_NAME);
		return true;
	}
	for (size_t i = 0; i < n; i++) {
		const struct conf_source_host *s = &v->conf->sources[v->next_source++ % n];
		if (s->addr.family != 0 && s->addr.family != family)
			continue;
		if (s->rank != rank || (s->proxy.family != 0 && is_left && proxy_is_bad(&s->proxy)))
			continue;
		*source = *s;
		return true;
	}
	return false;
}

static bool
is_pool(const void *key, uint32_t i)
{
	return pools.list[i - 1].pool == *(const uint32_t *)key;
}

static struct turns *
turns_get(uint32_t pool)
{
	uint64_t hash = pool * UINT64_C(0x9e3779b97f4a7c15) >> 32;
	uint32_t i = hmap_find(&pools.map, hash, is_pool, &pool);

	if (i != 0)
		return &pools.list[i - 1];
	pools.list = xreallocarray(pools.list, pools.n + 1, sizeof *pools.list);
	pools.list[pools.n++] = (struct turns){.pool = pool, .made_for = pools.configuration - 1};
	hmap_add(&pools.map, hash, pools.n);
	return &pools.list[pools.n - 1];
}

static int64_t
saved_up(const struct turns *t, uint32_t member)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->list[i].member == member)
			return t->list[i].current;
	}
	return 0;
}

/* after a reload: the members as they are now */
static void
renew(struct turns *t, const struct conf_pool *pool)
{
	struct turn *list = xcalloc(pool->n_members, sizeof *list);

	for (size_t i = 0; i < pool->n_members; i++) {
		list[i].member = name_number(pool->members[i].vmta->name);
		list[i].weight = pool->members[i].weight;
		list[i].current = saved_up(t, list[i].member);
	}
	free(t->list);
	t->list = list;
	t->n = pool->n_members;
	t->made_for = pools.configuration;
}

/* smooth weighted round robin: everyone earns its weight, the richest goes and pays the sum */
static struct turn *
take_turn(struct turns *t, pool_test *can, void *ctx)
{
	struct turn *best = NULL;
	int64_t sum = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (can != NULL && !can(name_text(t->list[i].member), ctx))
			continue;
		t->list[i].current += t->list[i].weight;
		sum += t->list[i].weight;
		if (best == NULL || t->list[i].current > best->current)
			best = &t->list[i];
	}
	if (best != NULL)
		best->current -= sum;
	return best;
}

struct str
pool_choose_if(struct str name, pool_test *can, void *ctx)
{
	const struct conf_pool *pool = conf_pool(daemon_conf(), name);
	struct turns *t;
	const struct turn *best;

	if (pool == NULL || pool->n_members == 0)
		return STR("");
	t = turns_get(name_number(pool->name));
	if (t->made_for != pools.configuration)
		renew(t, pool);
	best = take_turn(t, can, ctx);
	if (best == NULL)
		best = take_turn(t, NULL, NULL);
	return name_text(best->member);
}

struct str
pool_choose(struct str name)
{
	return pool_choose_if(name, NULL, NULL);
}
