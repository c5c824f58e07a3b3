#include "lib/net/tlsa.h"

#include "lib/base/num.h"

int
tlsa_put_base(struct buf *b, struct str base)
{
	if (base.len > UINT8_MAX || buf_add_char(b, (char)base.len) == -1)
		return -1;
	return buf_add_str(b, base);
}

bool
tlsa_take_base(struct str *packed, struct str *base)
{
	size_t len = packed->len == 0 ? 0 : (uint8_t)packed->p[0];

	if (packed->len < len + 1)
		return false;
	*base = str_sub(*packed, 1, len);
	*packed = str_skip(*packed, len + 1);
	return true;
}

bool
tlsa_take(struct str *packed, struct tlsa *t)
{
	const uint8_t *p = (const uint8_t *)packed->p;
	size_t len;

	if (packed->len < TLSA_HEAD)
		return false;
	len = get_be16(p + 3);
	if (packed->len - TLSA_HEAD < len)
		return false;
	*t = (struct tlsa){.usage = p[0],
	    .selector = p[1],
	    .matching = p[2],
	    .data = str_sub(*packed, TLSA_HEAD, len)};
	*packed = str_skip(*packed, TLSA_HEAD + len);
	return true;
}
