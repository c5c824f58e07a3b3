/* one GET, whole or not at all: what is cut short must not be taken for something shorter */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "lib/base/num.h"
#include "posthttp/posthttp.h"

struct str
get_field(struct str head, struct str name)
{
	struct str line;

	while (str_next(&head, '\n', &line)) {
		size_t colon = str_find(line, ':');
		if (colon != STR_NPOS && str_ieq(str_sub(line, 0, colon), name))
			return str_trim(str_skip(line, colon + 1));
	}
	return STR("");
}

/* chunk-size in hex, then perhaps an extension (RFC 9112 7.1); 0 is the last */
static bool
take_size(struct str *rest, size_t *n)
{
	size_t end = str_find_str(*rest, STR("\r\n")), i = 0;

	if (end == STR_NPOS)
		return false;
	for (*n = 0; i < end && ascii_is_alnum(rest->p[i]); i++) {
		char c = ascii_lower(rest->p[i]);
		if (c > 'f' || *n > GET_MAX_ANSWER)
			return false;
		*n = *n * 16 + (size_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	if (i == 0 || (i < end && rest->p[i] != ';' && rest->p[i] != ' ' && rest->p[i] != '\t'))
		return false;
	*rest = str_skip(*rest, end + 2);
	return true;
}

static int
take_chunks(struct str rest, struct buf *body)
{
	size_t n;

	while (take_size(&rest, &n)) {
		if (n == 0)
			return 0;
		if (n > rest.len || !str_has_prefix(str_skip(rest, n), STR("\r\n")) ||
		    buf_add(body, rest.p, n) == -1)
			return -1;
		rest = str_skip(rest, n + 2);
	}
	return -1;
}

int
get_body(struct str head, struct str rest, struct buf *body)
{
	struct str length = get_field(head, STR("Content-Length"));
	struct str coding = get_field(head, STR("Transfer-Encoding"));
	uint32_t n;

	if (coding.len > 0)
		return str_ieq(coding, STR("chunked")) ? take_chunks(rest, body) : -1;
	if (length.len > 0) {
		if (!parse_u32(length, 0, GET_MAX_ANSWER, &n) || n > rest.len)
			return -1;
		rest = str_sub(rest, 0, n);
	}
	return buf_add_str(body, rest);
}

/* up to the end that the peer says by TLS; an end without that may be a part */
static int
read_all(struct line *l, struct buf *in, struct why *why)
{
	size_t room;
	char *to;
	int n = 1;

	while ((to = buf_reserve(in, 4096, &room)) != NULL) {
		n = SSL_read(l->ssl, to, (int)PH_MIN(room, (size_t)16384));
		if (n <= 0)
			break;
		buf_wrote(in, (size_t)n);
	}
	if (to == NULL)
		return why_set(why, "the answer is too large");
	if (SSL_get_error(l->ssl, n) != SSL_ERROR_ZERO_RETURN &&
	    ERR_GET_REASON(ERR_peek_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return line_wrong(l, "reading", why);
	l->is_cut = SSL_get_error(l->ssl, n) != SSL_ERROR_ZERO_RETURN;
	return 0;
}

static int
take_answer(
    const struct line *l, struct str in, const char *type, struct buf *body, struct why *why)
{
	char said[200];
	int status;
	ssize_t used = post_parse_answer(in, &status, said);
	struct str head;

	if (used <= 0)
		return why_set(why, "the answer is no HTTP, or no whole one");
	head = str_sub(in, 0, (size_t)used);
	if (status != 200)
		return why_set(why, "%s", said);
	if (!str_has_iprefix(get_field(head, STR("Content-Type")), str_of(type)))
		return why_set(why, "the answer is not of type %s", type);
	if (l->is_cut && get_field(head, STR("Content-Length")).len == 0 &&
	    get_field(head, STR("Transfer-Encoding")).len == 0)
		return why_set(why, "the answer may be cut short");
	if (get_body(head, str_skip(in, (size_t)used), body) == -1)
		return why_set(why, "the answer's body is no whole one");
	return 0;
}

int
get_text(const struct post *p, const char *type, struct buf *body, struct why *why)
{
	struct buf head, in;
	struct line l;
	int r = -1;

	buf_init(&head, 4096);
	buf_init(&in, GET_MAX_ANSWER);
	if (buf_addf(&head,
		"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Posthaste/" PH_VERSION "\r\n"
		"Accept: %s\r\nConnection: close\r\n\r\n",
		p->url.target, p->url.authority, type) == -1)
		(void)why_set(why, "the name is too long");
	else {
		if (line_open(&l, p, why) == 0 && line_write(&l, buf_str(&head), why) == 0 &&
		    read_all(&l, &in, why) == 0)
			r = take_answer(&l, buf_str(&in), type, body, why);
		line_close(&l);
	}
	buf_clear(&head);
	buf_clear(&in);
	return r;
}
