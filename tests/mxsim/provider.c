#include "tests/mxsim/provider.h"

#include <xxhash.h>

#include "lib/base/xalloc.h"

static const char *const count_names[] = {
#define X(name) #name,
    COUNTS(X)
#undef X
};

const char *
count_name(enum count c)
{
	return count_names[c];
}

void
peak_count(struct peak *p, struct mono now)
{
	int64_t second = now.ns / NS_PER_SEC;

	if (second - p->second >= 60) {
		memset(p->ring, 0, sizeof(p->ring));
		p->minute = 0;
		p->second = second;
	}
	while (p->second < second) {
		uint32_t *oldest = &p->ring[++p->second % 60];

		p->minute -= *oldest;
		*oldest = 0;
	}
	p->ring[second % 60]++;
	p->minute++;
	p->max_second = PH_MAX(p->max_second, p->ring[second % 60]);
	p->max_minute = PH_MAX(p->max_minute, p->minute);
}

struct provider *
provider_new(const struct provider_policy *policy, uint32_t index)
{
	struct provider *p = xcalloc(1, sizeof(*p));

	p->policy = policy;
	p->index = index;
	return p;
}

void
provider_free(struct provider **p)
{
	if (*p == NULL)
		return;
	table64_clear(&(*p)->greylist);
	table64_clear(&(*p)->each);
	xfree(p);
}

/*
 * Does one more event keep within n a period, a burst of a second's worth (at least 1) allowed? `free_at`
 * is when the next one would be due at the exact rate.
 */
static bool
take_rate(const struct limit *l, struct mono *free_at, struct mono now)
{
	int64_t step, burst;

	if (l->n == 0)
		return true;
	step = l->period_ms * NS_PER_MS / (int64_t)l->n;
	burst = PH_MAX(PH_MIN(l->period_ms * NS_PER_MS, NS_PER_SEC) - step, 0);
	if (mono_is_before(*free_at, now))
		*free_at = now;
	if (free_at->ns - now.ns > burst)
		return false;
	free_at->ns += step;
	return true;
}

static struct source *
find_source(struct provider *p, const struct net_addr *peer, struct str ehlo)
{
	struct source *s;

	for (size_t i = 0; i < p->n_sources; i++) {
		s = &p->sources[i];
		if (net_addr_eq(&s->addr, peer) &&
		    str_eq(str_of(s->ehlo), str_sub(ehlo, 0, sizeof(s->ehlo) - 1)))
			return s;
	}
	s = &p->sources[p->n_sources == SOURCE_MAX ? SOURCE_MAX - 1 : p->n_sources++];
	s->addr = *peer;
	(void)str_copy(s->ehlo, sizeof(s->ehlo), ehlo);
	return s;
}

static uint32_t
conns_from(const struct provider *p, const struct net_addr *peer)
{
	uint32_t n = 0;

	for (size_t i = 0; i < p->n_sources; i++)
		n += net_addr_eq(&p->sources[i].addr, peer) ? p->sources[i].now : 0;
	return n;
}

static const char *
refuse_connection(struct provider *p, const struct net_addr *peer, struct mono now)
{
	const struct provider_policy *pol = p->policy;

	if (pol->connections.n > 0 && p->n_conns > pol->connections.n)
		return pol->connections.text;
	if (pol->connections_per_source.n > 0 &&
	    conns_from(p, peer) > pol->connections_per_source.n)
		return pol->connections_per_source.text;
	if (!take_rate(&pol->connection_rate, &p->connection_free_at, now))
		return pol->connection_rate.text;
	return NULL;
}

const char *
provider_enter(struct provider *p, size_t mx, const struct net_addr *peer, struct mono now,
    struct source **src)
{
	const char *refusal;

	*src = find_source(p, peer, STR_NULL);
	(*src)->now++;
	(*src)->connections++;
	p->n_conns++;
	p->mx[mx].now++;
	p->mx[mx].connections++;
	p->mx[mx].max = PH_MAX(p->mx[mx].max, p->mx[mx].now);
	provider_count(p, COUNT_connections_total, 1);
	peak_count(&p->peak_connections, now);
	refusal = refuse_connection(p, peer, now);
	if (refusal != NULL)
		provider_count(p, COUNT_connections_refused, 1);
	else
		p->max_conns = PH_MAX(p->max_conns, p->n_conns);
	return refusal;
}

void
provider_leave(struct provider *p, size_t mx, struct source *src)
{
	src->now--;
	p->n_conns--;
	p->mx[mx].now--;
}

struct source *
provider_name_source(struct provider *p, struct source *src, struct str ehlo)
{
	struct source *named = find_source(p, &src->addr, ehlo);

	if (named == src)
		return src;
	src->now--;
	named->now++;
	if (src->ehlo[0] == '\0' && src->connections > 0)
		src->connections--;
	named->connections++;
	return named;
}

const char *
provider_try_message(struct provider *p, uint64_t n_before, struct mono now)
{
	const struct provider_policy *pol = p->policy;

	if (pol->per_connection.n > 0 && n_before >= pol->per_connection.n)
		return pol->per_connection.text;
	if (!take_rate(&pol->message_rate, &p->message_free_at, now)) {
		provider_count(p, COUNT_rate_refused, 1);
		return pol->message_rate.text;
	}
	return NULL;
}

static bool
is_greylisted(struct provider *p, struct str sender, struct str rcpt, struct mono now)
{
	uint64_t key = XXH3_64bits_withSeed(rcpt.p, rcpt.len, XXH3_64bits(sender.p, sender.len));
	int64_t *first = table64_at(&p->greylist, key);

	if (*first == 0)
		*first = now.ns;
	return now.ns - *first < p->policy->greylist_ms * NS_PER_MS;
}

const char *
provider_try_rcpt(
    struct provider *p, struct str sender, struct str rcpt, uint64_t n_before, struct mono now)
{
	const struct provider_policy *pol = p->policy;
	size_t at = str_rfind(rcpt, '@');

	if (pol->rcpts.n > 0 && n_before >= pol->rcpts.n)
		return pol->rcpts.text;
	if (at != STR_NPOS && !policy_has_domain(pol, str_skip(rcpt, at + 1))) {
		provider_count(p, COUNT_foreign, 1);
		if (!pol->accept_any)
			return "550 5.7.1 relaying denied";
	}
	if (pol->greylist_text != NULL && is_greylisted(p, sender, rcpt, now)) {
		provider_count(p, COUNT_greylisted, 1);
		return pol->greylist_text;
	}
	return NULL;
}
