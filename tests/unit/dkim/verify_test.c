/* A signature of a message that came: what its field may ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/dkim/verify.h"

/* 0: its digest was made; -1: it asks for too much. The message has so many fields, h= so many names of none of them. */
static int
digest_of(unsigned n_fields, unsigned n_names)
{
	uint8_t digest[DKIM_HASH_LEN];
	struct dkim_found f;
	struct buf field, header;
	struct why why;
	int r;

	buf_init(&field, 1 << 16);
	buf_init(&header, 1 << 20);
	(void)buf_addf(&field, "DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; b=AAAA;\r\n"
			       "\tbh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; h=from");
	for (unsigned i = 0; i < n_names; i++)
		(void)buf_add_cstr(&field, ":xx");
	(void)buf_add_cstr(&field, "\r\n");
	(void)buf_add_str(&header, buf_str(&field));
	(void)buf_add_cstr(&header, "From: a@a.test\r\n");
	for (unsigned i = 0; i < n_fields; i++)
		(void)buf_add_cstr(&header, "yy: z\r\n");
	if (dkim_found_parse(buf_str(&field), &f, &why) == -1)
		fail_msg("%s", why.text);
	r = dkim_found_digest(
	    &f, buf_str(&header), str_sub(buf_str(&header), 0, buf_len(&field)), digest);
	buf_clear(&field);
	buf_clear(&header);
	return r;
}

static void
names_times_fields_have_a_bound(void **state)
{
	dkim_hash_prepare();
	assert_int_equal(digest_of(10, 1300), 0);
	assert_int_equal(digest_of(1990, 50), 0);
	assert_int_equal(digest_of(1990, 1300), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_times_fields_have_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
