#include "lib/acct/pairs.h"

/* one byte: length of the name; two: length of the value; both texts */
#define HEAD 3

void
pairs_put(struct buf *b, struct str name, struct str value)
{
	char head[HEAD];

	value = str_sub(value, 0, PAIRS_MAX_VALUE);
	if (value.len == 0 || name.len == 0 || name.len > UINT8_MAX ||
	    buf_len(b) + HEAD + name.len + value.len > PAIRS_MAX)
		return;
	head[0] = (char)(uint8_t)name.len;
	head[1] = (char)(uint8_t)(value.len >> 8);
	head[2] = (char)(uint8_t)value.len;
	(void)buf_add(b, head, sizeof head);
	(void)buf_add_str(b, name);
	(void)buf_add_str(b, value);
}

bool
pairs_next(struct str *rest, struct str *name, struct str *value)
{
	const uint8_t *p = (const uint8_t *)rest->p;
	size_t n, v;

	if (rest->len < HEAD)
		return false;
	n = p[0];
	v = (size_t)p[1] << 8 | p[2];
	if (n == 0 || rest->len - HEAD < n + v)
		return false;
	*name = str_sub(*rest, HEAD, n);
	*value = str_sub(*rest, HEAD + n, v);
	*rest = str_skip(*rest, HEAD + n + v);
	return true;
}

struct str
pairs_find(struct str pairs, struct str name)
{
	struct str n, v;

	while (pairs_next(&pairs, &n, &v))
		if (str_ieq(n, name))
			return v;
	return STR_NULL;
}
