/*
 * Numbers as digits where every message writes some: printf would take longer for them than for all the rest. No NUL is
 * put behind them; the caller has the room.
 */
#ifndef PH_BASE_DIGITS_H
#define PH_BASE_DIGITS_H

#include "lib/base/base.h"

#define DIGITS_MAX 20 /* of a uint64_t, decimal */

/* Exactly n decimal digits, the last ones of v. Returns where they end. */
static inline char *
digits_put(char *p, unsigned n, uint64_t v)
{
	for (unsigned i = n; i-- > 0; v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + n;
}

/* As many as v has. Returns where they end. */
static inline char *
digits_put_all(char *p, uint64_t v)
{
	unsigned n = 1;

	for (uint64_t left = v / 10; left > 0; left /= 10)
		n++;
	return digits_put(p, n, v);
}

/* Exactly n hexadecimal digits, small letters. Returns where they end. */
static inline char *
digits_put_hex(char *p, unsigned n, uint64_t v)
{
	for (unsigned i = n; i-- > 0; v >>= 4)
		p[i] = "0123456789abcdef"[v & 15];
	return p + n;
}

/* A text without its NUL. Returns where it ends. */
static inline char *
digits_put_text(char *p, const char *text)
{
	size_t n = strlen(text);

	memcpy(p, text, n);
	return p + n;
}

#endif
