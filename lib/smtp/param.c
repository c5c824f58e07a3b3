#include "lib/smtp/param.h"

/* esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") */
static bool
keyword_is_valid(struct str key)
{
	if (key.len == 0 || !ascii_is_alnum(key.p[0]))
		return false;
	for (size_t i = 1; i < key.len; i++)
		if (!ascii_is_alnum(key.p[i]) && key.p[i] != '-')
			return false;
	return true;
}

/* esmtp-value = 1*(%d33-60 / %d62-126), and RFC 6531 3.3's UTF8-non-ascii */
static bool
smtp_param_value_is_valid(struct str value, bool utf8)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if (c <= ' ' || c == '=' || c == 127 || (c > 127 && !utf8))
			return false;
	}
	return value.len > 0;
}

int
smtp_param_next(struct str *rest, struct smtp_param *p)
{
	struct str word;
	size_t eq;

	if (!str_next_word(rest, &word))
		return 0;
	eq = str_find(word, '=');
	p->key = str_sub(word, 0, eq == STR_NPOS ? word.len : eq);
	p->value = eq == STR_NPOS ? STR_NULL : str_skip(word, eq + 1);
	if (!keyword_is_valid(p->key))
		return -1;
	return eq == STR_NPOS || smtp_param_value_is_valid(p->value, true) ? 1 : -1;
}
