#include "pmtactl/acct_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/xalloc.h"

#define DATE_LEN 10

struct input {
	int fd;
	bool at_end;
	size_t from, len; /* what was read and not looked at yet */
	struct str line;  /* the current record, its line end left out */
	struct acct_record record;
	char buf[ACCT_MAX_LINE];
};

/* false: there is no more */
static bool
fill(struct input *r)
{
	ssize_t n;

	if (r->from == 0 && r->len == sizeof r->buf)
		r->len = 0; /* passed over */
	memmove(r->buf, r->buf + r->from, r->len - r->from);
	r->len -= r->from;
	r->from = 0;
	do
		n = read(r->fd, r->buf + r->len, sizeof r->buf - r->len);
	while (n == -1 && errno == EINTR);
	if (n > 0)
		r->len += (size_t)n;
	return n > 0;
}

static bool
is_odd(const char *p, const char *end)
{
	bool odd = false;

	while ((p = memchr(p, '"', (size_t)(end - p))) != NULL) {
		odd = !odd;
		p++;
	}
	return odd;
}

/* up to a line end that stands outside of quotes, among what was read */
static bool
find_line(struct input *r)
{
	const char *begin = r->buf + r->from, *end = r->buf + r->len, *at = begin, *nl;
	bool quoted = false;

	while ((nl = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		quoted ^= is_odd(at, nl);
		at = nl + 1;
		if (quoted)
			continue;
		r->line = str_from(begin, (size_t)(nl - begin));
		r->from += (size_t)(at - begin);
		return true;
	}
	return false;
}

/* an incomplete last line is not a record */
static bool
read_line(struct input *r)
{
	while (!find_line(r))
		if (!fill(r))
			return false;
	return true;
}

/* by its `@`, of which a record has few */
static bool
stands_in(struct str wanted, struct str line)
{
	size_t before = str_find(wanted, '@'), at;

	if (before == STR_NPOS)
		return true;
	for (size_t from = 0; (at = str_find(str_skip(line, from), '@')) != STR_NPOS;) {
		from += at + 1;
		if (from > before &&
		    str_ieq(str_sub(str_skip(line, from - 1 - before), 0, wanted.len), wanted))
			return true;
	}
	return false;
}

static void
split(struct input *r)
{
	size_t from = 0;
	bool quoted = false;

	r->record.n = 0;
	for (size_t i = 0; i <= r->line.len && r->record.n < ACCT_MAX_COLUMNS; i++) {
		if (i < r->line.len && r->line.p[i] == '"')
			quoted = !quoted;
		if (i < r->line.len && (r->line.p[i] != ',' || quoted))
			continue;
		r->record.cols[r->record.n++] =
		    str_trim(str_sub(str_skip(r->line, from), 0, i - from));
		from = i + 1;
	}
}

size_t
acct_column(const struct acct_record *header, const char *name)
{
	for (size_t i = 0; i < header->n; i++) {
		if (str_eq(header->cols[i], str_of(name)))
			return i;
	}
	return STR_NPOS;
}

struct str
acct_unquoted(struct str value, char *text, size_t size)
{
	size_t n = 0;

	if (value.len < 2 || value.p[0] != '"')
		return value;
	for (size_t i = 1; i + 1 < value.len && n < size; i++) {
		text[n++] = value.p[i];
		i += value.p[i] == '"'; /* it stands there twice */
	}
	return str_from(text, n);
}

static void
read_file(int dirfd, const char *name, const struct acct_reader *reader)
{
	static struct input r;

	r.from = r.len = 0;
	r.fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (r.fd == -1)
		return;
	if (read_line(&r)) {
		split(&r);
		if (reader->begin(reader->ctx, &r.record))
			while (read_line(&r)) {
				if (!stands_in(reader->wanted, r.line))
					continue;
				split(&r);
				reader->record(reader->ctx, &r.record);
			}
	}
	if (close(r.fd) == -1)
		return;
}

/* ---- which files ---- */

struct file {
	int dir;
	char *name; /* owned */
	const char *date;
};
struct files {
	struct file *list; /* owned */
	size_t n;
	int dirs[2], n_dirs;
};

static void
files_clear(struct files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->list[i].name);
	free(f->list);
	while (f->n_dirs > 0)
		if (close(f->dirs[--f->n_dirs]) == -1)
			return;
}

/* the latest first: by its day, then by its number */
static int
by_date(const void *a, const void *b)
{
	const struct file *x = a, *y = b;
	int r = strncmp(y->date, x->date, DATE_LEN);
	size_t n = strlen(x->date), m = strlen(y->date);

	if (r != 0)
		return r;
	return n != m ? (n < m ? 1 : -1) : strcmp(y->date, x->date);
}

/* the dated files NAME-YYYY-MM-DD-NNNN.csv of one accounting file */
static int
add_dir(struct files *f, struct str dir, struct str stem, struct why *why)
{
	char *path = xstrdup_str(dir);
	DIR *d = opendir(path);
	struct dirent *e;
	int r = d == NULL ? why_errno(why, "Cannot read the accounting folder %s", path) : 0;

	free(path);
	if (d == NULL)
		return r;
	f->dirs[f->n_dirs] = fcntl(dirfd(d), F_DUPFD_CLOEXEC, 0);
	if (f->dirs[f->n_dirs] == -1)
		r = why_errno(why, "fcntl");
	while (r == 0 && (e = readdir(d)) != NULL) {
		struct str name = str_of(e->d_name);
		struct file *new;
		if (name.len <= stem.len + 15 || !str_has_prefix(name, stem) ||
		    name.p[stem.len] != '-')
			continue;
		f->list = xreallocarray(f->list, f->n + 1, sizeof *f->list);
		new = &f->list[f->n++];
		*new = (struct file){.dir = f->dirs[f->n_dirs], .name = xstrdup_str(name)};
		new->date = new->name + stem.len + 1;
	}
	f->n_dirs += r == 0;
	if (closedir(d) == -1)
		return why_errno(why, "closedir");
	return r;
}

static bool
goes_on(const struct acct_reader *reader)
{
	return reader->goes_on == NULL || reader->goes_on(reader->ctx);
}

int
acct_files_read(
    const struct conf *c, size_t block, const struct acct_reader *reader, struct why *why)
{
	struct str path = conf_block_name(c, CONF_BLOCK_ACCT, block);
	struct str move_to = conf_str(conf_block_at(c, CONF_BLOCK_ACCT, block), CONF_ACCT_MOVE_TO);
	size_t slash = str_rfind(path, '/'), dot;
	struct str dir = slash == STR_NPOS ? STR(".") : str_sub(path, 0, PH_MAX(slash, (size_t)1));
	struct str stem = slash == STR_NPOS ? path : str_skip(path, slash + 1);
	struct files files = {0};
	int r;

	dot = str_rfind(stem, '.');
	stem = dot == STR_NPOS ? stem : str_sub(stem, 0, dot);
	r = add_dir(&files, dir, stem, why);
	if (r == 0 && move_to.len > 0)
		r = add_dir(&files, move_to, stem, why);
	if (files.n > 1)
		qsort(files.list, files.n, sizeof *files.list, by_date);
	for (size_t i = 0; r == 0 && i < files.n && goes_on(reader); i++)
		read_file(files.list[i].dir, files.list[i].name, reader);
	files_clear(&files);
	return r;
}

bool
acct_file_has_ends(const struct conf *c, size_t block)
{
	const struct conf_set *set = conf_block_at(c, CONF_BLOCK_ACCT, block);
	struct str path = conf_block_name(c, CONF_BLOCK_ACCT, block);
	bool d = false, b = false;

	for (size_t i = 0; i < conf_n(set, CONF_ACCT_RECORDS); i++) {
		d |= str_eq(conf_item(set, CONF_ACCT_RECORDS, i), STR("d"));
		b |= str_eq(conf_item(set, CONF_ACCT_RECORDS, i), STR("b"));
	}
	return d && b && path.len > 0 && path.p[0] != '|';
}
