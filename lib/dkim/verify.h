/*
 * Is a DKIM signature of a message that came right (RFC 6376 6, RFC 8463, RFC 8301)? In steps, for the key must be
 * looked up in between: the field is read, hashes are made, the key's record is read, and the signature is tried.
 * Fields and records are hostile text: bounded, nothing is believed.
 */
#ifndef PH_DKIM_VERIFY_H
#define PH_DKIM_VERIFY_H

#include "lib/base/why.h"
#include "lib/dkim/hash.h"
#include "lib/dkim/sign.h"

#define DKIM_MAX_NAME	254 /* of a domain, with NUL */
#define DKIM_MAX_H	4096
#define DKIM_MIN_RSA	1024 /* bits (RFC 8301 3.2) */
#define DKIM_MAX_PUBLIC 2048 /* octets of a key */

struct dkim_found {
	enum dkim_algorithm algorithm;
	enum dkim_canon header_canon, body_canon;
	char domain[DKIM_MAX_NAME], selector[DKIM_MAX_NAME], identity[DKIM_MAX_NAME];
	char names[DKIM_MAX_H]; /* h=, without blanks */
	uint8_t body_hash[DKIM_HASH_LEN], signature[DKIM_MAX_SIGNATURE];
	size_t signature_len, body_hash_len;
	uint64_t limit;	   /* l=; UINT64_MAX: none */
	int64_t expires_s; /* 0: never */
};

/* A DKIM-Signature field, whole, as it is stored. -1 with `why`: permerror. */
int dkim_found_parse(struct str field, struct dkim_found *f, struct why *why) PH_MUST_CHECK;
/* What the body, as it is stored, is to be given to (dkim_body_hash_add). Returns owned. */
struct dkim_body_hash *dkim_found_body(const struct dkim_found *f);
/* The body is whole: does its hash fit? Frees *h. */
bool dkim_found_body_fits(const struct dkim_found *f, struct dkim_body_hash **h);
/* What was signed of the header section that `field` is in. -1: too much, of text or of looking for it. */
int dkim_found_digest(const struct dkim_found *f, struct str header, struct str field,
    uint8_t digest[DKIM_HASH_LEN]) PH_MUST_CHECK;
/*
 * Tries the signature with the texts of SELECTOR._domainkey.DOMAIN, one a line. 1: it fits; 0: it does not; -1 with
 * `why`: the key cannot be used.
 */
int dkim_found_try(const struct dkim_found *f, struct str record,
    const uint8_t digest[DKIM_HASH_LEN], struct why *why) PH_MUST_CHECK;

#endif
