#include "queued/vmta.h"

#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/names.h"
#include "queued/state.h"

/* weights of a pool's members at work; one row a pool member, kept across reloads by name */
struct turn {
	uint32_t pool, member; /* names */
	int64_t	 current;
};
static struct {
	struct turn *list;
	size_t	     n;
} turns;

static void
configure(struct vmta *v)
{
	const struct conf_set *set;

	v->conf = v->name.len == 0 ? conf_default_vmta(daemon_conf()) : conf_vmta(daemon_conf(), v->name);
	v->exists = v->name.len == 0 || v->conf != NULL;
	v->out.max = UINT64_MAX;
	v->out.set = NULL; /* the old configuration is about to go */
	v->out.key = CONF_NONE;
	if (v->conf == NULL || v->conf->set == NULL)
		return;
	set = v->conf->set;
	v->out.set = set;
	v->out.key = CONF_VMTA_MAX_SMTP_OUT;
	if (conf_is_set(set, CONF_VMTA_MAX_SMTP_OUT))
		v->out.max = conf_u64(set, CONF_VMTA_MAX_SMTP_OUT);
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

struct vmta *
vmta_get(struct str name)
{
	struct vmta *v;

	if (str_ieq(name, STR("{default}")))
		name = STR("");
	for (size_t i = 0; i < qd.vmtas.n; i++) {
		if (str_ieq(qd.vmtas.list[i]->name, name))
			return qd.vmtas.list[i];
	}
	v = xcalloc(1, sizeof *v);
	v->name = name_text(name_number(name));
	limit_init(&v->out, "max-smtp-out of VirtualMTA", v->name);
	configure(v);
	qd.vmtas.list = xreallocarray(qd.vmtas.list, qd.vmtas.n + 1, sizeof(struct vmta *));
	qd.vmtas.list[qd.vmtas.n++] = v;
	return v;
}

void
vmta_reconfigure_all(void)
{
	for (size_t i = 0; i < qd.vmtas.n; i++)
		configure(qd.vmtas.list[i]);
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
		*source = *s;
		return true;
	}
	return false;
}

static struct turn *
turn_get(uint32_t pool, uint32_t member)
{
	for (size_t i = 0; i < turns.n; i++) {
		if (turns.list[i].pool == pool && turns.list[i].member == member)
			return &turns.list[i];
	}
	turns.list = xreallocarray(turns.list, turns.n + 1, sizeof *turns.list);
	turns.list[turns.n] = (struct turn){.pool = pool, .member = member};
	return &turns.list[turns.n++];
}

/* smooth weighted round robin: everyone earns its weight, the richest goes and pays the sum */
struct str
pool_choose(struct str name)
{
	const struct conf_pool *pool = conf_pool(daemon_conf(), name);
	struct turn	       *best = NULL;
	int64_t			sum = 0;

	if (pool == NULL || pool->n_members == 0)
		return STR("");
	for (size_t i = 0; i < pool->n_members; i++)
		turn_get(name_number(name), name_number(pool->members[i].vmta->name));
	for (size_t i = 0; i < pool->n_members; i++) {
		struct turn *t =
		    turn_get(name_number(name), name_number(pool->members[i].vmta->name));
		t->current += pool->members[i].weight;
		sum += pool->members[i].weight;
		if (best == NULL || t->current > best->current)
			best = t;
	}
	best->current -= sum;
	return name_text(best->member);
}
