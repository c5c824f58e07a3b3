/* Senders with their recipient in them. */
#include "lib/base/num.h"
#include "lib/track/track_int.h"

void
track_make_tag(const struct track *t, struct str local, struct str domain, char tag[TRACK_TAG + 1])
{
	const struct str parts[] = {local, domain};
	uint8_t bytes[7];
	char text[16];

	track_digest(t->verp, parts, 2, bytes, sizeof bytes);
	track_base32(bytes, sizeof bytes, text);
	(void)str_copy(tag, TRACK_TAG + 1, str_sub(str_of(text), 0, TRACK_TAG));
}

/* Takes the tag off, if it is right. */
static bool
take_tag(const struct track *t, struct str *local, struct str domain)
{
	size_t eq = str_rfind(*local, '=');
	char tag[TRACK_TAG + 1];

	if (eq == STR_NPOS || local->len - eq - 1 != TRACK_TAG)
		return false;
	track_make_tag(t, str_sub(*local, 0, eq), domain, tag);
	if (!str_ieq(str_skip(*local, eq + 1), str_of(tag)))
		return false;
	*local = str_sub(*local, 0, eq);
	return true;
}

bool
track_read_verp(const struct track *t, struct str address,
    bool (*base_of)(void *ctx, struct str sender), void *ctx, struct track_verp *out)
{
	size_t at = str_rfind(address, '@'), eq;
	struct str local = str_sub(address, 0, at), domain = str_skip(address, at + 1);

	*out = (struct track_verp){0};
	if (at == STR_NPOS || address.len >= sizeof out->sender)
		return false;
	out->is_ours = take_tag(t, &local, domain);
	eq = str_rfind(local, '=');
	for (size_t i = 1; eq != STR_NPOS && i + 1 < eq; i++) {
		if (local.p[i] != '-')
			continue;
		(void)snprintf(out->sender, sizeof out->sender, "%.*s@%.*s",
		    STR_ARG(str_sub(local, 0, i)), STR_ARG(domain));
		if (!base_of(ctx, str_of(out->sender)))
			continue;
		(void)snprintf(out->rcpt, sizeof out->rcpt, "%.*s@%.*s",
		    STR_ARG(str_sub(local, i + 1, eq - i - 1)), STR_ARG(str_skip(local, eq + 1)));
		return true;
	}
	return false;
}
