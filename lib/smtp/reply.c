#include "lib/smtp/reply.h"

#include <sys/types.h>

#define PREFIX_ROOM 16 /* "550 5.255.255 " */

void
reply_init(struct reply_parser *p)
{
	p->reply = (struct smtp_reply){0};
	p->line_bytes = 0;
	p->complete = false;
}

/* 1*3DIGIT; returns how many were used, 0: none, or the number is out of range */
static size_t
enh_number(struct str s, uint8_t *v)
{
	unsigned n = 0;
	size_t i = 0;

	while (i < s.len && i < 3 && ascii_is_digit(s.p[i]))
		n = n * 10 + (unsigned)(s.p[i++] - '0');
	/* the wire allows 999; what is kept is an octet, and nothing above 199 was ever assigned */
	if (n > UINT8_MAX)
		return 0;
	*v = (uint8_t)n;
	return i;
}

/* status-code = class "." subject "." detail (RFC 3463 2) */
size_t
smtp_enh_parse(struct str s, uint8_t enh[3])
{
	uint8_t v[3];
	size_t at = 0, n;

	for (unsigned i = 0; i < 3; i++) {
		if (i > 0 && (at >= s.len || s.p[at++] != '.'))
			return 0;
		n = enh_number(str_skip(s, at), &v[i]);
		if (n == 0)
			return 0;
		at += n;
	}
	if (v[0] != 2 && v[0] != 4 && v[0] != 5)
		return 0;
	if (at < s.len && s.p[at] != ' ' && s.p[at] != '\t')
		return 0;
	memcpy(enh, v, sizeof v);
	return at;
}

/* Appends one byte of body text behind the room that is kept for code and status; false: full. */
static bool
put(struct smtp_reply *r, char c)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char u = (unsigned char)c;
	size_t end = REPLY_MAX_TEXT - PREFIX_ROOM;

	if (ascii_is_print(c)) {
		if (r->len + 1u > end)
			return false;
		r->text[r->len++] = c;
		return true;
	}
	if (r->len + 4u > end)
		return false;
	r->text[r->len++] = '\\';
	r->text[r->len++] = 'x';
	r->text[r->len++] = hex[u >> 4];
	r->text[r->len++] = hex[u & 15];
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* one blank before each further line, runs of blanks as one */
static void
put_text(struct smtp_reply *r, struct str s)
{
	s = str_trim(s);
	if (s.len == 0)
		return;
	if (r->len > 0 && !put(r, ' '))
		return;
	for (size_t i = 0; i < s.len; i++) {
		bool blank = is_blank(s.p[i]);

		if (blank && i > 0 && is_blank(s.p[i - 1]))
			continue;
		if (!put(r, blank ? ' ' : s.p[i]))
			return;
	}
}

/* the enhanced status in front of a line's text: kept once, dropped where it is repeated */
static struct str
take_enh(struct smtp_reply *r, struct str text)
{
	uint8_t enh[3];
	size_t n = smtp_enh_parse(text, enh);

	if (n == 0 || enh[0] != r->code / 100)
		return text;
	if (!r->has_enh && r->len == 0) {
		memcpy(r->enh, enh, sizeof enh);
		r->has_enh = true;
	}
	return memcmp(r->enh, enh, sizeof enh) == 0 ? str_skip(text, n) : text;
}

/* a decimal number; returns its length */
static size_t
put_number(char *p, unsigned n)
{
	size_t digits = n >= 100 ? 3 : n >= 10 ? 2 : 1;

	for (size_t i = digits; i > 0; i--, n /= 10)
		p[i - 1] = (char)('0' + n % 10);
	return digits;
}

/* "550" or "550 5.1.1", into PREFIX_ROOM bytes */
static size_t
put_prefix(char *p, const struct smtp_reply *r)
{
	size_t n = put_number(p, r->code);

	for (unsigned i = 0; i < 3 && r->has_enh; i++) {
		p[n++] = i == 0 ? ' ' : '.';
		n += put_number(p + n, r->enh[i]);
	}
	return n;
}

static void
finish(struct reply_parser *p)
{
	struct smtp_reply *r = &p->reply;
	char prefix[PREFIX_ROOM];
	size_t n = put_prefix(prefix, r);

	if (!r->has_enh)
		memcpy(r->enh, (uint8_t[3]){(uint8_t)(r->code / 100), 0, 0}, sizeof r->enh);
	if (r->len > 0)
		prefix[n++] = ' ';
	memmove(r->text + n, r->text, r->len);
	memcpy(r->text, prefix, n);
	r->len = (uint16_t)(r->len + n);
	r->text[r->len] = '\0';
	p->complete = true;
}

/* Reply-code of "250-text", "250 text", "250"; 0: it is not one. *last: no line follows. */
static uint16_t
line_code(struct str line, bool *last)
{
	if (line.len < 3 || line.p[0] < '2' || line.p[0] > '5' || !ascii_is_digit(line.p[1]) ||
	    !ascii_is_digit(line.p[2]))
		return 0;
	*last = line.len == 3 || line.p[3] != '-';
	if (line.len > 3 && line.p[3] != '-' && !is_blank(line.p[3]))
		return 0;
	return (uint16_t)((line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0'));
}

static int
take_line(struct reply_parser *p, struct why *why)
{
	struct smtp_reply *r = &p->reply;
	struct str line = str_from(p->line, PH_MIN(p->line_bytes, REPLY_MAX_LINE));
	bool last = false;
	uint16_t code;

	while (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	p->line_bytes = 0;
	code = line_code(line, &last);
	if (code == 0)
		return why_smtp(why, 0, 4, 5, 0, "protocol error: reply without a code");
	/* within one class the last line's code rules; a change of class has no safe reading */
	if (r->n_lines > 0 && code / 100 != r->code / 100)
		return why_smtp(
		    why, 0, 4, 5, 0, "protocol error: reply with codes %u and %u", r->code, code);
	r->code = code;
	line = str_skip(line, 4);
	if (p->on_line != NULL)
		p->on_line(p->arg, r->n_lines, line);
	if (++r->n_lines > REPLY_MAX_LINES)
		return why_smtp(why, 0, 4, 5, 0, "protocol error: reply of more than %u lines",
		    REPLY_MAX_LINES);
	put_text(r, take_enh(r, line));
	if (last)
		finish(p);
	return 0;
}

/* everything up to (not with) the line's end */
static void
keep(struct reply_parser *p, struct str piece)
{
	if (p->line_bytes < REPLY_MAX_LINE && piece.len > 0)
		memcpy(p->line + p->line_bytes, piece.p,
		    PH_MIN(piece.len, REPLY_MAX_LINE - p->line_bytes));
	p->line_bytes += (uint32_t)piece.len;
}

int
reply_feed(struct reply_parser *p, struct str in, struct why *why)
{
	size_t used = 0;

	if (p->complete)
		reply_init(p);
	p->bad_end = 0;
	/* the sum below stays far from 32 bits: bounds are checked per piece */
	in.len = PH_MIN(in.len, 2 * (size_t)REPLY_MAX_BYTES);
	while (used < in.len) {
		struct str rest = str_skip(in, used);
		size_t lf = str_find(rest, '\n');
		size_t n = lf == STR_NPOS ? rest.len : lf;

		if (p->reply.n_bytes + n > REPLY_MAX_BYTES)
			return why_smtp(why, 0, 4, 5, 0,
			    "protocol error: reply of more than %u bytes", REPLY_MAX_BYTES);
		keep(p, str_sub(rest, 0, n));
		p->reply.n_bytes += (uint32_t)n + (lf == STR_NPOS ? 0u : 1u);
		used += n;
		if (lf == STR_NPOS)
			break;
		used++;
		if (take_line(p, why) < 0) {
			p->bad_end = p->line[3] == '-' ? 0 : used;
			return -1;
		}
		if (p->complete)
			return (int)used;
	}
	return 0;
}

bool
reply_is_multiline(const struct reply_parser *p)
{
	return !p->complete && p->reply.n_lines > 0;
}
