#include "lib/suppress/entry_int.h"

#include "lib/base/num.h"

#define VERSION	    "1"
#define MAX_ADDRESS 320
#define MAX_SCOPE   200
#define MAX_TEXT    1000

static const char *const source_names[SUPPRESS_SOURCES] = {
    [SUPPRESS_MANUAL] = "manual",
    [SUPPRESS_REPLY] = "reply",
    [SUPPRESS_REPORT] = "report",
    [SUPPRESS_COMPLAINT] = "complaint",
    [SUPPRESS_IMPORT] = "import",
};

const char *
suppress_source_name(enum suppress_source source)
{
	return source_names[source];
}

size_t
entry_key(struct str address, struct str scope, char key[ENTRY_KEY])
{
	if (address.len == 0 || address.len > MAX_ADDRESS || scope.len > MAX_SCOPE ||
	    memchr(address.p, '\0', address.len) != NULL ||
	    (scope.len > 0 && memchr(scope.p, '\0', scope.len) != NULL))
		return 0;
	memcpy(key, address.p, address.len);
	key[address.len] = '\0';
	if (scope.len > 0)
		memcpy(key + address.len + 1, scope.p, scope.len);
	str_lower(key, address.len + 1 + scope.len);
	return address.len + 1 + scope.len;
}

static void
add_field(struct buf *b, struct str s)
{
	s = str_sub(s, 0, MAX_TEXT);
	(void)buf_add_char(b, '\t');
	for (size_t i = 0; i < s.len; i++)
		(void)buf_add_char(b, (unsigned char)s.p[i] < ' ' || s.p[i] == 127 ? ' ' : s.p[i]);
}

void
entry_write(const struct suppression *e, struct buf *value)
{
	buf_reset(value);
	(void)buf_addf(value, VERSION "\t%jd\t%jd\t%s", (intmax_t)(e->since.ns / NS_PER_SEC),
	    (intmax_t)(e->until.ns / NS_PER_SEC), source_names[e->source]);
	add_field(value, e->address);
	add_field(value, e->category);
	add_field(value, e->vmta);
	add_field(value, e->job);
	add_field(value, e->text);
}

bool
suppress_source_parse(struct str s, enum suppress_source *source)
{
	for (size_t i = 0; i < SUPPRESS_SOURCES; i++) {
		if (!str_eq(s, str_of(source_names[i])))
			continue;
		*source = (enum suppress_source)i;
		return true;
	}
	return false;
}

static bool
parse_time(struct str s, struct wall *t)
{
	uint64_t v;

	if (!parse_u64(s, 0, INT64_MAX / (uint64_t)NS_PER_SEC, &v))
		return false;
	t->ns = (int64_t)v * NS_PER_SEC;
	return true;
}

bool
entry_parse(struct str key, struct str value, struct suppression *e)
{
	struct str f[8] = {{0}}, rest = value;
	size_t nul = str_find(key, '\0');

	*e = (struct suppression){0};
	for (size_t i = 0; i < countof(f); i++)
		if (!str_next(&rest, '\t', &f[i]))
			return false;
	if (nul == STR_NPOS || !str_eq(f[0], STR(VERSION)) || !parse_time(f[1], &e->since) ||
	    !parse_time(f[2], &e->until) || !suppress_source_parse(f[3], &e->source))
		return false;
	e->scope = str_skip(key, nul + 1);
	e->address = f[4];
	e->category = f[5];
	e->vmta = f[6];
	e->job = f[7];
	e->text = rest;
	return true;
}
