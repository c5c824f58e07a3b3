/*
 * Which keys a configuration gives to whom: every spelling of the tables (domain-key, <domain-key>, <dkim>, dkim-sign
 * with a file, dkim-key-directory), looked up by domain at a cost that does not grow with their number. It holds
 * names and numbers, no key: those are in signd, under the numbers of conf_key_file_at().
 */
#ifndef PH_DKIM_KEYS_H
#define PH_DKIM_KEYS_H

#include "lib/base/regex.h"
#include "lib/conf/conf.h"
#include "lib/dkim/canon.h"

/* A key as one line of the configuration gives it; views into the configuration. */
struct dkim_binding {
	struct str selector;
	struct str domain;	/* "*": of any domain */
	struct str header_list; /* of <dkim>: names with ':' between, or empty */
	uint32_t key;		/* number of its file */
	bool signs;		/* signing is on where this key fits, without dkim-sign */
	bool has_canon;
	enum dkim_canon header_canon, body_canon;
};

struct dkim_keys;
struct dkim_keys *dkim_keys_new(const struct conf *c);
void dkim_keys_free(struct dkim_keys **k);

/* The pattern "/…/" of a directive, compiled when it is first asked for; NULL: it does not compile. */
const struct regex *dkim_keys_pattern(const struct dkim_keys *k, struct str pattern);

/* Is there a key for this queue and VirtualMTA that turns signing on by itself? */
bool dkim_keys_any_signs(const struct dkim_keys *k, const struct conf_set *queue, struct str vmta);

/* What is looked for, and where: first the queue's own, then the VirtualMTA's, the pool's, and the global ones. */
struct dkim_search {
	const struct conf_set *queue;
	struct str vmta, pool; /* empty: none */
	struct str list;       /* a <domain-key-list>, instead of all of these; empty: not */
	struct str identity;   /* a domain: keys of it, of one above it, or of any */
	struct str selector;   /* only this one, or empty */
	struct str domain;     /* only keys of exactly this domain (or of any), or empty */
	const struct dkim_binding *but; /* rather another key than this one; NULL: no matter */
	bool signs_only;
};
/* The first that fits. False: none. */
bool dkim_keys_find(
    const struct dkim_keys *k, const struct dkim_search *s, struct dkim_binding *found);

#endif
