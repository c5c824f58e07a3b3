/* Parts of messages: each lies in the message, in order, and what is decoded is bounded. */
#include <assert.h>

#include "lib/mime/mime.h"

#define ROOM 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_part(struct str message, const struct mime_part *p, const char **end)
{
	struct buf b;

	assert(p->depth <= MIME_DEPTH);
	assert(p->body.p >= *end && p->body.p + p->body.len <= message.p + message.len);
	assert(strlen(p->type.type) < MIME_TYPE && strlen(p->type.boundary) < MIME_WORD);
	*end = p->body.p + p->body.len;
	buf_init(&b, ROOM);
	mime_decode(p->type.encoding, p->body, &b);
	assert(buf_len(&b) <= ROOM && buf_len(&b) <= p->body.len);
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str message = str_from((const char *)data, size);
	const char *end = message.p;
	struct mime_walker w;
	struct mime_part p;
	struct buf b;
	char words[200];

	mime_walk(&w, message);
	while (mime_next(&w, &p))
		check_part(message, &p, &end);
	assert(mime_decode_words(message, words, sizeof words) < sizeof words ||
	       memchr(words, '\0', sizeof words) != NULL);
	buf_init(&b, ROOM);
	mime_html_text(message, &b);
	buf_clear(&b);
	return 0;
}
