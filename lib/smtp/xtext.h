/*
 * xtext (RFC 3461 4): text of ESMTP parameters in which "+" and two capital hex digits stand for a byte. Decoding
 * refuses what is not xtext; what the decoded bytes may be is the caller's business. Never NUL-terminated.
 */
#ifndef PH_SMTP_XTEXT_H
#define PH_SMTP_XTEXT_H

#include <sys/types.h>

#include "lib/base/str.h"

/* Into dst[size]. Returns the length, or -1: not xtext, or too long. dst may be s.p. */
ssize_t xtext_decode(struct str s, char *dst, size_t size);
#endif
