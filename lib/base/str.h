/*
 * Text from the wire is a view: a pointer and a length, passed by value, not NUL-terminated, owned by somebody
 * else. Nothing here allocates, and nothing here reads beyond `len`.
 */
#ifndef PH_BASE_STR_H
#define PH_BASE_STR_H

#include "lib/base/base.h"

struct str {
	const char *p;
	size_t len;
};

#define STR(literal) ((struct str){.p = (literal), .len = sizeof(literal) - 1})
#define STR_NULL     ((struct str){.p = NULL, .len = 0})
/* for printf's %.*s; a view longer than INT_MAX is cut */
#define STR_ARG(s) (int)PH_MIN((s).len, (size_t)0x7fffffff), ((s).p == NULL ? "" : (s).p)

/* A view of a C string; NULL gives the empty view. Borrows. */
struct str str_of(const char *c);
struct str str_from(const char *p, size_t len);

bool str_is_empty(struct str s);
bool str_eq(struct str a, struct str b);
/* ASCII case is ignored; bytes above 127 compare exactly. */
bool str_ieq(struct str a, struct str b);
bool str_has_prefix(struct str s, struct str prefix);
bool str_has_iprefix(struct str s, struct str prefix);
bool str_has_suffix(struct str s, struct str suffix);
bool str_has_isuffix(struct str s, struct str suffix);
/* <0, 0, >0 as memcmp on the common length, then by length. */
int str_cmp(struct str a, struct str b);
/* The first eight bytes as a number that orders as they do, 0 for those that are not there. */
uint64_t str_begin(struct str s);
int str_icmp(struct str a, struct str b);

/* The part from `from` on, or of at most `len` bytes from `from`; beyond the end gives the empty view. */
struct str str_skip(struct str s, size_t from);
struct str str_sub(struct str s, size_t from, size_t len);
/* Without the blanks (SP, HTAB, CR, LF) at both ends. */
struct str str_trim(struct str s);

#define STR_NPOS ((size_t)-1)
/* Index of the first (last) `c`, or STR_NPOS. */
size_t str_find(struct str s, char c);
size_t str_rfind(struct str s, char c);
size_t str_find_str(struct str s, struct str needle);

/*
 * Takes the next piece of *rest up to `sep` into *piece and moves *rest behind the separator.
 * Returns false when *rest was exhausted (an empty text has one empty piece; set rest->p to NULL to have none).
 */
bool str_next(struct str *rest, char sep, struct str *piece);
/* The same for pieces parted by runs of blanks; never gives an empty piece. */
bool str_next_word(struct str *rest, struct str *piece);

/* Copies into dst[size], NUL-terminated, cut if too long. Returns s.len (>= size means cut). */
size_t str_copy(char *dst, size_t size, struct str s);
/* In place, ASCII only. */
void str_lower(char *p, size_t len);
char ascii_lower(char c);
bool ascii_is_alnum(char c);
bool ascii_is_digit(char c);
bool ascii_is_print(char c);
/* Of a hexadecimal digit in either case; -1: it is none. */
int ascii_hex_value(char c);

/* 64-bit keyed hash (SipHash-2-4) for tables whose keys strangers choose; the key is drawn at first use. */
uint64_t str_hash(struct str s);
/* the same, ASCII case folded; at most 1024 bytes count */
uint64_t str_ihash(struct str s);

#endif
