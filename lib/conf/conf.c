#include "lib/base/io.h"
#include "lib/conf/conf.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/conf/lines.h"
#include "lib/conf/parse_int.h"

#define SNAPSHOT_MAX ((off_t)256 * 1024 * 1024)

static void
set_defaults(struct conf *c)
{
	struct why why;

	for (unsigned k = 1; k < CONF_N_KEYS; k++) {
		const struct conf_row *row = conf_row((enum conf_key)k);
		c->defaults[k].key = (enum conf_key)k;
		if (row->dflt[0] == '\0' || row->dflt[0] == '=')
			continue;
		if (conf_value_parse(c, row, str_of(row->dflt), &c->defaults[k], &why) == -1)
			panic("default of %s: %s", row->name, why.text);
	}
	for (unsigned k = 1; k < CONF_N_KEYS; k++) {
		const struct conf_row *row = conf_row((enum conf_key)k);
		if (row->dflt[0] != '=')
			continue;
		c->defaults[k] = c->defaults[conf_row_find(row->block, str_of(row->dflt + 1))->key];
		c->defaults[k].key = (enum conf_key)k;
	}
}

static struct conf *
conf_new(void)
{
	struct conf *c = xcalloc(1, sizeof *c);

	conf_ranges(c->range);
	conf_blk_new(c, CONF_BLOCK_GLOBAL, 0, (struct conf_at){0});
	set_defaults(c);
	for (unsigned b = 0; b < CONF_N_BLOCKS; b++)
		c->empty[b] = conf_set_new(c, (enum conf_block)b, NULL, 0);
	return c;
}

void
conf_free(struct conf **pc)
{
	struct conf *c = *pc;

	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n_blocks; i++) {
		free(c->blocks[i]->values);
		free(c->blocks[i]);
	}
	for (size_t i = 0; i < c->n_files; i++)
		free(c->files[i].path);
	conf_queues_free(&c->queues);
	conf_sources_free(&c->sources);
	conf_names_free(&c->names);
	conf_relay_free(&c->relay);
	conf_choices_free(&c->choices);
	conf_forwards_free(&c->forwards);
	conf_processors_free(&c->processors);
	free(c->blocks);
	free(c->files);
	free(c->texts);
	free(c->macros);
	free(c->key_files);
	conf_mem_clear(&c->mem);
	xfree(pc);
}

/* Where nothing is written the machine's own name holds; it goes into the snapshot as written nowhere. */
static void
set_host_name(struct conf_load *l)
{
	char name[HOST_NAME_MAX + 1];

	if (conf_blk_value(l->c->blocks[0], CONF_GLOBAL_HOST_NAME) != NULL)
		return;
	if (gethostname(name, sizeof name) == -1)
		str_copy(name, sizeof name, STR("localhost"));
	name[sizeof name - 1] = '\0';
	conf_blk_put(
	    l, l->c->blocks[0], conf_row(CONF_GLOBAL_HOST_NAME), str_of(name), (struct conf_at){0});
}

/* spool-min-free-space, in MB, holds for the spools that have no min-free-space of their own */
static void
spread_free_space(struct conf_load *l)
{
	const struct conf_value *v =
	    conf_blk_value(l->c->blocks[0], CONF_GLOBAL_SPOOL_MIN_FREE_SPACE);
	char text[32];

	if (v == NULL || v->n == 0)
		return;
	snprintf(text, sizeof text, "%.*sm", STR_ARG(v->items[0].text));
	for (size_t i = 0; i < l->c->n_blocks; i++) {
		struct conf_blk *b = l->c->blocks[i];
		if (b->kind == CONF_BLOCK_SPOOL &&
		    conf_blk_value(b, CONF_SPOOL_MIN_FREE_SPACE) == NULL)
			conf_blk_put(
			    l, b, conf_row(CONF_SPOOL_MIN_FREE_SPACE), str_of(text), v->at);
	}
}

static void
define_macros(struct conf_load *l)
{
	const struct conf_value *v = conf_blk_value(l->c->blocks[0], CONF_GLOBAL_DOMAIN_MACRO);

	for (uint32_t i = 0; v != NULL && i < v->n; i++) {
		struct str rest = v->items[i].text, name;
		if (str_next_word(&rest, &name))
			conf_macro_define(l, name, str_trim(rest), v->items[i].at);
	}
}

/* blocks of which several are as one: what stands later holds */
static void
merge_blocks(struct conf *c)
{
	struct conf_blk **list = xcalloc(c->n_blocks, sizeof(struct conf_blk *));

	for (unsigned kind = 0; kind < CONF_N_BLOCKS; kind++) {
		size_t n = 0;
		if (conf_block_row((enum conf_block)kind)->many != CONF_MERGED)
			continue;
		for (size_t i = c->n_blocks; i-- > 0;)
			if (c->blocks[i]->kind == (enum conf_block)kind && !c->blocks[i]->is_dead)
				list[n++] = c->blocks[i];
		c->merged[kind] = conf_set_new(c, (enum conf_block)kind, list, n);
	}
	free(list);
}

static void
finish(struct conf_load *l)
{
	struct conf *c = l->c;

	define_macros(l);
	if (!l->is_snapshot) {
		set_host_name(l);
		spread_free_space(l);
		conf_addresses_expand(l);
		conf_key_directory_expand(l);
		conf_blk_drop_repeated(l);
		conf_texts_read(l);
	}
	for (size_t i = 0; i < c->n_blocks; i++) {
		enum conf_block kind = c->blocks[i]->kind;
		if (kind == CONF_BLOCK_DOMAIN || kind == CONF_BLOCK_SOURCE)
			continue; /* only ever asked for together with others */
		c->blocks[i]->set = conf_set_new(c, c->blocks[i]->kind, &c->blocks[i], 1);
	}
	merge_blocks(c);
	conf_vmtas_build(l);
	if (conf_macros_check(l)) {
		conf_queues_build(l);
		conf_relay_build(l);
	}
	conf_sources_build(l);
	conf_choices_build(l);
	conf_rewrites_build(l);
	conf_forwards_build(l);
	conf_processors_build(l);
	conf_listeners_build(l);
	conf_key_files_build(l);
	if (!l->is_snapshot)
		conf_check(l);
}

/* The configuration, or NULL when there was a complaint. */
static struct conf *
result(struct conf_load *l)
{
	if (l->c->n_files > 0)
		finish(l);
	conf_messages_sort(l);
	lines_end(l);
	if (l->n_errors > 0)
		conf_free(&l->c);
	return l->c;
}

struct conf *
conf_load_with(const char *path, struct conf_messages *m, unsigned how)
{
	struct conf_load l = {.c = conf_new(), .m = m, .how = how};

	*m = (struct conf_messages){0};
	conf_parse_path(&l, path);
	return result(&l);
}

struct conf *
conf_load(const char *path, struct conf_messages *m)
{
	return conf_load_with(path, m, 0);
}

struct conf *
conf_load_instead(const char *path, const char *name, struct str text, struct conf_messages *m)
{
	struct conf_load l = {.c = conf_new(), .m = m, .instead_of = name, .instead = text};

	*m = (struct conf_messages){0};
	conf_parse_path(&l, path);
	return result(&l);
}

size_t
conf_n_files(const struct conf *c)
{
	return c->n_files;
}

const char *
conf_file_at(const struct conf *c, size_t i)
{
	return c->files[i].path;
}

struct conf *
conf_load_lines(
    const char *path, bool any_address, struct conf_messages *m, struct conf_lines *lines)
{
	struct conf_load l = {
	    .c = conf_new(), .m = m, .how = any_address ? CONF_ANY_ADDRESS : 0, .lines = lines};

	*m = (struct conf_messages){0};
	*lines = (struct conf_lines){0};
	conf_parse_path(&l, path);
	return result(&l);
}

struct conf *
conf_load_text(struct str text, const char *name, struct conf_messages *m, unsigned how)
{
	return conf_load_text_lines(text, name, m, how, NULL);
}

struct conf *
conf_load_text_lines(struct str text, const char *name, struct conf_messages *m, unsigned how,
    struct conf_lines *lines)
{
	struct conf_load l = {.c = conf_new(), .m = m, .how = how, .lines = lines};

	*m = (struct conf_messages){0};
	conf_parse_text(&l, text, name);
	return result(&l);
}

/* Not by mapping: the parser blanks out comments in place. NULL with errno. */
static char *
read_snapshot(int fd, size_t *len)
{
	struct stat st;
	char *text;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return NULL;
	if (st.st_size <= 0 || st.st_size > SNAPSHOT_MAX) {
		errno = EINVAL;
		return NULL;
	}
	text = xmalloc((size_t)st.st_size);
	n = pread_all(fd, text, (size_t)st.st_size, 0);
	if (n != st.st_size) {
		free(text);
		return NULL;
	}
	*len = (size_t)n;
	return text;
}

struct conf *
conf_load_snapshot(char *text, size_t len, struct conf_messages *m)
{
	struct conf_load l = {.c = conf_new(),
	    .m = m,
	    .is_snapshot = true,
	    .how = CONF_ANY_ADDRESS | CONF_NO_INCLUDE};

	*m = (struct conf_messages){0};
	conf_parse_snapshot(&l, str_from(text, len));
	if (l.c->n_files == 0)
		conf_error(&l, (struct conf_at){0}, "the snapshot is damaged");
	return result(&l);
}

struct conf *
conf_load_fd(int fd, struct conf_messages *m)
{
	struct conf_load l = {.m = m};
	size_t len;
	char *text = read_snapshot(fd, &len);
	struct conf *c;

	if (text == NULL) {
		*m = (struct conf_messages){0};
		l.c = conf_new();
		conf_error(&l, (struct conf_at){0}, "the snapshot: %s", strerror(errno));
		conf_free(&l.c);
		return NULL;
	}
	c = conf_load_snapshot(text, len, m);
	free(text);
	return c;
}
