/* the part of audit.h that reads accounting files: distinct recordIds by hash */
#include "lib/base/hmap.h"
#include "lib/base/xalloc.h"
#include "pmtactl/acct_files.h"
#include "pmtactl/audit.h"

/* hashes of the ids seen; two ids of one 64-bit hash would count as one: once in billions of years of mail */
struct seen {
	struct hmap map;
	uint64_t *hashes;
	uint32_t n, room;
};
static struct seen seen;

static bool
is_hash(const void *key, uint32_t handle)
{
	const uint64_t *h = key;

	return seen.hashes[handle - 1] == *h;
}

/* true: it is new */
static bool
note(struct str type, struct str id)
{
	uint64_t h = str_hash(id) ^ (type.len > 0 && type.p[0] == 'd' ? 1 : 0);

	if (hmap_find(&seen.map, h, is_hash, &h) != 0)
		return false;
	if (seen.n == seen.room) {
		seen.room = seen.room == 0 ? 1024 : seen.room * 2;
		seen.hashes = xreallocarray(seen.hashes, seen.room, sizeof *seen.hashes);
	}
	seen.hashes[seen.n++] = h;
	hmap_add(&seen.map, h, seen.n);
	return true;
}

struct counting {
	struct audit_records *a;
	size_t id; /* its column */
};

static bool
begin(void *ctx, const struct acct_record *header)
{
	struct counting *k = ctx;

	k->id = acct_column(header, "recordId");
	k->a->has_ids |= k->id != STR_NPOS;
	return k->id != STR_NPOS;
}

static void
count(void *ctx, const struct acct_record *r)
{
	struct counting *k = ctx;
	bool d, b;

	if (r->n <= k->id)
		return;
	d = str_eq(r->cols[0], STR("d"));
	b = str_eq(r->cols[0], STR("b"));
	if (!d && !b)
		return;
	if (!note(r->cols[0], r->cols[k->id]))
		k->a->repeated++;
	else if (d)
		k->a->delivered++;
	else
		k->a->bounced++;
}

int
audit_records(const struct conf *c, struct audit_records *a, struct why *why)
{
	struct counting k = {.a = a};
	struct acct_reader reader = {.begin = begin, .record = count, .ctx = &k};

	hmap_clear(&seen.map);
	seen.n = 0;
	for (size_t i = 0; i < conf_n_blocks(c, CONF_BLOCK_ACCT); i++) {
		if (!acct_file_has_ends(c, i))
			continue;
		a->kept_ms = conf_ms(conf_block_at(c, CONF_BLOCK_ACCT, i), CONF_ACCT_DELETE_AFTER);
		if (acct_files_read(c, i, &reader, why) == -1)
			return -1;
		if (a->has_ids)
			return 0; /* one file with ids is enough */
	}
	return 0;
}
