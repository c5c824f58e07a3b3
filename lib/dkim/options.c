#include "lib/dkim/options.h"

#include "lib/dkim/canon.h"

/* a domain's or selector's letters */
static bool
is_name(struct str v)
{
	for (size_t i = 0; i < v.len; i++)
		if (!ascii_is_alnum(v.p[i]) && v.p[i] != '-' && v.p[i] != '.' && v.p[i] != '_' &&
		    (unsigned char)v.p[i] < 0x80)
			return false;
	return v.len > 0 && v.len <= 253;
}

static bool
is_text(struct str v)
{
	for (size_t i = 0; i < v.len; i++)
		if ((unsigned char)v.p[i] <= ' ' || v.p[i] == 127)
			return false;
	return v.len > 0;
}

static bool
take(struct dkim_options *o, struct str tag, struct str value)
{
	const struct {
		struct str name;
		struct str *to;
		bool (*is_good)(struct str);
	} tags[] = {
	    {STR("s"), &o->selector, is_name},
	    {STR("d"), &o->domain, is_name},
	    {STR("i"), &o->identity, is_text},
	    {STR("q"), &o->query, is_text},
	    {STR("key-list"), &o->key_list, is_text},
	};

	for (size_t i = 0; i < countof(tags); i++) {
		if (!str_eq(tags[i].name, tag))
			continue;
		if (tags[i].to->len > 0 || !tags[i].is_good(value))
			return false;
		*tags[i].to = value;
		return true;
	}
	/* unknown tags are passed over (RFC 6376 3.2) */
	return tag.len > 0;
}

bool
dkim_options_parse(struct str text, struct dkim_options *o)
{
	struct str piece;
	size_t eq;

	*o = (struct dkim_options){0};
	if (text.len > DKIM_MAX_OPTIONS)
		return false;
	while (text.len > 0 && str_next(&text, ';', &piece)) {
		piece = str_trim(piece);
		if (piece.len == 0)
			continue;
		eq = str_find(piece, '=');
		if (eq == STR_NPOS ||
		    !take(o, str_trim(str_sub(piece, 0, eq)), str_trim(str_skip(piece, eq + 1)))) {
			*o = (struct dkim_options){0};
			return false;
		}
	}
	return true;
}
