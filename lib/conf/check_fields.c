/* Columns of accounting files that nobody fills: they are kept, as PowerMTA's readers count on them, and told. */
#include "lib/acct/fields.h"
#include "lib/conf/conf_int.h"

static const char *
nearest(struct str name)
{
	unsigned limit = PH_MIN((unsigned)name.len / 3 + 1, 4u);
	const char *best = NULL;

	for (unsigned f = 0; f < ACCT_FIELD_UNKNOWN; f++) {
		const char *candidate = acct_field_name((enum acct_field)f);
		unsigned d = conf_distance(name, str_of(candidate), limit);
		if (d < limit) {
			limit = d;
			best = candidate;
		}
	}
	return best;
}

static void
check_field(struct conf_load *l, struct str record, struct str name, struct conf_at at)
{
	enum acct_field f = acct_field_find(name);
	const char *near = f == ACCT_FIELD_UNKNOWN ? nearest(name) : NULL;
	enum acct_rec r;

	if (f == ACCT_FIELD_UNKNOWN)
		conf_note(l, at,
		    "record-fields: there is no field \"%.*s\"%s%s%s; its column stays empty",
		    STR_ARG(name), near != NULL ? ", did you mean \"" : "",
		    near != NULL ? near : "", near != NULL ? "\"?" : "");
	else if (acct_rec_parse(record, &r) && !acct_field_has(f, r))
		conf_note(l, at, "record-fields: records %.*s have no %.*s; the column stays empty",
		    STR_ARG(record), STR_ARG(name));
}

void
conf_check_fields(struct conf_load *l)
{
	for (size_t i = 0; i < l->c->n_blocks; i++) {
		const struct conf_value *v =
		    conf_blk_value(l->c->blocks[i], CONF_ACCT_RECORD_FIELDS);
		for (uint32_t k = 0; v != NULL && k < v->n; k++) {
			struct str rest = v->items[k].text, record, name;
			if (!str_next_word(&rest, &record))
				continue;
			while (str_next(&rest, ',', &name)) {
				name = str_trim(name);
				if (name.len > 0 && name.p[0] != '*' && name.p[0] != '!')
					check_field(l, record, name, v->items[k].at);
			}
		}
	}
}
