/*
 * Paths, mailboxes, domains, xtext and parameters of strangers: what is taken holds no control character, keeps the
 * limits, and is taken again as it is.
 */
#include <assert.h>

#include "lib/smtp/address.h"
#include "lib/smtp/param.h"
#include "lib/smtp/xtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(struct str s, bool utf8)
{
	for (size_t i = 0; i < s.len; i++)
		assert((unsigned char)s.p[i] >= ' ' && s.p[i] != 127 &&
		       (utf8 || (unsigned char)s.p[i] < 128));
	assert(utf8_is_valid(s));
}

static void
try_domain(struct str domain)
{
	char name[DOMAIN_QUEUE_NAME_MAX], again[DOMAIN_QUEUE_NAME_MAX];
	size_t n = domain_queue_name(domain, name, sizeof name);

	if (n == 0)
		return;
	assert(n < sizeof name && name[n] == '\0');
	check_text(str_from(name, n), false);
	assert(domain_queue_name(str_from(name, n), again, sizeof again) == n &&
	       memcmp(name, again, n) == 0);
}

static void
try_path(struct str in, unsigned allow)
{
	struct str rest = in, whole;
	struct address a, b;
	struct why why = {0};

	if (!address_parse_path(&rest, allow, &a, &why)) {
		assert(why.smtp_code == 501);
		return;
	}
	assert(rest.len < in.len);
	assert(
	    a.local.len <= ((allow & ADDRESS_LONG) != 0 ? ADDRESS_LONG_LOCAL : ADDRESS_MAX_LOCAL) &&
	    a.domain.len <= ADDRESS_MAX_DOMAIN);
	check_text(a.local, (allow & ADDRESS_UTF8) != 0);
	check_text(a.domain, (allow & ADDRESS_UTF8) != 0);
	if (a.domain.len == 0)
		return;
	try_domain(a.domain);
	whole = str_from(a.local.p, a.local.len + 1 + a.domain.len);
	assert(address_parse(whole, allow, &b, &why));
	assert(str_eq(a.local, b.local) && str_eq(a.domain, b.domain));
	b = address_split(whole);
	assert(str_eq(a.local, b.local) && str_eq(a.domain, b.domain));
}

static void
try_params(struct str in)
{
	struct smtp_param p;
	char text[128];

	while (smtp_param_next(&in, &p) > 0) {
		ssize_t n = xtext_decode(p.value, text, sizeof text);
		assert(n <= (ssize_t)sizeof text && n <= (ssize_t)p.value.len);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_from((const char *)data, size);

	for (unsigned allow = 0; allow <= (ADDRESS_UTF8 | ADDRESS_NO_DOMAIN); allow++)
		try_path(in, allow);
	try_domain(in);
	try_params(in);
	return 0;
}
