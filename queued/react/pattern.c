#include "queued/react/pattern.h"

#include "lib/base/hmap.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"

#define MEMO_MAX 512

struct rules {
	struct str name; /* of a list: borrowed from the configuration */
	struct rule *list;
	size_t n;
};
struct patterns {
	const struct conf_set *set;
	const struct rules *common; /* <smtp-pattern-list>, NULL: none */
	struct rules own;	    /* the short forms */
	struct rules waits;	    /* the one with the most words first */
	/* replies repeat themselves, above all to the recipients of one message */
	struct {
		bool is_known;
		size_t len;
		char text[MEMO_MAX];
		struct verdict verdict;
	} memo;
};

/* patterns of this and the last configuration, by text: under the sandbox none is translated anew */
struct compiled {
	char *text;
	struct regex *regex;
	bool is_used;
};

static struct {
	struct patterns **all;
	size_t n_all;
	struct rules **lists;
	size_t n_lists;
	struct compiled *compiled;
	size_t n_compiled;
	struct hmap by_text;
} pat;

/* ---- compiling ---- */

static bool
is_text(const void *key, uint32_t i)
{
	const struct str *text = key;

	return str_eq(str_of(pat.compiled[i - 1].text), *text);
}

/* In the configuration `\` stands before `\`, too: what follows is escaped either way. */
static struct str
unescape(struct str s, char text[REGEX_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < s.len && n < REGEX_MAX; i++) {
		if (s.p[i] == '\\' && i + 1 < s.len && s.p[i + 1] == '\\')
			i++;
		text[n++] = s.p[i];
	}
	return str_from(text, n);
}

static const struct regex *
compile(struct str s)
{
	uint32_t i = hmap_find(&pat.by_text, str_hash(s), is_text, &s);
	struct compiled c = {.is_used = true};
	struct why why;

	if (i != 0) {
		pat.compiled[i - 1].is_used = true;
		return pat.compiled[i - 1].regex;
	}
	c.regex = regex_new(s, &why);
	if (c.regex == NULL) {
		log_error("event=pattern-unusable pattern=%s text=\"%s\"", log_quote(s), why.text);
		return NULL;
	}
	c.text = xstrdup_str(s);
	pat.compiled = xreallocarray(pat.compiled, pat.n_compiled + 1, sizeof c);
	pat.compiled[pat.n_compiled++] = c;
	hmap_add(&pat.by_text, str_hash(s), (uint32_t)pat.n_compiled);
	return c.regex;
}

/* those that the last configuration did not use go */
static void
drop_unused(void)
{
	size_t n = 0;

	hmap_clear(&pat.by_text);
	for (size_t i = 0; i < pat.n_compiled; i++) {
		struct compiled *c = &pat.compiled[i];
		if (!c->is_used) {
			regex_free(&c->regex);
			free(c->text);
			continue;
		}
		c->is_used = false;
		pat.compiled[n++] = *c;
		hmap_add(&pat.by_text, str_hash(str_of(c->text)), (uint32_t)n);
	}
	pat.n_compiled = n;
}

/* ---- from the configuration ---- */

static void
add(struct rules *l, struct rule r, const struct conf_set *set, enum conf_key k, size_t i)
{
	r.origin = conf_item_origin(set, k, i);
	r.directive = conf_key_name(k);
	l->list = xreallocarray(l->list, l->n + 1, sizeof *l->list);
	l->list[l->n++] = r;
}

static void
read_reply(struct rules *l, const struct conf_set *set, size_t i)
{
	char text[REGEX_MAX];
	struct str regex;
	struct rule r;
	struct why why;

	if (rule_parse_reply(conf_item(set, CONF_REPLIES_REPLY, i), &r, &regex, &why) == -1) {
		log_error("event=reply-line-unusable text=\"%s\"", why.text);
		return;
	}
	regex = unescape(regex, text);
	r.regex = compile(regex);
	pairs_of_regex(regex, &r.needs);
	if (r.regex != NULL)
		add(l, r, set, CONF_REPLIES_REPLY, i);
}

typedef int parse_fn(struct str text, struct rule *r, struct why *why);

static void
read_line(struct rules *l, parse_fn *parse, const struct conf_set *set, enum conf_key k, size_t i)
{
	struct rule r;
	struct why why;

	if (parse(conf_item(set, k, i), &r, &why) == 0) {
		add(l, r, set, k, i);
		return;
	}
	rule_clear(&r);
	log_error("event=%s-unusable text=\"%s\"", conf_key_name(k), why.text);
}

/* does the i-th reply line stand above the k-th smtp-pattern line? */
static bool
is_before(const struct conf_set *set, size_t i, size_t k)
{
	struct conf_origin a = conf_item_origin(set, CONF_REPLIES_REPLY, i),
			   b = conf_item_origin(set, CONF_REPLIES_SMTP_PATTERN, k);

	return a.file != b.file || a.line <= b.line;
}

static struct rules *
read_list(const struct conf_set *set, struct str name)
{
	struct rules *l = xcalloc(1, sizeof *l);
	size_t n = conf_n(set, CONF_REPLIES_REPLY), m = conf_n(set, CONF_REPLIES_SMTP_PATTERN);

	l->name = name;
	for (size_t i = 0, k = 0; i < n || k < m;) {
		if (k == m || (i < n && is_before(set, i, k)))
			read_reply(l, set, i++);
		else
			read_line(l, rule_parse_glob, set, CONF_REPLIES_SMTP_PATTERN, k++);
	}
	return l;
}

static const struct rules *
list_of(struct str name)
{
	const struct conf *c = daemon_conf();

	for (size_t i = 0; i < pat.n_lists; i++) {
		if (str_ieq(pat.lists[i]->name, name))
			return pat.lists[i];
	}
	for (size_t i = 0; i < conf_n_blocks(c, CONF_BLOCK_REPLIES); i++) {
		struct str found = conf_block_name(c, CONF_BLOCK_REPLIES, i);
		if (!str_ieq(found, name))
			continue;
		pat.lists = xreallocarray(pat.lists, pat.n_lists + 1, sizeof *pat.lists);
		pat.lists[pat.n_lists] = read_list(conf_block_at(c, CONF_BLOCK_REPLIES, i), found);
		return pat.lists[pat.n_lists++];
	}
	return NULL;
}

void
patterns_prepare(void)
{
	for (size_t i = 0; i < conf_n_blocks(daemon_conf(), CONF_BLOCK_REPLIES); i++)
		(void)list_of(conf_block_name(daemon_conf(), CONF_BLOCK_REPLIES, i));
}

static size_t
n_words(const struct rule *r)
{
	size_t n = 0;

	while (n < RULE_MAX_WORDS && r->words[n] != NULL)
		n++;
	return n;
}

static int
by_words(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;
	size_t n = n_words(x), m = n_words(y);

	if (n != m)
		return n > m ? -1 : 1;
	return (x->origin.line > y->origin.line) - (x->origin.line < y->origin.line);
}

static void
free_rules(struct rules *l)
{
	for (size_t i = 0; i < l->n; i++)
		rule_clear(&l->list[i]);
	xfree(&l->list);
	l->n = 0;
}

/* a list by its name replaces that of a less specific <domain>; texts add up */
static void
read_names(struct patterns *p)
{
	for (size_t i = 0; i < conf_n(p->set, CONF_DOMAIN_SMTP_PATTERN_LIST); i++) {
		struct str rest = conf_item(p->set, CONF_DOMAIN_SMTP_PATTERN_LIST, i), name;
		if (!str_next_word(&rest, &name))
			continue;
		if (str_trim(rest).len > 0)
			read_line(
			    &p->own, rule_parse_prefix, p->set, CONF_DOMAIN_SMTP_PATTERN_LIST, i);
		else if (p->common == NULL)
			p->common = list_of(name);
	}
}

struct patterns *
patterns_of(const struct conf_set *set)
{
	struct patterns *p;

	if (conf_n(set, CONF_DOMAIN_SMTP_PATTERN_LIST) +
		conf_n(set, CONF_DOMAIN_RETRY_AFTER_REPLY) ==
	    0)
		return NULL;
	p = xcalloc(1, sizeof *p);
	p->set = set;
	read_names(p);
	for (size_t i = 0; i < conf_n(set, CONF_DOMAIN_RETRY_AFTER_REPLY); i++)
		read_line(&p->waits, rule_parse_wait, set, CONF_DOMAIN_RETRY_AFTER_REPLY, i);
	if (p->waits.n > 1)
		qsort(p->waits.list, p->waits.n, sizeof *p->waits.list, by_words);
	pat.all = xreallocarray(pat.all, pat.n_all + 1, sizeof(struct patterns *));
	pat.all[pat.n_all++] = p;
	return p;
}

void
patterns_forget_all(void)
{
	for (size_t i = 0; i < pat.n_all; i++) {
		free_rules(&pat.all[i]->own);
		free_rules(&pat.all[i]->waits);
		free(pat.all[i]);
	}
	for (size_t i = 0; i < pat.n_lists; i++) {
		free_rules(pat.lists[i]);
		free(pat.lists[i]);
	}
	xfree(&pat.all);
	xfree(&pat.lists);
	pat.n_all = pat.n_lists = 0;
	drop_unused();
}

/* ---- matching ---- */

#define MODES	(ACT_BACKOFF | ACT_NORMAL)
#define BOUNCES (ACT_BOUNCE_RCPT | ACT_BOUNCE_ANY)

/* what the rule adds to those before it */
static void
combine(struct verdict *v, const struct rule *r)
{
	unsigned new = r->actions & ~v->actions;

	if ((new &MODES) != 0 && v->mode_by == NULL) {
		v->actions |= new &MODES;
		v->mode_by = r;
		v->backoff_ms = r->backoff_ms;
	}
	if ((new &ACT_SKIP_MX) != 0 && (v->actions & ACT_BOUNCE_QUEUE) == 0) {
		v->actions |= ACT_SKIP_MX;
		v->skip_by = r;
	}
	if ((new &ACT_BOUNCE_QUEUE) != 0 && (v->actions & ACT_SKIP_MX) == 0) {
		v->actions |= ACT_BOUNCE_QUEUE;
		v->bounce_by = r;
	}
	v->actions |= new &BOUNCES;
	if ((new &ACT_DISABLE_SOURCE) != 0) {
		v->actions |= ACT_DISABLE_SOURCE;
		v->disable_by = r;
		v->reenable_ms = r->reenable_ms;
	}
	if ((new &ACT_DEFER_QUEUE) != 0) {
		v->actions |= ACT_DEFER_QUEUE;
		v->defer_by = r;
		v->defer_ms = r->defer_ms;
	}
}

static void
match_rules(const struct rules *l, struct str reply, const struct pairs *pairs, struct verdict *v)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct rule *r = &l->list[i];
		if ((r->actions & ~v->actions) != 0 && pairs_have(pairs, &r->needs) &&
		    rule_matches(r, reply))
			combine(v, r);
	}
}

static void
match_waits(const struct rules *l, struct str reply, struct verdict *v)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!rule_matches(&l->list[i], reply))
			continue;
		v->actions |= ACT_WAIT;
		v->wait_by = &l->list[i];
		v->wait_ms = l->list[i].defer_ms;
		return;
	}
}

static void
remember(struct patterns *p, struct str reply, const struct verdict *v)
{
	p->memo.is_known = reply.len <= MEMO_MAX;
	if (!p->memo.is_known)
		return;
	p->memo.len = reply.len;
	if (reply.len > 0)
		memcpy(p->memo.text, reply.p, reply.len);
	p->memo.verdict = *v;
}

bool
patterns_match(struct patterns *p, struct str reply, struct verdict *v)
{
	struct pairs pairs;

	if (p->memo.is_known && str_eq(str_from(p->memo.text, p->memo.len), reply)) {
		*v = p->memo.verdict;
		return v->actions != 0;
	}
	*v = (struct verdict){0};
	pairs_of_text(reply, &pairs);
	if (p->common != NULL)
		match_rules(p->common, reply, &pairs, v);
	match_rules(&p->own, reply, &pairs, v);
	match_waits(&p->waits, reply, v);
	remember(p, reply, v);
	return v->actions != 0;
}
