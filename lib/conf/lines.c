#include "lib/conf/lines.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/conf/parse_int.h"

static const char *const names[CONF_N_FATES] = {
    "honoured", "translated", "not yet honoured", "not applicable", "wrong"};

const char *
conf_fate_name(enum conf_fate f)
{
	return names[f];
}

/* ---- while the files are read ---- */

static struct conf_line *
last(struct conf_load *l)
{
	return l->lines == NULL || l->lines->n == 0 ? NULL : &l->lines->list[l->lines->n - 1];
}

static void
set(struct conf_line *line, enum conf_fate fate, char *why)
{
	line->fate = fate;
	free(line->why);
	line->why = why;
}

static void
add(struct conf_load *l, struct conf_at at, char *text)
{
	struct conf_lines *lines = l->lines;

	CONF_GROW(lines->list, lines->n, lines->cap);
	ph_assert(lines->list != NULL);
	/* the file's number stands here until the end, when its name does */
	lines->list[lines->n++] = (struct conf_line){.file = NULL,
	    .line = at.line,
	    .fate = CONF_FATE_HONOURED,
	    .text = text,
	    .why = xstrdup("")};
	CONF_GROW(l->line_at, l->n_line_at, l->cap_line_at);
	ph_assert(l->line_at != NULL);
	l->line_at[l->n_line_at++] = at;
}

void
lines_begin(struct parse *p, struct str name, struct str rest, struct conf_at at)
{
	if (p->l->lines == NULL)
		return;
	add(p->l, at,
	    rest.len == 0 ? xstrdup_str(name)
			  : xasprintf("%.*s %.*s", STR_ARG(name), STR_ARG(rest)));
	if (parse_top(p)->is_unknown)
		set(last(p->l), CONF_FATE_WRONG, xstrdup("in a block that is wrong"));
}

void
lines_begin_block(struct parse *p, struct str name, struct str args, struct conf_at at)
{
	char *text;

	if (p->l->lines == NULL)
		return;
	text = args.len == 0 ? xasprintf("<%.*s>", STR_ARG(name))
			     : xasprintf("<%.*s %.*s>", STR_ARG(name), STR_ARG(args));
	add(p->l, at, text);
	if (parse_top(p)->is_unknown)
		set(last(p->l), CONF_FATE_WRONG, xstrdup("in a block that is wrong"));
}

static enum conf_fate
fate_of(enum conf_status s)
{
	if (s == CONF_NOT_YET)
		return CONF_FATE_NOT_YET;
	return s == CONF_IGNORED ? CONF_FATE_NOT_APPLICABLE : CONF_FATE_HONOURED;
}

void
lines_block(struct conf_load *l, enum conf_block kind)
{
	enum conf_status status;
	const char *help = conf_row(l->c->range[kind].first)->help;

	if (last(l) != NULL && conf_block_is_idle(kind, &status))
		set(last(l), fate_of(status), xstrdup(status == CONF_IGNORED ? help : ""));
}

/* The first argument may stay where others are secret: FILE of "FILE PASSWORD". */
static char *
masked(const struct conf_row *row, struct str rest)
{
	struct str word = STR_NULL;

	if (row->type == CONF_TYPE_LINE)
		str_next_word(&rest, &word);
	if (row->type == CONF_TYPE_LINE && str_trim(rest).len == 0)
		return xasprintf("%s %.*s", row->name, STR_ARG(word));
	return xasprintf("%s%s%.*s ********", row->name, word.len > 0 ? " " : "", STR_ARG(word));
}

static void
hide_secret(struct conf_load *l, const struct conf_row *row, struct str rest)
{
	if (conf_may_read(row->key, 0))
		return;
	free(last(l)->text);
	last(l)->text = masked(row, rest);
}

/* "NAME VALUE in <BLOCK NAME>", where that is not what was written */
static char *
translation(struct parse *p, const struct conf_row *row, const struct conf_blk *b, struct str rest)
{
	char *text = xasprintf("%s %.*s", row->name, STR_ARG(rest)), *more;
	bool is_elsewhere = b->index != parse_top(p)->blk && b->kind != CONF_BLOCK_GLOBAL;

	if (strcasecmp(text, last(p->l)->text) == 0 && !is_elsewhere) {
		free(text);
		return NULL;
	}
	if (!is_elsewhere)
		return text;
	more = xasprintf("%s in <%s%s%.*s>", text, conf_block_row(b->kind)->tag,
	    b->name.len > 0 ? " " : "", STR_ARG(b->name));
	free(text);
	return more;
}

void
lines_row(struct parse *p, const struct conf_row *row, const struct conf_blk *b, struct str rest)
{
	enum conf_fate fate = fate_of(row->status);
	char *text;

	/* what a special directive or a tag puts was told by that */
	if (last(p->l) == NULL || last(p->l)->fate != CONF_FATE_HONOURED || p->is_said)
		return;
	if (fate == CONF_FATE_HONOURED && row->name[0] != '(' &&
	    (text = translation(p, row, b, rest)) != NULL)
		set(last(p->l), CONF_FATE_TRANSLATED, text);
	else
		set(last(p->l), fate,
		    xstrdup(row->status == CONF_IGNORED || row->status == CONF_DEPRECATED
				? row->help
				: ""));
	hide_secret(p->l, row, rest);
}

void
lines_say(struct conf_load *l, const char *translation)
{
	if (last(l) != NULL && translation != NULL)
		set(last(l), CONF_FATE_TRANSLATED, xstrdup(translation));
}

/* ---- when all was read and checked ---- */

static struct conf_line *
entry_at(struct conf_load *l, struct conf_at at)
{
	for (size_t i = 0; i < l->n_line_at; i++)
		if (l->line_at[i].file == at.file && l->line_at[i].line == at.line)
			return &l->lines->list[i];
	return NULL;
}

/* the text behind FILE:LINE:COLUMN: */
static const char *
bare(const struct conf_load *l, size_t i)
{
	const char *text = l->m->list[i].text;
	struct conf_at at = l->at[i];
	const char *file = at.file < l->c->n_files ? l->c->files[at.file].path : NULL;
	int n = 0;

	if (file != NULL && at.line == 0)
		n = snprintf(NULL, 0, "%s: ", file);
	else if (file != NULL)
		n = snprintf(NULL, 0, "%s:%u:%u: ", file, at.line, at.col);
	return text + n;
}

static void
take_note(struct conf_line *line, const char *note)
{
	/* of a value, where the directive itself is honoured */
	bool is_not_yet = str_has_suffix(str_of(note), STR("is not yet honoured"));

	if (line->fate == CONF_FATE_NOT_YET || line->fate == CONF_FATE_NOT_APPLICABLE ||
	    line->fate == CONF_FATE_WRONG)
		return;
	if (is_not_yet)
		set(line, CONF_FATE_NOT_YET, xstrdup(note));
	else if (line->why[0] == '\0')
		set(line, line->fate, xstrdup(note));
}

static void
take_message(struct conf_load *l, size_t i)
{
	struct conf_line *line = l->at[i].line == 0 ? NULL : entry_at(l, l->at[i]);

	if (line == NULL && !l->m->list[i].is_error)
		return;
	if (line == NULL) {
		add(l, l->at[i], xstrdup(""));
		line = last(l);
	}
	if (!l->m->list[i].is_error)
		take_note(line, bare(l, i));
	else if (line->fate != CONF_FATE_WRONG || line->why[0] == '\0')
		set(line, CONF_FATE_WRONG, xstrdup(bare(l, i)));
}

static void
name_files(struct conf_load *l)
{
	struct conf_lines *lines = l->lines;

	lines->n_files = l->c->n_files;
	lines->files = xcalloc(lines->n_files + 1, sizeof *lines->files);
	for (size_t i = 0; i < lines->n_files; i++)
		lines->files[i] = xstrdup(l->c->files[i].path);
	for (size_t i = 0; i < lines->n; i++)
		if (l->line_at[i].file < lines->n_files)
			lines->list[i].file = lines->files[l->line_at[i].file];
}

void
lines_end(struct conf_load *l)
{
	if (l->lines == NULL)
		return;
	for (size_t i = 0; i < l->m->n; i++)
		take_message(l, i);
	name_files(l);
	xfree(&l->line_at);
}

void
conf_lines_clear(struct conf_lines *lines)
{
	for (size_t i = 0; i < lines->n; i++) {
		free(lines->list[i].text);
		free(lines->list[i].why);
	}
	for (size_t i = 0; i < lines->n_files; i++)
		free(lines->files[i]);
	free(lines->files);
	free(lines->list);
	*lines = (struct conf_lines){0};
}
