/* one line of what replies cause: read, and held against a reply */
#include "lib/base/xalloc.h"
#include "queued/react/pattern.h"
#include "queued/control/pause.h"

#define WORD_MAX 1024

/*
 * The next word of a line as the configuration prints it: up to a blank outside of quotes; quotes and the backslashes
 * within them are taken off, also behind "name=". Too long or not there: false.
 */
static bool
next_word(struct str *rest, char out[WORD_MAX])
{
	struct str s = str_trim(*rest);
	bool in_quotes = false;
	size_t i = 0, n = 0;

	if (s.len == 0)
		return false;
	for (; i < s.len && (in_quotes || (s.p[i] != ' ' && s.p[i] != '\t')); i++) {
		char c = s.p[i];
		if (c == '"') {
			in_quotes = !in_quotes;
			continue;
		}
		if (in_quotes && c == '\\' && i + 1 < s.len)
			c = s.p[++i];
		if (n == WORD_MAX - 1 || c == '\0')
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	*rest = str_skip(s, i);
	return true;
}

static void
begin(struct rule *r, enum rule_how how, unsigned actions)
{
	*r = (struct rule){.how = how,
	    .actions = actions,
	    .backoff_ms = PATTERN_DEFAULT,
	    .reenable_ms = PATTERN_DEFAULT,
	    .defer_ms = PATTERN_DEFAULT};
}

void
rule_clear(struct rule *r)
{
	for (size_t i = 0; i < RULE_MAX_WORDS; i++)
		xfree(&r->words[i]);
}

static const struct {
	struct str name;
	unsigned action, excludes, needs;
	size_t time; /* where its time goes, 0: has none */
} actions[] = {
    {STR("mode=backoff"), ACT_BACKOFF, ACT_NORMAL, 0, 0},
    {STR("mode=normal"), ACT_NORMAL, ACT_BACKOFF, 0, 0},
    {STR("skip-mx"), ACT_SKIP_MX, ACT_BOUNCE_QUEUE, 0, 0},
    {STR("bounce-queue"), ACT_BOUNCE_QUEUE, ACT_SKIP_MX, 0, 0},
    {STR("bounce-rcpt"), ACT_BOUNCE_RCPT, 0, 0, 0},
    {STR("defer-queue"), ACT_DEFER_QUEUE, 0, 0, 0},
    {STR("disable-source-ip"), ACT_DISABLE_SOURCE, 0, 0, 0},
    {STR("reenable-after="), 0, 0, ACT_DISABLE_SOURCE, offsetof(struct rule, reenable_ms)},
    {STR("backoff-to-normal-after="), 0, 0, ACT_BACKOFF, offsetof(struct rule, backoff_ms)},
};

static int
parse_action(struct str s, struct rule *r, struct why *why)
{
	for (size_t i = 0; i < countof(actions); i++) {
		struct str name = actions[i].name;
		int64_t *ms = (int64_t *)((char *)r + actions[i].time);
		if (actions[i].time == 0 ? !str_ieq(s, name) : !str_has_iprefix(s, name))
			continue;
		if ((r->actions & actions[i].excludes) != 0 ||
		    (r->actions & actions[i].needs) != actions[i].needs)
			return why_set(why, "\"%.*s\" contradicts the rest", STR_ARG(s));
		r->actions |= actions[i].action;
		if (actions[i].time == 0)
			return 0;
		if (*ms != PATTERN_DEFAULT || !conf_parse_time(str_skip(s, name.len), ms))
			return why_set(why, "\"%.*s\" has no good time", STR_ARG(s));
		return 0;
	}
	return why_set(why, "unknown action \"%.*s\"", STR_ARG(str_sub(s, 0, 100)));
}

/* index of the slash that ends the pattern that begins at s.p[0] */
static size_t
regex_end(struct str s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '/')
			return i;
	}
	return STR_NPOS;
}

int
rule_parse_reply(struct str text, struct rule *r, struct str *regex, struct why *why)
{
	struct str s = str_trim(text), piece;
	size_t end = s.len > 0 && s.p[0] == '/' ? regex_end(s) : STR_NPOS;

	begin(r, RULE_REGEX, 0);
	if (end == STR_NPOS)
		return why_set(why, "not a /pattern/");
	*regex = str_sub(s, 1, end - 1);
	s = str_trim(str_skip(s, end + 1));
	if (s.len == 0)
		return why_set(why, "it has no action");
	while (str_next(&s, ',', &piece)) {
		if (parse_action(str_trim(piece), r, why) == -1)
			return -1;
	}
	return 0;
}

/* response=GLOB action=WORD [period=TIME] */
static int
glob_word(struct rule *r, const char *word, int64_t *period, struct why *why)
{
	static const struct {
		struct str name;
		unsigned actions;
	} rows[] = {{STR("action=defer"), ACT_DEFER_QUEUE}, {STR("action=backoff"), ACT_BACKOFF},
	    {STR("action=bounce"), ACT_BOUNCE_ANY}, {STR("action=skip-mx"), ACT_SKIP_MX}};
	struct str w = str_of(word);

	if (str_has_iprefix(w, STR("response=")) && r->words[0] == NULL) {
		r->words[0] = xstrdup_str(str_skip(w, 9));
		pairs_of_glob(str_of(r->words[0]), &r->needs);
		return 0;
	}
	if (str_has_iprefix(w, STR("period=")) && conf_parse_time(str_skip(w, 7), period))
		return 0;
	for (size_t i = 0; i < countof(rows) && r->actions == 0; i++) {
		if (str_ieq(w, rows[i].name)) {
			r->actions = rows[i].actions;
			return 0;
		}
	}
	return why_set(why, "not response=, action= or period=: \"%.100s\"", word);
}

int
rule_parse_glob(struct str text, struct rule *r, struct why *why)
{
	char word[WORD_MAX];
	int64_t period = PATTERN_DEFAULT;

	begin(r, RULE_GLOB, 0);
	while (next_word(&text, word)) {
		if (glob_word(r, word, &period, why) == -1)
			return -1;
	}
	if (r->words[0] == NULL || r->actions == 0 || str_trim(text).len > 0)
		return why_set(why, "response=\"…\" and action=\"…\" are needed");
	if (r->actions == ACT_BACKOFF)
		r->backoff_ms = period;
	else
		r->defer_ms = period;
	return 0;
}

/* NAME "TEXT" */
int
rule_parse_prefix(struct str text, struct rule *r, struct why *why)
{
	char word[WORD_MAX];

	begin(r, RULE_PREFIX, ACT_BACKOFF);
	if (!next_word(&text, word)) /* the name */
		return why_set(why, "it has no name");
	if (!next_word(&text, word) || word[0] == '\0')
		return why_set(why, "it has no text");
	r->words[0] = xstrdup(word);
	pairs_of_text(str_of(word), &r->needs);
	return 0;
}

/* CODE [ENHANCED|TEXT …] TIME */
int
rule_parse_wait(struct str text, struct rule *r, struct why *why)
{
	char word[WORD_MAX];
	size_t n = 0;

	begin(r, RULE_WORDS, ACT_WAIT);
	while (next_word(&text, word)) {
		if (str_trim(text).len == 0)
			break;
		if (n == RULE_MAX_WORDS)
			return why_set(why, "it has too many words");
		r->words[n++] = xstrdup(word);
	}
	if (n == 0 || str_trim(text).len > 0 || !conf_parse_time(str_of(word), &r->defer_ms))
		return why_set(why, "not CODE [TEXT] TIME");
	return 0;
}

/* ---- matching ---- */

static bool
contains(struct str s, struct str what)
{
	for (size_t i = 0; i + what.len <= s.len; i++) {
		if (ascii_lower(s.p[i]) == ascii_lower(what.p[0]) &&
		    str_ieq(str_sub(s, i, what.len), what))
			return true;
	}
	return false;
}

static bool
has_words(const struct rule *r, struct str reply)
{
	if (!str_has_prefix(reply, str_of(r->words[0])))
		return false;
	for (size_t i = 1; i < RULE_MAX_WORDS && r->words[i] != NULL; i++) {
		if (r->words[i][0] != '\0' && !contains(reply, str_of(r->words[i])))
			return false;
	}
	return true;
}

bool
rule_matches(const struct rule *r, struct str reply)
{
	switch (r->how) {
	case RULE_REGEX:
		return regex_finds(r->regex, reply);
	case RULE_GLOB:
		return pause_glob(str_of(r->words[0]), reply);
	case RULE_PREFIX:
		return str_has_iprefix(reply, str_of(r->words[0]));
	default:
		return has_words(r, reply);
	}
}
