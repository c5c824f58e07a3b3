/*
 * The accounting files of the configuration, record by record, as CSV (RFC 4180): the one that the server writes to now, and
 * those of before that are still in its folder or where they were moved to, the latest first. It only reads, with the
 * caller's rights.
 */
#ifndef PH_PMTACTL_ACCT_FILES_H
#define PH_PMTACTL_ACCT_FILES_H

#include "lib/base/why.h"
#include "lib/conf/conf.h"

#define ACCT_MAX_COLUMNS 256
#define ACCT_MAX_LINE	 (1024 * 1024) /* what is longer is none of ours, and passed over */

/* one record; the columns are views that last until the next one, still in their quotes */
struct acct_record {
	struct str cols[ACCT_MAX_COLUMNS];
	size_t n;
};
/* Where the column of that name is; STR_NPOS: it is none of them. */
size_t acct_column(const struct acct_record *header, const char *name);
/* What stands in the quotes, if there are any, into text. */
struct str acct_unquoted(struct str value, char *text, size_t size);

struct acct_reader {
	struct str
	    wanted; /* only records in which this stands, in any case of letters, with its `@` */
	/* NULL, or asked before each file; false: no more of them. */
	bool (*goes_on)(void *ctx);
	/* A file begins; false: it is of no use. */
	bool (*begin)(void *ctx, const struct acct_record *header);
	void (*record)(void *ctx, const struct acct_record *r);
	void *ctx;
};
/* All files of that <acct-file>. */
int acct_files_read(const struct conf *c, size_t block, const struct acct_reader *reader,
    struct why *why) PH_MUST_CHECK;
/* Is it a file, and does it have what became of every recipient? */
bool acct_file_has_ends(const struct conf *c, size_t block);

#endif
