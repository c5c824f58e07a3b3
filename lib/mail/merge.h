/*
 * Mail merge: a text in numbered parts with [name] in it, and what is defined for each recipient. Data in, data out. A
 * value must never make a header field of its own: within the header section a line end in a value becomes a blank.
 *
 *	reference  = "[" [ "*" ] name "]"        name = ALPHA *( ALPHA / DIGIT / "_" ), case does not count
 *	bracket    = "[[]"                       stands for "["; what is neither is text
 *	XDFN       = definition *( SP definition )
 *	definition = [ "*" ] name "=" ( DQUOTE *( char / "\" char ) DQUOTE / *non-blank )
 *
 * In quotes \r and \n are CR and LF, and "\" in front of any other character is that character.
 */
#ifndef PH_MAIL_MERGE_H
#define PH_MAIL_MERGE_H

#include "lib/base/buf.h"
#include "lib/base/hmap.h"
#include "lib/base/why.h"

#define MERGE_MAX_NAME	64u
#define MERGE_MAX_VALUE (64u * 1024) /* of one recipient's definitions together */
#define MERGE_MAX_NAMES 500u	     /* different ones that a text refers to */
#define MERGE_MAX_REFS	20000u	     /* references in a text */
#define MERGE_MAX_PARTS 1000u	     /* numbers are 1 to 1000 */
#define MERGE_MAX_ORDER 100u	     /* parts that one recipient gets */

/* ---- definitions ---- */

/*
 * Appends what XDFN's argument defines to `defs`. -1 with `why` (501 5.5.4, or 552 5.3.4 when it is too much); then
 * nothing was added.
 */
int merge_define(struct str arg, struct buf *defs, struct why *why) PH_MUST_CHECK;
/* Takes the next definition of *defs; false: there is none. Views borrow. */
bool merge_next(struct str *defs, struct str *name, struct str *value);
/* The last definition of each of these names, which begin with "*", in one pass; p NULL: there is none. */
void merge_own(struct str defs, const struct str *names, size_t n, struct str *values);

/* ---- the text ---- */

/* A run of text, or a reference. */
struct merge_piece {
	uint32_t at, len; /* in `text`, of a reference as it was written */
	int32_t name;	  /* in `names`; -1: text */
};
struct merge_part {
	uint32_t number, first, end; /* of `pieces` */
};
struct merge_text {
	struct buf text;
	struct merge_piece *pieces;
	size_t n_pieces, cap_pieces;
	struct merge_part parts[MERGE_MAX_PARTS]; /* by number, rising */
	size_t n_parts;
	struct {
		char text[MERGE_MAX_NAME + 1];
	} * names;
	size_t n_names, cap_names;
	struct hmap by_name; /* to numbers from 1 on */
};

/* max_bytes: of all parts together. */
void merge_text_init(struct merge_text *t, size_t max_bytes);
void merge_text_clear(struct merge_text *t);
/*
 * One part, as plain text (no doubled dots) with CRLF. -1 with `why` (501 5.5.4: its number is there already; 552 5.3.4:
 * too much).
 */
int merge_text_add(
    struct merge_text *t, uint32_t number, struct str part, struct why *why) PH_MUST_CHECK;

/* ---- one recipient ---- */

/* Which parts in which order: indices into `parts`. */
struct merge_order {
	uint16_t part[MERGE_MAX_ORDER];
	size_t n;
};
/*
 * order = range *( "," range ), range = number [ "-" number ]; an empty one means all parts in their order. With t NULL
 * only the form is looked at. -1 with `why` (554 5.6.0).
 */
int merge_order_parse(
    const struct merge_text *t, struct str s, struct merge_order *o, struct why *why) PH_MUST_CHECK;

struct merge_values {
	const struct str *value; /* for each of the text's names; p NULL: not defined */
	bool
	    is_undefined_left; /* a reference without a value stays as it was written; otherwise nothing */
};
/* What the definitions say of each of the text's names, the last of each, in one pass; values has n_names. */
void merge_set_all(const struct merge_text *t, struct str defs, struct str *values);
/* One name's value, where the text refers to it. */
void merge_set(const struct merge_text *t, struct str name, struct str v, struct str *values);
/* Of how many pieces the recipient's text is made: what that costs, however short they are. */
size_t merge_n_pieces(const struct merge_text *t, const struct merge_order *o);
typedef void merge_sink(void *arg, struct str piece);
/* Gives out the recipient's text in pieces; at most some bytes of its own between those of text and values. */
void merge_expand(const struct merge_text *t, const struct merge_order *o,
    const struct merge_values *v, merge_sink *sink, void *arg);
/* How many bytes that are at most. */
uint64_t merge_length(
    const struct merge_text *t, const struct merge_order *o, const struct merge_values *v);

#endif
