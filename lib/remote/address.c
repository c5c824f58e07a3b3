#include "lib/remote/remote_int.h"

static bool
is_local_char(char c)
{
	return ascii_is_alnum(c) || (unsigned char)c > 127 ||
	       (c != '\0' && strchr("!#$%&*+-/=?^_`{|}~.'", c) != NULL);
}

static bool
is_domain_char(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '.' || (unsigned char)c > 127;
}

/* where the local part in front of the "@" begins; a quoted one counts with its quotes */
static size_t
local_begin(struct str s, size_t at)
{
	size_t b = at;

	if (b > 1 && s.p[b - 1] == '"') {
		b--;
		while (b > 0 && at - b < 70 && s.p[b - 1] != '"')
			b--;
		return b > 0 ? b - 1 : at;
	}
	while (b > 0 && at - b < 250 && is_local_char(s.p[b - 1]))
		b--;
	while (b < at && (s.p[b] == '\'' || s.p[b] == '.' || s.p[b] == '/' || s.p[b] == '='))
		b++;
	return b;
}

bool
remote_next_address(struct str s, size_t *at, struct str *address)
{
	size_t b, e, i;

	while ((i = str_find(str_skip(s, *at), '@')) != STR_NPOS) {
		i += *at;
		*at = i + 1;
		b = local_begin(s, i);
		e = i + 1;
		while (e < s.len && e - i < 250 && is_domain_char(s.p[e]))
			e++;
		while (e > i + 1 && (s.p[e - 1] == '.' || s.p[e - 1] == '-'))
			e--;
		if (b == i || e == i + 1)
			continue;
		*address = str_sub(s, b, e - b);
		*at = e;
		return true;
	}
	return false;
}

bool
remote_has_word(struct str s, const char *const *words)
{
	for (; *words != NULL; words++) {
		struct str w = str_of(*words);
		for (size_t i = 0; i + w.len <= s.len; i++)
			if (ascii_lower(s.p[i]) == w.p[0] && str_has_iprefix(str_skip(s, i), w))
				return true;
	}
	return false;
}
