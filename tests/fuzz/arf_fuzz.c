/* A complaint's fields and what comes back with it: the input is the parts themselves. */
#include <assert.h>

#include "lib/acct/pairs.h"
#include "lib/remote/remote.h"
#include "lib/track/track.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char head[] =
    "From: fbl@far.test\r\nTo: fbl@here.test\r\n"
    "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: message/feedback-report\r\n\r\n";

static void
check_pairs(struct str pairs)
{
	struct str rest = pairs, name, value;

	while (pairs_next(&rest, &name, &value))
		assert(name.p > pairs.p && value.p + value.len <= pairs.p + pairs.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"feedback-type", "original-rcpt-to", "source-ip"};
	struct str input = str_from((const char *)data, size);
	uint8_t key[TRACK_KEY] = {0};
	char text[TRACK_TEXT], small[REMOTE_ADDRESS];
	struct remote_report r;
	struct track_of of;
	struct track t;
	struct buf b;

	track_init(&t, key);
	buf_init(&b, sizeof head + size);
	assert(buf_add_cstr(&b, head) == 0 && buf_add(&b, data, size) == 0);
	remote_read(&r, buf_str(&b));
	for (size_t i = 0; i < countof(names); i++) {
		(void)remote_arf(&r, str_of(names[i]), small, sizeof small);
		assert(strpbrk(small, "\r\n") == NULL);
	}
	assert(remote_complainant(&r, small) < sizeof small);
	(void)track_open(&t, input, &of, text);
	(void)track_is_envid(&t, input, STR("a@b.test"));
	check_pairs(input);
	remote_clear(&r);
	buf_clear(&b);
	return 0;
}
