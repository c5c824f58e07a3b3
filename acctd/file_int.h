/* What file.c and file_past.c share. */
#ifndef PH_ACCTD_FILE_INT_H
#define PH_ACCTD_FILE_INT_H

#include "acctd/file.h"

/* finished files are looked through so often, and at each new file */
#define FILE_SWEEP_MS INT64_C(3600000)
/* a clock that leapt by a day deletes nothing before this has passed: it may be set right again */
#define FILE_TRUST_MS INT64_C(3600000)
#define FILE_LEAP_NS  (INT64_C(86400) * NS_PER_SEC)

struct acct_file {
	struct acct_def *def;
	struct buf header;     /* the header line */
	struct acct_name last; /* of the current file, or of the last one there was */
	struct why note;
	struct wall begun; /* when the current file was */
	struct wall swept;
	struct wall seen;	/* the last look at the clock */
	struct wall trust_from; /* nothing is deleted before */
	uint64_t len;		/* durable bytes of the current file */
	int fd;			/* of the current file, -1: none */
	int dir_fd, move_fd;
	bool has_last;
	bool may_continue; /* what is left of an earlier run was not looked at yet */
	bool is_torn;	   /* bytes behind `len` must be cut first */
	bool has_note;
	bool link_noted;
};

void file_note(struct acct_file *f, const char *fmt, ...) PH_PRINTF(2, 3);
bool file_is_interval_over(const struct acct_file *f, struct wall now);
/*
 * Looks where the link points: cuts an incomplete end off that file, and makes it the current one if it is of
 * today and has the same header. 0 also when there is nothing to continue.
 */
int file_recover(struct acct_file *f, struct wall now, struct why *why) PH_MUST_CHECK;
/* Moves or deletes the finished files. What fails is noted and tried again at the next sweep. */
void file_sweep(struct acct_file *f, struct wall now);

#endif
