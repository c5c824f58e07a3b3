/*
 * What a report tells, on its way to the accounting: names of columns with their values, packed one behind the other.
 * Made by who reads the report, passed on unseen, and taken apart by acctd, which trusts no length in it.
 */
#ifndef PH_ACCT_PAIRS_H
#define PH_ACCT_PAIRS_H

#include "lib/base/buf.h"

#define PAIRS_MAX	(40u * 1024) /* bytes; less than a message between processes may have */
#define PAIRS_MAX_VALUE 4096

/* Appends; an empty value is left out, a long one is cut, and one for which there is no room is dropped. */
void pairs_put(struct buf *b, struct str name, struct str value);
/* The next of *rest; false: no more, or what follows makes no sense. */
bool pairs_next(struct str *rest, struct str *name, struct str *value);
/* By name, ASCII case ignored; empty: it is not there. */
struct str pairs_find(struct str pairs, struct str name);

#endif
