#include "lib/acct/csv.h"

#define ROW_TEXT_MAX (1024 * 1024)

/* Length of the well-formed UTF-8 sequence at p (RFC 3629), 0: ill-formed. */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n < len)
		return 0;
	/* overlong forms, surrogates, and beyond U+10FFFF show in the second byte */
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	}
	return len;
}

static bool
is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != ',';
}

static size_t
plain_len(struct str v)
{
	size_t i = 0;

	while (i < v.len && is_plain((unsigned char)v.p[i]))
		i++;
	return i;
}

/* the careful way, for values with anything but plain ASCII */
static void
add_quoted(struct buf *b, struct str v)
{
	const unsigned char *p = (const unsigned char *)v.p;

	for (size_t i = 0, n; i < v.len; i += n) {
		n = utf8_len(p + i, v.len - i);
		if (n == 0) {
			buf_add_cstr(b, "\xef\xbf\xbd");
			n = 1;
		} else if (p[i] < ' ' || p[i] == 0x7f) {
			buf_add_char(b, ' ');
		} else if (p[i] == '"') {
			buf_add_cstr(b, "\"\"");
		} else {
			buf_add(b, p + i, n);
		}
	}
}

void
csv_add(struct buf *b, struct str v, bool first)
{
	bool quote;

	if (!first)
		buf_add_char(b, ',');
	if (plain_len(v) == v.len) {
		buf_add_str(b, v);
		return;
	}
	quote = str_find(v, ',') != STR_NPOS || str_find(v, '"') != STR_NPOS;
	if (quote)
		buf_add_char(b, '"');
	add_quoted(b, v);
	if (quote)
		buf_add_char(b, '"');
}

int
csv_end(struct buf *b)
{
	buf_add_cstr(b, "\r\n");
	return buf_is_overfull(b) ? -1 : 0;
}

void
csv_row_init(struct csv_row *r)
{
	r->n = 0;
	buf_init(&r->text, ROW_TEXT_MAX);
}

void
csv_row_clear(struct csv_row *r)
{
	buf_clear(&r->text);
	r->n = 0;
}

/* where a value ended */
enum end { END_MORE, END_COMMA, END_LINE, END_BAD };

static enum end
after_value(struct str s, size_t *at)
{
	if (*at >= s.len)
		return END_MORE;
	if (s.p[*at] == ',') {
		*at += 1;
		return END_COMMA;
	}
	if (s.p[*at] != '\r')
		return END_BAD;
	if (*at + 1 >= s.len)
		return END_MORE;
	*at += 2;
	return s.p[*at - 1] == '\n' ? END_LINE : END_BAD;
}

static enum end
read_bare(struct str s, size_t *at, struct str *v)
{
	size_t from = *at;

	while (*at < s.len && s.p[*at] != ',' && s.p[*at] != '\r') {
		if (s.p[*at] == '"' || s.p[*at] == '\n')
			return END_BAD;
		*at += 1;
	}
	*v = str_sub(s, from, *at - from);
	return after_value(s, at);
}

/* The text buffer may move while it grows, so a quoted value is noted by its offset (p NULL) until the row is whole. */
static enum end
read_quoted(struct str s, size_t *at, struct buf *text)
{
	*at += 1;
	while (*at < s.len) {
		char c = s.p[*at];
		*at += 1;
		if (c == '"') {
			if (*at >= s.len)
				return END_MORE;
			if (s.p[*at] != '"')
				return after_value(s, at);
			*at += 1;
		}
		if (buf_add_char(text, c) == -1)
			return END_BAD;
	}
	return END_MORE;
}

ssize_t
csv_read(struct str s, struct csv_row *r)
{
	size_t at = 0, from;
	enum end end = END_COMMA;
	bool quoted[CSV_MAX_FIELDS];

	r->n = 0;
	buf_reset(&r->text);
	while (end == END_COMMA) {
		if (r->n == CSV_MAX_FIELDS)
			return -1;
		quoted[r->n] = at < s.len && s.p[at] == '"';
		from = buf_len(&r->text);
		if (quoted[r->n]) {
			end = read_quoted(s, &at, &r->text);
			r->field[r->n] = (struct str){.p = NULL, .len = buf_len(&r->text) - from};
		} else {
			end = read_bare(s, &at, &r->field[r->n]);
		}
		r->n++;
	}
	if (end != END_LINE)
		return end == END_MORE ? 0 : -1;
	from = 0;
	for (size_t i = 0; i < r->n; i++) {
		if (!quoted[i])
			continue;
		r->field[i] = str_sub(buf_str(&r->text), from, r->field[i].len);
		from += r->field[i].len;
	}
	return (ssize_t)at;
}
