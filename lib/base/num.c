#include "lib/base/num.h"

bool
parse_u64(struct str s, uint64_t min, uint64_t max, uint64_t *v)
{
	uint64_t n = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_digit(s.p[i]))
			return false;
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(s.p[i] - '0'), &n))
			return false;
	}
	if (n < min || n > max)
		return false;
	*v = n;
	return true;
}

bool
parse_u32(struct str s, uint32_t min, uint32_t max, uint32_t *v)
{
	uint64_t n;

	if (!parse_u64(s, min, max, &n))
		return false;
	*v = (uint32_t)n;
	return true;
}

bool
parse_hex64(struct str s, size_t digits, uint64_t *v)
{
	uint64_t n = 0;

	if (s.len != digits || digits == 0 || digits > 16)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		int d = ascii_hex_value(s.p[i]);
		if (d < 0)
			return false;
		n = n << 4 | (uint64_t)d;
	}
	*v = n;
	return true;
}

uint16_t
get_be16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] << 8 | b[1]);
}

uint32_t
get_be32(const void *p)
{
	return (uint32_t)get_be16(p) << 16 | get_be16((const uint8_t *)p + 2);
}

void
put_be16(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

void
put_be32(void *p, uint32_t v)
{
	put_be16(p, (uint16_t)(v >> 16));
	put_be16((uint8_t *)p + 2, (uint16_t)v);
}
