/*
 * Header sections of strangers: fields lie within the text, one behind the other, names are clean, and an unfolded
 * value is one line.
 */
#include <assert.h>

#include "lib/mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_field(const struct header_field *f, const char **at, const char *end)
{
	char value[64];
	size_t n;

	assert(f->whole.p >= *at && f->whole.p + f->whole.len <= end && f->whole.len > 0);
	*at = f->whole.p + f->whole.len;
	assert(f->name.len > 0 && f->name.p >= f->whole.p);
	assert(f->value.p > f->name.p && f->value.p + f->value.len == *at);
	for (size_t i = 0; i < f->name.len; i++)
		assert(ascii_is_print(f->name.p[i]) && f->name.p[i] != ' ' && f->name.p[i] != ':');
	n = header_unfold(f->value, value, sizeof value);
	assert(n <= f->value.len);
	for (size_t i = 0; i < PH_MIN(n, sizeof value - 1); i++)
		assert((unsigned char)value[i] >= ' ');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_from((const char *)data, size);
	const char *at = in.p;
	struct header_iter it;
	struct header_field f;

	header_iter_init(&it, in);
	while (header_next(&it, &f))
		check_field(&f, &at, in.p + in.len);
	(void)header_find(in, STR("subject"), &f);
	return 0;
}
