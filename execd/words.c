#include "execd/execd.h"

/* a program of our own with what it needs to know as words; the configuration's and the asker's never mix in one */
static bool
own_program(
    struct command_words *w, const char *name, const struct str *words, size_t n, struct why *why)
{
	size_t at = 0;

	w->n = 0;
	for (size_t i = 0; i <= n; i++) {
		struct str s = i == 0 ? str_of(name) : words[i - 1];
		if (at + s.len + 1 > sizeof w->bytes || w->n == COMMAND_MAX_WORDS ||
		    (s.len > 0 && memchr(s.p, '\0', s.len) != NULL)) {
			(void)why_set(why, "A value is too long, or no text.");
			return false;
		}
		w->word[w->n++] = w->bytes + at;
		if (s.len > 0)
			memcpy(w->bytes + at, s.p, s.len);
		at += s.len;
		w->bytes[at++] = '\0';
	}
	w->word[w->n] = NULL;
	return true;
}

bool
words_make(const struct command *c, const struct ipc_exec_run *run, const struct str *values,
    struct command_words *w, struct why *why)
{
	(void)run;
	(void)own_program;
	switch (c->kind) {
	case COMMAND_ACCT:
	case COMMAND_HANDLER:
	case COMMAND_PIPE:
		return command_split(c->text, values, w, why);
	default:
		(void)why_set(why, "Commands of this kind are not supported.");
		return false;
	}
}
