/*
 * Large messages and the journal's id file: a large message leaves no record in a segment, so the id file counts it.
 * It is named there, durably, before its rename, and the rule "no tmp file any more: it was accepted" settles after
 * a crash what became of it.
 */
#ifndef PH_SPOOL_LARGE_INT_H
#define PH_SPOOL_LARGE_INT_H

#include "lib/spool/idfile_int.h"

/* At the start: lists those under way that were accepted (they stay named), forgets the rest and removes their tmp
 * files. -1 with errno: the disk does not say. */
int large_settle(struct idfile *f, int dirfd) PH_MUST_CHECK;
/* The id file was written: refused messages that it no longer names need no tmp file. */
void large_forget(struct idfile *f, int dirfd);

#endif
