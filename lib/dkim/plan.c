#include "lib/dkim/plan.h"

#include "lib/dkim/options.h"

enum { SIGN_NO, SIGN_YES, SIGN_IF_OPTIONS }; /* no|yes|if-x-dkim-options-present */

/* the directives of each signature */
static const struct rows {
	enum conf_key sign, header_canon, body_canon, headers, closed, identity, fallback, expire,
	    timestamp, limit, query;
} rows[DKIM_SIGNATURES] = {
    {CONF_DOMAIN_DKIM_SIGN, CONF_DOMAIN_DKIM_HEADERS_CANON, CONF_DOMAIN_DKIM_BODY_CANON,
	CONF_DOMAIN_DKIM_HEADERS, CONF_DOMAIN_DKIM_DISALLOW_ADDING_HEADERS,
	CONF_DOMAIN_DKIM_IDENTITY, CONF_DOMAIN_DKIM_IDENTITY_FALLBACK,
	CONF_DOMAIN_DKIM_EXPIRE_AFTER, CONF_DOMAIN_DKIM_ADD_TIMESTAMP,
	CONF_DOMAIN_DKIM_ADD_BODY_LIMIT, CONF_DOMAIN_DKIM_QUERY_METHOD},
    {CONF_DOMAIN_SECOND_DKIM_SIGN, CONF_DOMAIN_SECOND_DKIM_HEADERS_CANON,
	CONF_DOMAIN_SECOND_DKIM_BODY_CANON, CONF_DOMAIN_SECOND_DKIM_HEADERS,
	CONF_DOMAIN_SECOND_DKIM_DISALLOW_ADDING_HEADERS, CONF_DOMAIN_SECOND_DKIM_IDENTITY,
	CONF_DOMAIN_SECOND_DKIM_IDENTITY_FALLBACK, CONF_DOMAIN_SECOND_DKIM_EXPIRE_AFTER,
	CONF_DOMAIN_SECOND_DKIM_ADD_TIMESTAMP, CONF_DOMAIN_SECOND_DKIM_ADD_BODY_LIMIT,
	CONF_DOMAIN_SECOND_DKIM_QUERY_METHOD},
};

/* what one signature is made from */
struct making {
	const struct dkim_keys *k;
	const struct conf_set *queue;
	const struct dkim_message *m;
	const struct rows *rows;
	struct dkim_options options;
	const struct dkim_binding *first; /* key of the first signature, or NULL */
	bool signs_only;		  /* only by keys that turn signing on themselves */
};

/* ---- whose key ---- */

static bool
find_key(const struct making *g, struct str identity, struct dkim_binding *b)
{
	struct dkim_search s = {.queue = g->queue,
	    .vmta = g->m->vmta,
	    .pool = g->m->pool,
	    .list = g->options.key_list,
	    .identity = identity,
	    .selector = g->options.selector,
	    .domain = g->options.domain,
	    .but = g->first,
	    .signs_only = g->signs_only};

	if (dkim_keys_find(g->k, &s, b))
		return true;
	if (g->first == NULL)
		return false;
	/* the same key twice, for there is no other: in another form perhaps */
	s.but = NULL;
	return dkim_keys_find(g->k, &s, b);
}

static bool
try_identity(
    const struct making *g, struct str how, struct dkim_identity *id, struct dkim_binding *b)
{
	if (how.len == 0 || !dkim_identity_find(how, g->m->header, id))
		return false;
	/* the submitter names the signing domain: the author's address stays where it is within it */
	if (g->options.domain.len > 0 && g->options.identity.len == 0 &&
	    !dkim_is_within(str_of(id->domain), g->options.domain) &&
	    !dkim_identity_of_text(g->options.domain, id))
		return false;
	return find_key(g, str_of(id->domain), b);
}

static bool
choose(const struct making *g, struct dkim_identity *id, struct dkim_binding *b)
{
	if (g->options.identity.len > 0)
		return try_identity(g, g->options.identity, id, b);
	if (try_identity(g, conf_str(g->queue, g->rows->identity), id, b))
		return true;
	/* a domain was named, and the message has no author */
	if (g->options.domain.len > 0 && try_identity(g, g->options.domain, id, b))
		return true;
	return try_identity(g, conf_str(g->queue, g->rows->fallback), id, b);
}

/* ---- how ---- */

static size_t
read_names(const struct conf_set *set, enum conf_key key, struct str to[DKIM_MAX_NAMES])
{
	size_t n = PH_MIN(conf_n(set, key), (size_t)DKIM_MAX_NAMES);

	for (size_t i = 0; i < n; i++)
		to[i] = str_trim(conf_item(set, key, i));
	return n;
}

static bool
is_pattern(struct str item)
{
	return item.len > 2 && item.p[0] == '/' && item.p[item.len - 1] == '/';
}

/* a directive's names, and its patterns apart */
static size_t
read_headers(const struct making *g, struct dkim_choice *c)
{
	size_t n = PH_MIN(conf_n(g->queue, g->rows->headers), (size_t)DKIM_MAX_NAMES), k = 0;

	c->n_patterns = 0;
	for (size_t i = 0; i < n; i++) {
		struct str item = str_trim(conf_item(g->queue, g->rows->headers, i));
		const struct regex *r;
		if (!is_pattern(item))
			c->more[k++] = item;
		else if ((r = dkim_keys_pattern(g->k, item)) != NULL)
			c->patterns[c->n_patterns++] = r;
	}
	return k;
}

static bool
fits_pattern(const void *arg, struct str name)
{
	const struct dkim_choice *c = arg;

	for (size_t i = 0; i < c->n_patterns; i++)
		if (regex_finds(c->patterns[i], name))
			return true;
	return false;
}

static size_t
split_names(struct str list, struct str to[DKIM_MAX_NAMES])
{
	size_t n = 0;

	while (list.len > 0 && n < DKIM_MAX_NAMES && str_next(&list, ':', &to[n])) {
		to[n] = str_trim(to[n]);
		n += to[n].len > 0;
	}
	return n;
}

static void
set_names(const struct making *g, const struct dkim_binding *b, struct dkim_choice *c)
{
	struct dkim_names *names = &c->spec.names;

	names->more = c->more;
	names->closed = c->closed;
	names->n_closed = read_names(g->queue, g->rows->closed, c->closed);
	c->n_patterns = 0;
	names->is_only = b->header_list.len > 0;
	if (names->is_only)
		names->n_more = split_names(b->header_list, c->more);
	else
		names->n_more = read_headers(g, c);
	if (c->n_patterns > 0) {
		names->wants = fits_pattern;
		names->arg = c;
	}
}

static void
set_canon(const struct making *g, const struct dkim_binding *b, struct dkim_spec *s)
{
	static const int is_simple = 0; /* simple|relaxed */

	s->header_canon =
	    conf_enum(g->queue, g->rows->header_canon) == is_simple ? DKIM_SIMPLE : DKIM_RELAXED;
	s->body_canon =
	    conf_enum(g->queue, g->rows->body_canon) == is_simple ? DKIM_SIMPLE : DKIM_RELAXED;
	if (!b->has_canon)
		return;
	s->header_canon = b->header_canon;
	s->body_canon = b->body_canon;
}

static void
set_times(const struct making *g, struct dkim_spec *s)
{
	int64_t now = wall_sec(g->m->now), after = conf_ms(g->queue, g->rows->expire);

	if (conf_bool(g->queue, g->rows->timestamp))
		s->signed_s = now;
	/* x= must be later than t= (RFC 6376 3.5) */
	if (after != CONF_NEVER)
		s->expires_s = now + PH_MAX(after / 1000, (int64_t)1);
}

static void
set_spec(const struct making *g, const struct dkim_binding *b, struct dkim_choice *c)
{
	struct dkim_spec *s = &c->spec;

	*s = (struct dkim_spec){.selector = b->selector,
	    .domain = str_eq(b->domain, STR("*")) ? str_of(c->identity.domain) : b->domain,
	    .local = str_of(c->identity.local),
	    .identity_domain = str_of(c->identity.domain),
	    .query =
		g->options.query.len > 0 ? g->options.query : conf_str(g->queue, g->rows->query),
	    .body_limit = conf_bool(g->queue, g->rows->limit)};
	c->key = b->key;
	set_canon(g, b, s);
	set_times(g, s);
	set_names(g, b, c);
}

/* ---- whether ---- */

/*
 * dkim-sign as it is written; where it is not written, a key that turns signing on (a <dkim> block, dkim-sign with a
 * file) does so by itself. False: no signature.
 */
static bool
is_wanted(struct making *g)
{
	int how = conf_enum(g->queue, g->rows->sign);
	bool is_first = g->rows == rows;

	g->signs_only = false;
	if (how == SIGN_IF_OPTIONS)
		return g->m->has_options;
	if (how == SIGN_YES)
		return true;
	g->signs_only = is_first && !conf_is_set(g->queue, g->rows->sign);
	return g->signs_only;
}

/* The submitter steers the signatures that are there for that; if none is, the first. */
static bool
is_steered(const struct conf_set *queue, size_t i)
{
	if (conf_enum(queue, rows[i].sign) == SIGN_IF_OPTIONS)
		return true;
	return i == 0 && conf_enum(queue, rows[1].sign) != SIGN_IF_OPTIONS;
}

bool
dkim_plan_may_sign(const struct dkim_keys *k, const struct conf_set *queue, struct str vmta)
{
	for (size_t i = 0; i < DKIM_SIGNATURES; i++)
		if (conf_enum(queue, rows[i].sign) != SIGN_NO)
			return true;
	return !conf_is_set(queue, rows[0].sign) && dkim_keys_any_signs(k, queue, vmta);
}

void
dkim_plan_make(const struct dkim_keys *k, const struct conf_set *queue,
    const struct dkim_message *m, struct dkim_plan *plan)
{
	struct dkim_binding bindings[DKIM_SIGNATURES];

	plan->n = 0;
	for (size_t i = 0; i < DKIM_SIGNATURES; i++) {
		struct dkim_choice *c = &plan->choices[plan->n];
		struct dkim_binding *b = &bindings[plan->n];
		struct making g = {.k = k, .queue = queue, .m = m, .rows = &rows[i]};
		if (!is_wanted(&g))
			continue;
		if (m->has_options && is_steered(queue, i))
			dkim_options_parse(m->options, &g.options);
		g.first = plan->n > 0 ? &bindings[0] : NULL;
		if (!choose(&g, &c->identity, b))
			continue;
		set_spec(&g, b, c);
		plan->n++;
	}
}
