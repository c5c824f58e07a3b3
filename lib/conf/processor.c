/* <bounce-processor>, <feedback-loop-processor>, <fbl>: whose addresses are theirs. */
#include "lib/conf/processor.h"

#include "lib/base/regex.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

struct pattern {
	enum conf_processor which;
	struct str domain;
	struct regex *regex; /* or this */
};
/* exact addresses and local parts in one table: the value is the processor, and above it the <fbl> block from 1 on */
#define FBL_SHIFT 8
struct conf_processors {
	struct conf_names *names;
	struct pattern *list;
	size_t n, cap;
	bool has[CONF_N_PROCESSORS];
};

/* ---- loading ---- */

static void
add_pattern(struct conf_processors *p, struct pattern one)
{
	CONF_GROW(p->list, p->n, p->cap);
	p->list[p->n++] = one;
}

static void
add_regex(struct conf_load *l, enum conf_processor which, const struct conf_item *it)
{
	struct why why;
	struct regex *regex = regex_new(str_sub(it->text, 1, it->text.len - 2), &why);

	if (regex == NULL)
		conf_error(l, it->at, "address: %s", why.text);
	else
		add_pattern(l->c->processors, (struct pattern){.which = which, .regex = regex});
}

static void
add_address(
    struct conf_load *l, enum conf_processor which, uint32_t fbl, const struct conf_item *it)
{
	struct str s = it->text;

	if (s.len > 2 && s.p[0] == '/' && s.p[s.len - 1] == '/')
		add_regex(l, which, it);
	else
		(void)conf_names_put(
		    l->c->processors->names, s, (uint32_t)which | fbl << FBL_SHIFT);
}

/* one address a line, blanks around and lines with # in front do not count */
static void
add_file(struct conf_load *l, enum conf_processor which, const struct conf_item *it)
{
	struct str text = conf_file_text(l->c, it->text), line;
	struct conf_item one = *it;

	while (text.len > 0 && str_next(&text, '\n', &line)) {
		one.text = str_trim(line);
		if (one.text.len > 0 && one.text.p[0] != '#')
			add_address(l, which, 0, &one);
	}
}

static void
add_list(struct conf_load *l, enum conf_processor which, struct conf_blk *b)
{
	const struct conf_value *v;

	if ((v = conf_blk_value(b, CONF_ADDRESSES_ADDRESS)) != NULL)
		for (uint32_t i = 0; i < v->n; i++)
			add_address(l, which, 0, &v->items[i]);
	if ((v = conf_blk_value(b, CONF_ADDRESSES_ADDRESS_FILE)) != NULL)
		for (uint32_t i = 0; i < v->n; i++)
			add_file(l, which, &v->items[i]);
	if ((v = conf_blk_value(b, CONF_ADDRESSES_DOMAIN)) != NULL)
		for (uint32_t i = 0; i < v->n; i++)
			add_pattern(l->c->processors,
			    (struct pattern){.which = which, .domain = v->items[i].text});
}

static enum conf_processor
kind_of(enum conf_block kind)
{
	if (kind == CONF_BLOCK_BOUNCEPROC)
		return CONF_BOUNCES;
	return kind == CONF_BLOCK_FBLPROC ? CONF_COMPLAINTS : CONF_NO_PROCESSOR;
}

void
conf_processors_build(struct conf_load *l)
{
	struct conf *c = l->c;
	struct conf_processors *p = c->processors = xcalloc(1, sizeof *p);
	const struct conf_value *v;
	uint32_t n_fbl = 0;

	p->names = conf_names_new();
	for (size_t i = 0; i < c->n_blocks; i++) {
		struct conf_blk *b = c->blocks[i];
		enum conf_processor which = kind_of(c->blocks[b->parent]->kind);
		if (b->is_dead)
			continue;
		if (kind_of(b->kind) != CONF_NO_PROCESSOR)
			p->has[kind_of(b->kind)] = true;
		if (b->kind == CONF_BLOCK_ADDRESSES && which != CONF_NO_PROCESSOR)
			add_list(l, which, b);
		if (b->kind != CONF_BLOCK_FBL)
			continue;
		n_fbl++;
		p->has[CONF_COMPLAINTS] = true;
		if ((v = conf_blk_value(b, CONF_FBL_ADDRESS)) == NULL)
			continue;
		for (uint32_t k = 0; k < v->n; k++)
			add_address(l, CONF_COMPLAINTS, n_fbl, &v->items[k]);
	}
}

void
conf_processors_free(struct conf_processors **p)
{
	if (*p == NULL)
		return;
	conf_names_free(&(*p)->names);
	for (size_t i = 0; i < (*p)->n; i++)
		regex_free(&(*p)->list[i].regex);
	free((*p)->list);
	xfree(p);
}

/* ---- asking ---- */

static bool
find_name(const struct conf *c, struct str address, uint32_t *value)
{
	size_t at = str_rfind(address, '@');

	if (conf_names_get(c->processors->names, address, value))
		return true;
	return at != STR_NPOS && conf_is_local_domain(c, str_skip(address, at + 1)) &&
	       conf_names_get(c->processors->names, str_sub(address, 0, at), value);
}

/* user-rcptuser=rcptdomain@domain: is user@domain there? The user may have a "-" too. */
static bool
find_verp(const struct conf *c, struct str address, uint32_t *value)
{
	size_t at = str_rfind(address, '@');
	char text[512];
	int n;

	if (at == STR_NPOS || str_find(str_sub(address, 0, at), '=') == STR_NPOS)
		return false;
	for (size_t i = 1; i < at && address.p[i] != '='; i++) {
		if (address.p[i] != '-')
			continue;
		n = snprintf(text, sizeof text, "%.*s%.*s", STR_ARG(str_sub(address, 0, i)),
		    STR_ARG(str_skip(address, at)));
		if (n > 0 && (size_t)n < sizeof text &&
		    find_name(c, str_from(text, (size_t)n), value))
			return true;
	}
	return false;
}

static uint32_t
find(const struct conf *c, struct str address)
{
	const struct conf_processors *p = c->processors;
	size_t at = str_rfind(address, '@');
	uint32_t value;

	if (find_name(c, address, &value) || find_verp(c, address, &value))
		return value;
	for (size_t i = 0; i < p->n; i++) {
		const struct pattern *one = &p->list[i];
		if (one->regex != NULL ? regex_finds(one->regex, address)
				       : at != STR_NPOS && conf_is_domain_of(one->domain,
							       str_skip(address, at + 1)))
			return (uint32_t)one->which;
	}
	return CONF_NO_PROCESSOR;
}

enum conf_processor
conf_processor_of(const struct conf *c, struct str address)
{
	if (!conf_has_processor(c))
		return CONF_NO_PROCESSOR;
	return (enum conf_processor)(find(c, address) & ((1u << FBL_SHIFT) - 1));
}

bool
conf_has_processor(const struct conf *c)
{
	return c->processors->has[CONF_BOUNCES] || c->processors->has[CONF_COMPLAINTS];
}

bool
conf_fbl_of(const struct conf *c, struct str address, size_t *fbl)
{
	uint32_t n = conf_has_processor(c) ? find(c, address) >> FBL_SHIFT : 0;

	*fbl = n - 1;
	return n > 0;
}

const struct conf_set *
conf_email_patterns(const struct conf *c, enum conf_processor which)
{
	for (size_t i = 0; i < c->n_blocks; i++) {
		const struct conf_blk *b = c->blocks[i];
		if (b->kind == CONF_BLOCK_EMAILPATTERNS && !b->is_dead &&
		    kind_of(c->blocks[b->parent]->kind) == which)
			return b->set;
	}
	return NULL;
}
