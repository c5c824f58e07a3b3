/*
 * Mail addresses of the envelope (RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3): syntax and limits, and the one spelling of a
 * domain under which its mail is queued. Views borrow from the text that was parsed. It must never look anything up,
 * and never let a control character, CR, LF or NUL pass.
 */
#ifndef PH_SMTP_ADDRESS_H
#define PH_SMTP_ADDRESS_H

#include "lib/base/str.h"
#include "lib/base/why.h"

#define ADDRESS_MAX_LOCAL  64u	/* octets, quotes included; RFC 5321 4.5.3.1.1 */
#define ADDRESS_LONG_LOCAL 250u /* with ADDRESS_LONG */
#define ADDRESS_MAX_DOMAIN 255u /* 4.5.3.1.2 */
#define ADDRESS_MAX_PATH   256u /* with < and >; 4.5.3.1.3 */

enum address_allow {
	ADDRESS_UTF8 = 1, /* SMTPUTF8 is in force */
	ADDRESS_LONG =
	    4, /* a longer local part too: addresses that name others in themselves (VERP) have them */
	ADDRESS_NO_DOMAIN = 2, /* "postmaster", "user": the caller qualifies it */
};
struct address {
	struct str local;  /* as written, with its quotes */
	struct str domain; /* as written, with the brackets of a literal; empty: none */
};

/* The whole of s as Mailbox. `allow`: enum address_allow bits. False with `why` (501 5.1.3) when it is not one. */
bool address_parse(struct str s, unsigned allow, struct address *a, struct why *why);
/*
 * A path "<…>" at the front of *s (a blank before it is passed over): moves *s behind it. A source route is
 * dropped (RFC 5321 C). "<>" gives empty local and domain. False with `why` (501 5.1.3).
 */
bool address_parse_path(struct str *s, unsigned allow, struct address *a, struct why *why);
/* Cuts an address that was parsed before at its last '@' (none: domain empty). No checks. */
struct address address_split(struct str s);

bool domain_is_literal(struct str domain); /* [..] */
/*
 * The name under which mail for the domain is queued: lower case, U-labels as A-labels (IDNA 2008, non-transitional),
 * literals in lower case as they are. Into dst[size], NUL-terminated. Returns its length, or 0 when the domain has
 * no such form.
 */
size_t domain_queue_name(struct str domain, char *dst, size_t size);
#define DOMAIN_QUEUE_NAME_MAX 256 /* with NUL */

bool utf8_is_valid(struct str s);

#endif
