#include "queued/names.h"

#include "lib/base/hmap.h"
#include "lib/base/xalloc.h"
#include "queued/state.h"

static bool
is_name(const void *key, uint32_t handle)
{
	const struct str *s = key;

	return str_ieq(*s, qd.names.texts[handle - 1]);
}

uint32_t
name_number(struct str s)
{
	uint64_t h;
	uint32_t n;

	if (s.len == 0)
		return 0;
	h = str_ihash(s);
	n = hmap_find(&qd.names.map, h, is_name, &s);
	if (n != 0)
		return n;
	qd.names.texts = xreallocarray(qd.names.texts, qd.names.n + 1, sizeof *qd.names.texts);
	qd.names.texts[qd.names.n++] = str_from(xstrdup_str(s), s.len);
	hmap_add(&qd.names.map, h, qd.names.n);
	return qd.names.n;
}

struct str
name_text(uint32_t number)
{
	return number == 0 ? STR("") : qd.names.texts[number - 1];
}
