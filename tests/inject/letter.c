#include <inttypes.h>
#include <xxhash.h>

#include "tests/inject/inject.h"

#define LINE_BYTES 72

void
letter_expand(struct buf *b, const char *text, uint64_t n, uint64_t rcpt)
{
	for (; *text != '\0'; text++) {
		if (text[0] == '%' && text[1] == 'n')
			(void)buf_addf(b, "%" PRIu64, n);
		else if (text[0] == '%' && text[1] == 'r')
			(void)buf_addf(b, "%" PRIu64, rcpt);
		else {
			(void)buf_add_char(b, *text);
			continue;
		}
		text++;
	}
}

void
letter_id(struct buf *b, const struct options *o, uint64_t n)
{
	(void)buf_addf(b, "%s%" PRIu64, o->prefix, n);
}

void
letter_rcpt(struct buf *b, const struct options *o, uint64_t n, uint32_t i)
{
	letter_expand(
	    b, o->rcpts[(n * o->per_message + i) % o->n_rcpts], n, n * o->per_message + i);
}

/* One line of text that differs from message to message and from line to line. */
static void
add_line(struct buf *b, uint64_t n, uint32_t line)
{
	uint64_t seed = n * UINT64_C(0x9e3779b97f4a7c15) + line;
	char text[LINE_BYTES + 3];

	for (size_t i = 0; i < LINE_BYTES; i++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		text[i] = (char)('a' + (seed >> 33) % 26);
	}
	(void)snprintf(text + LINE_BYTES, 3, "\r\n");
	(void)buf_add(b, text, LINE_BYTES + 2);
}

static void
add_header(struct buf *b, const struct options *o, uint64_t n)
{
	(void)buf_addf(b, "From: <%s>\r\nTo: <", o->sender);
	letter_rcpt(b, o, n, 0);
	(void)buf_addf(b,
	    ">\r\nSubject: message %" PRIu64 "\r\nDate: Sat, 21 Nov 2026 09:00:00 +0000\r\nX-Id: ",
	    n);
	letter_id(b, o, n);
	(void)buf_add_cstr(b, "\r\nMessage-ID: <");
	letter_id(b, o, n);
	(void)buf_add_cstr(b, "@inject.test>\r\n");
	for (size_t i = 0; i < o->n_headers; i++) {
		letter_expand(b, o->headers[i], n, n);
		(void)buf_add_cstr(b, "\r\n");
	}
	(void)buf_add_cstr(b, "\r\n");
}

void
letter_write(struct buf *b, const struct options *o, uint64_t n, uint64_t *hash)
{
	size_t start = buf_len(b), body;

	add_header(b, o, n);
	body = buf_len(b);
	(void)buf_addf(b, "number %" PRIu64 "\r\n", n);
	for (uint32_t line = 0; buf_len(b) - start + LINE_BYTES + 2 <= o->bytes; line++)
		add_line(b, n, line);
	*hash = XXH3_64bits(buf_str(b).p + body, buf_len(b) - body);
}
