/*
 * The parts of a record and its macros, for spf.c.
 */
#ifndef PH_SPF_SPF_INT_H
#define PH_SPF_SPF_INT_H

#include "lib/spf/spf.h"

enum spf_kind {
	SPF_K_ALL,
	SPF_K_INCLUDE,
	SPF_K_A,
	SPF_K_MX,
	SPF_K_PTR,
	SPF_K_IP4,
	SPF_K_IP6,
	SPF_K_EXISTS,
	SPF_K_REDIRECT,
	SPF_K_EXP,
	SPF_K_MODIFIER /* unknown, passed over */
};
struct spf_term {
	enum spf_kind kind;
	enum spf_result result; /* when it matches */
	struct str text;	/* as it stands */
	struct str spec;	/* domain-spec; p NULL: none */
	unsigned bits4, bits6;
	struct net_cidr net; /* of ip4, ip6 */
};
/* The next term of what follows "v=spf1". 1; 0: no more; -1: the record is wrong. */
int spf_term_next(struct str *rest, struct spf_term *t);

/* what macros stand for */
struct spf_vars {
	const char *sender, *local, *origin; /* s l o */
	const char *domain;		     /* d */
	const char *helo, *receiver;
	struct net_addr client;
	int64_t now_s;
};
/* Is it a domain-spec (7.1)? */
bool spf_spec_is_valid(struct str spec);
/* Expands; what does not fit is cut off. False: the macros are wrong. in_exp: c, r and t are known. */
bool spf_expand(const struct spf_vars *v, struct str text, bool in_exp, char *out, size_t size);
/* The same to a name: labels are taken off its front until it is short enough; empty: it is none. */
bool spf_expand_name(const struct spf_vars *v, struct str spec, char out[SPF_MAX_NAME]);

#define SPF_MAX_DEPTH (SPF_MAX_TERMS + 1)

/* what is being waited for, or done next */
enum spf_state {
	SPF_BEGIN,   /* a frame's record must be asked for */
	SPF_RECORD,  /* asked */
	SPF_TERMS,   /* goes on with the frame's record */
	SPF_HOSTS,   /* addresses of a; or the one of exists */
	SPF_MXS,     /* the exchangers */
	SPF_PTRS,    /* the names of the client's address */
	SPF_NAMES,   /* addresses of one of the names that these gave */
	SPF_EXPLAIN, /* the explanation */
	SPF_DONE
};

/* one check_host() (RFC 7208 4) of those that wait for each other */
struct spf_frame {
	char domain[SPF_MAX_NAME];
	char *record; /* owned */
	struct str rest;
	struct str redirect, exp; /* p NULL: none */
	enum spf_result on_match; /* of the include that waits for the frame above */
};

struct spf {
	struct spf_frame frame[SPF_MAX_DEPTH];
	size_t depth;
	enum spf_state state;
	struct spf_term term; /* the one under way */
	char target[SPF_MAX_NAME];
	char names[SPF_MAX_NAMES][SPF_MAX_NAME];
	size_t n_names, at_name;
	unsigned n_terms, n_void, max_void;
	enum spf_result result;
	struct spf_vars vars;
	char sender[320 + SPF_MAX_NAME], local[320], origin[SPF_MAX_NAME], helo[SPF_MAX_NAME],
	    receiver[SPF_MAX_NAME];
	char ask[SPF_MAX_NAME];
	enum spf_type type;
	char reason[256];
	char explanation[SPF_MAX_EXPLAIN];
};

#endif
