#include "bounced/actions.h"

#include "lib/base/buf.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"

#define MAX_MATCH (64u * 1024)

static const char *const names[ACTION_WHAT_MAX] = {
    [ACTION_NONE] = "none",
    [ACTION_SUPPRESS] = "suppress",
    [ACTION_RETRY] = "retry",
    [ACTION_DELETE] = "delete",
    [ACTION_LOG_ONLY] = "log-only",
};

const char *
action_name(enum action_what what)
{
	return names[what];
}

static bool
parse_what(struct str s, enum action_what *what)
{
	for (size_t i = 0; i < ACTION_WHAT_MAX; i++) {
		if (!str_ieq(s, str_of(names[i])))
			continue;
		*what = (enum action_what)i;
		return true;
	}
	return false;
}

static void
add(struct actions *a, const struct action *one)
{
	a->list = xreallocarray(a->list, a->n + 1, sizeof *a->list);
	a->list[a->n++] = *one;
}

/* ---- <bounce-action> ---- */

/* " bad-mailbox bad-domain " */
static char *
categories_of(const struct conf_set *set)
{
	struct buf b;
	char *text;

	buf_init(&b, MAX_MATCH);
	(void)buf_add_char(&b, ' ');
	for (size_t i = 0; i < conf_n(set, CONF_ACTION_MATCH); i++)
		(void)buf_addf(&b, "%.*s ", STR_ARG(conf_item(set, CONF_ACTION_MATCH, i)));
	text = xstrdup(buf_cstr(&b));
	buf_clear(&b);
	return text;
}

static void
read_action(struct actions *a, const struct conf *c, size_t i)
{
	const struct conf_set *set = conf_block_at(c, CONF_BLOCK_ACTION, i);
	struct conf_origin at = conf_block_origin(c, CONF_BLOCK_ACTION, i);
	struct action one = {.what = ACTION_NONE,
	    .scope = (enum action_scope)conf_enum(set, CONF_ACTION_SCOPE),
	    .retry_ms = conf_ms(set, CONF_ACTION_RETRY_AFTER),
	    .suppress_ms = conf_ms(set, CONF_ACTION_SUPPRESS_FOR),
	    .max_tries = (uint32_t)PH_MIN(conf_u64(set, CONF_ACTION_MAX_TRIES), UINT32_MAX),
	    .is_permanent = conf_enum(set, CONF_ACTION_TYPE) == 0,
	    .line = at.line};

	/* the words of the row are the names of enum action_what */
	(void)parse_what(conf_str(set, CONF_ACTION_ACTION), &one.what);
	one.match = categories_of(set);
	one.file = xstrdup(at.file == NULL ? "" : at.file);
	add(a, &one);
}

/* ---- <bounce-handling> ---- */

static void
read_word(struct action *one, struct str word)
{
	size_t eq = str_find(word, '=');
	struct str name = str_sub(word, 0, eq), value = str_skip(word, eq + 1);
	char text[256];

	if (eq == STR_NPOS || !conf_arg(value, 0, text, sizeof text))
		return;
	value = str_of(text);
	if (str_eq(name, STR("match")))
		one->match = xstrdup_str(value);
	else if (str_eq(name, STR("action")))
		(void)parse_what(value, &one->what);
	else if (str_eq(name, STR("retry-after")))
		(void)conf_parse_time(value, &one->retry_ms);
	else if (str_eq(name, STR("max-tries")))
		(void)parse_u32(value, 0, UINT32_MAX - 1, &one->max_tries);
	else if (str_eq(name, STR("log-only")) &&
		 (str_ieq(value, STR("yes")) || str_ieq(value, STR("true"))))
		one->what = ACTION_LOG_ONLY;
}

/* log-only may stand in front of action: it wins wherever it stands */
static void
read_response(struct actions *a, const struct conf_set *set, size_t i, struct str vmta)
{
	struct conf_origin at = conf_item_origin(set, CONF_HANDLING_RESPONSE, i);
	struct action one = {.what = ACTION_NONE,
	    .scope = vmta.len > 0 ? SCOPE_VMTA : SCOPE_GLOBAL,
	    .suppress_ms = CONF_NEVER,
	    .max_tries = UINT32_MAX,
	    .line = at.line};
	struct str rest = conf_item(set, CONF_HANDLING_RESPONSE, i), word;
	bool logs = false;

	while (str_next_word(&rest, &word)) {
		read_word(&one, word);
		logs |= one.what == ACTION_LOG_ONLY;
	}
	if (logs)
		one.what = ACTION_LOG_ONLY;
	if (one.match == NULL)
		return;
	/* "4.*" as in the file; the same words mean the same in both blocks */
	if (one.what == ACTION_SUPPRESS)
		one.what = ACTION_DELETE;
	one.vmta = xstrdup_str(vmta);
	one.file = xstrdup(at.file == NULL ? "" : at.file);
	add(a, &one);
}

static void
read_handlings(struct actions *a, const struct conf *c, bool of_vmtas)
{
	struct str vmta;

	for (size_t k = 0; k < conf_n_blocks(c, CONF_BLOCK_HANDLING); k++) {
		const struct conf_set *set = conf_block_at(c, CONF_BLOCK_HANDLING, k);
		enum conf_block in = conf_block_parent(c, CONF_BLOCK_HANDLING, k, &vmta);
		if ((in == CONF_BLOCK_VMTA) != of_vmtas)
			continue;
		for (size_t i = 0; i < conf_n(set, CONF_HANDLING_RESPONSE); i++)
			read_response(a, set, i, of_vmtas ? vmta : STR(""));
	}
}

void
actions_use_conf(struct actions *a, const struct conf *c)
{
	actions_clear(a);
	read_handlings(a, c, true);
	read_handlings(a, c, false);
	for (size_t i = 0; i < conf_n_blocks(c, CONF_BLOCK_ACTION); i++)
		read_action(a, c, i);
}

void
actions_clear(struct actions *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->list[i].vmta);
		free(a->list[i].match);
		free(a->list[i].file);
	}
	xfree(&a->list);
	a->n = 0;
}

/* ---- finding ---- */

/* "*": any number of bytes, "?": one. The glob is the operator's and short, the text is a status. */
static bool
glob_fits(const char *glob, const char *text)
{
	const char *star = NULL, *from = NULL;

	while (*text != '\0') {
		if (*glob == '*') {
			star = glob++;
			from = text;
		} else if (*glob == '?' || *glob == *text) {
			glob++;
			text++;
		} else if (star != NULL) {
			glob = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return *glob == '\0';
}

static bool
fits(const struct action *one, const struct action_case *c, const char *status, const char *word)
{
	if (one->vmta != NULL)
		return status[0] != '\0' &&
		       (one->vmta[0] == '\0' || str_ieq(str_of(one->vmta), c->vmta)) &&
		       glob_fits(one->match, status);
	return one->is_permanent == c->is_permanent && strstr(one->match, word) != NULL;
}

const struct action *
actions_find(const struct actions *a, const struct action_case *c)
{
	char status[16] = "", word[80];

	if (c->enh != NULL)
		snprintf(status, sizeof status, "%u.%u.%u", c->enh[0], c->enh[1], c->enh[2]);
	snprintf(word, sizeof word, " %.70s ", c->category);
	for (size_t i = 0; i < a->n; i++)
		if (fits(&a->list[i], c, status, word))
			return &a->list[i];
	return NULL;
}
