#include "lib/json/read.h"

#include "lib/base/num.h"

/* ---- tokens ---- */

static void
skip_blanks(struct json *j)
{
	while (j->p < j->end && *j->p != '\0' && strchr(" \t\r\n", *j->p) != NULL)
		j->p++;
}

static bool
take(struct json *j, char c)
{
	skip_blanks(j);
	if (j->p == j->end || *j->p != c)
		return false;
	j->p++;
	return true;
}

static int
bad(struct json *j, const char *text)
{
	return why_set(&j->why, "%s", text);
}

static int
expect(struct json *j, char c)
{
	return take(j, c) ? 0 : why_set(&j->why, "'%c' is missing", c);
}

/* ---- strings ---- */

/* the bytes of a UTF-8 character at p (RFC 3629); 0: it is none */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80		    ? 1
		     : p[0] >= 0xc2 && p[0] <= 0xdf ? 2
		     : (p[0] & 0xf0) == 0xe0	    ? 3
		     : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
						    : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* longer than needed, surrogates, beyond U+10FFFF */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static char *
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

static bool
take_hex4(struct json *j, uint32_t *v)
{
	uint64_t wide;

	if (j->end - j->p < 4 || !parse_hex64(str_from(j->p, 4), 4, &wide))
		return false;
	j->p += 4;
	*v = (uint32_t)wide;
	return true;
}

/* behind "\u": a character of the basic plane, or both halves of another */
static bool
take_unicode(struct json *j, uint32_t *c)
{
	uint32_t low;

	if (!take_hex4(j, c))
		return false;
	if (*c < 0xd800 || *c > 0xdfff)
		return true;
	if (*c > 0xdbff || j->end - j->p < 2 || j->p[0] != '\\' || j->p[1] != 'u')
		return false;
	j->p += 2;
	if (!take_hex4(j, &low) || low < 0xdc00 || low > 0xdfff)
		return false;
	*c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

/* behind '\': never longer than what it was */
static bool
take_escape(struct json *j, char **to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *at;
	uint32_t c;

	if (j->p == j->end)
		return false;
	at = *j->p == '\0' ? NULL : strchr(from, *j->p);
	if (at != NULL) {
		*(*to)++ = into[at - from];
		j->p++;
		return true;
	}
	if (*j->p++ != 'u' || !take_unicode(j, &c))
		return false;
	*to = put_utf8(*to, c);
	return true;
}

int
json_string(struct json *j, struct str *s)
{
	char *to, *begin;
	size_t n;

	if (!take(j, '"'))
		return bad(j, "A string is wanted");
	for (to = begin = j->p; j->p < j->end; to += n, j->p += n) {
		n = 0;
		if (*j->p == '"') {
			*s = str_from(begin, (size_t)(to - begin));
			j->p++;
			return 0;
		}
		if ((unsigned char)*j->p < 0x20)
			return bad(j, "A control character stands in a string");
		if (*j->p == '\\') {
			j->p++;
			if (!take_escape(j, &to))
				return bad(j, "An escape in a string is wrong");
			continue;
		}
		n = utf8_len((const unsigned char *)j->p, (size_t)(j->end - j->p));
		if (n == 0)
			return bad(j, "A string is not UTF-8");
		memmove(to, j->p, n);
	}
	return bad(j, "A string has no end");
}

bool
json_is_string(struct json *j)
{
	skip_blanks(j);
	return j->p < j->end && *j->p == '"';
}

int
json_bool(struct json *j, bool *v)
{
	struct str rest;

	skip_blanks(j);
	rest = str_from(j->p, (size_t)(j->end - j->p));
	*v = str_has_prefix(rest, STR("true"));
	if (!*v && !str_has_prefix(rest, STR("false")))
		return bad(j, "true or false is wanted");
	j->p += *v ? 4 : 5;
	return 0;
}

/* ---- objects and lists ---- */

static int
read_member(struct json *j, const struct json_member *members, size_t n, uint32_t *seen, void *ctx)
{
	struct str name = STR_NULL;

	if (json_string(j, &name) == -1 || expect(j, ':') == -1)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (!str_eq(name, members[i].name))
			continue;
		if ((*seen & 1u << i) != 0)
			return why_set(&j->why, "\"%.*s\" stands there twice", STR_ARG(name));
		*seen |= 1u << i;
		return members[i].read(j, ctx);
	}
	return why_set(&j->why, "\"%.*s\" is not supported", STR_ARG(str_sub(name, 0, 100)));
}

int
json_object(struct json *j, const struct json_member *members, size_t n, void *ctx)
{
	uint32_t seen = 0;

	if (expect(j, '{') == -1)
		return -1;
	if (take(j, '}'))
		return 0;
	do {
		if (read_member(j, members, n, &seen, ctx) == -1)
			return -1;
	} while (take(j, ','));
	return expect(j, '}');
}

int
json_list(struct json *j, json_fn *read, void *ctx)
{
	if (expect(j, '[') == -1)
		return -1;
	if (take(j, ']'))
		return 0;
	do {
		if (read(j, ctx) == -1)
			return -1;
	} while (take(j, ','));
	return expect(j, ']');
}

int
json_end(struct json *j)
{
	skip_blanks(j);
	return j->p == j->end ? 0 : bad(j, "Something follows the value");
}

void
json_init(struct json *j, char *text, size_t len)
{
	*j = (struct json){.p = text, .end = text + len};
}
