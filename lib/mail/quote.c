#include "lib/mail/quote_int.h"

#define WRAP	  76
#define HARD	  900 /* a word longer than this is broken: lines have 998 octets at most */
#define MAX_BYTES (16 * 1024)

bool
quote_is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] > 0x7f)
			return false;
	}
	return true;
}

/* Decodes the UTF-8 character at p into *c; its length, 0: ill-formed (RFC 3629). */
static size_t
utf8_char(const unsigned char *p, size_t n, uint32_t *c)
{
	static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (len == 0 || len > n)
		return 0;
	*c = p[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3f);
	}
	if (*c < lowest[len] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff))
		return 0;
	return len;
}

/* The next character of *s, made harmless, into out[16]. Returns its length. */
static size_t
take_char(struct str *s, bool utf8, char out[16])
{
	const unsigned char *p = (const unsigned char *)s->p;
	uint32_t c;
	size_t len = 1, n = 1;

	if (p[0] < 0x80) {
		out[0] = ascii_is_print((char)p[0]) ? (char)p[0] : ' ';
	} else if ((len = utf8_char(p, s->len, &c)) == 0) {
		out[0] = '?';
		len = 1;
	} else if (utf8) {
		memcpy(out, p, len);
		n = len;
	} else {
		n = (size_t)snprintf(out, 16, "\\x{%X}", c);
	}
	*s = str_skip(*s, len);
	return n;
}

/* all of it made harmless, into a buffer that the caller clears */
static void
make_harmless(struct buf *safe, struct str s, bool utf8)
{
	char c[16];
	size_t n;

	buf_init(safe, MAX_BYTES + sizeof c);
	while (s.len > 0 && buf_len(safe) < MAX_BYTES) {
		n = take_char(&s, utf8, c);
		buf_add(safe, c, n);
	}
}

void
quote_text(struct buf *b, struct str s, bool utf8)
{
	char c[16];
	size_t n, total = 0;

	while (s.len > 0 && total < HARD) {
		n = take_char(&s, utf8, c);
		buf_add(b, c, n);
		total += n;
	}
}

/* How much of s goes on a line with `room` columns: up to a blank, else up to the next one, else HARD bytes. */
static size_t
line_len(struct str s, size_t room)
{
	size_t at;

	if (s.len <= room)
		return s.len;
	at = str_rfind(str_sub(s, 0, room + 1), ' ');
	if (at != STR_NPOS && at > 0)
		return at;
	at = str_find(str_skip(s, 1), ' ');
	at = at == STR_NPOS ? s.len : at + 1;
	if (at <= HARD)
		return at;
	at = HARD;
	while (
	    at > HARD - 4 && ((unsigned char)s.p[at] & 0xc0) == 0x80) /* not inside a character */
		at--;
	return at;
}

static void
add_lines(struct buf *b, size_t used, const char *indent, struct str s)
{
	size_t n;

	for (;;) {
		n = line_len(s, used < WRAP ? WRAP - used : 1);
		buf_add_str(b, str_sub(s, 0, n));
		buf_add_cstr(b, "\r\n");
		s = str_trim(str_skip(s, n));
		if (s.len == 0)
			return;
		buf_add_cstr(b, indent);
		used = strlen(indent);
	}
}

void
quote_field(struct buf *b, const char *name, struct str s, bool utf8)
{
	struct buf safe;
	bool typed = strchr(name, ':') != NULL;

	make_harmless(&safe, s, utf8);
	buf_addf(b, "%s%s ", name, typed ? ";" : ":");
	add_lines(b, strlen(name) + 2, " ", str_trim(buf_str(&safe)));
	buf_clear(&safe);
}

void
quote_address(struct buf *b, const char *name, struct str address, bool utf8)
{
	buf_addf(b, "%s: <", name);
	quote_text(b, address, utf8);
	buf_add_cstr(b, ">\r\n");
}

void
quote_wrapped(struct buf *b, const char *indent, struct str s, bool utf8)
{
	struct buf safe;

	make_harmless(&safe, s, utf8);
	buf_add_cstr(b, indent);
	add_lines(b, strlen(indent), indent[0] == ' ' ? "    " : "", str_trim(buf_str(&safe)));
	buf_clear(&safe);
}

/* ---- quoted-printable ---- */

static bool
is_literal(unsigned char c, bool at_start, bool at_end)
{
	if (c == '=' || (c == '.' && at_start))
		return false;
	if (c == ' ' || c == '\t')
		return !at_end;
	return ascii_is_print((char)c);
}

static void
add_printable_line(struct buf *b, struct str line)
{
	size_t used = 0;

	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if (used > WRAP - 4) {
			buf_add_cstr(b, "=\r\n");
			used = 0;
		}
		if (is_literal(c, used == 0, i + 1 == line.len)) {
			buf_add_char(b, (char)c);
			used++;
		} else {
			buf_addf(b, "=%02X", c);
			used += 3;
		}
	}
	buf_add_cstr(b, "\r\n");
}

void
quote_printable(struct buf *b, struct str wire)
{
	struct str line;

	while (wire.len > 0 && str_next(&wire, '\n', &line)) {
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (line.len > 0 && line.p[0] == '.')
			line = str_skip(line, 1);
		add_printable_line(b, line);
	}
}
