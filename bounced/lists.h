/*
 * The <address-list> blocks: addresses, local parts, domains, patterns, and files of addresses. Which list an address is
 * on is answered here; that it is on none is said by the filter that is made with them, which other processes ask.
 * Files are read in pieces, so that nobody waits for a large one; until they are read the lists before them hold.
 */
#ifndef PH_BOUNCED_LISTS_H
#define PH_BOUNCED_LISTS_H

#include "lib/conf/conf.h"
#include "lib/suppress/filter.h"

struct lists;
/* A file's content comes by its descriptor, which this takes; once for each path that the configuration names. */
struct list_file {
	char *path; /* owned */
	int fd;
};

/* Begins to read what `c` names (lists that stand in other blocks are not meant). Takes the files' descriptors. */
struct lists *lists_new(
    const struct conf *c, const struct filter_key *key, struct list_file *files, size_t n_files);
void lists_free(struct lists **l);
/* A piece: true: there is more. A file that cannot be read is logged, and the list is what there is. */
bool lists_read(struct lists *l);
/* When all is read: for the readers; NULL: nothing can be on a list. */
const struct filter *lists_filter(const struct lists *l);
/* Has one of these lists (names with commas) the address? Its name, or empty. */
struct str lists_find(const struct lists *l, struct str names, struct str address);

#endif
