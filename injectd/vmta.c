#include "injectd/vmta.h"

#include "injectd/choice.h"
#include "injectd/session.h"
#include "lib/base/xalloc.h"

/* By its name; false: there is neither a VirtualMTA nor a pool of that name. */
static bool
use_name(struct txn *t, struct str name)
{
	const struct conf *c = t->world->conf;
	const struct conf_vmta *vmta = conf_vmta(c, name);
	const struct conf_pool *pool = vmta == NULL ? conf_pool(c, name) : NULL;

	if (str_ieq(name, STR("{default}")))
		return true;
	if (vmta == NULL && pool == NULL)
		return false;
	if (vmta != NULL)
		t->vmta = xstrdup_str(vmta->name);
	else
		t->pool = xstrdup_str(pool->name);
	return true;
}

/* The VirtualMTA that has this address as a source address. */
static bool
use_address(struct txn *t, const struct net_addr *addr)
{
	const struct conf *c = t->world->conf;

	for (size_t i = 0; i < conf_n_vmtas(c); i++) {
		const struct conf_vmta *v = conf_vmta_at(c, i);
		for (size_t k = 0; k < v->n_sources; k++)
			if (v->sources[k].addr.family != 0 &&
			    net_addr_eq(&v->sources[k].addr, addr))
				return use_name(t, v->name);
	}
	return false;
}

/* of mail that names none */
static void
use_default(struct txn *t, const struct choice *choice)
{
	struct str door = t->world->door[t->session->door].vmta;
	struct str name = conf_str(session_set(t->session), CONF_SOURCE_DEFAULT_VIRTUAL_MTA);

	if (choice->vmta.len > 0 && use_name(t, choice->vmta))
		return;
	if (door.len > 0 && use_name(t, door))
		return;
	if (str_ieq(name, STR("by-smtp-source-ip"))) {
		/* the client's, or else the one of ours that it connected to */
		if (!use_address(t, &t->session->client))
			(void)use_address(t, &t->session->local);
		return;
	}
	if (name.len > 0)
		(void)use_name(t, name);
}

int
vmta_choose(struct txn *t, struct str field, struct str head, struct why *why)
{
	const struct conf_set *set = session_set(t->session);
	struct choice choice = choice_make(t, head);
	struct str fallback;

	if (choice.priority >= 0)
		t->env.priority = (uint8_t)choice.priority;
	if (field.p == NULL ||
	    (field.len == 0 && conf_bool(set, CONF_SOURCE_ALLOW_EMPTY_X_VIRTUAL_MTA))) {
		use_default(t, &choice);
		return 0;
	}
	if (field.len > 0 && use_name(t, field))
		return 0;
	if (conf_bool(set, CONF_SOURCE_REJECT_INVALID_VIRTUAL_MTA))
		return why_smtp(
		    why, 554, 5, 7, 1, "There is no VirtualMTA of the name that the message gives");
	fallback = conf_str(conf_global(t->world->conf), CONF_GLOBAL_INVALID_VIRTUAL_MTA_FALLBACK);
	if (fallback.len == 0 || !use_name(t, fallback))
		use_default(t, &choice);
	return 0;
}
