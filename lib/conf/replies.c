/* Patterns in lines: that they compile. */
#include "lib/base/regex.h"
#include "lib/conf/conf_int.h"

/* the syntax of such a row names its arguments in order; the pattern stands between slashes */
void
conf_regex_check(struct conf_load *l, const struct conf_row *row, const struct conf_item *it)
{
	struct str specs = str_of(row->syntax), kind, rest = it->text, regex;
	struct conf_word w;
	struct why why;

	if (row->type != CONF_TYPE_LINE || strstr(row->syntax, "REGEX") == NULL)
		return;
	while (str_next_word(&specs, &kind) && !str_eq(kind, STR("REGEX")))
		if (!conf_lex_word(&l->c->mem, &rest, '\0', &w))
			return;
	if (!conf_lex_regex(&rest, &regex))
		return;
	if (regex_check(str_sub(regex, 1, regex.len - 2), &why) == -1)
		conf_error(l, it->at, "%s: %s", row->name, why.text);
}
