/*
 * Text from outside for a message that we write: never a line of its own, never a control character, ASCII unless
 * `utf8` allows more. What is not ASCII becomes \x{HEX} (RFC 6533 3), ill-formed bytes become "?".
 */
#ifndef PH_MAIL_QUOTE_INT_H
#define PH_MAIL_QUOTE_INT_H

#include "lib/base/buf.h"

bool quote_is_ascii(struct str s);
/* On one line, at most 900 bytes. */
void quote_text(struct buf *b, struct str s, bool utf8);
/* "Name: text", folded at blanks; at most 64 lines. A name that ends with a type ("Diagnostic-Code: smtp") gets ";". */
void quote_field(struct buf *b, const char *name, struct str s, bool utf8);
/* "Name: <address>" */
void quote_address(struct buf *b, const char *name, struct str address, bool utf8);
/* Lines of a text for people, each with `indent` in front, broken at blanks. */
void quote_wrapped(struct buf *b, const char *indent, struct str s, bool utf8);
/* Quoted-printable (RFC 2045 6.7) of text in wire form, whose stuffing is undone; no line begins with a dot. */
void quote_printable(struct buf *b, struct str wire);

#endif
