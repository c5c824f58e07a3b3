/*
 * Is this address suppressed? Nearly always not, and this says so at the cost of one cache line: a filter in memory that
 * its owner fills and others read without a word to him. "Maybe" must be asked in the store; about one in a hundred
 * of the innocent is "maybe". Addresses are hashed with a secret key to 32 bits, which is all that a reader need keep
 * of an address to ask again, also in a later filter with the same key.
 */
#ifndef PH_SUPPRESS_FILTER_H
#define PH_SUPPRESS_FILTER_H

#include "lib/base/str.h"
#include "lib/base/why.h"

struct filter;
struct filter_key {
	unsigned char bytes[16];
};

/* Room for so many addresses; the owner's own, writable. NULL with `why`. */
struct filter *filter_new(uint64_t capacity, const struct filter_key *key, struct why *why);
/* The same for a reader, from filter_fd()'s descriptor (which stays the caller's). NULL with `why`: it is none. */
struct filter *filter_map(int fd, struct why *why);
/* What was handed over takes its place among n filters; fd is closed. False: it is none, which is logged, and the old one stays. */
bool filter_take(struct filter **list, size_t n, uint32_t index, int fd);
void filter_free(struct filter **f);
/* A descriptor that can only be read, to be handed over; borrowed. */
int filter_fd(const struct filter *f);

/* Owner only. Addresses in any case; readers see it at once. */
void filter_add(struct filter *f, struct str address);
void filter_add_hash(struct filter *f, uint32_t hash);
bool filter_may_have(const struct filter *f, struct str address);
/* What a filter of lists cannot tell by the hash of a whole address. */
enum filter_trait {
	FILTER_LOCAL_PARTS = 1, /* some of what was added is "local@": asked for that, too */
	FILTER_PATTERNS = 2,	/* there are patterns beside it: it may be anybody */
};
/* Owner only, before it is handed out; traits are bits. */
void filter_set_traits(struct filter *f, unsigned traits);
bool filter_has(const struct filter *f, enum filter_trait trait);
/* May a list have it: the address, its domain ("@domain"), its local part, or by a pattern? */
bool filter_may_list(const struct filter *f, struct str address);
/* The same in two steps. */
uint32_t filter_hash(const struct filter *f, struct str address);
bool filter_may_have_hash(const struct filter *f, uint32_t hash);
/* More was added than there was room for: it still never says a wrong no, but "maybe" too often. Make a larger one. */
bool filter_is_full(const struct filter *f);
uint64_t filter_count(const struct filter *f);

#endif
