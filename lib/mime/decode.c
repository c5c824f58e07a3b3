#include "lib/mime/mime.h"

/* ---- base64 (RFC 2045 6.8) ---- */

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void
decode_base64(struct str body, struct buf *b)
{
	uint32_t bits = 0;
	unsigned n = 0;

	for (size_t i = 0; i < body.len && body.p[i] != '='; i++) {
		int v = base64_value(body.p[i]);
		if (v < 0)
			continue;
		bits = bits << 6 | (uint32_t)v;
		n += 6;
		if (n < 8)
			continue;
		n -= 8;
		if (buf_add_char(b, (char)(bits >> n & 255)) == -1)
			return;
	}
}

/* ---- quoted-printable (RFC 2045 6.7) ---- */

/* how long a soft line break at the front is; 0: it is none */
static size_t
soft_break(struct str s)
{
	size_t i = 1;

	while (i < s.len && (s.p[i] == ' ' || s.p[i] == '\t'))
		i++;
	if (i < s.len && s.p[i] == '\r')
		i++;
	if (i == s.len)
		return i;
	return s.p[i] == '\n' ? i + 1 : 0;
}

static void
decode_quoted(struct str s, struct buf *b, bool in_word)
{
	size_t i = 0, n;

	while (i < s.len) {
		int hi = i + 2 < s.len ? ascii_hex_value(s.p[i + 1]) : -1;
		int lo = i + 2 < s.len ? ascii_hex_value(s.p[i + 2]) : -1;
		if (s.p[i] == '=' && hi >= 0 && lo >= 0) {
			(void)buf_add_char(b, (char)(hi * 16 + lo));
			i += 3;
		} else if (s.p[i] == '=' && (n = soft_break(str_skip(s, i))) > 0) {
			i += n;
		} else {
			(void)buf_add_char(b, in_word && s.p[i] == '_' ? ' ' : s.p[i]);
			i++;
		}
		if (buf_is_overfull(b))
			return;
	}
}

void
mime_decode(enum mime_encoding encoding, struct str body, struct buf *b)
{
	if (encoding == MIME_BASE64)
		decode_base64(body, b);
	else if (encoding == MIME_QUOTED)
		decode_quoted(body, b, false);
	else
		(void)buf_add_str(b, str_sub(body, 0, b->cap - buf_len(b)));
}

/* ---- encoded words (RFC 2047) ---- */

/* "=?charset?Q?text?=" at the front: its length, or 0 */
static size_t
encoded_word(struct str s, enum mime_encoding *how, struct str *text)
{
	size_t a, b, e;

	if (!str_has_prefix(s, STR("=?")))
		return 0;
	a = str_find(str_skip(s, 2), '?');
	if (a == STR_NPOS || a > 60)
		return 0;
	b = 2 + a + 1;
	if (b + 2 > s.len || s.p[b + 1] != '?')
		return 0;
	*how = ascii_lower(s.p[b]) == 'b' ? MIME_BASE64 : MIME_QUOTED;
	e = str_find_str(str_sub(s, b + 2, 2000), STR("?="));
	if (e == STR_NPOS)
		return 0;
	*text = str_sub(s, b + 2, e);
	return b + 2 + e + 2;
}

size_t
mime_decode_words(struct str value, char *dst, size_t size)
{
	struct buf b;
	enum mime_encoding how = MIME_IDENTITY;
	struct str text;
	size_t n, i = 0, len;
	bool after_word = false;

	buf_init(&b, size);
	while (i < value.len && buf_len(&b) + 1 < size) {
		n = encoded_word(str_skip(value, i), &how, &text);
		if (n == 0) {
			/* blanks between two encoded words are not there */
			if (!after_word || value.p[i] != ' ')
				after_word = false;
			if (!after_word || !str_has_prefix(str_trim(str_skip(value, i)), STR("=?")))
				(void)buf_add_char(&b, value.p[i]);
			i++;
			continue;
		}
		if (how == MIME_BASE64)
			decode_base64(text, &b);
		else
			decode_quoted(text, &b, true);
		after_word = true;
		i += n;
	}
	len = str_copy(dst, size, buf_str(&b));
	buf_clear(&b);
	return PH_MIN(len, size - 1);
}
