/* Complaints: the fields of message/feedback-report (RFC 5965 3), and who complained. */
#include "lib/mail/header.h"
#include "lib/remote/remote_int.h"

static struct str
without_brackets(struct str v)
{
	v = str_trim(v);
	if (str_has_prefix(v, STR("<")) && str_has_suffix(v, STR(">")))
		v = str_sub(v, 1, v.len - 2);
	return v;
}

static void
add_value(char *dst, size_t size, size_t *n, struct str v)
{
	if (*n > 0 && *n + 1 < size)
		dst[(*n)++] = ',';
	*n += PH_MIN(str_copy(dst + *n, size - *n, v), size - *n - 1);
}

size_t
remote_arf(const struct remote_report *r, struct str name, char *dst, size_t size)
{
	struct str rest = buf_str(&r->fields);
	struct header_iter it;
	struct header_field f;
	char value[REMOTE_DIAG];
	size_t n = 0, used, lf;

	dst[0] = '\0';
	while (r->format == REMOTE_ARF && rest.len > 0) {
		used = 0;
		header_iter_init(&it, rest);
		while (header_next(&it, &f)) {
			used = (size_t)(f.whole.p + f.whole.len - rest.p);
			if (!str_ieq(f.name, name))
				continue;
			(void)header_unfold(f.value, value, sizeof value);
			add_value(dst, size, &n, without_brackets(str_of(value)));
		}
		/* what is no field stands between blocks of fields in some reports */
		lf = str_find(rest, '\n');
		if (used == 0)
			used = lf == STR_NPOS ? rest.len : lf + 1;
		rest = str_skip(rest, used);
	}
	return n;
}

static const struct str jmrp_field = STR("x-hmxmroriginalrecipient");

bool
remote_is_jmrp(const struct remote_report *r)
{
	struct header_field f;

	return header_find(r->returned, jmrp_field, &f);
}

static size_t
address_of_field(const struct remote_report *r, struct str name, char dst[REMOTE_ADDRESS])
{
	struct header_field f;
	struct str address;
	char value[REMOTE_DIAG];
	size_t at = 0;

	if (!header_find(r->returned, name, &f))
		return 0;
	(void)header_unfold(f.value, value, sizeof value);
	return remote_next_address(str_of(value), &at, &address)
		   ? str_copy(dst, REMOTE_ADDRESS, address)
		   : 0;
}

/* "rfc822; a@b", as in a delivery report, without its type */
static size_t
drop_type(char dst[REMOTE_ADDRESS], size_t n)
{
	struct str all = str_from(dst, PH_MIN(n, (size_t)REMOTE_ADDRESS - 1)), rest;
	size_t semi = str_find(all, ';');

	rest = semi == STR_NPOS ? all : str_trim(str_skip(all, semi + 1));
	memmove(dst, rest.p, rest.len);
	dst[rest.len] = '\0';
	return rest.len;
}

size_t
remote_complainant(const struct remote_report *r, char dst[REMOTE_ADDRESS])
{
	size_t n = remote_arf(r, STR("original-rcpt-to"), dst, REMOTE_ADDRESS);

	if (n == 0)
		n = remote_arf(r, STR("removal-recipient"), dst, REMOTE_ADDRESS);
	if (n > 0)
		return drop_type(dst, n);
	n = address_of_field(r, jmrp_field, dst);
	if (n == 0)
		n = address_of_field(r, STR("to"), dst);
	return PH_MIN(n, (size_t)REMOTE_ADDRESS - 1);
}
