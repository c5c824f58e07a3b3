/*
 * A DKIM-Signature field (RFC 6376 3.5, RFC 8463, RFC 8301): built in two steps, for the key is elsewhere. The first
 * writes all but the signature and says which digest is to be signed; the second adds what the key's holder made of
 * it. Never longer than 998 octets a line where no single value is.
 */
#ifndef PH_DKIM_SIGN_H
#define PH_DKIM_SIGN_H

#include "lib/dkim/fields.h"
#include "lib/dkim/hash.h"

#define DKIM_MAX_SIGNATURE 512		 /* octets: RSA of 4096 bits */
#define DKIM_MAX_FIELD	   (512u * 1024) /* of one DKIM-Signature, and of the canonical header */

enum dkim_algorithm {
	DKIM_NO_ALGORITHM, /* no usable key */
	DKIM_RSA_SHA256,
	DKIM_ED25519_SHA256,
	DKIM_ALGORITHM_MAX
};
/* "rsa-sha256" */
const char *dkim_algorithm_name(enum dkim_algorithm a);

/* What is to be said; borrowed. */
struct dkim_spec {
	enum dkim_algorithm algorithm;
	enum dkim_canon header_canon, body_canon;
	struct str domain, selector;
	struct str local;	    /* of i=, as it is in the address; empty: none */
	struct str identity_domain; /* of i=; empty: no i= at all */
	struct str query;	    /* q=, or empty */
	int64_t signed_s;	    /* t=, seconds since 1970; 0: none */
	int64_t expires_s;	    /* x=; 0: none */
	bool body_limit;	    /* l= */
	struct dkim_names names;
};
/* What the body came to, in spec's canonical form. */
struct dkim_body_result {
	uint8_t digest[DKIM_HASH_LEN];
	uint64_t len;
};

/* Into field (emptied first): the field up to and with "b=". digest: what the key's holder has to sign. -1: too long. */
int dkim_begin(const struct dkim_spec *spec, struct str header, const struct dkim_body_result *body,
    struct buf *field, uint8_t digest[DKIM_HASH_LEN]) PH_MUST_CHECK;
/* Adds the signature, folded, and the last CRLF. */
int dkim_finish(struct buf *field, struct str signature) PH_MUST_CHECK;

#endif
