/*
 * The X-DKIM-Options field, by which a submitter that may do so chooses how a message is signed: a tag list (RFC 6376
 * 3.2) of s=, d=, i=, q= and key-list=. Hostile text: bounded, and a list out of form gives no options at all.
 */
#ifndef PH_DKIM_OPTIONS_H
#define PH_DKIM_OPTIONS_H

#include "lib/base/str.h"

#define DKIM_MAX_OPTIONS 1000 /* octets of the field's value, unfolded */

/* Views into the text; empty: not given. */
struct dkim_options {
	struct str selector, domain, identity, query, key_list;
};
/* False: out of form, a tag twice, or a value that could not stand in a signature; *o is then empty. */
bool dkim_options_parse(struct str text, struct dkim_options *o);

#endif
