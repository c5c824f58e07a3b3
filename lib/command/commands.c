#include "lib/command/commands.h"

#include "lib/base/xalloc.h"

/* directives of a block that each make one command */
static const struct place {
	enum command_kind kind;
	enum conf_block block;
	enum conf_key key, user;
} places[] = {
    {COMMAND_PIPE, CONF_BLOCK_DOMAIN, CONF_DOMAIN_COMMAND, CONF_DOMAIN_COMMAND_USER},
    {COMMAND_FILE, CONF_BLOCK_DOMAIN, CONF_DOMAIN_FILE_DESTINATION, CONF_DOMAIN_COMMAND_USER},
    {COMMAND_HTTP, CONF_BLOCK_DOMAIN, CONF_DOMAIN_HTTP_DELIVERY_URL, CONF_NONE},
};

#define POST_USER "pmta-hook"

static void
add(struct commands *l, const struct command *cmd)
{
	l->list = xreallocarray(l->list, l->n + 1, sizeof *l->list);
	l->list[l->n++] = *cmd;
}

/* its own, else that of all commands */
static struct str
user_of(const struct conf *c, const struct conf_set *set, enum conf_key key)
{
	struct str own = key == CONF_NONE ? STR(POST_USER) : conf_str(set, key);

	return own.len > 0 ? own : conf_str(conf_global(c), CONF_GLOBAL_COMMAND_USER);
}

static void
add_of_place(struct commands *l, const struct conf *c, const struct place *p)
{
	struct command cmd = {.kind = p->kind};
	size_t at = 0;

	while ((cmd.set = conf_block_saying(c, p->block, &at, &p->key, 1, &cmd.origin)) != NULL) {
		cmd.text = conf_str(cmd.set, p->key);
		cmd.user = user_of(c, cmd.set, p->user);
		cmd.origin = conf_origin(cmd.set, p->key);
		if (cmd.text.len > 0)
			add(l, &cmd);
	}
}

static void
add_acct(struct commands *l, const struct conf *c)
{
	for (size_t i = 0; i < conf_n_blocks(c, CONF_BLOCK_ACCT); i++) {
		struct str name = str_trim(conf_block_name(c, CONF_BLOCK_ACCT, i));
		const struct conf_set *set = conf_block_at(c, CONF_BLOCK_ACCT, i);
		const struct command cmd = {.kind = COMMAND_ACCT,
		    .text = str_trim(str_skip(name, 1)),
		    .user = user_of(c, set, CONF_ACCT_COMMAND_USER),
		    .set = set,
		    .origin = conf_block_origin(c, CONF_BLOCK_ACCT, i)};
		const struct command post = {.kind = COMMAND_POST,
		    .text = conf_str(set, CONF_ACCT_HTTP_WEBHOOK_URL),
		    .name = name,
		    .user = STR(POST_USER),
		    .set = set,
		    .origin = cmd.origin};
		if (post.text.len > 0)
			add(l, &post);
		else if (str_has_prefix(name, STR("|")))
			add(l, &cmd);
	}
}

static void
add_alert(struct commands *l, const struct conf *c)
{
	const struct conf_set *g = conf_global(c);
	const struct command cmd = {.kind = COMMAND_ALERT,
	    .text = conf_str(g, CONF_GLOBAL_ALERT_COMMAND),
	    .user = conf_str(g, CONF_GLOBAL_COMMAND_USER),
	    .set = g,
	    .origin = conf_origin(g, CONF_GLOBAL_ALERT_COMMAND)};

	if (cmd.text.len > 0)
		add(l, &cmd);
}

/* type=pipe command=TEXT */
static struct str
handler_command(struct str line)
{
	size_t at = str_find_str(line, STR("command="));
	struct str text = str_trim(str_skip(line, at == STR_NPOS ? line.len : at + 8));

	if (str_find_str(line, STR("type=pipe")) == STR_NPOS)
		return STR_NULL;
	if (text.len >= 2 && text.p[0] == '"' && text.p[text.len - 1] == '"')
		text = str_sub(text, 1, text.len - 2);
	return text;
}

static void
add_handlers(struct commands *l, const struct conf *c)
{
	struct command cmd = {.kind = COMMAND_HANDLER};

	for (size_t i = 0; i < conf_n_blocks(c, CONF_BLOCK_FBL); i++) {
		cmd.set = conf_block_at(c, CONF_BLOCK_FBL, i);
		cmd.user = user_of(c, cmd.set, CONF_FBL_COMMAND_USER);
		for (size_t k = 0; k < conf_n(cmd.set, CONF_FBL_HANDLER); k++) {
			cmd.text = handler_command(conf_item(cmd.set, CONF_FBL_HANDLER, k));
			cmd.origin = conf_item_origin(cmd.set, CONF_FBL_HANDLER, k);
			if (cmd.text.len > 0)
				add(l, &cmd);
		}
	}
}

/* one for all domains: whose policy is wanted the asker says */
static void
add_sts(struct commands *l, const struct conf *c)
{
	const struct conf_set *g = conf_global(c);
	const struct command cmd = {.kind = COMMAND_STS,
	    .text = conf_str(g, CONF_GLOBAL_MTA_STS_CA_FILE),
	    .user = STR(POST_USER),
	    .set = g,
	    .origin = conf_origin(g, CONF_GLOBAL_MTA_STS_CA_FILE)};

	if (conf_uses(c, CONF_DOMAIN_USE_MTA_STS))
		add(l, &cmd);
}

/* FNV-1a: both ends have it from the same configuration, nobody else writes it */
static uint64_t
mix(uint64_t h, struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (uint8_t)s.p[i]) * UINT64_C(0x100000001b3);
	return (h ^ 0xff) * UINT64_C(0x100000001b3);
}

void
commands_make(struct commands *l, const struct conf *c)
{
	*l = (struct commands){.hash = UINT64_C(0xcbf29ce484222325)};
	add_acct(l, c);
	for (size_t i = 0; i < countof(places); i++)
		add_of_place(l, c, &places[i]);
	add_alert(l, c);
	add_handlers(l, c);
	add_sts(l, c);
	for (size_t i = 0; i < l->n; i++) {
		l->hash = mix(l->hash, l->list[i].text);
		l->hash = mix(l->hash, l->list[i].user) + l->list[i].kind;
	}
}

void
commands_clear(struct commands *l)
{
	xfree(&l->list);
	l->n = 0;
}

static bool
is_at(const struct conf_origin *a, const struct conf_origin *b)
{
	return a->line == b->line && a->file != NULL && b->file != NULL &&
	       strcmp(a->file, b->file) == 0;
}

bool
commands_find(const struct commands *l, enum command_kind kind, const struct conf_origin *origin,
    uint32_t *number)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->list[i].kind != kind || !is_at(&l->list[i].origin, origin))
			continue;
		*number = (uint32_t)i;
		return true;
	}
	return false;
}

bool
commands_find_of(const struct commands *l, enum command_kind kind, const struct conf_set *set,
    enum conf_key key, uint32_t *number)
{
	const struct conf_origin origin = conf_origin(set, key);

	return conf_str(set, key).len > 0 && commands_find(l, kind, &origin, number);
}
