/*
 * What each simulated provider does, read from a small text file. tests/mxsim/README has the grammar. A policy never
 * changes after it was read; a reload makes another.
 */
#ifndef PH_MXSIM_POLICY_H
#define PH_MXSIM_POLICY_H

#include "lib/base/str.h"
#include "lib/base/why.h"
#include "lib/net/addr.h"

/* name, does it come once a transaction or more often */
/* clang-format off */
#define STEPS(X)                                                                                     \
	X(CONNECT, "connect") X(EHLO, "ehlo") X(HELO, "helo") X(STARTTLS, "starttls") X(MAIL, "mail") \
	X(RCPT, "rcpt") X(DATA, "data") X(BODY, "body") X(DOT, "dot") X(ACCEPTED, "accepted")         \
	X(RSET, "rset") X(NOOP, "noop") X(QUIT, "quit")
/* clang-format on */
enum step {
#define X(id, name) STEP_##id,
	STEPS(X)
#undef X
	    STEP_MAX
};
const char *step_name(enum step s);

enum act { ACT_REPLY, ACT_DROP, ACT_RESET, ACT_STALL, ACT_DELAY, ACT_MALFORMED };
enum pick { PICK_ALWAYS, PICK_PERCENT, PICK_FIRST, PICK_EVERY, PICK_EACH, PICK_MATCH };

struct rule {
	char *text;    /* the reply, or the malformation's name */
	char *pattern; /* PICK_MATCH */
	int64_t ms;    /* ACT_DELAY */
	uint32_t n;    /* PICK_PERCENT: of 10,000; PICK_FIRST, _EVERY, _EACH: a number */
	enum act act;
	enum step step;
	enum pick pick;
};

struct limit {
	char *text;	   /* the refusal */
	uint64_t n;	   /* 0: no limit */
	int64_t period_ms; /* of rates */
};

enum ext {
	EXT_PIPELINING = 1,
	EXT_CHUNKING = 2,
	EXT_8BITMIME = 4,
	EXT_DSN = 8,
	EXT_SMTPUTF8 = 16,
	EXT_SIZE = 32,
	EXT_ENHANCED = 64
};
enum tls_mode { TLS_NO, TLS_YES, TLS_REQUIRED };

#define MX_MAX	   16
#define DOMAIN_MAX 64
#define RULE_MAX   64
struct mx_policy {
	char *host; /* "mx1.gmail.test" */
	struct net_addr addr[4];
	size_t n_addr;
	uint16_t preference;
	bool is_down; /* its addresses are closed */
};
struct provider_policy {
	char *name;
	char *domains[DOMAIN_MAX];
	size_t n_domains;
	struct mx_policy mx[MX_MAX];
	size_t n_mx;
	struct rule rules[RULE_MAX];
	size_t n_rules;
	struct limit connections, connections_per_source, connection_rate, message_rate,
	    per_connection, rcpts, size;
	char *greylist_text;
	char *certificate; /* PEM file: chain and key */
	char *client_ca;   /* PEM file: clients are asked for a certificate */
	char *tls_max, *tls_ciphers, *tls_suites;
	char *auth; /* USER PASSWORD MECHANISM… */
	int64_t greylist_ms, latency_ms;
	unsigned ext;
	uint16_t port; /* 0: the file's */
	enum tls_mode tls;
	bool accept_any, is_down;
};

enum name_kind {
	NAME_MX,
	NAME_A,
	NAME_AAAA,
	NAME_CNAME,
	NAME_NULL_MX,
	NAME_SERVFAIL,
	NAME_NXDOMAIN,
	NAME_NODATA,
	NAME_DROP,
	NAME_DELAY,
	NAME_TRUNCATE,
	NAME_REFUSED,
	NAME_TTL,
	NAME_AD
};
struct name_rule {
	char *name; /* lower case, without the last dot; "*.x" matches below x */
	char *target;
	struct net_addr addr;
	int64_t ms; /* NAME_DELAY; NAME_TTL: seconds */
	enum name_kind kind;
	uint16_t preference;
};

#define PROVIDER_MAX   256
#define NAME_MAX_RULES 4096
struct policy {
	struct provider_policy *providers[PROVIDER_MAX];
	size_t n_providers;
	struct name_rule *names;
	size_t n_names;
	struct net_addr name_server; /* family 0: none */
	uint64_t seed;
	uint32_t ttl;
	uint16_t port;
};

/* NULL with `why` ("line 3: …"). Returns owned. */
struct policy *policy_read(struct str text, struct why *why);
void policy_free(struct policy **p);

/* Does the domain belong to the provider? Patterns: exact, "*.x" (below x), "*" (any). */
bool policy_has_domain(const struct provider_policy *p, struct str domain);
/* The first provider with that domain, exact names before patterns; NULL: none. */
const struct provider_policy *policy_find_domain(const struct policy *p, struct str domain);
/* `*` at the pattern's start or end stands for anything; ASCII case is ignored. */
bool pattern_matches(struct str pattern, struct str s);

#endif
