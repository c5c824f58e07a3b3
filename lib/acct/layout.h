/*
 * Which columns an accounting file has and which of them each record type fills: the `record-fields` lists of
 * its <acct-file>, joined into one header line. Columns stand in the order in which they first appear, over the
 * record types in the order of `records`; `type` is always the first.
 */
#ifndef PH_ACCT_LAYOUT_H
#define PH_ACCT_LAYOUT_H

#include "lib/acct/fields.h"
#include "lib/base/buf.h"
#include "lib/base/why.h"

#define ACCT_MAX_COLUMNS 128
#define ACCT_MAX_NAME	 256 /* bytes of a column's name */

struct acct_column {
	enum acct_field field;
	char *name;	   /* as the header line says it; owned */
	struct str suffix; /* of header_NAME and arf_NAME: NAME, borrowed from name */
};
struct acct_layout {
	struct acct_column columns[ACCT_MAX_COLUMNS];
	size_t n;
	bool fills[ACCT_REC_MAX][ACCT_MAX_COLUMNS];
	char *mapped[ACCT_REC_MAX]
		    [ACCT_MAX_COLUMNS]; /* "header_NAME" that fills it instead, owned; most NULL */
	bool has_headers;		/* some column is a header_NAME */
	unsigned records;		/* ACCT_BIT of each type that was added */
};

/* Only the column `type`. */
void acct_layout_init(struct acct_layout *l);
void acct_layout_clear(struct acct_layout *l);
/*
 * Adds a record type with its comma list (blanks around commas allowed): field names in their order, `*` for the
 * default set in place, `!name` to leave one out, wherever it stands. Empty: as `*`. A name that is no field
 * gives a column that stays empty, and -1 with `why` naming it; the list is added nevertheless. -1 as well when
 * there are too many columns or a name is too long: those are left out.
 */
int acct_layout_add(struct acct_layout *l, enum acct_rec r, struct str list, struct why *why);
/*
 * In records of that type the column named (made, if it is not there) holds the message's header field, written
 * "header_NAME". -1 with `why`: it is not written so, or there are too many columns.
 */
int acct_layout_map(struct acct_layout *l, enum acct_rec r, struct str header, struct str column,
    struct why *why) PH_MUST_CHECK;
/* The header line with its CRLF. -1: over the buffer's cap. */
int acct_layout_header(const struct acct_layout *l, struct buf *b) PH_MUST_CHECK;

#endif
