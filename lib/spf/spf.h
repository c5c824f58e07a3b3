/*
 * Sender Policy Framework (RFC 7208): may this address send for this domain? A machine that says what it wants to know
 * of the DNS and is told; it asks nobody itself, holds no clock, and ends: at most 10 terms that ask, so many void
 * answers, 10 names of an exchanger's or address's list, and no recursion. Records are hostile text.
 */
#ifndef PH_SPF_SPF_H
#define PH_SPF_SPF_H

#include "lib/base/str.h"
#include "lib/net/addr.h"

#define SPF_MAX_NAME	254 /* of a domain, with NUL */
#define SPF_MAX_TERMS	10  /* that ask (RFC 7208 4.6.4) */
#define SPF_MAX_NAMES	10  /* of mx and ptr */
#define SPF_MAX_RECORD	4096
#define SPF_MAX_EXPLAIN 512
#define SPF_VOID_LIMIT	2

enum spf_result {
	SPF_NONE,
	SPF_NEUTRAL,
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_TEMPERROR,
	SPF_PERMERROR,
	SPF_RESULT_MAX
};
/* "pass", as header fields have it */
const char *spf_result_name(enum spf_result r);

enum spf_type { SPF_TXT, SPF_A, SPF_AAAA, SPF_MX, SPF_PTR };
struct spf_ask {
	enum spf_type type;
	const char *name; /* of the machine, until the next call */
};
struct spf_answer {
	enum { SPF_DNS_FOUND, SPF_DNS_VOID, SPF_DNS_FAILED } status;
	size_t n;
	const struct net_addr *addrs; /* of A and AAAA */
	const struct str *
	    texts; /* of TXT: each one's strings joined; of MX and PTR: names without a dot at the end */
};

/* What is checked; borrowed for spf_new() alone. */
struct spf_query {
	struct net_addr client;
	struct str helo;
	struct str
	    sender; /* of MAIL, without <>; empty: the null sender, the HELO name is checked */
	struct str receiver; /* our own name, for explanations */
	int64_t now_s;	     /* since 1970, the same */
	unsigned max_void;
};

struct spf;
struct spf *spf_new(const struct spf_query *q);
void spf_free(struct spf **s);
/* What must be known next; false: it is decided. After each true one spf_tell(). */
bool spf_next(struct spf *s, struct spf_ask *ask);
void spf_tell(struct spf *s, const struct spf_answer *a);

enum spf_result spf_result(const struct spf *s);
/* The domain that was checked; empty: there was none that could be. */
const char *spf_domain(const struct spf *s);
/* The sender, or postmaster@HELO. */
const char *spf_sender(const struct spf *s);
/* What decided, as the record has it ("ip4:192.0.2.0/24"), or why it is an error; may be empty. */
const char *spf_reason(const struct spf *s);
/* What the domain's owner says of a fail; may be empty. Printable ASCII. */
const char *spf_explanation(const struct spf *s);

#endif
