#include "lib/command/commands.h"

static const struct str names[COMMAND_VALUES] = {
    [VALUE_BODYTYPE] = STR("bodytype"),
    [VALUE_CTIME] = STR("ctime"),
    [VALUE_ENVID] = STR("envid"),
    [VALUE_FROM] = STR("from"),
    [VALUE_ISODATE] = STR("isodate"),
    [VALUE_TIMET] = STR("timet"),
    [VALUE_RFCTIME] = STR("rfctime"),
    [VALUE_TO] = STR("to"),
    [VALUE_USER] = STR("user"),
    [VALUE_DOMAIN] = STR("domain"),
};

struct split {
	struct str rest;
	const struct str *values;
	struct command_words *w;
	struct why *why;
	size_t used;  /* of w->bytes */
	size_t begun; /* where the word under way begins */
	bool in_word, in_quotes;
	bool is_first_from_value; /* its first character came from outside */
};

static bool
put(struct split *s, char c)
{
	if (s->used + 2 > sizeof s->w->bytes) {
		why_set(s->why, "The command line is longer than %d bytes.", COMMAND_MAX_BYTES);
		return false;
	}
	s->w->bytes[s->used++] = c;
	s->in_word = true;
	return true;
}

static bool
put_value(struct split *s, struct str value)
{
	bool is_first = s->used == s->begun;

	s->in_word = true;
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];
		if (c == '\0' || c == '\n' || c == '\r') {
			why_set(s->why, "A value has a character that no command is given.");
			return false;
		}
		if (!put(s, c))
			return false;
	}
	s->is_first_from_value |= is_first && value.len > 0;
	return true;
}

static bool
is_name_char(char c)
{
	return ascii_is_alnum(c) || c == '_';
}

enum command_value
command_value_named(struct str *rest)
{
	size_t n = 1, i;
	struct str name;

	while (n < rest->len && is_name_char(rest->p[n]))
		n++;
	name = str_sub(*rest, 1, n - 1);
	*rest = str_skip(*rest, n);
	for (i = 0; i < COMMAND_VALUES; i++)
		if (names[i].len > 0 && str_ieq(names[i], name))
			break;
	return (enum command_value)i;
}

static bool
put_variable(struct split *s)
{
	struct str before = s->rest;
	enum command_value v = command_value_named(&s->rest);

	if (v != COMMAND_VALUES)
		return put_value(s, s->values == NULL ? STR("") : s->values[v]);
	why_set(s->why, "There is no value %.*s.",
	    STR_ARG(str_sub(before, 0, PH_MIN(before.len - s->rest.len, (size_t)50))));
	return false;
}

static bool
end_word(struct split *s)
{
	struct command_words *w = s->w;

	if (!s->in_word)
		return true;
	if (w->n == COMMAND_MAX_WORDS) {
		why_set(s->why, "The command line has more than %d words.", COMMAND_MAX_WORDS);
		return false;
	}
	w->bytes[s->used++] = '\0';
	if (s->is_first_from_value && w->bytes[s->begun] == '-') {
		why_set(s->why, "A value would be taken for an option.");
		return false;
	}
	w->word[w->n++] = w->bytes + s->begun;
	s->begun = s->used;
	s->in_word = s->is_first_from_value = false;
	return true;
}

static bool
take(struct split *s)
{
	char c = s->rest.p[0];

	if (c == '$')
		return put_variable(s);
	s->rest = str_skip(s->rest, 1);
	if (c == '\\' && s->rest.len > 0) {
		c = s->rest.p[0];
		s->rest = str_skip(s->rest, 1);
		return put(s, c);
	}
	if (c == '"') {
		s->in_quotes = !s->in_quotes;
		s->in_word = true;
		return true;
	}
	if (!s->in_quotes && (c == ' ' || c == '\t'))
		return end_word(s);
	return put(s, c);
}

bool
command_split(struct str text, const struct str *values, struct command_words *w, struct why *why)
{
	struct split s = {.rest = str_trim(text), .values = values, .w = w, .why = why};

	w->n = 0;
	while (s.rest.len > 0) {
		if (!take(&s))
			return false;
	}
	if (s.in_quotes) {
		why_set(why, "A quote of the command line is not closed.");
		return false;
	}
	if (!end_word(&s))
		return false;
	w->word[w->n] = NULL;
	if (w->n == 0 || w->word[0][0] == '\0') {
		why_set(why, "The command line is empty.");
		return false;
	}
	return true;
}

bool
command_check(struct str text, struct why *why)
{
	static const struct str none[COMMAND_VALUES];
	static struct command_words w;

	return command_split(text, none, &w, why);
}
