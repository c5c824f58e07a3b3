#include "lib/dkim/canon.h"

const char *
dkim_canon_name(enum dkim_canon c)
{
	return c == DKIM_SIMPLE ? "simple" : "relaxed";
}

/* ---- bodies ---- */

void
dkim_body_init(struct dkim_body *b, enum dkim_canon c, dkim_sink *sink, void *arg)
{
	*b = (struct dkim_body){
	    .sink = sink, .arg = arg, .is_relaxed = c == DKIM_RELAXED, .at_start = true};
}

static void
put(struct dkim_body *b, const char *p, size_t len)
{
	b->len += len;
	b->sink(b->arg, p, len);
}

/* what was held back and is not at the end after all */
static void
release(struct dkim_body *b)
{
	static const char crlf[] =
	    "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";

	while (b->n_crlf > 0) {
		size_t n = (size_t)PH_MIN(b->n_crlf, (uint64_t)(sizeof crlf / 2));
		put(b, crlf, 2 * n);
		b->n_crlf -= n;
	}
	if (b->has_blank)
		put(b, " ", 1);
	b->has_blank = false;
}

static void
end_line(struct dkim_body *b)
{
	b->has_blank = false;
	b->n_crlf++;
	b->at_start = true;
	b->has_cr = false;
}

/* a CR that no LF followed is text */
static void
bare_cr(struct dkim_body *b)
{
	release(b);
	put(b, "\r", 1);
	b->has_cr = false;
}

/* how far the text goes on without anything that has a meaning here */
static size_t
run_of(const struct dkim_body *b, const char *p, const char *end)
{
	const char *at = p, *cr;

	if (!b->is_relaxed) {
		cr = memchr(p, '\r', (size_t)(end - p));
		return (size_t)((cr == NULL ? end : cr) - p);
	}
	while (at < end && *at != '\r' && *at != ' ' && *at != '\t')
		at++;
	return (size_t)(at - p);
}

static const char *
special(struct dkim_body *b, const char *p)
{
	b->at_start = false;
	if (*p == '\r')
		b->has_cr = true;
	else
		b->has_blank = true;
	return p + 1;
}

void
dkim_body_add(struct dkim_body *b, struct str piece)
{
	const char *p = piece.p, *end;
	size_t n;

	if (piece.len == 0)
		return;
	end = p + piece.len;
	while (p < end) {
		if (b->has_cr && *p == '\n') {
			end_line(b);
			p++;
			continue;
		}
		if (b->has_cr)
			bare_cr(b);
		if (b->at_start && *p == '.') {
			b->at_start = false;
			p++;
			continue;
		}
		n = run_of(b, p, end);
		if (n == 0) {
			p = special(b, p);
			continue;
		}
		b->at_start = false;
		release(b);
		put(b, p, n);
		p += n;
	}
}

void
dkim_body_end(struct dkim_body *b)
{
	if (b->has_cr)
		bare_cr(b);
	if (!b->is_relaxed || b->len > 0)
		put(b, "\r\n", 2);
}

/* ---- fields ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next line without its CRLF and without the dot that was added. */
static bool
next_line(struct str *rest, struct str *line)
{
	size_t lf = str_find(*rest, '\n');

	if (rest->len == 0)
		return false;
	*line = str_sub(*rest, 0, lf == STR_NPOS ? rest->len : lf);
	*rest = lf == STR_NPOS ? STR_NULL : str_skip(*rest, lf + 1);
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	if (line->len > 0 && line->p[0] == '.')
		*line = str_skip(*line, 1);
	return true;
}

static int
simple_field(struct str whole, struct buf *out)
{
	struct str line;

	while (next_line(&whole, &line))
		if (buf_add_str(out, line) == -1 || buf_add(out, "\r\n", 2) == -1)
			return -1;
	return 0;
}

/* a value's text: folding away, blanks as one, none at the ends; `has_text` goes over lines */
static void
relaxed_text(struct str line, struct buf *out, bool *has_text, bool *has_blank)
{
	while (line.len > 0) {
		size_t n = 0;
		while (n < line.len && !is_blank(line.p[n]))
			n++;
		if (n == 0) {
			*has_blank = true;
			line = str_skip(line, 1);
			continue;
		}
		if (*has_blank && *has_text)
			(void)buf_add_char(out, ' ');
		*has_blank = false;
		*has_text = true;
		(void)buf_add(out, line.p, n);
		line = str_skip(line, n);
	}
}

static int
relaxed_field(struct str whole, struct buf *out)
{
	struct str line = STR_NULL, name;
	bool has_text = false, has_blank = false;
	size_t colon;

	next_line(&whole, &line);
	colon = str_find(line, ':');
	name = str_trim(str_sub(line, 0, colon == STR_NPOS ? line.len : colon));
	for (size_t i = 0; i < name.len; i++)
		(void)buf_add_char(out, ascii_lower(name.p[i]));
	(void)buf_add_char(out, ':');
	line = colon == STR_NPOS ? STR_NULL : str_skip(line, colon + 1);
	do
		relaxed_text(line, out, &has_text, &has_blank);
	while (next_line(&whole, &line));
	(void)buf_add(out, "\r\n", 2);
	return buf_is_overfull(out) ? -1 : 0;
}

int
dkim_canon_field(enum dkim_canon c, struct str whole, struct buf *out)
{
	return c == DKIM_SIMPLE ? simple_field(whole, out) : relaxed_field(whole, out);
}
