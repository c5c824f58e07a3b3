/*
 * Which generations the journal's segments have now, on disk, less what is gone: done-log lines about any other
 * generation are about nothing. Reads headers only.
 */
#ifndef PH_SPOOL_LIVE_INT_H
#define PH_SPOOL_LIVE_INT_H

#include "lib/spool/done_int.h"
#include "lib/spool/files_int.h"
#include "lib/spool/gone_int.h"

struct live {
	uint64_t *key; /* need_key_segment(), sorted */
	size_t n, cap;
	bool is_unsure[SPOOL_WRITERS]; /* a header is broken: any generation may be there */
};

/* gone may be NULL. Entries of *gone whose segment is no more, or was used again, are dropped; first what
 * says so (the directory, each writer's newest header) is made durable. -1 with errno. */
int live_load(struct live *v, int journal_fd, struct gone *gone) PH_MUST_CHECK;
bool live_needs(const struct live *v, const struct done_line *l);
void live_clear(struct live *v);

#endif
