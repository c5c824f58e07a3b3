/*
 * SHA-256 by OpenSSL, for headers at once and for bodies as they are read, each body in up to two canonical forms in
 * one pass. Knows no keys.
 */
#ifndef PH_DKIM_HASH_H
#define PH_DKIM_HASH_H

#include "lib/dkim/canon.h"

#define DKIM_HASH_LEN	32
#define DKIM_HASH_STAGE 4096

/* Before the walls: OpenSSL loads what it needs. Once; fatal without SHA-256. */
void dkim_hash_prepare(void);

/* of a text that is there whole */
void dkim_hash(struct str text, uint8_t digest[DKIM_HASH_LEN]);

/* a body in one canonical form */
struct dkim_body_hash {
	struct dkim_body body;
	void *md;
	uint64_t left; /* octets that still count */
	size_t n_staged;
	char stage
	    [DKIM_HASH_STAGE]; /* relaxed text comes word by word, and a hash likes more at a time */
};
struct dkim_body_hash *dkim_body_hash_new(enum dkim_canon c);
/* Only so many octets of the canonical body count (l=). Before the first piece. */
void dkim_body_hash_limit(struct dkim_body_hash *h, uint64_t octets);
void dkim_body_hash_add(struct dkim_body_hash *h, struct str piece);
/* *len: octets of the canonical body. Once. */
void dkim_body_hash_end(struct dkim_body_hash *h, uint8_t digest[DKIM_HASH_LEN], uint64_t *len);
void dkim_body_hash_free(struct dkim_body_hash **h);

#endif
