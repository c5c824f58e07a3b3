#include "lib/acct/fields.h"

static const struct {
	const char *name;
	unsigned records;
} fields[] = {
#define FIELD(id, name, records, maker) [ACCT_FIELD_##id] = {name, records},
#define DEFAULTS(record, list)
#include "lib/acct/fields.def"
#undef FIELD
#undef DEFAULTS
};

static const char *const defaults[] = {
#define FIELD(id, name, records, maker)
#define DEFAULTS(record, list) [ACCT_REC_##record] = list,
#include "lib/acct/fields.def"
#undef FIELD
#undef DEFAULTS
};

static const struct {
	const char *name;
	const char *long_name;
	const char *other; /* seen in use */
} records[] = {
    [ACCT_REC_D] = {"d", "delivery", "delivered"},
    [ACCT_REC_B] = {"b", "bounce", "bounced"},
    [ACCT_REC_T] = {"t", "transient", "transient"},
    [ACCT_REC_TQ] = {"tq", "transient-queue", "transient-queue"},
    [ACCT_REC_R] = {"r", "receipt", "received"},
    [ACCT_REC_RB] = {"rb", "remote-bounce", "remote-bounce"},
    [ACCT_REC_RS] = {"rs", "remote-status", "remote-status"},
    [ACCT_REC_F] = {"f", "feedback-loop", "fbl"},
};

bool
acct_rec_parse(struct str s, enum acct_rec *r)
{
	for (size_t i = 0; i < countof(records); i++) {
		if (!str_ieq(s, str_of(records[i].name)) &&
		    !str_ieq(s, str_of(records[i].long_name)) &&
		    !str_ieq(s, str_of(records[i].other)))
			continue;
		*r = (enum acct_rec)i;
		return true;
	}
	return false;
}

const char *
acct_rec_name(enum acct_rec r)
{
	return r < ACCT_REC_MAX ? records[r].name : "?";
}

const char *
acct_rec_long_name(enum acct_rec r)
{
	return r < ACCT_REC_MAX ? records[r].long_name : "?";
}

static bool
is_prefixed(struct str name, enum acct_field f)
{
	struct str prefix = str_of(fields[f].name);

	return name.len > prefix.len && str_has_iprefix(name, prefix);
}

enum acct_field
acct_field_find(struct str name)
{
	if (is_prefixed(name, ACCT_FIELD_HEADER))
		return ACCT_FIELD_HEADER;
	if (is_prefixed(name, ACCT_FIELD_ARF))
		return ACCT_FIELD_ARF;
	for (size_t i = 0; i < countof(fields); i++) {
		if (i != ACCT_FIELD_HEADER && i != ACCT_FIELD_ARF &&
		    str_ieq(name, str_of(fields[i].name)))
			return (enum acct_field)i;
	}
	return ACCT_FIELD_UNKNOWN;
}

const char *
acct_field_name(enum acct_field f)
{
	return f < countof(fields) ? fields[f].name : "?";
}

bool
acct_field_has(enum acct_field f, enum acct_rec r)
{
	return f < countof(fields) && (fields[f].records & ACCT_BIT(r)) != 0;
}

struct str
acct_default_fields(enum acct_rec r)
{
	return r < ACCT_REC_MAX ? str_of(defaults[r]) : STR_NULL;
}
