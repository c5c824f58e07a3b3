#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define STEPS_MAX 100000 /* of one match: patterns are ours, addresses are not */

struct pattern {
	struct str text;  /* a domain pattern */
	pcre2_code *code; /* or a compiled /pattern/ */
	struct str address;
};
struct conf_relay {
	struct pattern *list;
	size_t n, cap;
	pcre2_match_context *limits;
	pcre2_match_data *data;
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
	PCRE2_UCHAR why[160];
	PCRE2_SIZE where;
	int error;
	struct str body = str_sub(s, 1, s.len - 2);
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)body.p, body.len,
	    PCRE2_CASELESS | PCRE2_UTF | PCRE2_NEVER_UCP, &error, &where, NULL);

	if (code == NULL) {
		pcre2_get_error_message(error, why, sizeof why);
		conf_error(l, at, "relay-address: at byte %zu of the pattern: %s", (size_t)where,
		    (const char *)why);
		return;
	}
	add(r, (struct pattern){.code = code});
}

void
conf_relay_build(struct conf_load *l)
{
	struct conf *c = l->c;
	struct conf_blk *g = c->blocks[0];
	struct adding a = {.l = l, .r = xcalloc(1, sizeof *c->relay)};
	struct conf_value *v;

	c->relay = a.r;
	a.r->limits = pcre2_match_context_create(NULL);
	a.r->data = pcre2_match_data_create(1, NULL);
	pcre2_set_match_limit(a.r->limits, STEPS_MAX);
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
		pcre2_code_free((*r)->list[i].code);
	pcre2_match_context_free((*r)->limits);
	pcre2_match_data_free((*r)->data);
	free((*r)->list);
	xfree(r);
}

/* name, *.name, [*.]name, * */
static bool
is_domain_of(struct str pattern, struct str domain)
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
		if (p->text.len > 0 && domain.len > 0 && is_domain_of(p->text, domain))
			return true;
		if (p->address.len > 0 && str_ieq(p->address, address))
			return true;
		if (p->code != NULL && pcre2_match(p->code, (PCRE2_SPTR)address.p, address.len, 0,
					   0, r->data, r->limits) >= 0)
			return true;
	}
	return false;
}
