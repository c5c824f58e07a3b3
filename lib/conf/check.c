#include "lib/base/log.h"
#include "lib/base/regex.h"
#include "lib/conf/conf_int.h"

/* Where nothing more precise is known: the main file. */
static const struct conf_at main_file = {0};

/* ---- names that must be there, or be there once ---- */

static bool
is_same(const struct conf_blk *a, const struct conf_blk *b)
{
	bool both = a->kind == b->kind ||
		    (a->kind == CONF_BLOCK_VMTA && b->kind == CONF_BLOCK_POOL) ||
		    (a->kind == CONF_BLOCK_POOL && b->kind == CONF_BLOCK_VMTA);

	return both && a->parent == b->parent && a->name.len > 0 && str_ieq(a->name, b->name);
}

static void
check_unique(struct conf_load *l)
{
	struct conf *c = l->c;
	struct conf_names *seen[CONF_N_BLOCKS] = {0};

	for (size_t i = 1; i < c->n_blocks; i++) {
		struct conf_blk *b = c->blocks[i], *first;
		enum conf_block space =
		    b->kind == CONF_BLOCK_POOL ? CONF_BLOCK_VMTA : b->kind; /* one name space */
		uint32_t at;
		if (conf_block_row(b->kind)->many != CONF_UNIQUE || b->is_dead || b->name.len == 0)
			continue;
		if (seen[space] == NULL)
			seen[space] = conf_names_new();
		if (conf_names_put(seen[space], b->name, (uint32_t)i) ||
		    !conf_names_get(seen[space], b->name, &at))
			continue;
		first = c->blocks[at];
		if (is_same(first, b))
			conf_error(l, b->at,
			    "<%s %.*s> is there twice: first as <%s> in line %u of %s",
			    conf_block_row(b->kind)->tag, STR_ARG(b->name),
			    conf_block_row(first->kind)->tag, first->at.line,
			    c->files[first->at.file].path);
	}
	for (size_t i = 0; i < CONF_N_BLOCKS; i++)
		conf_names_free(&seen[i]);
}

static bool
has_block(const struct conf *c, enum conf_block kind, struct str name)
{
	for (size_t i = 0; i < c->n_blocks; i++)
		for (size_t j = 0; c->blocks[i]->kind == kind && !c->blocks[i]->is_dead &&
				   j < c->blocks[i]->n_names;
		     j++)
			if (str_ieq(c->blocks[i]->names[j], name))
				return true;
	return false;
}

/* Directives whose first word names a block. */
static const struct {
	enum conf_key key;
	enum conf_block kind;
} references[] = {
    {CONF_LISTENER_SOURCE, CONF_BLOCK_SOURCE},
    {CONF_USER_SOURCE, CONF_BLOCK_SOURCE},
    {CONF_DOMAIN_SMTP_PATTERN_LIST, CONF_BLOCK_REPLIES},
    {CONF_SOURCE_PATTERN_LIST, CONF_BLOCK_PATTERNS},
    {CONF_SOURCE_REWRITE_LIST, CONF_BLOCK_REWRITE},
    {CONF_VMTA_REWRITE_LIST, CONF_BLOCK_REWRITE},
    {CONF_POOL_REWRITE_LIST, CONF_BLOCK_REWRITE},
    {CONF_SOURCE_SUPPRESSION_LISTS, CONF_BLOCK_ADDRESSES},
    {CONF_GLOBAL_SUPPRESSION_LISTS, CONF_BLOCK_ADDRESSES},
    {CONF_SOURCE_SOURCE_GROUP, CONF_BLOCK_GROUP},
    {CONF_GLOBAL_USE_PROXY, CONF_BLOCK_PROXY},
    {CONF_VMTA_USE_PROXY, CONF_BLOCK_PROXY},
};

static void
check_reference(
    struct conf_load *l, const struct conf_item *it, enum conf_key key, enum conf_block kind)
{
	struct str rest = it->text, name;

	if (!str_next_word(&rest, &name) || has_block(l->c, kind, name))
		return;
	if (kind == CONF_BLOCK_SOURCE && name.p[0] == '{')
		return; /* these have settings of their own without being written */
	if (kind == CONF_BLOCK_REPLIES && rest.len > 0)
		return; /* NAME "TEXT" is a list by itself */
	if (kind == CONF_BLOCK_PROXY && str_ieq(name, STR("none")))
		return;
	conf_error(l, it->at, "%s: there is no <%s %.*s>", conf_key_name(key),
	    conf_block_row(kind)->tag, STR_ARG(name));
}

static void
check_vmta_name(struct conf_load *l, const struct conf_row *row, const struct conf_item *it)
{
	struct str rest = it->text, name;
	const uint32_t want = row->key == CONF_POOL_VIRTUAL_MTA;
	uint32_t blk;

	if (!str_next_word(&rest, &name) || str_ieq(name, STR("{default}")) ||
	    (str_ieq(name, STR("by-smtp-source-ip")) &&
		row->key == CONF_SOURCE_DEFAULT_VIRTUAL_MTA))
		return;
	if (!conf_names_get(l->c->names, name, &blk))
		conf_error(l, it->at, "%s: there is no <virtual-mta %.*s>%s", row->name,
		    STR_ARG(name), want ? "" : " or pool of that name");
	else if (want && l->c->blocks[blk]->kind != CONF_BLOCK_VMTA)
		conf_error(l, it->at, "%s: %.*s is a pool; pools have VirtualMTAs as members",
		    row->name, STR_ARG(name));
}

static void
check_value(struct conf_load *l, const struct conf_value *v)
{
	const struct conf_row *row = conf_row(v->key);

	for (size_t r = 0; r < countof(references); r++)
		for (uint32_t i = 0; references[r].key == v->key && i < v->n; i++)
			check_reference(l, &v->items[i], v->key, references[r].kind);
	if (strncmp(row->syntax, "VMTA", 4) == 0)
		for (uint32_t i = 0; i < v->n; i++)
			check_vmta_name(l, row, &v->items[i]);
	for (uint32_t i = 0; i < v->n; i++)
		conf_regex_check(l, row, &v->items[i]);
}

/* ---- pools ---- */

static bool
has_domains(const struct conf *c, uint32_t pool)
{
	for (size_t i = 0; i < c->n_blocks; i++)
		if (c->blocks[i]->kind == CONF_BLOCK_DOMAIN && c->blocks[i]->parent == pool)
			return true;
	return false;
}

/* A VirtualMTA inherits the <domain> blocks of its pool, so it may be in one pool that has any. */
static void
check_pools(struct conf_load *l)
{
	struct conf *c = l->c;
	struct conf_names *seen = conf_names_new();

	for (size_t i = 0; i < c->n_blocks; i++) {
		struct conf_blk *b = c->blocks[i];
		struct conf_value *v =
		    b->kind == CONF_BLOCK_POOL ? conf_blk_value(b, CONF_POOL_VIRTUAL_MTA) : NULL;
		bool has_own;
		if (b->kind != CONF_BLOCK_POOL)
			continue;
		has_own = has_domains(c, (uint32_t)i);
		if (v == NULL || v->n == 0) {
			conf_error(l, b->at, "<virtual-mta-pool %.*s> has no virtual-mta",
			    STR_ARG(b->name));
			continue;
		}
		for (uint32_t j = 0; j < v->n && has_own; j++) {
			struct str rest = v->items[j].text, name;
			uint32_t other;
			if (!str_next_word(&rest, &name) || conf_names_put(seen, name, (uint32_t)i))
				continue;
			conf_names_get(seen, name, &other);
			if (other != i)
				conf_error(l, v->items[j].at,
				    "virtual-mta: %.*s is in the pools %.*s and %.*s, and both "
				    "have <domain> blocks",
				    STR_ARG(name), STR_ARG(c->blocks[other]->name),
				    STR_ARG(b->name));
		}
	}
	conf_names_free(&seen);
}

/* ---- the rest ---- */

/* pmtactl and the daemons each have a working directory of their own */
static void
check_spool(struct conf_load *l)
{
	for (size_t i = 0; i < l->c->n_blocks; i++) {
		const struct conf_blk *b = l->c->blocks[i];
		if (b->kind == CONF_BLOCK_SPOOL && !b->is_dead && b->name.len > 0 &&
		    !str_has_prefix(b->name, STR("/")))
			conf_error(l, b->at, "<spool %.*s>: a spool's path begins with /",
			    STR_ARG(b->name));
	}
}

static void
check_required(struct conf_load *l)
{
	if (conf_str(conf_global(l->c), CONF_GLOBAL_LOG_FILE).len == 0)
		conf_error(l, main_file, "log-file is missing: no logging file specified");
	check_spool(l);
	if (conf_n_blocks(l->c, CONF_BLOCK_SPOOL) == 0)
		conf_error(l, main_file, "<spool DIRECTORY> is missing");
}

/* Names that would make the name of a queue, domain/vmta, ambiguous. */
static void
check_names(struct conf_load *l)
{
	for (size_t i = 0; i < l->c->n_blocks; i++) {
		const struct conf_blk *b = l->c->blocks[i];
		if (b->kind != CONF_BLOCK_VMTA && b->kind != CONF_BLOCK_POOL)
			continue;
		for (size_t k = 0; k < b->name.len; k++)
			if (strchr("/,*\" \t", b->name.p[k]) != NULL) {
				conf_error(l, b->at,
				    "<%s>: the name \"%.*s\" may not have '%c' in it",
				    conf_block_row(b->kind)->tag, STR_ARG(b->name), b->name.p[k]);
				break;
			}
		if (b->name.len > 128)
			conf_error(l, b->at, "<%s>: the name is longer than 128 bytes",
			    conf_block_row(b->kind)->tag);
	}
}

/* What is allowed, and had better be known. */
static const struct {
	enum conf_key key;
	const char *text;
} risks[] = {
    {CONF_GLOBAL_SYNC_MSG_CREATE,
	"allows that mail acknowledged in the last second is lost when the machine crashes"},
    {CONF_GLOBAL_SYNC_MSG_UPDATE, "allows that mail is sent twice after a crash of the machine"},
};

static void
check_risks(struct conf_load *l)
{
	for (size_t i = 0; i < countof(risks); i++) {
		struct conf_value *v = conf_blk_value(l->c->blocks[0], risks[i].key);
		if (v != NULL && v->n > 0 && v->items[0].num == 0)
			conf_note(
			    l, v->at, "%s no: %s", conf_key_name(risks[i].key), risks[i].text);
	}
}

/* What of signing is changed, or is better not done. */
static const struct {
	enum conf_key key;
	uint64_t word; /* number of the value that is meant */
	const char *text;
} signing[] = {
    {CONF_DOMAIN_DKIM_ALGORITHM, 1,
	"rsa-sha1: receivers take it for no signature (RFC 8301): rsa-sha256 is used"},
    {CONF_DOMAIN_SECOND_DKIM_ALGORITHM, 1,
	"rsa-sha1: receivers take it for no signature (RFC 8301): rsa-sha256 is used"},
    {CONF_DKIM_SIGN_HASH, 1, "sha1: receivers take it for no signature (RFC 8301): sha256 is used"},
    {CONF_DOMAIN_DKIM_ADD_BODY_LIMIT, 1,
	"yes: WARNING: whoever has a signed message can append text of his own to it and the "
	"signature stays good (RFC 6376 8.2)"},
    {CONF_DOMAIN_SECOND_DKIM_ADD_BODY_LIMIT, 1,
	"yes: WARNING: whoever has a signed message can append text of his own to it and the "
	"signature stays good (RFC 6376 8.2)"},
};

static void
check_patterns(struct conf_load *l, const struct conf_value *v)
{
	struct why why;

	for (uint32_t i = 0; i < v->n; i++) {
		struct str s = v->items[i].text;
		if (s.len > 2 && s.p[0] == '/' && s.p[s.len - 1] == '/' &&
		    regex_check(str_sub(s, 1, s.len - 2), &why) == -1)
			conf_error(l, v->items[i].at, "%s: %s", conf_key_name(v->key), why.text);
	}
}

static void
check_signing(struct conf_load *l)
{
	static const enum conf_key lists[] = {
	    CONF_DOMAIN_DKIM_HEADERS, CONF_DOMAIN_SECOND_DKIM_HEADERS};

	for (size_t i = 0; i < l->c->n_blocks; i++)
		for (size_t k = 0; k < countof(lists); k++) {
			struct conf_value *v = conf_blk_value(l->c->blocks[i], lists[k]);
			if (v != NULL)
				check_patterns(l, v);
		}
	for (size_t i = 0; i < l->c->n_blocks; i++)
		for (size_t k = 0; k < countof(signing); k++) {
			struct conf_value *v = conf_blk_value(l->c->blocks[i], signing[k].key);
			if (v != NULL && v->n > 0 && v->items[0].num == signing[k].word)
				conf_note(l, v->at, "%s %s", conf_key_name(signing[k].key),
				    signing[k].text);
		}
}

static bool
signs_somewhere(const struct conf *c)
{
	for (size_t i = 0; i < c->n_blocks; i++) {
		const struct conf_value *v = conf_blk_value(c->blocks[i], CONF_DOMAIN_DKIM_SIGN);
		if (v != NULL && v->n > 0 && v->items[0].num != 0)
			return true;
	}
	return conf_uses(c, CONF_SOURCE_PROCESS_X_DKIM_OPTIONS);
}

/* Keys alone sign nothing; <dkim> and dkim-sign KEYFILE do. */
static void
check_keys_are_used(struct conf_load *l)
{
	static const enum conf_key keys[] = {CONF_GLOBAL_DOMAIN_KEY, CONF_VMTA_DOMAIN_KEY,
	    CONF_POOL_DOMAIN_KEY, CONF_KEY_PRIVATE_KEY, CONF_GLOBAL_DKIM_KEY_DIRECTORY};

	if (signs_somewhere(l->c))
		return;
	for (size_t i = 0; i < l->c->n_blocks; i++)
		for (size_t k = 0; k < countof(keys); k++) {
			const struct conf_value *v = conf_blk_value(l->c->blocks[i], keys[k]);
			if (v == NULL || v->n == 0)
				continue;
			conf_note(l, v->at,
			    "%s: nothing is signed with it: no <domain> says "
			    "dkim-sign yes",
			    conf_key_name(keys[k]));
			return;
		}
}

void
conf_check(struct conf_load *l)
{
	conf_check_users(l);
	conf_check_fields(l);
	check_required(l);
	check_unique(l);
	check_names(l);
	for (size_t i = 0; i < l->c->n_blocks; i++)
		for (size_t j = 0; j < l->c->blocks[i]->n_values; j++)
			check_value(l, &l->c->blocks[i]->values[j]);
	check_pools(l);
	check_risks(l);
	check_signing(l);
	check_keys_are_used(l);
	conf_check_bounces(l);
}
