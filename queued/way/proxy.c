#include "queued/way/proxy.h"

#include "queued/state.h"

#define BAD_MS	(60 * 1000)
#define MAX_BAD 64

/* those that failed of late, the oldest overwritten */
static struct {
	struct {
		struct net_addr server;
		struct mono until;
	} bad[MAX_BAD];
	uint32_t next;
} proxies;

static bool
is_same(const struct net_addr *a, const struct net_addr *b)
{
	return net_addr_eq(a, b) && a->port == b->port;
}

bool
proxy_is_bad(const struct net_addr *server)
{
	for (size_t i = 0; i < MAX_BAD; i++) {
		if (is_same(&proxies.bad[i].server, server) &&
		    mono_is_before(ev_now(), proxies.bad[i].until))
			return true;
	}
	return false;
}

void
proxy_failed(const struct net_addr *server)
{
	if (proxy_is_bad(server))
		return;
	proxies.bad[proxies.next].server = *server;
	proxies.bad[proxies.next].until = mono_add_ms(ev_now(), BAD_MS);
	proxies.next = (proxies.next + 1) % MAX_BAD;
}

static uint32_t
lowest_rank(const struct vmta *v, uint8_t family, bool good_only)
{
	uint32_t rank = UINT32_MAX;

	for (size_t i = 0; v->conf != NULL && i < v->conf->n_sources; i++) {
		const struct conf_source_host *s = &v->conf->sources[i];

		if (s->rank >= rank || (s->addr.family != 0 && s->addr.family != family))
			continue;
		if (!good_only || s->proxy.family == 0 || !proxy_is_bad(&s->proxy))
			rank = s->rank;
	}
	return rank;
}

bool
proxy_is_left(const struct vmta *v, uint8_t family)
{
	return lowest_rank(v, family, true) != UINT32_MAX;
}

uint32_t
proxy_rank(const struct vmta *v, uint8_t family)
{
	uint32_t rank = lowest_rank(v, family, true);

	return rank == UINT32_MAX ? lowest_rank(v, family, false) : rank;
}
