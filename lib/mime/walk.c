#include "lib/mail/header.h"
#include "lib/mime/mime.h"

static struct str
take_line(struct str *rest)
{
	size_t lf = str_find(*rest, '\n');
	struct str line = str_sub(*rest, 0, lf == STR_NPOS ? rest->len : lf + 1);

	*rest = str_skip(*rest, line.len);
	return line;
}

size_t
mime_head_length(struct str message)
{
	struct str rest = message;

	while (rest.len > 0) {
		struct str line = take_line(&rest);
		if (header_line_kind(line) == HEADER_LINE_EMPTY)
			break;
	}
	return message.len - rest.len;
}

/* ---- Content-Type ---- */

static void
copy_lower(char *dst, size_t size, struct str s)
{
	(void)str_copy(dst, size, s);
	str_lower(dst, strlen(dst));
}

/* a parameter's value: quoted or up to a blank or semicolon */
static struct str
take_value(struct str *rest, char text[MIME_WORD])
{
	size_t n = 0, i = 0;
	bool quoted = rest->len > 0 && rest->p[0] == '"';

	for (i = quoted; i < rest->len; i++) {
		char c = rest->p[i];
		if (quoted ? c == '"' : c == ';' || c == ' ' || c == '\t')
			break;
		if (quoted && c == '\\' && i + 1 < rest->len)
			c = rest->p[++i];
		if (n + 1 < MIME_WORD)
			text[n++] = c;
	}
	text[n] = '\0';
	*rest = str_skip(*rest, PH_MIN(rest->len, i + quoted));
	return str_from(text, n);
}

static void
take_parameter(struct mime_type *t, struct str name, struct str value)
{
	if (str_ieq(name, STR("boundary")))
		(void)str_copy(t->boundary, sizeof t->boundary, value);
	else if (str_ieq(name, STR("report-type")))
		copy_lower(t->report_type, sizeof t->report_type, value);
	else if (str_ieq(name, STR("charset")))
		copy_lower(t->charset, sizeof t->charset, value);
}

static void
read_content_type(struct mime_type *t, struct str v)
{
	size_t semi = str_find(v, ';'), eq;
	char text[MIME_WORD];
	struct str name;

	copy_lower(t->type, sizeof t->type, str_trim(str_sub(v, 0, semi)));
	if (semi == STR_NPOS)
		return;
	v = str_skip(v, semi + 1);
	while ((eq = str_find(v, '=')) != STR_NPOS) {
		name = str_trim(str_sub(v, 0, eq));
		while (name.len > 0 && (name.p[0] == ';' || name.p[0] == ' '))
			name = str_skip(name, 1);
		v = str_skip(v, eq + 1);
		take_parameter(t, name, take_value(&v, text));
	}
}

void
mime_read_type(struct str head, struct mime_type *t)
{
	struct header_iter it;
	struct header_field f;
	char value[1024];

	*t = (struct mime_type){.type = "text/plain"};
	header_iter_init(&it, head);
	while (header_next(&it, &f)) {
		bool is_type = str_ieq(f.name, STR("content-type"));
		if (!is_type && !str_ieq(f.name, STR("content-transfer-encoding")))
			continue;
		(void)header_unfold(f.value, value, sizeof value);
		if (is_type)
			read_content_type(t, str_of(value));
		else if (str_has_iprefix(str_of(value), STR("base64")))
			t->encoding = MIME_BASE64;
		else if (str_has_iprefix(str_of(value), STR("quoted-printable")))
			t->encoding = MIME_QUOTED;
	}
}

/* ---- the walk ---- */

void
mime_walk(struct mime_walker *w, struct str message)
{
	*w = (struct mime_walker){.rest = message, .in_part = true};
}

/* Which open multipart's delimiter is this line? -1: none. */
static int
delimiter_of(const struct mime_walker *w, struct str line, bool *is_last)
{
	struct str tail;

	if (!str_has_prefix(line, STR("--")))
		return -1;
	for (int i = (int)w->depth - 1; i >= 0; i--) {
		struct str b = str_of(w->open[i].boundary);
		if (b.len == 0 || !str_has_prefix(str_skip(line, 2), b))
			continue;
		tail = str_skip(line, 2 + b.len);
		*is_last = str_has_prefix(tail, STR("--"));
		tail = str_trim(*is_last ? str_skip(tail, 2) : tail);
		if (tail.len == 0)
			return i;
	}
	return -1;
}

/* Text up to the next delimiter of an open multipart, without the line end in front of it, which belongs to that. */
static struct str
take_body(struct mime_walker *w)
{
	struct str body = w->rest, line;
	bool is_last = false;
	size_t len = 0;
	int at = -1;

	while (w->rest.len > 0) {
		line = take_line(&w->rest);
		at = delimiter_of(w, line, &is_last);
		if (at >= 0)
			break;
		len += line.len;
	}
	w->in_part = at >= 0 && !is_last;
	if (at >= 0)
		w->depth = (unsigned)at + (is_last ? 0 : 1);
	body = str_sub(body, 0, len);
	if (at >= 0 && str_has_suffix(body, STR("\n")))
		body.len -= str_has_suffix(body, STR("\r\n")) ? 2 : 1;
	return body;
}

static bool
begin_part(struct mime_walker *w, struct mime_part *part)
{
	size_t n = mime_head_length(w->rest);

	part->head = str_sub(w->rest, 0, n);
	part->depth = w->depth;
	mime_read_type(part->head, &part->type);
	w->rest = str_skip(w->rest, n);
	if (!str_has_prefix(str_of(part->type.type), STR("multipart/")) ||
	    part->type.boundary[0] == '\0' || w->depth == MIME_DEPTH)
		return true;
	(void)str_copy(w->open[w->depth].boundary, MIME_WORD, str_of(part->type.boundary));
	w->depth++;
	return false;
}

bool
mime_next(struct mime_walker *w, struct mime_part *part)
{
	while (w->rest.len > 0) {
		if (!w->in_part) {
			/* between the parts: preamble and epilogue */
			(void)take_body(w);
			continue;
		}
		if (begin_part(w, part)) {
			part->body = take_body(w);
			return true;
		}
		w->in_part = false;
	}
	return false;
}
