#include "lib/base/regex.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"
#include "lib/conf/processor.h"

struct pattern {
	struct str text;     /* a domain pattern */
	struct regex *regex; /* or a /pattern/ */
	struct str address;
};
struct conf_relay {
	struct pattern *list;
	size_t n, cap;
};
struct adding {
	struct conf_load *l;
	struct conf_relay *r;
};

static void
add(struct conf_relay *r, struct pattern p)
{
	CONF_GROW(r->list, r->n, r->cap);
	r->list[r->n++] = p;
}

static void
add_domain(void *arg, struct str s, bool was_macro)
{
	struct adding *a = arg;

	add(a->r, (struct pattern){.text = conf_mem_str(&a->l->c->mem, s)});
}

/* with the slashes */
static void
add_regex(struct conf_load *l, struct conf_relay *r, struct str s, struct conf_at at)
{
	struct why why;
	struct regex *regex = regex_new(str_sub(s, 1, s.len - 2), &why);

	if (regex == NULL) {
		conf_error(l, at, "relay-address: %s", why.text);
		return;
	}
	add(r, (struct pattern){.regex = regex});
}

void
conf_relay_build(struct conf_load *l)
{
	struct conf *c = l->c;
	struct conf_blk *g = c->blocks[0];
	struct adding a = {.l = l, .r = xcalloc(1, sizeof *c->relay)};
	struct conf_value *v;

	c->relay = a.r;
	if ((v = conf_blk_value(g, CONF_GLOBAL_HOST_NAME)) != NULL)
		for (uint32_t i = 0; i < v->n; i++)
			add_domain(&a, v->items[i].text, false);
	if ((v = conf_blk_value(g, CONF_GLOBAL_RELAY_DOMAIN)) != NULL)
		for (uint32_t i = 0; i < v->n; i++)
			conf_macro_expand(l, v->items[i].text, v->items[i].at, add_domain, &a);
	if ((v = conf_blk_value(g, CONF_GLOBAL_RELAY_ADDRESS)) == NULL)
		return;
	for (uint32_t i = 0; i < v->n; i++) {
		if (v->items[i].text.p[0] == '/')
			add_regex(l, a.r, v->items[i].text, v->items[i].at);
		else
			add(a.r, (struct pattern){.address = v->items[i].text});
	}
}

void
conf_relay_free(struct conf_relay **r)
{
	if (*r == NULL)
		return;
	for (size_t i = 0; i < (*r)->n; i++)
		regex_free(&(*r)->list[i].regex);
	free((*r)->list);
	xfree(r);
}

bool
conf_is_domain_of(struct str pattern, struct str domain)
{
	struct str name;

	if (str_eq(pattern, STR("*")))
		return true;
	if (str_has_prefix(pattern, STR("*.")))
		return domain.len > pattern.len - 1 &&
		       str_has_isuffix(domain, str_skip(pattern, 1));
	if (!str_has_prefix(pattern, STR("[*.]")))
		return str_ieq(pattern, domain);
	name = str_skip(pattern, 4);
	return str_ieq(name, domain) ||
	       (str_has_isuffix(domain, name) && domain.p[domain.len - name.len - 1] == '.');
}

bool
conf_is_relay_rcpt(const struct conf *c, struct str address)
{
	const struct conf_relay *r = c->relay;
	size_t at = str_rfind(address, '@');
	struct str domain = at == STR_NPOS ? STR_NULL : str_skip(address, at + 1);

	for (size_t i = 0; i < r->n; i++) {
		const struct pattern *p = &r->list[i];
		if (p->text.len > 0 && domain.len > 0 && conf_is_domain_of(p->text, domain))
			return true;
		if (p->address.len > 0 && str_ieq(p->address, address))
			return true;
		if (p->regex != NULL && regex_finds(p->regex, address))
			return true;
	}
	return conf_processor_of(c, address) != CONF_NO_PROCESSOR;
}
