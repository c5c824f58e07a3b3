/*
 * A provider at work: its limits' levels, its sources and its counters. It decides about connections, messages and
 * recipients; it never touches a socket.
 */
#ifndef PH_MXSIM_PROVIDER_H
#define PH_MXSIM_PROVIDER_H

#include "lib/base/clock.h"
#include "tests/mxsim/policy.h"
#include "tests/mxsim/table64.h"

/* clang-format off */
#define COUNTS(X)                                                                                                  \
	X(connections_total) X(connections_refused) X(tls) X(messages) X(recipients) X(duplicates) X(foreign)      \
	X(bytes) X(rcpts_refused) X(messages_refused) X(greylisted) X(rate_refused) X(dropped) X(stalled)          \
	X(malformed) X(bdat) X(replies_2xx) X(replies_3xx) X(replies_4xx) X(replies_5xx) X(violation_order)        \
	X(violation_pipelined) X(violation_bare_lf) X(violation_bare_cr) X(violation_long_line) X(violation_nul)   \
	X(violation_eight_bit) X(lost_in_transaction)   \
	X(tls_resumed) X(tls_client_certificates) X(auth_ok) X(auth_failed)
/* clang-format on */
enum count {
#define X(name) COUNT_##name,
	COUNTS(X)
#undef X
	    COUNT_MAX
};
const char *count_name(enum count c);

/* Events a second and a minute: the highest seen. */
struct peak {
	int64_t second; /* the one that `ring` ends with */
	uint32_t ring[60];
	uint32_t minute; /* sum of the ring */
	uint32_t max_second, max_minute;
};
void peak_count(struct peak *p, struct mono now);

#define SOURCE_MAX 1024
struct source {
	struct net_addr addr;
	char ehlo[64]; /* "" until it was said */
	uint64_t connections, messages;
	uint32_t now;
};
struct mx_state {
	uint64_t connections, messages;
	uint32_t now, max;
};

struct provider {
	const struct provider_policy *policy;
	uint32_t index, n_conns, max_conns;
	uint64_t counts[COUNT_MAX];
	uint64_t commands[STEP_MAX];
	uint64_t rule_seen[RULE_MAX];
	struct peak peak_messages, peak_connections;
	struct mono connection_free_at, message_free_at; /* rates, as virtual scheduling */
	struct source sources[SOURCE_MAX];
	size_t n_sources;
	struct mx_state mx[MX_MAX];
	struct table64 greylist, each;
	struct ssl_ctx_st
	    *tls; /* by its own certificate or settings; made with the first handshake */
	const struct provider_policy *tls_of;
};

static inline void
provider_count(struct provider *p, enum count c, uint64_t n)
{
	p->counts[c] += n;
}

struct provider *provider_new(const struct provider_policy *policy, uint32_t index);
void provider_free(struct provider **p);

/* A client came to MX number mx: its source (never NULL) in *src and the refusal, or NULL. Undo with provider_leave. */
const char *provider_enter(struct provider *p, size_t mx, const struct net_addr *peer,
    struct mono now, struct source **src);
void provider_leave(struct provider *p, size_t mx, struct source *src);
/* The client said its name: the source's row for address and name. */
struct source *provider_name_source(struct provider *p, struct source *src, struct str ehlo);

/* A MAIL on a connection that carried n_before messages: the refusal, or NULL. */
const char *provider_try_message(struct provider *p, uint64_t n_before, struct mono now);
/* A recipient of that sender: the refusal, or NULL. */
const char *provider_try_rcpt(
    struct provider *p, struct str sender, struct str rcpt, uint64_t n_before, struct mono now);

#endif
