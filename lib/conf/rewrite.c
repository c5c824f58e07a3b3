#include "lib/conf/rewrite.h"

#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

/*
 *	source = "<>" / part "@" part		"*" stands for any
 *	target = "<>" / part "@" part		"*" stands for what the sender has there
 */
struct half {
	struct str local, domain; /* "*": any */
	bool is_null;
};
struct sender_line {
	struct half from, to;
};
struct domain_line {
	struct str pattern, to;
};
struct rewrite_list {
	struct str name;
	struct sender_line *senders;
	size_t n_senders;
	struct domain_line *domains;
	size_t n_domains;
};
struct conf_rewrites {
	struct rewrite_list *lists;
	size_t n;
};

const struct rewrite_list *
conf_rewrite_list(const struct conf *c, struct str name)
{
	for (size_t i = 0; i < c->rewrites->n; i++)
		if (str_ieq(c->rewrites->lists[i].name, name))
			return &c->rewrites->lists[i];
	return NULL;
}

/* ---- loading ---- */

static bool
is_star(struct str s)
{
	return str_eq(s, STR("*"));
}

static bool
has_star(struct str s)
{
	return str_find(s, '*') != STR_NPOS;
}

static bool
read_half(struct str s, struct half *h)
{
	size_t at = str_rfind(s, '@');

	*h = (struct half){.is_null = str_eq(s, STR("<>"))};
	if (h->is_null)
		return true;
	if (at == STR_NPOS)
		return false;
	h->local = str_sub(s, 0, at);
	h->domain = str_skip(s, at + 1);
	/* a star alone, or none */
	return h->local.len > 0 && h->domain.len > 0 && h->local.len <= 256 &&
	       h->domain.len <= 255 && (is_star(h->local) || !has_star(h->local)) &&
	       (is_star(h->domain) || !has_star(h->domain));
}

/* what goes into a MAIL command: printable ASCII without brackets and blanks */
static bool
is_plain(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_print(s.p[i]) || strchr("<> ", s.p[i]) != NULL)
			return false;
	return true;
}

static void
read_sender(struct conf_load *l, const struct conf_item *it, struct sender_line *to)
{
	struct conf_word from = {0}, target = {0};
	struct str rest = it->text;

	(void)conf_lex_word(&l->c->mem, &rest, '\0', &from);
	(void)conf_lex_word(&l->c->mem, &rest, '\0', &target);
	if (!read_half(from.text, &to->from))
		conf_error(l, it->at,
		    "mail-from: \"%.*s\" is not ADDRESS, USER@*, *@DOMAIN, *@* or <>",
		    STR_ARG(from.text));
	else if (!read_half(target.text, &to->to) ||
		 (is_star(to->to.local) && is_star(to->to.domain)))
		conf_error(l, it->at, "mail-from: \"%.*s\" is not ADDRESS, USER@*, *@DOMAIN or <>",
		    STR_ARG(target.text));
	else if (!to->to.is_null && (!is_plain(to->to.local) || !is_plain(to->to.domain)))
		conf_error(l, it->at, "mail-from: \"%.*s\" has other characters than ASCII",
		    STR_ARG(target.text));
	else if (to->from.is_null && (is_star(to->to.local) || is_star(to->to.domain)))
		conf_error(l, it->at, "mail-from: <> has nothing that * could stand for");
}

static void
read_domain(struct conf_load *l, const struct conf_item *it, struct domain_line *to)
{
	struct conf_word pattern = {0}, target = {0};
	struct str rest = it->text;

	(void)conf_lex_word(&l->c->mem, &rest, '\0', &pattern);
	(void)conf_lex_word(&l->c->mem, &rest, '\0', &target);
	*to = (struct domain_line){.pattern = pattern.text, .to = target.text};
	if (!is_plain(target.text) || !conf_is_all(target.text, "-_.") || target.text.len > 255)
		conf_error(
		    l, it->at, "from-domain: \"%.*s\" is not a domain", STR_ARG(target.text));
}

static void
fill(struct conf_load *l, struct conf_blk *b, struct rewrite_list *list)
{
	const struct conf_value *v = conf_blk_value(b, CONF_REWRITE_MAIL_FROM);
	struct conf_pool_mem *m = &l->c->mem;

	list->name = b->name;
	if (v != NULL && v->n > 0) {
		list->senders = conf_mem(m, v->n * sizeof *list->senders);
		for (uint32_t i = 0; i < v->n; i++)
			read_sender(l, &v->items[i], &list->senders[list->n_senders++]);
	}
	v = conf_blk_value(b, CONF_REWRITE_FROM_DOMAIN);
	if (v != NULL && v->n > 0) {
		list->domains = conf_mem(m, v->n * sizeof *list->domains);
		for (uint32_t i = 0; i < v->n; i++)
			read_domain(l, &v->items[i], &list->domains[list->n_domains++]);
	}
}

void
conf_rewrites_build(struct conf_load *l)
{
	struct conf *c = l->c;
	struct conf_rewrites *r = c->rewrites = conf_mem(&c->mem, sizeof *r);

	r->lists = conf_mem(&c->mem, c->n_blocks * sizeof *r->lists);
	for (size_t i = 0; i < c->n_blocks; i++)
		if (c->blocks[i]->kind == CONF_BLOCK_REWRITE && !c->blocks[i]->is_dead)
			fill(l, c->blocks[i], &r->lists[r->n++]);
}

/* ---- asking ---- */

static bool
half_applies(const struct half *h, struct str local, struct str domain)
{
	return (is_star(h->local) || str_ieq(h->local, local)) &&
	       (is_star(h->domain) || str_ieq(h->domain, domain));
}

bool
rewrite_sender(
    const struct rewrite_list *l, struct str sender, char *dst, size_t size, struct str *out)
{
	size_t at = str_rfind(sender, '@');
	struct str local = str_sub(sender, 0, at), domain = str_skip(sender, at + 1);
	int n;

	if (sender.len > 0 && at == STR_NPOS)
		return false;
	for (size_t i = 0; i < l->n_senders; i++) {
		const struct sender_line *s = &l->senders[i];
		if (s->from.is_null != (sender.len == 0) ||
		    (sender.len > 0 && !half_applies(&s->from, local, domain)))
			continue;
		*out = STR_NULL;
		if (s->to.is_null)
			return true;
		n = snprintf(dst, size, "%.*s@%.*s",
		    STR_ARG(is_star(s->to.local) ? local : s->to.local),
		    STR_ARG(is_star(s->to.domain) ? domain : s->to.domain));
		*out = str_from(dst, (size_t)PH_MAX(n, 0));
		return n > 0 && (size_t)n < size;
	}
	return false;
}

bool
rewrite_has_domains(const struct rewrite_list *l)
{
	return l->n_domains > 0;
}

bool
rewrite_domain(const struct rewrite_list *l, struct str domain, struct str *out)
{
	for (size_t i = 0; i < l->n_domains; i++) {
		if (!conf_is_domain_of(l->domains[i].pattern, domain))
			continue;
		*out = l->domains[i].to;
		return true;
	}
	return false;
}
