#include "injectd/api_int.h"
#include "lib/base/num.h"

/*
 *	request = method SP target SP "HTTP/1." ( "0" / "1" ) CRLF *( name ":" OWS value OWS CRLF ) CRLF
 */

size_t
api_head_len(struct str s)
{
	size_t at = str_find_str(s, STR("\r\n\r\n"));

	return at == STR_NPOS ? 0 : at + 4;
}

static bool
is_token(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_alnum(s.p[i]) &&
		    (s.p[i] == '\0' || strchr("!#$%&'*+-.^_`|~", s.p[i]) == NULL))
			return false;
	return s.len > 0;
}

static bool
is_clean(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 127)
			return false;
	return true;
}

static bool
take_line(struct str *rest, struct str *line)
{
	size_t at = str_find_str(*rest, STR("\r\n"));

	if (at == STR_NPOS)
		return false;
	*line = str_sub(*rest, 0, at);
	*rest = str_skip(*rest, at + 2);
	return is_clean(*line);
}

static bool
take_request_line(struct str line, struct api_head *h)
{
	if (!str_next(&line, ' ', &h->method) || !str_next(&line, ' ', &h->target))
		return false;
	/* what is left is the version */
	h->closes = str_eq(line, STR("HTTP/1.0"));
	return is_token(h->method) && h->target.len > 0 && h->target.p[0] == '/' &&
	       (h->closes || str_eq(line, STR("HTTP/1.1")));
}

static bool
has_word(struct str list, struct str word)
{
	struct str one = STR_NULL;

	while (list.len > 0 && str_next(&list, ',', &one))
		if (str_ieq(str_trim(one), word))
			return true;
	return false;
}

/* twice, or with anything but digits, it could be read in two ways */
static bool
take_length(struct api_head *h, struct str value)
{
	if (h->has_length)
		return false;
	h->has_length = true;
	return parse_u64(value, 0, UINT64_MAX, &h->length);
}

static bool
take_field(struct api_head *h, struct str name, struct str value)
{
	if (str_ieq(name, STR("content-length")))
		return take_length(h, value);
	if (str_ieq(name, STR("authorization")))
		h->key = value;
	else if (str_ieq(name, STR("transfer-encoding")))
		h->is_chunked = true;
	else if (str_ieq(name, STR("expect")))
		h->wants_continue = str_ieq(value, STR("100-continue"));
	else if (str_ieq(name, STR("connection")))
		h->closes = h->closes || has_word(value, STR("close"));
	return true;
}

bool
api_head_parse(struct str text, struct api_head *h)
{
	struct str line;
	size_t colon;

	*h = (struct api_head){0};
	if (!take_line(&text, &line) || !take_request_line(line, h))
		return false;
	while (take_line(&text, &line)) {
		if (line.len == 0)
			return text.len == 0;
		colon = str_find(line, ':');
		/* a blank in front continues a line in old forms: no longer allowed (RFC 9112 5.2) */
		if (colon == STR_NPOS || !is_token(str_sub(line, 0, colon)) ||
		    !take_field(h, str_sub(line, 0, colon), str_trim(str_skip(line, colon + 1))))
			return false;
	}
	return false;
}
