/*
 * The domains in a field of addresses (From; RFC 5322 3.4), found without being taken in by quoted strings, comments,
 * display names and folding, so that they can be replaced and nothing else changes. Reads what strangers wrote: any
 * bytes, bounded by the text itself; it never fails.
 */
#ifndef PH_MAIL_FROM_H
#define PH_MAIL_FROM_H

#include "lib/base/buf.h"
#include "lib/base/str.h"

/* What a domain (without blanks, not a literal) becomes; false: it stays. *to is borrowed until the next call. */
typedef bool from_map(void *arg, struct str domain, struct str *to);
/* Appends `value` with its domains replaced. Returns how many were; the buffer remembers when it is full. */
size_t from_rewrite(struct buf *b, struct str value, from_map *map, void *arg);

#endif
