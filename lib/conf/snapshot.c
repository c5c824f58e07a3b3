#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define TEXT_CAP ((size_t)256 * 1024 * 1024)

struct writer {
	const struct conf *c;
	struct buf *b;
	bool with_origins;
	const char *indent;
	unsigned readers;
};

static void
begin_line(struct writer *w, struct conf_at at)
{
	if (w->with_origins)
		buf_addf(w->b, "%u:%u:", at.file, at.line);
	buf_add_cstr(w->b, w->indent);
}

static void
put_value(struct writer *w, const struct conf_value *v)
{
	const struct conf_row *row = conf_row(v->key);
	struct conf_value one = *v;

	if (!conf_may_read(v->key, w->readers))
		return;
	if (v->is_cleared) {
		one.n = 0;
		begin_line(w, v->at);
		conf_value_print(&one, w->b, true);
		buf_add_char(w->b, '\n');
	}
	if (row->merge == CONF_REPLACE && v->n > 0) {
		begin_line(w, v->at);
		conf_value_print(v, w->b, true);
		buf_add_char(w->b, '\n');
		return;
	}
	one.n = 1;
	for (uint32_t i = 0; i < v->n; i++) {
		one.items = &v->items[i];
		begin_line(w, v->items[i].at);
		conf_value_print(&one, w->b, true);
		buf_add_char(w->b, '\n');
	}
}

static void
put_open(struct writer *w, const struct conf_blk *b)
{
	begin_line(w, b->at);
	buf_addf(w->b, "<%s", conf_block_row(b->kind)->tag);
	for (size_t i = 0; i < b->n_names; i++) {
		buf_add_char(w->b, ' ');
		if (conf_block_row(b->kind)->naming == CONF_NAME_RAW && b->names[i].p[0] == '|' &&
		    str_find(b->names[i], '#') == STR_NPOS)
			buf_add_str(w->b, b->names[i]);
		else
			conf_quote(w->b, b->names[i], "=");
	}
	buf_add_cstr(w->b, ">\n");
}

/* the value whose next item comes first in the file; NULL: all are done */
static struct conf_value *
next_in_file(const struct conf_blk *b, const uint32_t *done)
{
	struct conf_value *first = NULL;
	uint32_t seq = UINT32_MAX;

	for (size_t i = 0; i < b->n_values; i++) {
		struct conf_value *v = &b->values[i];
		if (done[i] < v->n && v->items[done[i]].seq <= seq) {
			seq = v->items[done[i]].seq;
			first = v;
		}
	}
	return first;
}

/* Where the order between different directives counts: one line an item, as they were written. */
static void
put_in_order(struct writer *w, const struct conf_blk *b)
{
	uint32_t *done = xcalloc(b->n_values + 1, sizeof *done);
	struct conf_value *v;

	while ((v = next_in_file(b, done)) != NULL) {
		struct conf_value one = *v;
		one.items = &v->items[done[v - b->values]++];
		one.n = 1;
		begin_line(w, one.items->at);
		conf_value_print(&one, w->b, true);
		buf_add_char(w->b, '\n');
	}
	free(done);
}

static void
put_values(struct writer *w, const struct conf_blk *b)
{
	if (b->kind == CONF_BLOCK_PATTERNS) {
		put_in_order(w, b);
		return;
	}
	for (size_t i = 0; i < b->n_values; i++)
		put_value(w, &b->values[i]);
}

static void
put_close(struct writer *w, const struct conf_blk *b)
{
	begin_line(w, b->at);
	buf_addf(w->b, "</%s>\n", conf_block_row(b->kind)->tag);
}

/* a block and those in it, one level: lists that stood deeper have become blocks of their own */
static void
put_block(struct writer *w, const struct conf_blk *b, const uint32_t *next_child,
    const uint32_t *first_child)
{
	w->indent = "";
	put_open(w, b);
	w->indent = "\t";
	put_values(w, b);
	for (uint32_t i = first_child[b->index]; i != 0; i = next_child[i]) {
		const struct conf_blk *child = w->c->blocks[i];
		w->indent = "\t";
		put_open(w, child);
		w->indent = "\t\t";
		put_values(w, child);
		w->indent = "\t";
		put_close(w, child);
	}
	w->indent = "";
	put_close(w, b);
}

static void
put_text(const struct conf *c, struct buf *b, bool with_origins, unsigned readers)
{
	struct writer w = {
	    .c = c, .b = b, .with_origins = with_origins, .indent = "", .readers = readers};
	uint32_t *next = xcalloc(c->n_blocks, sizeof *next),
		 *first = xcalloc(c->n_blocks, sizeof *first);

	for (size_t i = 0; i < c->n_files && with_origins; i++) {
		buf_add_cstr(b, "file ");
		for (const char *p = c->files[i].path; *p != '\0'; p++)
			buf_add_char(b, *p == '\n' ? '?' : *p);
		buf_add_char(b, '\n');
	}
	if (with_origins)
		conf_texts_put(c, b);
	for (size_t i = c->n_blocks; i-- > 1;) {
		struct conf_blk *blk = c->blocks[i];
		if (blk->parent == 0 || blk->is_dead)
			continue;
		next[i] = first[blk->parent];
		first[blk->parent] = (uint32_t)i;
	}
	put_values(&w, c->blocks[0]);
	for (size_t i = 1; i < c->n_blocks; i++)
		if (c->blocks[i]->parent == 0 && !c->blocks[i]->is_dead)
			put_block(&w, c->blocks[i], next, first);
	free(next);
	free(first);
}

void
conf_put_text(const struct conf *c, struct buf *b, bool with_origins)
{
	put_text(c, b, with_origins, CONF_FOR_ALL);
}

int
conf_snapshot(const struct conf *c)
{
	return conf_snapshot_for(c, CONF_FOR_ALL);
}

int
conf_snapshot_for(const struct conf *c, unsigned readers)
{
	struct buf b;
	int fd, saved;

	buf_init(&b, TEXT_CAP);
	put_text(c, &b, true, readers);
	if (buf_is_overfull(&b)) {
		buf_clear(&b);
		errno = EMSGSIZE;
		return -1;
	}
	fd = memfd_create("posthaste-configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd != -1 && (write_all(fd, buf_str(&b).p, buf_len(&b)) == -1 ||
			    fcntl(fd, F_ADD_SEALS,
				F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1)) {
		saved = errno;
		close(fd);
		errno = saved;
		fd = -1;
	}
	buf_clear(&b);
	return fd;
}
