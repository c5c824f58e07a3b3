/*
 * The hashes of all addresses in the store, one behind the other in a file of their own: a filter is filled from it at a
 * start in a small part of the time that reading all entries takes. With each change the store keeps how much of the
 * file counts and its sum (struct hashes_mark), so the file needs no flush: what does not agree is not believed, and the
 * store is read instead. Addresses that were removed stay in it until then, which costs a needless "maybe" each.
 */
#ifndef PH_SUPPRESS_HASHES_H
#define PH_SUPPRESS_HASHES_H

#include "lib/base/buf.h"
#include "lib/suppress/filter.h"

struct hashes_mark {
	uint64_t n, sum;
	uint64_t n_removed; /* of the store's entries since the file was begun */
};
/* what a store that never had such a file, or lost it, keeps */
#define HASHES_NONE UINT64_MAX

struct hashes {
	int fd;			  /* -1: none is kept */
	struct hashes_mark mark;  /* committed; n HASHES_NONE: the file is not to be believed */
	struct hashes_mark ahead; /* with what waits */
	struct buf waiting;
	bool is_unsaid; /* the store's mark is of another file, and must be replaced */
};

/* In the store's directory. What cannot be opened is not kept, which is no error. */
void hashes_open(struct hashes *h, const char *dir);
void hashes_close(struct hashes *h);
/* Fills the filter with what the mark says. False: it does not agree with it, or is not worth it. */
bool hashes_fill(struct hashes *h, const struct hashes_mark *mark, struct filter *f);
/* Begins anew, empty; the mark is to be committed in any case. */
void hashes_restart(struct hashes *h);

void hashes_add(struct hashes *h, uint32_t hash);
void hashes_removed(struct hashes *h, uint64_t n);
/* Writes what waits; the mark is to be committed with it, then hashes_settle() is to be told how that went. */
const struct hashes_mark *hashes_write(struct hashes *h);
void hashes_settle(struct hashes *h, bool is_committed);
/* Is there anything to commit? */
bool hashes_has_news(const struct hashes *h);
/* Adds some of those committed to the filter, from *at on. 1: there may be more; 0: that was all; -1: not to be believed. */
int hashes_copy(const struct hashes *h, uint64_t *at, struct filter *f) PH_MUST_CHECK;

#endif
