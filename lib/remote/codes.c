#include "lib/base/num.h"
#include "lib/remote/remote_int.h"
#include "lib/smtp/reply.h"

/* a reply code stands alone: "550 ", "550-", "(550)" */
static bool
code_at(struct str s, size_t i, uint16_t *code)
{
	uint32_t v;

	if (i > 0 && (ascii_is_alnum(s.p[i - 1]) || s.p[i - 1] == '.' || s.p[i - 1] == '-' ||
			 s.p[i - 1] == '_'))
		return false;
	if (i + 3 < s.len && strchr(" -:#,;)]\r\n\t", s.p[i + 3]) == NULL)
		return false;
	if (!parse_u32(str_sub(s, i, 3), 400, 599, &v))
		return false;
	*code = (uint16_t)v;
	return true;
}

static bool
status_at(struct str s, size_t i, uint8_t enh[3])
{
	if ((s.p[i] != '4' && s.p[i] != '5') || i + 4 >= s.len || s.p[i + 1] != '.')
		return false;
	if (i > 0 && (ascii_is_alnum(s.p[i - 1]) || s.p[i - 1] == '.'))
		return false;
	for (size_t len = PH_MIN((size_t)9, s.len - i); len >= 5; len--) {
		size_t n = smtp_enh_parse(str_sub(s, i, len), enh);
		if (n > 0 && (i + n == s.len || !ascii_is_alnum(s.p[i + n])))
			return i + n == s.len || s.p[i + n] != '.' || i + n + 1 == s.len ||
			       !ascii_is_digit(s.p[i + n + 1]);
	}
	return false;
}

void
remote_take_codes(struct remote_rcpt *rc)
{
	struct str s = str_of(rc->diag);
	uint8_t enh[3];

	for (size_t i = 0; i + 3 <= s.len && rc->code == 0; i++)
		(void)(ascii_is_digit(s.p[i]) && code_at(s, i, &rc->code));
	for (size_t i = 0; i + 5 <= s.len; i++) {
		if (!status_at(s, i, enh))
			continue;
		/* what the host said is worth more than a general 5.0.0 of the reporter */
		if (rc->enh[0] == 0 || (rc->enh[1] == 0 && rc->enh[2] == 0))
			memcpy(rc->enh, enh, 3);
		break;
	}
}
