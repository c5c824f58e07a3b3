/* The rules' text: pieces ("let"), rules, examples. A line that is wrong is told and left out. */
#include "lib/base/xalloc.h"
#include "lib/classify/classify_int.h"

#define MAX_PIECES    64
#define MAX_EXPANDED  (64u * 1024)
#define MAX_CONDITION 4096

struct reader {
	struct classifier *c;
	struct {
		struct str name, text;
	} pieces[MAX_PIECES];
	size_t n_pieces;
	classify_complaint *tell;
	void *arg;
	uint32_t line;
	bool is_good;
};

static void
complain(struct reader *r, const struct why *why)
{
	r->is_good = false;
	r->tell(r->arg, r->line, why);
}

static void
wrong(struct reader *r, const char *what, struct str which)
{
	struct why why;

	why_set(&why, "%s: %.*s", what, STR_ARG(str_sub(which, 0, 100)));
	complain(r, &why);
}

/* ---- pieces ---- */

static void
read_let(struct reader *r, struct str rest)
{
	struct str name;

	if (!str_next_word(&rest, &name) || str_trim(rest).len == 0) {
		wrong(r, "a piece needs a name and a text", rest);
		return;
	}
	if (r->n_pieces == MAX_PIECES) {
		wrong(r, "too many pieces", name);
		return;
	}
	r->pieces[r->n_pieces].name = name;
	r->pieces[r->n_pieces++].text = str_trim(rest);
}

static const struct str *
find_piece(const struct reader *r, struct str name)
{
	for (size_t i = 0; i < r->n_pieces; i++)
		if (str_eq(r->pieces[i].name, name))
			return &r->pieces[i].text;
	return NULL;
}

/* a {NAME} at the front of s, in capitals: quantifiers such as {1,60} are left alone */
static bool
take_name(struct str s, struct str *name)
{
	size_t end = str_find(s, '}');

	if (s.p[0] != '{' || end == STR_NPOS || end < 2 || s.p[1] < 'A' || s.p[1] > 'Z')
		return false;
	*name = str_sub(s, 1, end - 1);
	return true;
}

static char *
expand(struct reader *r, struct str regex)
{
	struct buf b;
	struct str name;
	const struct str *piece;
	char *result;

	buf_init(&b, MAX_EXPANDED);
	for (size_t i = 0; i < regex.len; i++) {
		if (!take_name(str_skip(regex, i), &name)) {
			buf_add_char(&b, regex.p[i]);
			continue;
		}
		piece = find_piece(r, name);
		if (piece == NULL)
			wrong(r, "there is no piece of this name", name);
		else
			buf_add_str(&b, *piece);
		i += name.len + 1;
	}
	if (buf_is_overfull(&b))
		wrong(r, "too long with its pieces", regex);
	result = xstrdup(buf_cstr(&b));
	buf_clear(&b);
	return result;
}

/* ---- conditions: "code:55.,421" as a lookahead into the trailer ---- */

static void
add_glob(struct buf *b, struct str glob)
{
	for (size_t i = 0; i < glob.len; i++) {
		char c = glob.p[i];
		if (c == '*')
			buf_add_cstr(b, "[^ ]*");
		else if (ascii_is_alnum(c) || c == '-')
			buf_add_char(b, c);
		else
			buf_addf(b, c == '.' ? "\\." : "\\%c", c);
	}
}

/* a code's dot stands for a digit */
static void
add_code(struct buf *b, struct str code)
{
	for (size_t i = 0; i < code.len; i++)
		if (ascii_is_digit(code.p[i]) || code.p[i] == '.')
			buf_add_char(b, code.p[i]);
}

static bool
is_kind(struct str kind)
{
	return str_eq(kind, STR("code")) || str_eq(kind, STR("status")) || str_eq(kind, STR("mx"));
}

static void
add_condition(struct reader *r, struct buf *b, struct str word)
{
	size_t colon = str_find(word, ':');
	struct str kind = str_sub(word, 0, colon), values = str_skip(word, colon + 1), one;
	const char *before = "";

	if (!is_kind(kind) || values.len == 0) {
		wrong(r, "not a condition (code:, status:, mx:)", word);
		return;
	}
	buf_addf(b, CONDITION_HEAD "\\n(?:[^\\n]* )?%.*s:(?:", STR_ARG(kind));
	while (str_next(&values, ',', &one)) {
		buf_add_cstr(b, before);
		if (str_eq(kind, STR("code")))
			add_code(b, one);
		else
			add_glob(b, one);
		before = "|";
	}
	buf_add_cstr(b, ") )");
}

bool
rules_next_condition(struct str *rest, struct str *one)
{
	const size_t head = strlen(CONDITION_HEAD);
	size_t end;

	if (rest->len <= head)
		return false;
	*rest = str_skip(*rest, head);
	end = PH_MIN(str_find_str(*rest, STR(CONDITION_HEAD)), rest->len);
	/* without the bracket that closes it */
	*one = str_sub(*rest, 0, end - 1);
	*rest = str_skip(*rest, end);
	return true;
}

/* ---- rules ---- */

static struct rule *
new_rule(struct reader *r)
{
	struct classifier *c = r->c;

	if (c->n_rules == MAX_RULES)
		return NULL;
	c->rules = xreallocarray(c->rules, c->n_rules + 1, sizeof *c->rules);
	c->rules[c->n_rules] = (struct rule){.line = r->line};
	return &c->rules[c->n_rules++];
}

/* the regex between the first " /" and the last "/" of the line; the words before it stay in *head */
static bool
split_regex(struct str *head, struct str *regex)
{
	size_t begin = str_find_str(*head, STR(" /")), end = str_rfind(*head, '/');

	if (begin == STR_NPOS || end < begin + 2)
		return false;
	*regex = str_sub(*head, begin + 2, end - begin - 2);
	*head = str_sub(*head, 0, begin);
	return true;
}

static bool
read_verdict(struct str word, bool *is_hard)
{
	*is_hard = str_eq(word, STR("hard"));
	return *is_hard || str_eq(word, STR("soft"));
}

static void
read_rule(struct reader *r, struct str line)
{
	struct str regex = STR(""), head = line, category, word = STR("");
	bool is_hard = false, has_regex = split_regex(&head, &regex);
	struct rule *rule;
	struct buf b;

	if (!str_next_word(&head, &category) || category.len >= CATEGORY_ROOM ||
	    !str_next_word(&head, &word) || !read_verdict(word, &is_hard)) {
		wrong(r, "a rule begins with its category, and hard or soft", line);
		return;
	}
	rule = new_rule(r);
	if (rule == NULL) {
		wrong(r, "too many rules", line);
		return;
	}
	(void)str_copy(rule->category, sizeof rule->category, category);
	rule->is_hard = is_hard;
	buf_init(&b, MAX_CONDITION);
	while (str_next_word(&head, &word))
		add_condition(r, &b, word);
	if (buf_len(&b) > 0)
		rule->conditions = xstrdup(buf_cstr(&b));
	if (buf_is_overfull(&b) || (buf_len(&b) == 0 && !has_regex))
		wrong(r, "a rule needs conditions or a /regex/, of reasonable length", line);
	buf_clear(&b);
	if (has_regex)
		rule->regex = expand(r, regex);
}

static void
read_example(struct reader *r, struct str text)
{
	struct classifier *c = r->c;

	if (c->n_rules == 0) {
		wrong(r, "an example stands below its rule", text);
		return;
	}
	c->examples = xreallocarray(c->examples, c->n_examples + 1, sizeof *c->examples);
	c->examples[c->n_examples++] =
	    (struct example){.rule = c->n_rules - 1, .line = r->line, .text = xstrdup_str(text)};
}

bool
rules_read(struct classifier *c, struct str text, classify_complaint *tell, void *arg)
{
	struct reader r = {.c = c, .tell = tell, .arg = arg, .is_good = true};
	struct str line;

	while (str_next(&text, '\n', &line)) {
		r.line++;
		line = str_trim(line);
		if (line.len == 0 || line.p[0] == '#')
			continue;
		if (line.p[0] == '=')
			read_example(&r, str_trim(str_skip(line, 1)));
		else if (str_has_prefix(line, STR("let ")))
			read_let(&r, str_skip(line, 4));
		else
			read_rule(&r, line);
	}
	return r.is_good;
}
