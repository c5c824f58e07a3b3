#include "queued/way/own.h"

#include <ifaddrs.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"

static struct {
	struct net_addr *list; /* of this machine */
	size_t n;
} own;

void
own_init(void)
{
	struct ifaddrs *all, *i;
	struct net_addr a;

	if (getifaddrs(&all) == -1) {
		log_warn("event=own-addresses-unknown");
		return;
	}
	for (i = all; i != NULL; i = i->ifa_next) {
		if (i->ifa_addr == NULL ||
		    !net_from_sockaddr(i->ifa_addr, sizeof(struct sockaddr_storage), &a))
			continue;
		own.list = xreallocarray(own.list, own.n + 1, sizeof *own.list);
		own.list[own.n++] = a;
	}
	freeifaddrs(all);
}

static bool
is_any(const struct net_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->bytes, zero, a->family == 4 ? 4 : 16) == 0;
}

static bool
is_of_machine(const struct net_addr *a)
{
	for (size_t i = 0; i < own.n; i++) {
		if (net_addr_eq(&own.list[i], a))
			return true;
	}
	return net_addr_is_loopback(a);
}

static bool
is_listener(const struct net_addr *a)
{
	const struct conf *c = daemon_conf();

	for (size_t i = 0; i < conf_n_listeners(c); i++) {
		const struct net_addr *l = &conf_listener_at(c, i)->addr;
		if (l->port != a->port)
			continue;
		if (net_addr_eq(l, a) || (is_any(l) && is_of_machine(a)))
			return true;
	}
	return false;
}

static bool
is_name(const struct conf_set *set, enum conf_key key, struct str name)
{
	for (size_t i = 0; i < conf_n(set, key); i++) {
		if (str_ieq(conf_item(set, key, i), name))
			return true;
	}
	return false;
}

bool
own_is_host(const struct vmta *v, struct str name, const struct net_addr *addr)
{
	if (name.len > 0 && name.p[name.len - 1] == '.')
		name.len--;
	if (is_name(conf_global(daemon_conf()), CONF_GLOBAL_HOST_NAME, name))
		return true;
	if (v->conf != NULL && v->conf->set != NULL &&
	    is_name(v->conf->set, CONF_VMTA_HOST_NAME, name))
		return true;
	return is_listener(addr);
}
