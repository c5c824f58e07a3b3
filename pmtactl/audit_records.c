/* the part of audit.h that reads accounting files: CSV as in RFC 4180, line by line, distinct recordIds by hash */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/hmap.h"
#include "lib/base/xalloc.h"
#include "pmtactl/audit.h"

#define MAX_COLUMNS 256
#define MAX_LINE    (256 * 1024)

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

struct reader {
	FILE *in;
	char line[MAX_LINE];
	size_t len;
	struct str cols[MAX_COLUMNS];
	size_t n;
};

/* one record: up to a line end that stands outside of quotes */
static bool
read_line(struct reader *r)
{
	bool quoted = false;
	int ch;

	r->len = 0;
	while ((ch = fgetc(r->in)) != EOF) {
		if (ch == '"')
			quoted = !quoted;
		if (ch == '\n' && !quoted)
			return true;
		if (r->len < sizeof r->line)
			r->line[r->len++] = (char)ch;
	}
	return false; /* an incomplete last line is not a record */
}

static void
split(struct reader *r)
{
	size_t from = 0;
	bool quoted = false;

	r->n = 0;
	for (size_t i = 0; i <= r->len && r->n < MAX_COLUMNS; i++) {
		if (i < r->len && r->line[i] == '"')
			quoted = !quoted;
		if (i < r->len && (r->line[i] != ',' || quoted))
			continue;
		r->cols[r->n++] = str_trim(str_from(r->line + from, i - from));
		from = i + 1;
	}
}

static size_t
column(const struct reader *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++) {
		if (str_eq(r->cols[i], str_of(name)))
			return i;
	}
	return STR_NPOS;
}

static void
count(struct reader *r, size_t id, struct audit_records *a)
{
	bool d, b;

	split(r);
	if (r->n <= id)
		return;
	d = str_eq(r->cols[0], STR("d"));
	b = str_eq(r->cols[0], STR("b"));
	if (!d && !b)
		return;
	if (!note(r->cols[0], r->cols[id]))
		a->repeated++;
	else if (d)
		a->delivered++;
	else
		a->bounced++;
}

static void
read_file(int dirfd, const char *name, struct audit_records *a)
{
	static struct reader r;
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t id;

	if (fd == -1)
		return;
	r.in = fdopen(fd, "r");
	if (r.in == NULL)
		return;
	if (read_line(&r)) {
		split(&r);
		id = column(&r, "recordId");
		a->has_ids |= id != STR_NPOS;
		while (id != STR_NPOS && read_line(&r))
			count(&r, id, a);
	}
	if (fclose(r.in) == EOF)
		return;
}

/* the dated files NAME-YYYY-MM-DD-NNNN.csv of one accounting file */
static int
read_dir(const char *dir, struct str stem, struct audit_records *a, struct why *why)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (d == NULL)
		return why_errno(why, "Cannot read the accounting folder %s", dir);
	while ((e = readdir(d)) != NULL) {
		struct str name = str_of(e->d_name);
		if (name.len > stem.len + 15 && str_has_prefix(name, stem) &&
		    name.p[stem.len] == '-')
			read_file(dirfd(d), e->d_name, a);
	}
	return closedir(d) == -1 ? why_errno(why, "closedir") : 0;
}

static bool
records_finals(const struct conf_set *set)
{
	bool d = false, b = false;

	for (size_t i = 0; i < conf_n(set, CONF_ACCT_RECORDS); i++) {
		d |= str_eq(conf_item(set, CONF_ACCT_RECORDS, i), STR("d"));
		b |= str_eq(conf_item(set, CONF_ACCT_RECORDS, i), STR("b"));
	}
	return d && b;
}

static int
read_acct_file(
    const struct conf_set *set, struct str path, struct audit_records *a, struct why *why)
{
	size_t slash = str_rfind(path, '/');
	struct str dir = slash == STR_NPOS ? STR(".") : str_sub(path, 0, PH_MAX(slash, (size_t)1));
	struct str stem = slash == STR_NPOS ? path : str_skip(path, slash + 1);
	struct str move_to = conf_str(set, CONF_ACCT_MOVE_TO);
	size_t dot = str_rfind(stem, '.');
	char *d;
	int r;

	stem = dot == STR_NPOS ? stem : str_sub(stem, 0, dot);
	d = xstrdup_str(dir);
	r = read_dir(d, stem, a, why);
	free(d);
	if (r == -1 || move_to.len == 0)
		return r;
	d = xstrdup_str(move_to);
	r = read_dir(d, stem, a, why);
	free(d);
	return r;
}

int
audit_records(const struct conf *c, struct audit_records *a, struct why *why)
{
	hmap_clear(&seen.map);
	seen.n = 0;
	for (size_t i = 0; i < conf_n_blocks(c, CONF_BLOCK_ACCT); i++) {
		const struct conf_set *set = conf_block_at(c, CONF_BLOCK_ACCT, i);
		struct str path = conf_block_name(c, CONF_BLOCK_ACCT, i);
		if (!records_finals(set) || (path.len > 0 && path.p[0] == '|'))
			continue;
		a->kept_ms = conf_ms(set, CONF_ACCT_DELETE_AFTER);
		if (read_acct_file(set, path, a, why) == -1)
			return -1;
		if (a->has_ids)
			return 0; /* one file with ids is enough */
	}
	return 0;
}
