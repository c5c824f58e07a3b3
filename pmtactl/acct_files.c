#include "pmtactl/acct_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/xalloc.h"

struct input {
	FILE *in;
	char line[ACCT_MAX_LINE];
	size_t len;
	struct acct_record record;
};

/* one record: up to a line end that stands outside of quotes */
static bool
read_line(struct input *r)
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
split(struct input *r)
{
	size_t from = 0;
	bool quoted = false;

	r->record.n = 0;
	for (size_t i = 0; i <= r->len && r->record.n < ACCT_MAX_COLUMNS; i++) {
		if (i < r->len && r->line[i] == '"')
			quoted = !quoted;
		if (i < r->len && (r->line[i] != ',' || quoted))
			continue;
		r->record.cols[r->record.n++] = str_trim(str_from(r->line + from, i - from));
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
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd == -1)
		return;
	r.in = fdopen(fd, "r");
	if (r.in == NULL)
		return;
	if (read_line(&r)) {
		split(&r);
		if (reader->begin(reader->ctx, &r.record))
			while (read_line(&r)) {
				split(&r);
				reader->record(reader->ctx, &r.record);
			}
	}
	if (fclose(r.in) == EOF)
		return;
}

/* the dated files NAME-YYYY-MM-DD-NNNN.csv of one accounting file */
static int
read_dir(struct str dir, struct str stem, const struct acct_reader *reader, struct why *why)
{
	char *path = xstrdup_str(dir);
	DIR *d = opendir(path);
	struct dirent *e;
	int r = 0;

	if (d == NULL)
		r = why_errno(why, "Cannot read the accounting folder %s", path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		struct str name = str_of(e->d_name);
		if (name.len > stem.len + 15 && str_has_prefix(name, stem) &&
		    name.p[stem.len] == '-')
			read_file(dirfd(d), e->d_name, reader);
	}
	if (d != NULL && closedir(d) == -1)
		r = why_errno(why, "closedir");
	free(path);
	return r;
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

	dot = str_rfind(stem, '.');
	stem = dot == STR_NPOS ? stem : str_sub(stem, 0, dot);
	if (read_dir(dir, stem, reader, why) == -1)
		return -1;
	return move_to.len == 0 ? 0 : read_dir(move_to, stem, reader, why);
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
