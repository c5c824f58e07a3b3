#include "lib/base/num.h"
#include "tests/mxsim/names.h"

#define DNS_HEADER 12
#define CHAIN_MAX  8
enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_MX = 15, TYPE_AAAA = 28, TYPE_OPT = 41 };
enum { RCODE_OK = 0, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3, RCODE_REFUSED = 5 };

struct question {
	char name[256]; /* lower case, no last dot */
	size_t end;	/* of the question section */
	uint16_t type;
	uint16_t udp_size;
	bool has_opt;
};
/* An answer being written. */
struct writer {
	uint8_t *out;
	const struct policy *policy;
	const struct question *q;
	size_t len;
	uint32_t ttl;
	uint16_t n_answers;
	bool is_over, is_known, is_ad;
	int rcode;
};

/* The name at query[at]; no pointers are taken in questions. Returns where it ends, 0: malformed. */
static size_t
read_name(const uint8_t *query, size_t len, size_t at, char name[256])
{
	size_t n = 0;

	while (at < len && query[at] != 0) {
		size_t label = query[at++];

		if (label > 63 || at + label > len || n + label + 2 > 255)
			return 0;
		memcpy(name + n, query + at, label);
		n += label;
		name[n++] = '.';
		at += label;
	}
	if (at >= len)
		return 0;
	if (n > 0)
		n--;
	name[n] = '\0';
	str_lower(name, n);
	return at + 1;
}

static bool
read_question(const uint8_t *query, size_t len, struct question *q)
{
	size_t at;

	memset(q, 0, sizeof(*q));
	if (len < DNS_HEADER || get_be16(query + 4) != 1)
		return false;
	at = read_name(query, len, DNS_HEADER, q->name);
	if (at == 0 || at + 4 > len)
		return false;
	q->type = get_be16(query + at);
	q->end = at + 4;
	q->udp_size = 512;
	/* an OPT record is the only thing that may follow (root name, type, size) */
	if (q->end + 11 <= len && query[q->end] == 0 && get_be16(query + q->end + 1) == TYPE_OPT) {
		q->has_opt = true;
		q->udp_size = PH_MAX(get_be16(query + q->end + 3), (uint16_t)512);
	}
	return true;
}

static void
put(struct writer *w, const void *p, size_t n)
{
	if (w->len + n > NAMES_MAX_REPLY) {
		w->is_over = true;
		return;
	}
	memcpy(w->out + w->len, p, n);
	w->len += n;
}

static void
put16(struct writer *w, uint16_t v)
{
	uint8_t b[2];

	put_be16(b, v);
	put(w, b, sizeof(b));
}

static void
put_name(struct writer *w, const char *name)
{
	struct str rest = str_of(name), label;
	uint8_t n;

	while (rest.len > 0 && str_next(&rest, '.', &label) && label.len > 0) {
		n = (uint8_t)PH_MIN(label.len, (size_t)63);
		put(w, &n, 1);
		put(w, label.p, n);
	}
	put(w, "", 1);
}

/* Owner, type, class, ttl and the length's place, which is returned. */
static size_t
begin_record(struct writer *w, const char *owner, uint16_t type)
{
	uint8_t ttl[4];

	put_name(w, owner);
	put16(w, type);
	put16(w, 1);
	put_be32(ttl, w->ttl);
	put(w, ttl, sizeof(ttl));
	put16(w, 0);
	w->n_answers++;
	return w->len;
}

static void
end_record(struct writer *w, size_t start)
{
	if (!w->is_over)
		put_be16(w->out + start - 2, (uint16_t)(w->len - start));
}

static void
put_address(struct writer *w, const char *owner, const struct net_addr *a)
{
	uint16_t type = a->family == 4 ? TYPE_A : TYPE_AAAA;
	size_t start;

	if (w->q->type != type)
		return;
	start = begin_record(w, owner, type);
	put(w, a->bytes, a->family == 4 ? 4 : 16);
	end_record(w, start);
}

static void
put_mx(struct writer *w, const char *owner, uint16_t preference, const char *host)
{
	size_t start;

	if (w->q->type != TYPE_MX)
		return;
	start = begin_record(w, owner, TYPE_MX);
	put16(w, preference);
	put_name(w, host);
	end_record(w, start);
}

static void
put_cname(struct writer *w, const char *owner, const char *target)
{
	size_t start = begin_record(w, owner, TYPE_CNAME);

	put_name(w, target);
	end_record(w, start);
}

/* Records of the name from the policy's `name` lines; the target of a CNAME in *chain. */
static void
put_own_records(struct writer *w, const char *name, const char **chain)
{
	for (size_t i = 0; i < w->policy->n_names; i++) {
		const struct name_rule *n = &w->policy->names[i];

		if (!pattern_matches(str_of(n->name), str_of(name)))
			continue;
		if (n->kind == NAME_MX) {
			put_mx(w, name, n->preference, n->target);
		} else if (n->kind == NAME_NULL_MX) {
			put_mx(w, name, 0, "");
		} else if (n->kind == NAME_A || n->kind == NAME_AAAA) {
			put_address(w, name, &n->addr);
		} else if (n->kind == NAME_CNAME) {
			put_cname(w, name, n->target);
			*chain = n->target;
		} else if (n->kind != NAME_NODATA) {
			continue;
		}
		w->is_known = true;
	}
}

static void
put_host_records(struct writer *w, const char *name)
{
	for (size_t i = 0; i < w->policy->n_providers; i++) {
		const struct provider_policy *p = w->policy->providers[i];

		for (size_t k = 0; k < p->n_mx; k++) {
			if (!str_ieq(str_of(p->mx[k].host), str_of(name)))
				continue;
			w->is_known = true;
			for (size_t a = 0; a < p->mx[k].n_addr; a++)
				put_address(w, name, &p->mx[k].addr[a]);
		}
	}
}

static void
put_domain_records(struct writer *w, const char *name)
{
	const struct provider_policy *p = policy_find_domain(w->policy, str_of(name));

	if (p == NULL)
		return;
	w->is_known = true;
	for (size_t k = 0; k < p->n_mx; k++)
		put_mx(w, name, p->mx[k].preference, p->mx[k].host);
}

static void
put_records(struct writer *w)
{
	const char *name = w->q->name;

	for (int i = 0; i < CHAIN_MAX && name != NULL; i++) {
		const char *chain = NULL;

		w->is_known = false;
		put_own_records(w, name, &chain);
		if (!w->is_known)
			put_host_records(w, name);
		if (!w->is_known)
			put_domain_records(w, name);
		name = chain;
	}
	if (!w->is_known)
		w->rcode = RCODE_NXDOMAIN;
}

/* What the `name` lines say about the whole answer. False: no answer at all. */
static bool
obey_lines(struct writer *w, bool is_tcp, bool *cut, int64_t *delay_ms)
{
	for (size_t i = 0; i < w->policy->n_names; i++) {
		const struct name_rule *n = &w->policy->names[i];

		if (!pattern_matches(str_of(n->name), str_of(w->q->name)))
			continue;
		if (n->kind == NAME_DROP)
			return false;
		if (n->kind == NAME_SERVFAIL)
			w->rcode = RCODE_SERVFAIL;
		else if (n->kind == NAME_NXDOMAIN)
			w->rcode = RCODE_NXDOMAIN;
		else if (n->kind == NAME_REFUSED)
			w->rcode = RCODE_REFUSED;
		else if (n->kind == NAME_TRUNCATE)
			*cut = !is_tcp;
		else if (n->kind == NAME_DELAY)
			*delay_ms = n->ms;
		else if (n->kind == NAME_TTL)
			w->ttl = (uint32_t)n->ms;
		w->is_ad |= n->kind == NAME_AD;
	}
	return true;
}

static void
count_query(struct names_counts *c, uint16_t type)
{
	c->queries++;
	c->mx += type == TYPE_MX;
	c->a += type == TYPE_A;
	c->aaaa += type == TYPE_AAAA;
	c->other += type != TYPE_MX && type != TYPE_A && type != TYPE_AAAA;
}

static void
put_opt(struct writer *w)
{
	static const uint8_t opt[11] = {0, 0, TYPE_OPT, 0x10, 0, 0, 0, 0, 0, 0, 0};

	put(w, opt, sizeof(opt));
}

/* Header flags and counts; cuts the answer where it is too long for the way it goes. */
static void
finish(struct writer *w, const uint8_t *query, size_t limit, bool cut)
{
	uint16_t flags = 0x8000 | 0x0400 | 0x0080; /* answer, authoritative, recursion available */

	if (cut || w->is_over || w->len + 11 > limit) {
		flags |= 0x0200;
		w->len = w->q->end;
		w->n_answers = 0;
		w->is_over = false;
	}
	if (w->q->has_opt)
		put_opt(w);
	flags = (uint16_t)(flags | (query[2] & 1) << 8 | w->rcode);
	if (w->is_ad && (query[3] & 0x20) != 0)
		flags |= 0x0020;
	put_be16(w->out + 2, flags);
	put_be16(w->out + 6, w->n_answers);
	put_be16(w->out + 8, 0);
	put_be16(w->out + 10, w->q->has_opt);
}

size_t
names_answer(const struct policy *p, struct names_counts *counts, const uint8_t *query, size_t len,
    bool is_tcp, uint8_t *out, int64_t *delay_ms)
{
	struct question q;
	struct writer w = {.out = out, .policy = p, .q = &q, .ttl = p->ttl};
	bool cut = false;

	*delay_ms = 0;
	if (!read_question(query, len, &q))
		return 0;
	count_query(counts, q.type);
	counts->tcp += is_tcp;
	if (!obey_lines(&w, is_tcp, &cut, delay_ms)) {
		counts->dropped++;
		return 0;
	}
	put(&w, query, q.end);
	if (w.rcode == RCODE_OK)
		put_records(&w);
	counts->nxdomain += w.rcode == RCODE_NXDOMAIN;
	counts->servfail += w.rcode == RCODE_SERVFAIL;
	finish(&w, query, is_tcp ? NAMES_MAX_REPLY : q.udp_size, cut);
	return w.len;
}
