/* A policy that was read: whose is a domain, and the end of it. */
#include "lib/base/xalloc.h"
#include "tests/mxsim/policy.h"

static void
provider_policy_free(struct provider_policy *p)
{
	struct limit *const limits[] = {&p->connections, &p->connections_per_source,
	    &p->connection_rate, &p->message_rate, &p->per_connection, &p->rcpts, &p->size};

	for (size_t i = 0; i < countof(limits); i++)
		free(limits[i]->text);
	for (size_t i = 0; i < p->n_domains; i++)
		free(p->domains[i]);
	for (size_t i = 0; i < p->n_mx; i++)
		free(p->mx[i].host);
	for (size_t i = 0; i < p->n_rules; i++) {
		free(p->rules[i].text);
		free(p->rules[i].pattern);
	}
	free(p->greylist_text);
	free(p->certificate);
	free(p->client_ca);
	free(p->tls_max);
	free(p->tls_ciphers);
	free(p->tls_suites);
	free(p->auth);
	free(p->name);
	free(p);
}

void
policy_free(struct policy **pp)
{
	struct policy *p = *pp;

	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n_providers; i++)
		provider_policy_free(p->providers[i]);
	for (size_t i = 0; i < p->n_names; i++) {
		free(p->names[i].name);
		free(p->names[i].target);
	}
	free(p->names);
	xfree(pp);
}

bool
pattern_matches(struct str pattern, struct str s)
{
	if (str_eq(pattern, STR("*")))
		return true;
	if (str_has_prefix(pattern, STR("*")))
		return str_has_isuffix(s, str_skip(pattern, 1));
	if (str_has_suffix(pattern, STR("*")))
		return str_has_iprefix(s, str_sub(pattern, 0, pattern.len - 1));
	return str_ieq(pattern, s);
}

bool
policy_has_domain(const struct provider_policy *p, struct str domain)
{
	for (size_t i = 0; i < p->n_domains; i++) {
		if (pattern_matches(str_of(p->domains[i]), domain))
			return true;
	}
	return false;
}

const struct provider_policy *
policy_find_domain(const struct policy *p, struct str domain)
{
	for (size_t i = 0; i < p->n_providers; i++) {
		for (size_t k = 0; k < p->providers[i]->n_domains; k++) {
			if (str_ieq(str_of(p->providers[i]->domains[k]), domain))
				return p->providers[i];
		}
	}
	for (size_t i = 0; i < p->n_providers; i++) {
		if (policy_has_domain(p->providers[i], domain))
			return p->providers[i];
	}
	return NULL;
}
