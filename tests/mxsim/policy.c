#include "tests/mxsim/policy.h"

#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "tests/mxsim/token.h"

struct reader {
	struct policy *policy;
	struct provider_policy *provider; /* the open block */
	struct token_line line;
	struct why *why;
};
/* The line's words are in r->line, the directive itself is word 0; `at` is the field that the row names. */
typedef int directive_fn(struct reader *r, void *at);
struct directive {
	const char *word;
	directive_fn *fn;
	size_t offset;
	size_t min, max; /* words after the directive */
};

static const char *const step_names[] = {
#define X(id, name) name,
    STEPS(X)
#undef X
};

const char *
step_name(enum step s)
{
	return step_names[s];
}

static struct str
arg(const struct reader *r, size_t i)
{
	return i < r->line.n ? str_of(r->line.words[i]) : STR_NULL;
}

static int
bad(struct reader *r, const char *what, struct str s)
{
	return why_set(r->why, "line %u: %s: %.*s", r->line.line, what, STR_ARG(s));
}

static bool
find_word(const char *const *words, size_t n, struct str s, int *index)
{
	for (size_t i = 0; i < n; i++) {
		if (str_ieq(s, str_of(words[i]))) {
			*index = (int)i;
			return true;
		}
	}
	return false;
}

/* "20ms" "5s" "2m" "1h" */
static bool
parse_time(struct str s, int64_t *ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	uint64_t v;

	for (size_t i = 0; i < countof(units); i++) {
		struct str unit = str_of(units[i].unit);

		if (str_has_suffix(s, unit) &&
		    parse_u64(str_sub(s, 0, s.len - unit.len), 0, 1000000, &v)) {
			*ms = (int64_t)v * units[i].ms;
			return true;
		}
	}
	return false;
}

/* "10/s" "500/m" "1000/10s" */
static bool
parse_rate(struct str s, struct limit *l)
{
	struct str n;
	char unit[32];

	if (!str_next(&s, '/', &n) || s.len == 0 || !parse_u64(n, 1, 1000000000, &l->n))
		return false;
	(void)snprintf(unit, sizeof(unit), "%s%.*s", ascii_is_digit(s.p[0]) ? "" : "1", STR_ARG(s));
	return parse_time(str_of(unit), &l->period_ms) && l->period_ms > 0;
}

static int
do_count_limit(struct reader *r, void *at)
{
	struct limit *l = at;

	if (!parse_u64(arg(r, 1), 1, UINT32_MAX, &l->n))
		return bad(r, "not a number", arg(r, 1));
	free(l->text);
	l->text = xstrdup_str(arg(r, 2));
	return 0;
}

static int
do_rate_limit(struct reader *r, void *at)
{
	struct limit *l = at;

	if (!parse_rate(arg(r, 1), l))
		return bad(r, "not a rate", arg(r, 1));
	free(l->text);
	l->text = xstrdup_str(arg(r, 2));
	return 0;
}

static int
do_time(struct reader *r, void *at)
{
	return parse_time(arg(r, 1), at) ? 0 : bad(r, "not a time", arg(r, 1));
}

static int
do_greylist(struct reader *r, void *at)
{
	struct provider_policy *p = at;

	free(p->greylist_text);
	p->greylist_text = xstrdup_str(arg(r, 2));
	return parse_time(arg(r, 1), &p->greylist_ms) ? 0 : bad(r, "not a time", arg(r, 1));
}

static int
do_flag(struct reader *r, void *at)
{
	*(bool *)at = true;
	return 0;
}

static int
do_port(struct reader *r, void *at)
{
	uint32_t v;

	if (!parse_u32(arg(r, 1), 1, 65535, &v))
		return bad(r, "not a port", arg(r, 1));
	*(uint16_t *)at = (uint16_t)v;
	return 0;
}

static int
do_domains(struct reader *r, void *at)
{
	struct provider_policy *p = at;

	for (size_t i = 1; i < r->line.n; i++) {
		if (p->n_domains == DOMAIN_MAX)
			return bad(r, "too many domains", arg(r, i));
		p->domains[p->n_domains++] = xstrdup_str(arg(r, i));
	}
	return 0;
}

/* ADDR[,ADDR…][@PREFERENCE][!] */
static int
add_mx(struct reader *r, struct provider_policy *p, struct str s)
{
	struct mx_policy *mx = &p->mx[p->n_mx];
	struct str addrs, one;
	uint32_t preference = (uint32_t)(p->n_mx + 1) * 10;

	if (p->n_mx == MX_MAX)
		return bad(r, "too many MX hosts", s);
	*mx = (struct mx_policy){.is_down = str_has_suffix(s, STR("!"))};
	s.len -= mx->is_down ? 1 : 0;
	if (!str_next(&s, '@', &addrs))
		return bad(r, "not an address", s);
	if (s.p != NULL && !parse_u32(s, 0, 65535, &preference))
		return bad(r, "not a preference", s);
	while (str_next(&addrs, ',', &one)) {
		if (mx->n_addr == countof(mx->addr) || !net_addr_parse(one, &mx->addr[mx->n_addr]))
			return bad(r, "not an address", one);
		mx->n_addr++;
	}
	mx->preference = (uint16_t)preference;
	mx->host = xasprintf("mx%zu.%s", ++p->n_mx, p->name);
	return 0;
}

static int
do_mx(struct reader *r, void *at)
{
	for (size_t i = 1; i < r->line.n; i++) {
		if (add_mx(r, at, arg(r, i)) < 0)
			return -1;
	}
	return 0;
}

static int
do_tls(struct reader *r, void *at)
{
	static const char *const words[] = {"no", "yes", "required"};
	int i;

	if (!find_word(words, countof(words), arg(r, 1), &i))
		return bad(r, "not yes, no or required", arg(r, 1));
	*(enum tls_mode *)at = (enum tls_mode)i;
	return 0;
}

/* all words, joined by blanks */
static int
do_text(struct reader *r, void *at)
{
	char *old = *(char **)at;

	free(old);
	*(char **)at = xstrdup_str(arg(r, 1));
	for (size_t i = 2; i < r->line.n; i++) {
		old = *(char **)at;
		*(char **)at = xasprintf("%s %.*s", old, STR_ARG(arg(r, i)));
		free(old);
	}
	return 0;
}

static int
add_extension(struct reader *r, struct provider_policy *p, struct str s)
{
	static const char *const words[] = {
	    "pipelining", "chunking", "8bitmime", "dsn", "smtputf8", "size", "enhancedstatuscodes"};
	int i;

	if (str_has_iprefix(s, STR("size="))) {
		if (!parse_u64(str_skip(s, 5), 0, UINT32_MAX, &p->size.n))
			return bad(r, "not a size", s);
		s = STR("size");
	}
	if (!find_word(words, countof(words), s, &i))
		return bad(r, "unknown extension", s);
	p->ext |= 1u << i;
	return 0;
}

static int
do_extensions(struct reader *r, void *at)
{
	struct provider_policy *p = at;

	p->ext = 0;
	for (size_t i = 1; i < r->line.n; i++) {
		if (str_ieq(arg(r, i), STR("none")))
			continue;
		if (add_extension(r, p, arg(r, i)) < 0)
			return -1;
	}
	return 0;
}

/* "2.5%" into 250 */
static bool
parse_percent(struct str s, uint32_t *v)
{
	struct str whole, rest = str_sub(s, 0, s.len - 1);
	uint32_t part = 0;

	if (!str_has_suffix(s, STR("%")) || !str_next(&rest, '.', &whole) ||
	    !parse_u32(whole, 0, 100, v))
		return false;
	if (rest.p != NULL && !parse_u32(rest, 0, 99, &part))
		return false;
	*v = *v * 100 + (rest.len == 1 ? part * 10 : part);
	return true;
}

static bool
parse_pick(struct str s, struct rule *rule)
{
	static const struct {
		const char *prefix;
		enum pick pick;
	} forms[] = {{"first:", PICK_FIRST}, {"every:", PICK_EVERY}, {"each:", PICK_EACH}};

	if (str_ieq(s, STR("always")))
		return true;
	if (str_has_iprefix(s, STR("match:"))) {
		rule->pick = PICK_MATCH;
		rule->pattern = xstrdup_str(str_skip(s, 6));
		return true;
	}
	for (size_t i = 0; i < countof(forms); i++) {
		if (str_has_iprefix(s, str_of(forms[i].prefix))) {
			rule->pick = forms[i].pick;
			return parse_u32(
			    str_skip(s, strlen(forms[i].prefix)), 1, UINT32_MAX, &rule->n);
		}
	}
	rule->pick = PICK_PERCENT;
	return parse_percent(s, &rule->n);
}

/* reply|drop|reset|stall|delay|malformed STAGE PICK [TEXT|TIME|KIND] */
static int
do_rule(struct reader *r, void *at)
{
	static const char *const acts[] = {"reply", "drop", "reset", "stall", "delay", "malformed"};
	struct provider_policy *p = at;
	struct rule *rule = &p->rules[p->n_rules];
	int i = 0;

	if (p->n_rules == RULE_MAX)
		return bad(r, "too many rules", arg(r, 0));
	*rule = (struct rule){0};
	(void)find_word(acts, countof(acts), arg(r, 0), &i);
	rule->act = (enum act)i;
	if (!find_word(step_names, countof(step_names), arg(r, 1), &i))
		return bad(r, "unknown step", arg(r, 1));
	rule->step = (enum step)i;
	p->n_rules++;
	if (!parse_pick(arg(r, 2), rule))
		return bad(
		    r, "not always, N%, first:N, every:N, each:N or match:PATTERN", arg(r, 2));
	if (rule->act == ACT_DELAY && !parse_time(arg(r, 3), &rule->ms))
		return bad(r, "not a time", arg(r, 3));
	if ((rule->act == ACT_REPLY || rule->act == ACT_MALFORMED) && r->line.n < 4)
		return bad(r, "the reply is missing", arg(r, 0));
	rule->text = xstrdup_str(arg(r, 3));
	return 0;
}

static int
do_refuse_rcpt(struct reader *r, void *at)
{
	struct provider_policy *p = at;

	for (size_t i = 1; i < r->line.n; i++) {
		if (p->n_rules == RULE_MAX)
			return bad(r, "too many rules", arg(r, 0));
		p->rules[p->n_rules++] = (struct rule){.act = ACT_REPLY,
		    .step = STEP_RCPT,
		    .pick = PICK_MATCH,
		    .pattern = xstrdup_str(arg(r, i)),
		    .text = xstrdup("550 5.1.1 no such user")};
	}
	return 0;
}

#define AT(field) offsetof(struct provider_policy, field)
static const struct directive provider_directives[] = {
    {"mx", do_mx, 0, 1, LINE_WORDS_MAX},
    {"domains", do_domains, 0, 1, LINE_WORDS_MAX},
    {"max-connections", do_count_limit, AT(connections), 2, 2},
    {"max-connections-per-source", do_count_limit, AT(connections_per_source), 2, 2},
    {"max-connection-rate", do_rate_limit, AT(connection_rate), 2, 2},
    {"max-message-rate", do_rate_limit, AT(message_rate), 2, 2},
    {"max-messages-per-connection", do_count_limit, AT(per_connection), 2, 2},
    {"max-recipients", do_count_limit, AT(rcpts), 2, 2},
    {"max-size", do_count_limit, AT(size), 2, 2},
    {"greylist", do_greylist, 0, 2, 2},
    {"latency", do_time, AT(latency_ms), 1, 1},
    {"reply", do_rule, 0, 3, 3},
    {"drop", do_rule, 0, 2, 2},
    {"reset", do_rule, 0, 2, 2},
    {"stall", do_rule, 0, 2, 2},
    {"delay", do_rule, 0, 3, 3},
    {"malformed", do_rule, 0, 3, 3},
    {"refuse-rcpt", do_refuse_rcpt, 0, 1, LINE_WORDS_MAX},
    {"tls", do_tls, AT(tls), 1, 1},
    {"certificate", do_text, AT(certificate), 1, 1},
    {"client-ca", do_text, AT(client_ca), 1, 1},
    {"tls-max", do_text, AT(tls_max), 1, 1},
    {"tls-ciphers", do_text, AT(tls_ciphers), 1, 1},
    {"tls-suites", do_text, AT(tls_suites), 1, 1},
    {"auth", do_text, AT(auth), 3, LINE_WORDS_MAX},
    {"extensions", do_extensions, 0, 1, LINE_WORDS_MAX},
    {"port", do_port, AT(port), 1, 1},
    {"accept-any", do_flag, AT(accept_any), 0, 0},
    {"down", do_flag, AT(is_down), 0, 0},
};
#undef AT

static int
do_name_server(struct reader *r, void *at)
{
	if (!net_addr_parse_port(arg(r, 1), at))
		return bad(r, "not ADDRESS:PORT", arg(r, 1));
	return 0;
}

static int
do_number(struct reader *r, void *at)
{
	return parse_u32(arg(r, 1), 0, UINT32_MAX, at) ? 0 : bad(r, "not a number", arg(r, 1));
}

static int
do_seed(struct reader *r, void *at)
{
	return parse_u64(arg(r, 1), 0, UINT64_MAX, at) ? 0 : bad(r, "not a number", arg(r, 1));
}

static bool
parse_name_value(struct name_rule *n, struct str first, struct str second)
{
	uint32_t preference, seconds;

	switch (n->kind) {
	case NAME_MX:
		n->target = xstrdup_str(second);
		if (!parse_u32(first, 0, 65535, &preference))
			return false;
		n->preference = (uint16_t)preference;
		return true;
	case NAME_A:
	case NAME_AAAA:
		return net_addr_parse(first, &n->addr) &&
		       n->addr.family == (n->kind == NAME_A ? 4 : 6);
	case NAME_CNAME:
		n->target = xstrdup_str(first);
		return first.len > 0;
	case NAME_DELAY:
		return parse_time(first, &n->ms);
	case NAME_TTL:
		n->ms = parse_u32(first, 0, INT32_MAX, &seconds) ? (int64_t)seconds : -1;
		return n->ms >= 0;
	default:
		return true;
	}
}

/* name NAME KIND [VALUE…] */
static int
do_name(struct reader *r, void *at)
{
	static const char *const kinds[] = {"mx", "a", "aaaa", "cname", "null-mx", "servfail",
	    "nxdomain", "nodata", "drop", "delay", "truncate", "refused", "ttl", "ad"};
	struct policy *p = at;
	struct name_rule *n;
	int i;

	if (p->n_names == NAME_MAX_RULES)
		return bad(r, "too many names", arg(r, 1));
	if (!find_word(kinds, countof(kinds), arg(r, 2), &i))
		return bad(r, "unknown kind of record", arg(r, 2));
	p->names = xreallocarray(p->names, p->n_names + 1, sizeof(*p->names));
	n = &p->names[p->n_names++];
	*n = (struct name_rule){.name = xstrdup_str(arg(r, 1)), .kind = (enum name_kind)i};
	str_lower(n->name, strlen(n->name));
	return parse_name_value(n, arg(r, 3), arg(r, 4)) ? 0 : bad(r, "bad value for", arg(r, 2));
}

#define AT(field) offsetof(struct policy, field)
static const struct directive top_directives[] = {
    {"port", do_port, AT(port), 1, 1},
    {"seed", do_seed, AT(seed), 1, 1},
    {"ttl", do_number, AT(ttl), 1, 1},
    {"name-server", do_name_server, AT(name_server), 1, 1},
    {"name", do_name, 0, 2, 4},
};
#undef AT

static int
obey(struct reader *r, const struct directive *table, size_t n, void *base)
{
	for (size_t i = 0; i < n; i++) {
		if (!str_ieq(arg(r, 0), str_of(table[i].word)))
			continue;
		if (r->line.n - 1 < table[i].min || r->line.n - 1 > table[i].max)
			return bad(r, "wrong number of words", arg(r, 0));
		return table[i].fn(r, (char *)base + table[i].offset);
	}
	return bad(r, "unknown directive", arg(r, 0));
}

static int
open_provider(struct reader *r)
{
	struct provider_policy *p;

	if (r->provider != NULL || r->line.n != 2 || !str_ieq(arg(r, 0), STR("provider")))
		return bad(r, "expected `provider NAME {`", arg(r, 0));
	if (r->policy->n_providers == PROVIDER_MAX)
		return bad(r, "too many providers", arg(r, 1));
	p = xcalloc(1, sizeof(*p));
	p->name = xstrdup_str(arg(r, 1));
	p->ext = EXT_PIPELINING | EXT_CHUNKING | EXT_8BITMIME | EXT_DSN | EXT_SMTPUTF8 | EXT_SIZE |
		 EXT_ENHANCED;
	r->policy->providers[r->policy->n_providers++] = p;
	r->provider = p;
	return 0;
}

static int
close_provider(struct reader *r)
{
	struct provider_policy *p = r->provider;

	if (p == NULL)
		return bad(r, "no block is open", STR("}"));
	if (p->n_domains == 0)
		p->domains[p->n_domains++] = xstrdup(p->name);
	if (p->n_mx == 0)
		return bad(r, "no mx in provider", str_of(p->name));
	r->provider = NULL;
	return 0;
}

static int
read_line(struct reader *r)
{
	if (r->line.end == TOKEN_OPEN)
		return open_provider(r);
	if (r->line.n > 0) {
		int rc =
		    r->provider != NULL
			? obey(r, provider_directives, countof(provider_directives), r->provider)
			: obey(r, top_directives, countof(top_directives), r->policy);

		if (rc < 0)
			return -1;
	}
	return r->line.end == TOKEN_CLOSE ? close_provider(r) : 0;
}

struct policy *
policy_read(struct str text, struct why *why)
{
	static struct token_reader tokens;
	struct reader r = {.policy = xcalloc(1, sizeof(struct policy)), .why = why};

	r.policy->ttl = 60;
	r.policy->port = 2525;
	token_reader_init(&tokens, text);
	do {
		if (token_read_line(&tokens, &r.line, why) < 0 || read_line(&r) < 0) {
			policy_free(&r.policy);
			return NULL;
		}
	} while (r.line.end != TOKEN_EOF);
	if (r.provider != NULL) {
		(void)bad(&r, "a block is not closed", str_of(r.provider->name));
		policy_free(&r.policy);
	}
	return r.policy;
}
