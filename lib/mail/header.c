#include "lib/mail/header.h"

/* a line up to and with its LF, from the front of s */
static struct str
take_line(struct str s)
{
	size_t lf = str_find(s, '\n');

	return str_sub(s, 0, lf == STR_NPOS ? s.len : lf + 1);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* field-name = 1*ftext, then blanks (obsolete), then the colon: where the colon is, STR_NPOS: no field */
static size_t
find_colon(struct str line, size_t *name_len)
{
	size_t i = 0;

	while (i < line.len && line.p[i] > ' ' && line.p[i] <= '~' && line.p[i] != ':')
		i++;
	*name_len = i;
	while (i > 0 && i < line.len && is_blank(line.p[i]))
		i++;
	return i > 0 && i < line.len && line.p[i] == ':' ? i : STR_NPOS;
}

/* without the dot that was added, or that a broken client forgot to double */
static struct str
undot(struct str line)
{
	return line.len > 0 && line.p[0] == '.' ? str_skip(line, 1) : line;
}

static bool
is_folded(struct str line)
{
	line = undot(line);
	return line.len > 0 && is_blank(line.p[0]);
}

enum header_line
header_line_kind(struct str line)
{
	size_t name_len;

	if (is_folded(line))
		return HEADER_LINE_CONTINUED;
	if (line.len == 0 || line.p[0] == '\r' || line.p[0] == '\n')
		return HEADER_LINE_EMPTY;
	if (find_colon(undot(line), &name_len) != STR_NPOS)
		return HEADER_LINE_FIELD;
	return str_has_prefix(line, STR("From ")) ? HEADER_LINE_MBOX : HEADER_LINE_OTHER;
}

void
header_iter_init(struct header_iter *it, struct str message)
{
	*it = (struct header_iter){.rest = message, .is_first = true};
}

static void
take_field(struct str *rest, struct header_field *f)
{
	struct str line = take_line(*rest);
	size_t len = line.len, skip = line.len - undot(line).len, colon, name_len;

	colon = find_colon(undot(line), &name_len);
	while (is_folded(str_skip(*rest, len)))
		len += take_line(str_skip(*rest, len)).len;
	f->whole = str_sub(*rest, 0, len);
	f->name = str_sub(line, skip, name_len);
	f->value = str_skip(f->whole, skip + colon + 1);
	*rest = str_skip(*rest, len);
}

bool
header_next(struct header_iter *it, struct header_field *f)
{
	enum header_line kind;

	if (it->rest.len == 0)
		return false;
	kind = header_line_kind(take_line(it->rest));
	if (kind == HEADER_LINE_MBOX && it->is_first) {
		it->rest = str_skip(it->rest, take_line(it->rest).len);
		kind =
		    it->rest.len == 0 ? HEADER_LINE_EMPTY : header_line_kind(take_line(it->rest));
	}
	it->is_first = false;
	if (kind != HEADER_LINE_FIELD) {
		it->rest = STR_NULL;
		return false;
	}
	take_field(&it->rest, f);
	return true;
}

bool
header_find(struct str message, struct str name, struct header_field *f)
{
	struct header_iter it;

	header_iter_init(&it, message);
	while (header_next(&it, f))
		if (str_ieq(f->name, name))
			return true;
	return false;
}

size_t
header_unfold(struct str value, char *dst, size_t size)
{
	size_t n = 0;

	value = str_trim(value);
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if (c == '\r' || c == '\n')
			continue;
		if (n + 1 < size)
			dst[n] = c < ' ' || c == 127 ? ' ' : (char)c;
		n++;
	}
	if (size > 0)
		dst[PH_MIN(n, size - 1)] = '\0';
	return n;
}
