/* Reports of strangers: what is told of them is bounded, in one line, and lies where it is said to lie. */
#include <assert.h>

#include "lib/remote/remote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_rcpt(const struct remote_report *r, const struct remote_rcpt *rc)
{
	assert(memchr(rc->final, '\0', sizeof rc->final) != NULL);
	assert(memchr(rc->diag, '\0', sizeof rc->diag) != NULL && strchr(rc->diag, '\n') == NULL);
	assert(rc->code == 0 || (rc->code >= 400 && rc->code <= 599));
	for (int i = 0; i < REMOTE_FIELDS; i++)
		assert(remote_raw(r, rc, (enum remote_field)i).len == rc->raw[i].len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct remote_report r;
	char text[REMOTE_ADDRESS];

	remote_read(&r, str_from((const char *)data, size));
	assert(r.kind < REMOTE_KINDS && r.n_rcpts <= REMOTE_MAX_RCPTS);
	assert(buf_len(&r.human) <= REMOTE_HUMAN + 1);
	for (size_t i = 0; i < r.n_rcpts; i++)
		check_rcpt(&r, &r.rcpts[i]);
	assert(remote_complainant(&r, text) < sizeof text);
	(void)remote_arf(&r, STR("source-ip"), text, sizeof text);
	remote_clear(&r);
	return 0;
}
