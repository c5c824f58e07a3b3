#include "lib/base/log.h"
#include "lib/conf/conf_int.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Index of the quote that closes the one at i, or STR_NPOS: then it is a character like others. */
static size_t
closing_quote(struct str s, size_t i)
{
	for (i++; i < s.len; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i;
	}
	return STR_NPOS;
}

static size_t
skip_comment(char *line, size_t i, size_t len, bool *in_comment)
{
	struct str rest = str_from(line + i, len - i);
	size_t end = str_find_str(rest, STR("-->"));
	size_t n = end == STR_NPOS ? rest.len : end + 3;

	memset(line + i, ' ', n);
	*in_comment = end == STR_NPOS;
	return i + n;
}

size_t
conf_lex_strip(char *line, size_t len, bool *in_comment)
{
	size_t i = 0;

	while (i < len) {
		struct str s = str_from(line, len);
		size_t close;
		if (*in_comment || str_has_prefix(str_skip(s, i), STR("<!--"))) {
			i = skip_comment(line, i, len, in_comment);
			continue;
		}
		if (line[i] == '#')
			return i;
		if (line[i] == '\\' && i + 1 < len && line[i + 1] == '"') { /* in a pattern */
			i += 2;
			continue;
		}
		close = line[i] == '"' ? closing_quote(s, i) : STR_NPOS;
		i = close == STR_NPOS ? i + 1 : close + 1;
	}
	return len;
}

static struct str
unescape(struct conf_pool_mem *m, struct str raw)
{
	char *p = conf_mem(m, raw.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < raw.len; i++) {
		if (raw.p[i] == '"')
			continue;
		if (raw.p[i] == '\\' && i + 1 < raw.len &&
		    (raw.p[i + 1] == '"' || raw.p[i + 1] == '\\'))
			i++;
		p[n++] = raw.p[i];
	}
	return str_from(p, n);
}

bool
conf_lex_word(struct conf_pool_mem *m, struct str *rest, char stop, struct conf_word *w)
{
	size_t i = 0, close;

	*w = (struct conf_word){0};
	while (rest->len > 0 && is_blank(rest->p[0]))
		*rest = str_skip(*rest, 1);
	if (rest->len == 0)
		return false;
	while (i < rest->len && !is_blank(rest->p[i]) && rest->p[i] != stop) {
		close = rest->p[i] == '"' ? closing_quote(*rest, i) : STR_NPOS;
		if (close != STR_NPOS)
			w->is_quoted = true;
		i = close == STR_NPOS ? i + 1 : close + 1;
	}
	w->raw = str_sub(*rest, 0, i);
	w->text = w->is_quoted ? unescape(m, w->raw) : w->raw;
	*rest = str_skip(*rest, i);
	return true;
}

bool
conf_lex_regex(struct str *rest, struct str *regex)
{
	struct str s = str_trim(*rest);

	if (s.len < 2 || s.p[0] != '/')
		return false;
	for (size_t i = 1; i < s.len; i++) {
		if (s.p[i] == '\\') {
			i++;
			continue;
		}
		if (s.p[i] == '/') {
			*regex = str_sub(s, 0, i + 1);
			*rest = str_trim(str_skip(s, i + 1));
			return true;
		}
	}
	return false;
}

size_t
conf_lex_tag_end(struct str s)
{
	bool is_raw = str_has_prefix(str_trim(str_skip(s, STR("<acct-file").len)), STR("|")) &&
		      str_has_iprefix(s, STR("<acct-file"));

	if (is_raw)
		return str_rfind(s, '>');
	for (size_t i = 1; i < s.len; i++) {
		size_t close = s.p[i] == '"' ? closing_quote(s, i) : STR_NPOS;
		if (close != STR_NPOS)
			i = close;
		else if (s.p[i] == '>')
			return i;
	}
	return STR_NPOS;
}

static bool
needs_quotes(struct str s, const char *more)
{
	if (s.len == 0)
		return true;
	for (size_t i = 0; i < s.len; i++)
		if (is_blank(s.p[i]) || strchr("#\"<>\\", s.p[i]) != NULL ||
		    strchr(more, s.p[i]) != NULL)
			return true;
	return false;
}

void
conf_quote(struct buf *b, struct str s, const char *more)
{
	int r = 0;

	if (!needs_quotes(s, more)) {
		if (buf_add_str(b, s) == -1)
			fatal("configuration too large to print");
		return;
	}
	r |= buf_add_char(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			r |= buf_add_char(b, '\\');
		r |= buf_add_char(b, s.p[i]);
	}
	r |= buf_add_char(b, '"');
	if (r != 0)
		fatal("configuration too large to print");
}

/* Length of the UTF-8 sequence that c begins, 0 for none (RFC 3629). */
static size_t
utf8_len(unsigned char c)
{
	if (c < 0x80)
		return c == 0 ? 0 : 1;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	return c >= 0xf0 && c <= 0xf4 ? 4 : 0;
}

bool
conf_is_utf8(struct str s, size_t *bad)
{
	for (size_t i = 0; i < s.len;) {
		const unsigned char *p = (const unsigned char *)s.p + i;
		size_t n = utf8_len(p[0]);
		bool is_ok = n > 0 && i + n <= s.len;
		for (size_t k = 1; is_ok && k < n; k++)
			is_ok = (p[k] & 0xc0) == 0x80;
		if (is_ok && n == 3)
			is_ok = !(p[0] == 0xe0 && p[1] < 0xa0) && !(p[0] == 0xed && p[1] > 0x9f);
		if (is_ok && n == 4)
			is_ok = !(p[0] == 0xf0 && p[1] < 0x90) && !(p[0] == 0xf4 && p[1] > 0x8f);
		if (!is_ok) {
			*bad = i;
			return false;
		}
		i += n;
	}
	return true;
}
