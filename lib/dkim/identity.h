/*
 * Whose signature it is: the domain for which a key is looked for and the i= tag, from what the configuration says
 * (dkim-identity) or from the message's Sender or From field. The field is hostile text: bounded, no recursion, and
 * what is not clearly an address gives none.
 */
#ifndef PH_DKIM_IDENTITY_H
#define PH_DKIM_IDENTITY_H

#include "lib/base/str.h"

#define DKIM_MAX_LOCAL	256
#define DKIM_MAX_DOMAIN 256

struct dkim_identity {
	char local[DKIM_MAX_LOCAL];   /* NUL-terminated; may be empty */
	char domain[DKIM_MAX_DOMAIN]; /* lower case, A-labels; empty: there is none */
};

/* The first mailbox of an address list as a field's value has it, folded or not (RFC 5322 3.4). False: none. */
bool dkim_identity_of_field(struct str value, struct dkim_identity *id);
/* "user@domain", "@domain" or "domain". False: neither. */
bool dkim_identity_of_text(struct str text, struct dkim_identity *id);
/*
 * What `how` says for this message: sender-or-from, strict-from, or one of the texts above. `header`: its fields as
 * stored. False: there is none.
 */
bool dkim_identity_find(struct str how, struct str header, struct dkim_identity *id);

/* Is `domain` the same as `parent` or below it? */
bool dkim_is_within(struct str domain, struct str parent);

#endif
