#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/conf/parse_int.h"

uint32_t
conf_file_add(struct conf *c, struct str path)
{
	CONF_GROW(c->files, c->n_files, c->cap_files);
	c->files[c->n_files].path = xstrdup_str(path);
	return (uint32_t)c->n_files++;
}

/* Reads all there is; owned. NULL after a complaint. */
static char *
read_all(struct parse *p, int fd, const struct source *s, size_t *len)
{
	char *text = NULL;
	size_t n = 0, size = 0;
	ssize_t r;

	for (;;) {
		if (n == size) {
			size = size == 0 ? 65536 : size * 2;
			text = xreallocarray(text, 1, size);
		}
		r = read(fd, text + n, size - n);
		if (r == 0)
			break;
		if (r > 0 && (n += (size_t)r) <= FILE_BYTES_MAX)
			continue;
		if (r > 0)
			conf_error(
			    p->l, s->at, "%s: larger than %u bytes", s->path, FILE_BYTES_MAX);
		else
			conf_error(p->l, s->at, "%s: %s", s->path, strerror(errno));
		free(text);
		return NULL;
	}
	*len = n;
	return text;
}

static bool
is_open_already(const struct parse *p, const struct stat *st)
{
	for (size_t i = 0; i < p->n_sources; i++)
		if (p->sources[i].text != NULL && p->sources[i].dev == st->st_dev &&
		    p->sources[i].ino == st->st_ino)
			return true;
	return false;
}

/* Who may write the configuration is root: it names the programs and addresses of everything. */
static bool
is_safe(struct parse *p, const struct source *s, const struct stat *st)
{
	if (!S_ISREG(st->st_mode) && !S_ISCHR(st->st_mode) && !S_ISFIFO(st->st_mode)) {
		conf_error(p->l, s->at, "%s: not a file", s->path);
		return false;
	}
	if (geteuid() == 0 && S_ISREG(st->st_mode) && (st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		conf_error(p->l, s->at,
		    "%s: may be written by others than its owner (mode %03o): chmod go-w it",
		    s->path, (unsigned)st->st_mode & 0777);
		return false;
	}
	return true;
}

/* Is another text given for this file? Then that is its content. */
static bool
is_given(struct parse *p, struct source *s)
{
	const struct conf_load *l = p->l;

	if (l->instead_of == NULL || strcmp(l->instead_of, s->path) != 0)
		return false;
	s->text = xmalloc(l->instead.len + 1);
	s->len = PH_MIN(l->instead.len, (size_t)FILE_BYTES_MAX);
	if (s->len > 0)
		memcpy(s->text, l->instead.p, s->len);
	return true;
}

static bool
load_source(struct parse *p, struct source *s)
{
	struct stat st;
	int fd;

	if (is_given(p, s))
		return true;
	fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 || fstat(fd, &st) == -1) {
		conf_error(p->l, s->at, "%s: %s", s->path, strerror(errno));
	} else if (is_open_already(p, &st)) {
		conf_error(p->l, s->at, "include: %s includes itself", s->path);
	} else if (is_safe(p, s, &st)) {
		s->dev = st.st_dev;
		s->ino = st.st_ino;
		s->text = read_all(p, fd, s, &s->len);
	}
	if (fd != -1)
		close(fd);
	if (s->text == NULL)
		return false;
	if ((p->total += s->len) > TOTAL_BYTES_MAX) {
		conf_error(p->l, s->at, "%s: all files together are larger than %u bytes", s->path,
		    TOTAL_BYTES_MAX);
		s->len = 0;
	}
	return true;
}

static void
start_source(struct parse *p, struct source *s)
{
	size_t bad;

	s->file = conf_file_add(p->l->c, str_of(s->path));
	s->depth = p->depth;
	if (s->len >= 3 && memcmp(s->text, "\xef\xbb\xbf", 3) == 0)
		s->pos = 3;
	if (!conf_is_utf8(str_from(s->text, s->len), &bad)) {
		struct conf_at at = {.file = s->file, .line = 1, .col = 1};
		for (size_t i = 0; i < bad; i++) {
			at.col = s->text[i] == '\n' ? 1 : at.col + 1;
			at.line += s->text[i] == '\n';
		}
		conf_error(p->l, at, "byte 0x%02x is not UTF-8 text", (unsigned char)s->text[bad]);
		s->pos = s->len;
	}
}

static void
end_source(struct parse *p)
{
	struct source *s;

	ph_assert(p->n_sources > 0 && p->sources != NULL);
	s = &p->sources[p->n_sources - 1];
	parse_macro_end(p);
	if (s->in_comment)
		conf_error(p->l, (struct conf_at){s->file, s->line, 1},
		    "the comment is not closed by -->");
	while (s->text != NULL && p->depth > s->depth) {
		conf_error(p->l, parse_top(p)->at, "<%s> is not closed", parse_top(p)->tag);
		parse_pop(p);
	}
	if (s->is_wrapped)
		parse_pop(p);
	free(s->text);
	free(s->path);
	p->n_sources--;
}

static void
next_line(struct parse *p)
{
	struct source *s = &p->sources[p->n_sources - 1];
	char *line = s->text + s->pos;
	size_t len = str_find(str_from(line, s->len - s->pos), '\n');

	if (len == STR_NPOS)
		len = s->len - s->pos;
	s->pos = PH_MIN(s->pos + len + 1, s->len);
	s->line++;
	p->file = s->file;
	p->line = s->line;
	p->base = line;
	len = conf_lex_strip(line, len, &s->in_comment);
	parse_line(p, line, len);
}

static void
run(struct parse *p)
{
	while (p->n_sources > 0) {
		struct source *s = &p->sources[p->n_sources - 1];
		if (s->text == NULL) {
			if (!load_source(p, s)) {
				s->depth = p->depth;
				end_source(p);
				continue;
			}
			start_source(p, s);
		} else if (s->pos >= s->len)
			end_source(p);
		else
			next_line(p);
	}
	parse_macro_end(p);
}

static void
add_source(struct parse *p, const char *path, uint32_t level, struct conf_at at)
{
	if (++p->n_files > FILES_MAX) {
		if (p->n_files == FILES_MAX + 1)
			conf_error(p->l, at, "include: more than %d files", FILES_MAX);
		return;
	}
	CONF_GROW(p->sources, p->n_sources, p->cap_sources);
	ph_assert(p->sources != NULL);
	p->sources[p->n_sources++] =
	    (struct source){.path = xstrdup(path), .level = level, .at = at};
}

/* "a" of "/x/y/config" is "/x/y/a" */
static char *
beside(const char *file, struct str name)
{
	char *copy, *path;

	if (name.len > 0 && name.p[0] == '/')
		return xstrdup_str(name);
	if (strchr(file, '/') == NULL)
		return xstrdup_str(name);
	copy = xstrdup(file);
	path = xasprintf("%s/%.*s", dirname(copy), STR_ARG(name));
	free(copy);
	return path;
}

_Static_assert(INCLUDE_MAX == 16, "said in a message");

static void
refuse(struct parse *p, struct conf_at at, bool is_wrapped, const char *why)
{
	conf_error(p->l, at, "include: %s", why);
	if (is_wrapped)
		parse_pop(p);
}

/* The block that was opened for the files is closed after the last one, which lies at the bottom. */
static void
wrap(struct parse *p, size_t before, bool is_wrapped)
{
	if (is_wrapped && p->n_sources > before)
		p->sources[before].is_wrapped = true;
	else if (is_wrapped)
		parse_pop(p);
}

void
read_include(struct parse *p, struct str pattern, struct conf_at at, bool is_wrapped)
{
	struct source *s = p->n_sources == 0 ? NULL : &p->sources[p->n_sources - 1];
	uint32_t level = s == NULL ? 1 : s->level + 1;
	size_t before;
	char *path;
	glob_t g = {0};
	int r;

	if ((p->l->how & CONF_NO_INCLUDE) != 0) {
		refuse(p, at, is_wrapped, "no files may be opened here");
		return;
	}
	if (str_has_iprefix(pattern, STR("http://")) || str_has_iprefix(pattern, STR("https://"))) {
		refuse(p, at, is_wrapped, "files are not fetched from the network");
		return;
	}
	if (level > INCLUDE_MAX) {
		refuse(p, at, is_wrapped, "more than 16 files in one another");
		return;
	}
	before = p->n_sources;
	path = beside(p->file < p->l->c->n_files ? p->l->c->files[p->file].path : ".", pattern);
	r = glob(path, 0, NULL, &g); /* sorted */
	if (r == GLOB_NOMATCH && strpbrk(path, "*?[") == NULL)
		add_source(p, path, level, at); /* says why it cannot be opened */
	else if (r == GLOB_NOMATCH)
		conf_note(p->l, at, "include: no file matches %s", path);
	else if (r != 0)
		conf_error(p->l, at, "include: %s: cannot be read", path);
	for (size_t i = g.gl_pathc; i-- > 0;) /* the first is to be on top */
		add_source(p, g.gl_pathv[i], level, at);
	wrap(p, before, is_wrapped);
	globfree(&g);
	free(path);
}

static void
parse_init(struct parse *p, struct conf_load *l)
{
	*p = (struct parse){.l = l, .depth = 1};
	p->stack[0] = (struct frame){.kind = CONF_BLOCK_GLOBAL};
	buf_init(&p->macro, MACRO_BYTES_MAX);
}

int
conf_parse_path(struct conf_load *l, const char *path)
{
	struct parse p;

	parse_init(&p, l);
	add_source(&p, path, 0, (struct conf_at){.file = UINT32_MAX});
	run(&p);
	free(p.sources);
	buf_clear(&p.macro);
	return l->n_errors == 0 ? 0 : -1;
}

void
conf_parse_text(struct conf_load *l, struct str text, const char *name)
{
	struct parse p;
	struct source *s;

	parse_init(&p, l);
	add_source(&p, name, 0, (struct conf_at){0});
	s = &p.sources[0];
	s->text = xstrdup_str(text);
	s->len = PH_MIN(text.len, (size_t)FILE_BYTES_MAX);
	start_source(&p, s);
	run(&p);
	free(p.sources);
	buf_clear(&p.macro);
}

/* ---- snapshots: "file PATH" lines, then "FILE:LINE: statement" lines ---- */

static bool
take_number(struct str *s, char end, uint32_t *v)
{
	size_t at = str_find(*s, end);

	if (at == STR_NPOS || !parse_u32(str_sub(*s, 0, at), 0, UINT32_MAX, v))
		return false;
	*s = str_skip(*s, at + 1);
	return true;
}

static void
snapshot_line(struct parse *p, struct str line)
{
	if (str_has_prefix(line, STR("file "))) {
		conf_file_add(p->l->c, str_skip(line, 5));
		return;
	}
	if (str_has_prefix(line, STR("text ")) && conf_texts_take(p->l->c, str_skip(line, 5)))
		return;
	if (!take_number(&line, ':', &p->file) || !take_number(&line, ':', &p->line)) {
		conf_error(p->l, (struct conf_at){0}, "the snapshot is damaged");
		return;
	}
	p->base = line.p;
	parse_line(p, (char *)line.p, line.len);
}

void
conf_parse_snapshot(struct conf_load *l, struct str text)
{
	struct parse p;
	struct str line;

	parse_init(&p, l);
	while (text.len > 0 && str_next(&text, '\n', &line))
		if (line.len > 0)
			snapshot_line(&p, line);
	parse_macro_end(&p);
	if (p.depth > 1)
		conf_error(l, (struct conf_at){0}, "the snapshot is damaged");
	free(p.sources);
	buf_clear(&p.macro);
}
