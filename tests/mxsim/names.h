/*
 * The name server for the simulated providers, UDP and TCP on one address: MX records of their domains, A and AAAA
 * records of their hosts, the policy's own `name` lines, NXDOMAIN for the rest.
 */
#ifndef PH_MXSIM_NAMES_H
#define PH_MXSIM_NAMES_H

#include "lib/net/addr.h"
#include "tests/mxsim/policy.h"

#define NAMES_MAX_REPLY 4096
struct names_counts {
	uint64_t queries, tcp, mx, a, aaaa, other, nxdomain, servfail, dropped;
};
struct names;

/* Listens; `policy` may be exchanged later. NULL with `why`. */
struct names *names_new(const struct policy *policy, struct why *why);
void names_set_policy(struct names *n, const struct policy *policy);
void names_free(struct names **n);
const struct names_counts *names_counts(const struct names *n);

/* ---- names_reply.c ---- */

/*
 * The answer to one query, into out[NAMES_MAX_REPLY]; its length, or 0: none is given. *delay_ms: how long to wait
 * before it is sent. limit: the most that fits the transport; above it the answer is cut and says so.
 */
size_t names_answer(const struct policy *p, struct names_counts *counts, const uint8_t *query,
    size_t len, bool is_tcp, uint8_t *out, int64_t *delay_ms);

#endif
