#include <sodium.h>

#include "lib/acct/csv.h"
#include "lib/base/xalloc.h"
#include "lib/mail/header.h"
#include "posthttp/posthttp.h"

/* length of the UTF-8 sequence in front, 0: none (RFC 3629) */
static size_t
utf8_len(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = p[0] < 0x80			  ? 1
		   : p[0] >= 0xc2 && p[0] <= 0xdf ? 2
		   : (p[0] & 0xf0) == 0xe0	  ? 3
						  : 4;

	if ((p[0] >= 0x80 && p[0] < 0xc2) || p[0] > 0xf4 || n > s.len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static bool
is_utf8(struct str s)
{
	for (size_t n; s.len > 0; s = str_skip(s, n))
		if ((n = utf8_len(s)) == 0)
			return false;
	return true;
}

static int
put_char(struct buf *b, unsigned char c)
{
	static const char plain[] = "\"\\\b\f\n\r\t", escaped[] = "\"\\bfnrt";
	const char *at = c == 0 ? NULL : strchr(plain, c);

	if (at != NULL)
		return buf_addf(b, "\\%c", escaped[at - plain]);
	if (c < ' ' || c == 127)
		return buf_addf(b, "\\u%04x", c);
	return buf_add_char(b, (char)c);
}

/* A string with its quotes; what is no UTF-8 becomes U+FFFD. -1: the buffer is full. */
static int
post_string(struct buf *b, struct str s)
{
	int r = buf_add_char(b, '"');

	while (s.len > 0 && r == 0) {
		size_t n = utf8_len(s);
		if (n == 0)
			r = buf_add_cstr(b, "\xef\xbf\xbd");
		else if (n == 1)
			r = put_char(b, (unsigned char)s.p[0]);
		else
			r = buf_add(b, s.p, n);
		s = str_skip(s, PH_MAX(n, (size_t)1));
	}
	return r == -1 ? -1 : buf_add_char(b, '"');
}

static int
put_member(struct buf *b, struct str name, struct str value, bool first)
{
	if (!first && buf_add_char(b, ',') == -1)
		return -1;
	if (post_string(b, name) == -1 || buf_add_char(b, ':') == -1)
		return -1;
	return post_string(b, value);
}

static int
put_record(struct buf *b, const struct csv_row *names, const struct csv_row *row)
{
	bool first = true;

	if (buf_add_char(b, '{') == -1)
		return -1;
	for (size_t i = 0; i < row->n && i < names->n; i++) {
		if (row->field[i].len == 0)
			continue;
		if (put_member(b, names->field[i], row->field[i], first) == -1)
			return -1;
		first = false;
	}
	return buf_add_char(b, '}');
}

int
json_of_csv(struct str csv, struct buf *b, struct why *why)
{
	struct csv_row names, row;
	ssize_t used;
	int r = buf_add_char(b, '[');
	bool first = true;

	csv_row_init(&names);
	csv_row_init(&row);
	used = csv_read(csv, &names);
	while (r == 0 && used > 0) {
		csv = str_skip(csv, (size_t)used);
		if (csv.len == 0 || (used = csv_read(csv, &row)) <= 0)
			break;
		if (!first)
			r = buf_add_cstr(b, ",\n");
		if (r == 0)
			r = put_record(b, &names, &row);
		first = false;
	}
	csv_row_clear(&names);
	csv_row_clear(&row);
	if (r == -1 || buf_add_cstr(b, "]\n") == -1)
		return why_set(why, "the batch is too large");
	return csv.len > 0 || used <= 0 ? why_set(why, "the batch is no CSV") : 0;
}

/* each field of the header section as an object with one member */
static int
put_headers(struct buf *b, struct str message)
{
	static char value[64 * 1024];
	struct header_iter it;
	struct header_field f;
	int r = buf_add_cstr(b, ",\"headers\":[");
	bool first = true;

	header_iter_init(&it, message);
	while (r == 0 && header_next(&it, &f)) {
		header_unfold(f.value, value, sizeof value);
		if (!first)
			r = buf_add_char(b, ',');
		if (r == 0)
			r = buf_add_char(b, '{');
		if (r == 0)
			r = put_member(b, f.name, str_of(value), true);
		if (r == 0)
			r = buf_add_char(b, '}');
		first = false;
	}
	return r == -1 ? -1 : buf_add_char(b, ']');
}

static int
put_base64(struct buf *b, struct str s)
{
	size_t size = sodium_base64_encoded_len(s.len, sodium_base64_VARIANT_ORIGINAL);
	char *text = xmalloc(size);
	int r;

	sodium_bin2base64(
	    text, size, (const unsigned char *)s.p, s.len, sodium_base64_VARIANT_ORIGINAL);
	r = buf_addf(b, "\"%s\",\"email_rfc822_is_base64\":true", text);
	free(text);
	return r;
}

int
json_of_mail(struct str from, struct str to, struct str message, struct buf *b)
{
	if (buf_add_char(b, '{') == -1 || put_member(b, STR("msg_from"), from, true) == -1 ||
	    put_member(b, STR("rcpt_to"), to, false) == -1 ||
	    buf_add_cstr(b, ",\"content\":{\"email_rfc822\":") == -1)
		return -1;
	if ((is_utf8(message) ? post_string(b, message) : put_base64(b, message)) == -1)
		return -1;
	if (put_headers(b, message) == -1)
		return -1;
	return buf_add_cstr(b, "}}\n");
}
