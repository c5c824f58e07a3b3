#include "acctd/filter.h"

#include "lib/base/xalloc.h"

#define DEFAULT_VMTA "{default}"

void
filter_init(struct filter *f)
{
	f->n = 0;
}

void
filter_clear(struct filter *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->rules[i].domain);
		free(f->rules[i].vmta);
	}
	f->n = 0;
}

bool
filter_add(struct filter *f, struct str item)
{
	struct filter_rule *r;
	struct str vmta = STR(DEFAULT_VMTA);
	size_t slash;

	item = str_trim(item);
	if (f->n == FILTER_MAX)
		return false;
	r = &f->rules[f->n];
	r->negated = item.len > 0 && item.p[0] == '!';
	if (r->negated)
		item = str_trim(str_skip(item, 1));
	slash = str_rfind(item, '/');
	if (slash != STR_NPOS) {
		vmta = str_skip(item, slash + 1);
		item = str_sub(item, 0, slash);
	}
	if (item.len == 0 || vmta.len == 0)
		return false;
	r->domain = xstrdup_str(item);
	r->vmta = xstrdup_str(vmta);
	f->n++;
	return true;
}

static bool
domain_matches(struct str pattern, struct str domain)
{
	if (str_eq(pattern, STR("*")))
		return true;
	if (str_has_prefix(pattern, STR("[*.]"))) {
		pattern = str_skip(pattern, 4);
		return str_ieq(pattern, domain) ||
		       (domain.len > pattern.len && str_has_isuffix(domain, pattern) &&
			   domain.p[domain.len - pattern.len - 1] == '.');
	}
	if (str_has_prefix(pattern, STR("*.")))
		return domain.len > pattern.len - 1 &&
		       str_has_isuffix(domain, str_skip(pattern, 1));
	return str_ieq(pattern, domain);
}

bool
filter_passes(const struct filter *f, struct str queue)
{
	size_t slash = str_rfind(queue, '/');
	struct str vmta = STR(DEFAULT_VMTA), domain = queue;

	if (f->n == 0)
		return true;
	if (slash != STR_NPOS) {
		domain = str_sub(queue, 0, slash);
		vmta = str_skip(queue, slash + 1);
	}
	for (size_t i = 0; i < f->n; i++) {
		const struct filter_rule *r = &f->rules[i];
		if (!domain_matches(str_of(r->domain), domain))
			continue;
		if (str_eq(str_of(r->vmta), STR("*")) || str_ieq(str_of(r->vmta), vmta))
			return !r->negated;
	}
	return false;
}

bool
filter_eq(const struct filter *a, const struct filter *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct filter_rule *x = &a->rules[i], *y = &b->rules[i];
		if (x->negated != y->negated || strcmp(x->domain, y->domain) != 0 ||
		    strcmp(x->vmta, y->vmta) != 0)
			return false;
	}
	return true;
}
