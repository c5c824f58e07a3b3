#include "lib/mail/merge.h"

#include <string.h>

#include "lib/base/num.h"
#include "lib/base/xalloc.h"

/* ---- names ---- */

static bool
is_alpha(char c)
{
	return ascii_is_alnum(c) && !ascii_is_digit(c);
}

/* The length of [ "*" ] name at the front; 0: there is none. */
static size_t
name_length(struct str s)
{
	size_t star = s.len > 0 && s.p[0] == '*', n = star;

	if (n == s.len || !is_alpha(s.p[n]))
		return 0;
	while (n < s.len && (ascii_is_alnum(s.p[n]) || s.p[n] == '_'))
		n++;
	return n <= MERGE_MAX_NAME ? n : 0;
}

/* ---- definitions: each is name NUL value NUL ---- */

static int
bad_form(struct why *why, const char *text)
{
	return why_smtp(why, 501, 5, 5, 4, "%s", text);
}

static void
add_escaped(char c, struct buf *to)
{
	if (c == 'r' || c == 'n')
		c = c == 'r' ? '\r' : '\n';
	(void)buf_add_char(to, c);
}

/* A value in quotes, *s behind the first of them; moves *s behind the last. */
static int
take_quoted(struct str *s, struct buf *to, struct why *why)
{
	size_t i = 0;

	for (; i < s->len && s->p[i] != '"'; i++) {
		if (s->p[i] != '\\')
			(void)buf_add_char(to, s->p[i]);
		else if (++i < s->len)
			add_escaped(s->p[i], to);
	}
	if (i >= s->len)
		return bad_form(why, "A value's quote is not closed");
	*s = str_skip(*s, i + 1);
	return s->len == 0 || s->p[0] == ' ' ? 0
					     : bad_form(why, "A blank is missing behind a value");
}

static int
take_value(struct str *s, struct buf *to, struct why *why)
{
	size_t n;

	if (s->len > 0 && s->p[0] == '"') {
		*s = str_skip(*s, 1);
		return take_quoted(s, to, why);
	}
	n = PH_MIN(str_find(*s, ' '), s->len);
	(void)buf_add_str(to, str_sub(*s, 0, n));
	*s = str_skip(*s, n);
	return 0;
}

static int
take_definition(struct str *s, struct buf *to, struct why *why)
{
	size_t n = name_length(*s);

	if (n == 0 || n == s->len || s->p[n] != '=')
		return bad_form(why, "XDFN needs name=\"value\"");
	(void)buf_add_str(to, str_sub(*s, 0, n));
	(void)buf_add_char(to, '\0');
	*s = str_skip(*s, n + 1);
	if (take_value(s, to, why) == -1)
		return -1;
	(void)buf_add_char(to, '\0');
	*s = str_trim(*s);
	return 0;
}

int
merge_define(struct str arg, struct buf *defs, struct why *why)
{
	size_t before = buf_len(defs);
	int r = 0;

	arg = str_trim(arg);
	if (arg.len == 0 || memchr(arg.p, '\0', arg.len) != NULL)
		return bad_form(why, "XDFN needs name=\"value\"");
	while (r == 0 && arg.len > 0)
		r = take_definition(&arg, defs, why);
	if (r == 0 && buf_is_overfull(defs))
		r = why_smtp(why, 552, 5, 3, 4, "Too much is defined");
	if (r == -1) {
		buf_truncate(defs, before);
		defs->overfull = false;
	}
	return r;
}

static bool
take_text(struct str *s, struct str *text)
{
	size_t n = str_find(*s, '\0');

	if (n == STR_NPOS)
		return false;
	*text = str_sub(*s, 0, n);
	*s = str_skip(*s, n + 1);
	return true;
}

bool
merge_next(struct str *defs, struct str *name, struct str *value)
{
	return take_text(defs, name) && take_text(defs, value);
}

/* defined, even as nothing */
static struct str
given(struct str v)
{
	return v.len == 0 ? STR("") : v;
}

void
merge_own(struct str defs, const struct str *names, size_t n, struct str *values)
{
	struct str name, v;

	for (size_t i = 0; i < n; i++)
		values[i] = STR_NULL;
	while (merge_next(&defs, &name, &v)) {
		if (name.p[0] != '*')
			continue;
		for (size_t i = 0; i < n; i++)
			if (str_ieq(names[i], name))
				values[i] = given(v);
	}
}

/* ---- the text ---- */

void
merge_text_init(struct merge_text *t, size_t max_bytes)
{
	*t = (struct merge_text){0};
	buf_init(&t->text, max_bytes);
	hmap_init(&t->by_name);
}

void
merge_text_clear(struct merge_text *t)
{
	buf_clear(&t->text);
	hmap_clear(&t->by_name);
	free(t->pieces);
	free(t->names);
	t->pieces = NULL;
	t->names = NULL;
	t->n_pieces = t->cap_pieces = t->n_names = t->cap_names = t->n_parts = 0;
}

struct name_key {
	const struct merge_text *t;
	struct str name;
};

static bool
is_name(const void *key, uint32_t handle)
{
	const struct name_key *k = key;

	return str_ieq(str_of(k->t->names[handle - 1].text), k->name);
}

/* Its number; -1: the text does not refer to it. */
static int32_t
number_of(const struct merge_text *t, struct str name)
{
	struct name_key k = {t, name};

	return (int32_t)hmap_find(&t->by_name, str_ihash(name), is_name, &k) - 1;
}

/* The number of a name, a new one where it has none; -1: there are too many. */
static int32_t
find_name(struct merge_text *t, struct str name)
{
	int32_t i = number_of(t, name);

	if (i >= 0 || t->n_names == MERGE_MAX_NAMES)
		return i;
	if (t->n_names == t->cap_names) {
		t->cap_names = PH_MAX(t->cap_names * 2, (size_t)16);
		t->names = xreallocarray(t->names, t->cap_names, sizeof t->names[0]);
	}
	(void)str_copy(t->names[t->n_names++].text, sizeof t->names[0].text, name);
	hmap_add(&t->by_name, str_ihash(name), (uint32_t)t->n_names);
	return (int32_t)t->n_names - 1;
}

static void
add_piece(struct merge_text *t, size_t at, size_t len, int32_t name)
{
	if (len == 0)
		return;
	if (t->n_pieces == t->cap_pieces) {
		t->cap_pieces = PH_MAX(t->cap_pieces * 2, (size_t)64);
		t->pieces = xreallocarray(t->pieces, t->cap_pieces, sizeof t->pieces[0]);
	}
	t->pieces[t->n_pieces++] = (struct merge_piece){(uint32_t)at, (uint32_t)len, name};
}

/* The length of a reference at the front, 0: it is none. *shown: how much of it counts as text. */
static size_t
bracket_length(struct str s, size_t *shown)
{
	size_t n = name_length(str_skip(s, 1));

	*shown = 0;
	if (str_has_prefix(s, STR("[[]"))) {
		*shown = 1;
		return 3;
	}
	return n > 0 && 1 + n < s.len && s.p[1 + n] == ']' ? n + 2 : 0;
}

/* Cuts `part`, which is at `base` of the text, into pieces. False: it refers to too much. */
static bool
cut(struct merge_text *t, size_t base, struct str part)
{
	size_t from = 0, i = 0, n, shown;
	int32_t name;

	while (i < part.len && (n = str_find(str_skip(part, i), '[')) != STR_NPOS) {
		i += n;
		n = bracket_length(str_skip(part, i), &shown);
		if (n == 0) {
			i++;
			continue;
		}
		name = shown > 0 ? -1 : find_name(t, str_sub(part, i + 1, n - 2));
		if ((shown == 0 && name == -1) || t->n_pieces > 2 * (size_t)MERGE_MAX_REFS)
			return false;
		add_piece(t, base + from, i - from, -1);
		add_piece(t, base + i, shown > 0 ? shown : n, name);
		from = i += n;
	}
	add_piece(t, base + from, part.len - from, -1);
	return true;
}

int
merge_text_add(struct merge_text *t, uint32_t number, struct str part, struct why *why)
{
	size_t at = t->n_parts, base = buf_len(&t->text), first = t->n_pieces;

	while (at > 0 && t->parts[at - 1].number >= number)
		at--;
	if (number == 0 || number > MERGE_MAX_PARTS ||
	    (at < t->n_parts && t->parts[at].number == number))
		return why_smtp(why, 501, 5, 5, 4, "The part's number is wrong or there already");
	if (buf_add_str(&t->text, part) == -1 || !cut(t, base, part))
		return why_smtp(why, 552, 5, 3, 4, "The parts are too large");
	memmove(t->parts + at + 1, t->parts + at, (t->n_parts - at) * sizeof t->parts[0]);
	t->parts[at] = (struct merge_part){number, (uint32_t)first, (uint32_t)t->n_pieces};
	t->n_parts++;
	return 0;
}

/* ---- which parts ---- */

static int
bad_order(struct why *why)
{
	return why_smtp(
	    why, 554, 5, 6, 0, "*parts is not a list of numbers of parts, such as 1-3 or 1,3,2");
}

static int
add_to_order(const struct merge_text *t, uint32_t number, struct merge_order *o, struct why *why)
{
	size_t i = 0;

	if (o->n == MERGE_MAX_ORDER)
		return why_smtp(why, 554, 5, 6, 0, "*parts has more than 100 parts");
	while (t != NULL && i < t->n_parts && t->parts[i].number != number)
		i++;
	if (t != NULL && i == t->n_parts)
		return why_smtp(why, 554, 5, 6, 0, "There is no part %u", (unsigned)number);
	o->part[o->n++] = (uint16_t)i;
	return 0;
}

static int
take_range(const struct merge_text *t, struct str range, struct merge_order *o, struct why *why)
{
	size_t dash = str_find(range, '-');
	struct str from = str_trim(str_sub(range, 0, PH_MIN(dash, range.len)));
	struct str to = dash == STR_NPOS ? from : str_trim(str_skip(range, dash + 1));
	uint32_t a, b;

	if (!parse_u32(from, 1, MERGE_MAX_PARTS, &a) || !parse_u32(to, a, MERGE_MAX_PARTS, &b))
		return bad_order(why);
	for (; a <= b; a++)
		if (add_to_order(t, a, o, why) == -1)
			return -1;
	return 0;
}

int
merge_order_parse(const struct merge_text *t, struct str s, struct merge_order *o, struct why *why)
{
	struct str range;

	o->n = 0;
	s = str_trim(s);
	if (s.len == 0) {
		for (size_t i = 0; t != NULL && i < t->n_parts; i++)
			if (add_to_order(t, t->parts[i].number, o, why) == -1)
				return -1;
		return 0;
	}
	while (str_next(&s, ',', &range))
		if (take_range(t, range, o, why) == -1)
			return -1;
	return 0;
}

/* ---- one recipient's text ---- */

/* Where the text that was given out is: RFC 5322 2.1. */
struct out {
	merge_sink *sink;
	void *arg;
	bool in_body;
	uint8_t
	    newlines; /* bytes of CRLF CRLF that were seen last; the start of the text is behind a CRLF */
};

static void
give(struct out *o, struct str s)
{
	if (s.len > 0)
		o->sink(o->arg, s);
}

/* text of a part: the first empty line ends the header section */
static void
give_text(struct out *o, struct str s)
{
	static const char wanted[] = "\r\n\r\n";

	for (size_t i = 0; i < s.len && !o->in_body; i++) {
		if (s.p[i] == wanted[o->newlines])
			o->newlines++;
		else
			o->newlines = s.p[i] == '\r';
		o->in_body = o->newlines == 4;
	}
	give(o, s);
}

/* any line end of a value: CRLF, or a blank within the header section */
static void
give_value(struct out *o, struct str v)
{
	size_t i = 0, n;

	while (i < v.len) {
		for (n = i; n < v.len && v.p[n] != '\r' && v.p[n] != '\n'; n++)
			continue;
		give(o, str_sub(v, i, n - i));
		if (n > i)
			o->newlines = 0;
		if (n == v.len)
			return;
		give(o, o->in_body ? STR("\r\n") : STR(" "));
		o->newlines = 0;
		i = n + 1 + (v.p[n] == '\r' && n + 1 < v.len && v.p[n + 1] == '\n');
	}
}

static void
give_piece(const struct merge_text *t, const struct merge_piece *p, const struct merge_values *v,
    struct out *o)
{
	struct str text = str_sub(buf_str(&t->text), p->at, p->len);

	if (p->name < 0 || (v->value[p->name].p == NULL && v->is_undefined_left))
		give_text(o, text);
	else if (v->value[p->name].p != NULL)
		give_value(o, v->value[p->name]);
}

void
merge_expand(const struct merge_text *t, const struct merge_order *o, const struct merge_values *v,
    merge_sink *sink, void *arg)
{
	struct out out = {.sink = sink, .arg = arg, .newlines = 2};

	for (size_t i = 0; i < o->n; i++) {
		const struct merge_part *part = &t->parts[o->part[i]];
		for (size_t k = part->first; k < part->end; k++)
			give_piece(t, &t->pieces[k], v, &out);
	}
}

void
merge_set(const struct merge_text *t, struct str name, struct str v, struct str *values)
{
	int32_t i = number_of(t, name);

	if (i >= 0)
		values[i] = given(v);
}

void
merge_set_all(const struct merge_text *t, struct str defs, struct str *values)
{
	struct str name, v;

	for (size_t i = 0; i < t->n_names; i++)
		values[i] = STR_NULL;
	while (merge_next(&defs, &name, &v))
		merge_set(t, name, v, values);
}

size_t
merge_n_pieces(const struct merge_text *t, const struct merge_order *o)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n; i++)
		n += t->parts[o->part[i]].end - t->parts[o->part[i]].first;
	return n;
}

uint64_t
merge_length(const struct merge_text *t, const struct merge_order *o, const struct merge_values *v)
{
	uint64_t n = 0;

	for (size_t i = 0; i < o->n; i++) {
		const struct merge_part *part = &t->parts[o->part[i]];
		for (size_t k = part->first; k < part->end; k++) {
			int32_t name = t->pieces[k].name;
			/* a lone CR or LF becomes two bytes */
			n += name < 0 || v->value[name].p == NULL ? t->pieces[k].len
								  : 2 * v->value[name].len;
		}
	}
	return n;
}
