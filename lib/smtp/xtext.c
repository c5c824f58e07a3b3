#include "lib/smtp/xtext.h"

/* hexchar = "+" 2(%x30-39 / %x41-46): capitals only */
static int
hex_value(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* xchar = any ASCII from "!" to "~" except "+" and "=" */
static bool
is_xchar(char c)
{
	return c > ' ' && c <= '~' && c != '+' && c != '=';
}

ssize_t
xtext_decode(struct str s, char *dst, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		int c = (unsigned char)s.p[i];
		if (c == '+') {
			int hi = i + 2 < s.len ? hex_value(s.p[i + 1]) : -1;
			int lo = i + 2 < s.len ? hex_value(s.p[i + 2]) : -1;
			if (hi < 0 || lo < 0)
				return -1;
			c = hi * 16 + lo;
			i += 2;
		} else if (!is_xchar((char)c)) {
			return -1;
		}
		if (n == size)
			return -1;
		dst[n++] = (char)c;
	}
	return (ssize_t)n;
}
