/*
 * TLSA records (RFC 6698) on their way from the resolver to who checks a certificate: the base domain and the records
 * packed into one text. It never judges them: which are usable is DANE's affair (RFC 7672 3.1).
 */
#ifndef PH_NET_TLSA_H
#define PH_NET_TLSA_H

#include "lib/base/buf.h"

#define TLSA_MAX_BYTES 8192u /* packed records of one host; more are left out */
#define TLSA_HEAD      5u    /* usage, selector, matching type, length of the data in two bytes */

struct tlsa {
	uint8_t usage;	  /* 0-3: PKIX-TA, PKIX-EE, DANE-TA, DANE-EE */
	uint8_t selector; /* 0 the certificate, 1 its public key */
	uint8_t matching; /* 0 exact, 1 SHA-256, 2 SHA-512 */
	struct str data;
};

/* The name below which the records were found ("mx.example.org"), at the text's beginning; at most 255 bytes. */
int tlsa_put_base(struct buf *b, struct str base) PH_MUST_CHECK;

/* Takes the base domain from the front. False: malformed. */
bool tlsa_take_base(struct str *packed, struct str *base);
/* Takes the next record; the data is borrowed. False: the end, or malformed. */
bool tlsa_take(struct str *packed, struct tlsa *t);

#endif
