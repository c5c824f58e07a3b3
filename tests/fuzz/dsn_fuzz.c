/* The fields of a delivery status, and what is made of them: the input is the part itself, where fields are. */
#include <assert.h>

#include "lib/base/buf.h"
#include "lib/remote/remote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char head[] =
    "From: MAILER-DAEMON@far.test\r\nTo: bounce@here.test\r\n"
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: message/delivery-status\r\n\r\n";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct remote_report r;
	struct buf b;

	buf_init(&b, sizeof head + size);
	assert(buf_add_cstr(&b, head) == 0 && buf_add(&b, data, size) == 0);
	remote_read(&r, buf_str(&b));
	assert(r.n_rcpts <= REMOTE_MAX_RCPTS);
	for (size_t i = 0; i < r.n_rcpts; i++) {
		const struct remote_rcpt *rc = &r.rcpts[i];
		assert(memchr(rc->final, '\0', sizeof rc->final) != NULL);
		assert(memchr(rc->original, '\0', sizeof rc->original) != NULL);
		assert(strpbrk(rc->diag, "\r\n") == NULL && strpbrk(rc->final, "\r\n") == NULL);
		assert(rc->enh[0] == 0 || rc->enh[0] == 2 || rc->enh[0] == 4 || rc->enh[0] == 5);
	}
	remote_clear(&r);
	buf_clear(&b);
	return 0;
}
