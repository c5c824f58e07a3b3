/*
 * Reads one answer of a name server (RFC 1035 4): addresses, mail exchangers, aliases, how long, and why not. Every
 * byte is hostile: everything is bounded, and what does not belong to the question is passed over. Pure; no
 * allocation, nothing of c-ares.
 */
#ifndef PH_DNSD_WIRE_H
#define PH_DNSD_WIRE_H

#include "lib/base/str.h"
#include "lib/net/addr.h"
#include "lib/net/tlsa.h"

#define WIRE_NAME_MAX  256 /* text, with its NUL */
#define WIRE_MAX_RRS   100 /* kept of one answer: MX by preference, addresses as they come */
#define WIRE_MAX_CHAIN 8   /* aliases in a row */
#define WIRE_MAX_TTL   86400u
#define WIRE_MAX_TXT   8192 /* bytes of all texts of an answer, with two for each one's length */

enum wire_type {
	WIRE_A = 1,
	WIRE_CNAME = 5,
	WIRE_SOA = 6,
	WIRE_PTR = 12,
	WIRE_MX = 15,
	WIRE_TXT = 16,
	WIRE_AAAA = 28,
	WIRE_TLSA = 52
};

enum wire_status {
	WIRE_OK,
	WIRE_NODATA,
	WIRE_NXDOMAIN,
	WIRE_FAILED,	/* the server could not, or would not; or the aliases have no end */
	WIRE_MALFORMED, /* it sent nonsense */
	WIRE_TIMEOUT	/* nothing came (never made by wire_read) */
};

struct wire_mx {
	uint16_t pref;
	/* lower case, no dot at the end; "." for the root; empty: not the name of a host */
	char host[WIRE_NAME_MAX];
};
struct wire_answer {
	enum wire_status status;
	bool ad; /* the server says that all of it is authentic */
	uint32_t
	    ttl_s; /* the shortest of what was used, at most a day; without records: of the SOA, 0: none */
	size_t n;
	char target[WIRE_NAME_MAX]; /* where aliases led to; empty: there was none */
	union {
		struct wire_mx
		    mx[WIRE_MAX_RRS]; /* of type MX, by preference; of PTR, as they come */
		struct net_addr addr[WIRE_MAX_RRS];
		struct {
			size_t len; /* n records as lib/net/tlsa.h packs them, without a base */
			char bytes[TLSA_MAX_BYTES];
		} tlsa;
		struct {
			size_t
			    len; /* n texts, each behind its length (two bytes); its strings are joined */
			char bytes[WIRE_MAX_TXT];
		} txt;
	} rr;
};

/* The next text from *at on (0 first); false: there is none. */
bool wire_next_txt(const struct wire_answer *a, size_t *at, struct str *text);

/* name: as wire_name_normal() gives it; type: A, AAAA, MX, PTR, TXT or TLSA. Always fills *a. */
void wire_read(struct str msg, const char *name, enum wire_type type, struct wire_answer *a);

/*
 * A domain name from outside in the one form that is asked for and compared: ASCII lower case, no dot at the end,
 * labels of 1-63 letters, digits, '-' and '_', at most 253 in all, not only a number at the end. UTF-8 is turned
 * into its A-label (IDNA 2008). False: no domain name.
 */
bool wire_name_normal(struct str s, char out[WIRE_NAME_MAX]);

#endif
