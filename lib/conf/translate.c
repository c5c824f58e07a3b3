/* Directives that are more than a value in the block where they stand. */
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/conf/parse_int.h"

typedef void directive_fn(struct parse *p, struct str name, struct str rest);

/* the arguments as words; false after a complaint */
static bool
one_word(struct parse *p, struct str name, struct str rest, struct str *word)
{
	struct conf_word w;

	if (!conf_lex_word(&p->l->c->mem, &rest, '\0', &w)) {
		conf_error(p->l, parse_at(p, name.p), "%.*s: argument missing", STR_ARG(name));
		return false;
	}
	if (str_trim(rest).len > 0) {
		conf_error(p->l, parse_at(p, name.p), "%.*s: too many arguments: \"%.*s\"",
		    STR_ARG(name), STR_ARG(str_trim(rest)));
		return false;
	}
	*word = w.text;
	return true;
}

static void
do_include(struct parse *p, struct str name, struct str rest)
{
	struct str file;

	if (!one_word(p, name, rest, &file))
		return;
	read_include(p, file, parse_at(p, name.p), false);
}

static void
do_domain_macro(struct parse *p, struct str name, struct str rest)
{
	if (rest.len == 0) {
		conf_error(p->l, parse_at(p, name.p), "%.*s: argument missing", STR_ARG(name));
		return;
	}
	buf_reset(&p->macro);
	p->macro_at = parse_at(p, name.p);
	p->is_macro_open = buf_add_str(&p->macro, rest) == 0;
}

/* smtp-listener CIDR:PORT [source=NAME]: the same as a block */
static void
do_smtp_listener(struct parse *p, struct str name, struct str rest)
{
	struct conf_at at = parse_at(p, name.p);
	struct conf *c = p->l->c;
	struct conf_word w;
	struct conf_blk *b;

	if (!conf_lex_word(&c->mem, &rest, '\0', &w)) {
		conf_error(p->l, at, "smtp-listener: argument missing");
		return;
	}
	b = conf_blk_new(c, CONF_BLOCK_LISTENER, 0, at);
	conf_blk_add_name(c, b, w.text);
	while (conf_lex_word(&c->mem, &rest, '\0', &w)) {
		size_t eq = str_find(w.raw, '=');
		struct str key = str_sub(w.raw, 0, eq);
		const struct conf_row *row =
		    eq == STR_NPOS ? NULL : conf_row_find(CONF_BLOCK_LISTENER, key);
		if (eq != STR_NPOS && str_ieq(key, STR("virtual-mta-pool")))
			row = conf_row(CONF_LISTENER_VIRTUAL_MTA);
		if (row == NULL)
			conf_error(
			    p->l, at, "smtp-listener: \"%.*s\" is not source=NAME", STR_ARG(w.raw));
		else
			parse_put(p, b, row, str_skip(w.raw, eq + 1), at);
	}
}

static void
do_spool(struct parse *p, struct str name, struct str rest)
{
	struct conf_at at = parse_at(p, name.p);
	struct str dir;

	if (one_word(p, name, rest, &dir))
		conf_blk_add_name(p->l->c, conf_blk_new(p->l->c, CONF_BLOCK_SPOOL, 0, at), dir);
}

static void
do_bounce_patterns(struct parse *p, struct str name, struct str rest)
{
	struct conf_at at = parse_at(p, name.p);
	struct conf_blk *b;
	struct str file;
	size_t depth = p->depth;

	if (!one_word(p, name, rest, &file))
		return;
	b = conf_blk_of(p->l->c, CONF_BLOCK_CATEGORIES, 0, STR_NULL, at);
	parse_push(p, CONF_BLOCK_CATEGORIES, b->index, STR("bounce-category-patterns"), at);
	if (p->depth > depth)
		read_include(p, file, at, true);
}

static struct conf_blk *
new_acct(struct parse *p, struct str name, const char *records, struct conf_at at)
{
	struct conf_blk *b = conf_blk_new(p->l->c, CONF_BLOCK_ACCT, 0, at);

	conf_blk_add_name(p->l->c, b, name);
	conf_blk_put(p->l, b, conf_row(CONF_ACCT_RECORDS), str_of(records), at);
	return b;
}

static void
do_bounce_pipe(struct parse *p, struct str name, struct str rest)
{
	struct conf_word w;
	struct str all = rest;
	char *pipe;

	if (rest.len == 0) {
		conf_error(p->l, parse_at(p, name.p), "bounce-pipe: argument missing");
		return;
	}
	if (conf_lex_word(&p->l->c->mem, &all, '\0', &w) && str_trim(all).len == 0)
		rest = w.text;
	pipe = xasprintf("|%.*s", STR_ARG(rest));
	new_acct(p, str_of(pipe), "b,rb", parse_at(p, name.p));
	free(pipe);
}

/* The file that acct-smtp-file and acct-smtp-format together describe; whichever comes first makes it. */
static struct conf_blk *
smtp_acct(struct parse *p, struct conf_at at)
{
	struct conf *c = p->l->c;

	for (size_t i = 0; i < c->n_blocks; i++)
		if (c->blocks[i]->kind == CONF_BLOCK_ACCT &&
		    str_eq(c->blocks[i]->name, STR("?acct-smtp")))
			return c->blocks[i];
	return new_acct(p, STR("?acct-smtp"), "d,b,t", at);
}

static void
do_acct_smtp_file(struct parse *p, struct str name, struct str rest)
{
	struct conf_blk *b;
	struct str file;

	if (!one_word(p, name, rest, &file))
		return;
	b = smtp_acct(p, parse_at(p, name.p));
	b->n_names = 0;
	conf_blk_add_name(p->l->c, b, file);
	p->acct_smtp = b->index;
}

static void
do_acct_smtp_format(struct parse *p, struct str name, struct str rest)
{
	struct conf_at at = parse_at(p, name.p);
	struct conf *c = p->l->c;
	struct conf_blk *b = p->acct_smtp != 0 ? c->blocks[p->acct_smtp] : smtp_acct(p, at);
	struct buf text;

	buf_init(&text, MACRO_BYTES_MAX);
	for (const char *t = "dbt"; *t != '\0'; t++) {
		buf_reset(&text);
		buf_addf(&text, "%c %.*s", *t, STR_ARG(rest));
		if (!conf_blk_put(p->l, b, conf_row(CONF_ACCT_RECORD_FIELDS),
			conf_mem_str(&c->mem, buf_str(&text)), at))
			break;
	}
	buf_clear(&text);
}

/* route virtual-mta-pool POOL: what the directive of that name says */
static void
do_route(struct parse *p, struct str name, struct str rest)
{
	struct str word;

	str_next_word(&rest, &word);
	parse_put(p, parse_blk(p), conf_row(CONF_DOMAIN_VIRTUAL_MTA_POOL), str_trim(rest),
	    parse_at(p, name.p));
}

static const struct {
	enum conf_block block;
	const char *name;
	directive_fn *run;
	const char *first; /* only where the argument begins so */
	const char *says;  /* what it is understood as; NULL: it is no other spelling */
} specials[] = {
    {CONF_N_BLOCKS, "include", do_include, NULL, NULL},
    {CONF_BLOCK_GLOBAL, "domain-macro", do_domain_macro, NULL, NULL},
    {CONF_BLOCK_GLOBAL, "smtp-listener", do_smtp_listener, NULL, NULL},
    {CONF_BLOCK_GLOBAL, "spool", do_spool, NULL, "<spool DIRECTORY>"},
    {CONF_BLOCK_GLOBAL, "bounce-patterns", do_bounce_patterns, NULL,
	"its file in <bounce-category-patterns>"},
    {CONF_BLOCK_GLOBAL, "bounce-pipe", do_bounce_pipe, NULL,
	"<acct-file |COMMAND> with records b, rb"},
    {CONF_BLOCK_GLOBAL, "acct-smtp-file", do_acct_smtp_file, NULL,
	"<acct-file FILE> with records d, b, t"},
    {CONF_BLOCK_GLOBAL, "acct-smtp-format", do_acct_smtp_format, NULL,
	"record-fields of the file of acct-smtp-file"},
    {CONF_BLOCK_DOMAIN, "route", do_route, "virtual-mta-pool ", "virtual-mta-pool POOL"},
};

bool
translate_knows(enum conf_block b, struct str name)
{
	for (size_t i = 0; i < countof(specials); i++)
		if ((specials[i].block == b || specials[i].block == CONF_N_BLOCKS) &&
		    str_ieq(str_of(specials[i].name), name))
			return true;
	return false;
}

bool
translate_directive(struct parse *p, struct str name, struct str rest)
{
	for (size_t i = 0; i < countof(specials); i++) {
		if (specials[i].block != parse_top(p)->kind && specials[i].block != CONF_N_BLOCKS)
			continue;
		if (!str_ieq(str_of(specials[i].name), name))
			continue;
		if (specials[i].first != NULL && !str_has_iprefix(rest, str_of(specials[i].first)))
			continue;
		lines_say(p->l, specials[i].says);
		p->is_said = true;
		specials[i].run(p, name, rest);
		p->is_said = false;
		return true;
	}
	return false;
}
