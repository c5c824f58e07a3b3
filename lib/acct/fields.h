/*
 * The vocabulary of accounting: record types and fields, both from fields.def. It knows names and what belongs
 * to what; it never makes a value.
 */
#ifndef PH_ACCT_FIELDS_H
#define PH_ACCT_FIELDS_H

#include "lib/base/str.h"

enum acct_rec {
	ACCT_REC_D,  /* delivered */
	ACCT_REC_B,  /* bounced */
	ACCT_REC_T,  /* transient, a recipient */
	ACCT_REC_TQ, /* transient, a queue */
	ACCT_REC_R,  /* received */
	ACCT_REC_RB, /* remote bounce */
	ACCT_REC_RS, /* remote status */
	ACCT_REC_F,  /* feedback loop */
	ACCT_REC_MAX
};
#define ACCT_BIT(r) (1u << (r))

enum acct_field {
#define FIELD(id, name, records, maker) ACCT_FIELD_##id,
#define DEFAULTS(record, list)
#include "lib/acct/fields.def"
#undef FIELD
#undef DEFAULTS
	ACCT_FIELD_UNKNOWN, /* a column that is kept, and always empty */
	ACCT_FIELD_MAX
};

/* "d" or "delivery", …; ASCII case is ignored. False: no such record type. */
bool acct_rec_parse(struct str s, enum acct_rec *r);
const char *acct_rec_name(enum acct_rec r);	 /* "d" */
const char *acct_rec_long_name(enum acct_rec r); /* "delivery" */

/* By name, ASCII case ignored; header_X and arf_X give HEADER and ARF. ACCT_FIELD_UNKNOWN: none. */
enum acct_field acct_field_find(struct str name);
const char *acct_field_name(enum acct_field f); /* "header_" for HEADER */
bool acct_field_has(enum acct_field f, enum acct_rec r);
/* What `*` stands for: comma list without blanks. */
struct str acct_default_fields(enum acct_rec r);

#endif
