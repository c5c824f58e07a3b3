/* what a pattern cannot do without: see struct pairs */
#include "queued/react/pattern.h"

void
pairs_of_text(struct str text, struct pairs *p)
{
	unsigned before, now;

	*p = (struct pairs){{0}};
	if (text.len < 2)
		return;
	before = (unsigned char)ascii_lower(text.p[0]);
	for (size_t i = 1; i < text.len; i++, before = now) {
		unsigned h;
		now = (unsigned char)ascii_lower(text.p[i]);
		h = (before * 31 + now * 7) & 255;
		p->bits[h / 64] |= UINT64_C(1) << h % 64;
	}
}

bool
pairs_have(const struct pairs *text, const struct pairs *needed)
{
	for (size_t i = 0; i < countof(text->bits); i++) {
		if ((needed->bits[i] & ~text->bits[i]) != 0)
			return false;
	}
	return true;
}

/* plain characters that stand side by side; what ends a run puts its pairs in */
struct run {
	struct pairs *needed;
	char text[64];
	size_t len;
};

static void
end_run(struct run *r)
{
	struct pairs p;

	pairs_of_text(str_from(r->text, r->len), &p);
	for (size_t i = 0; i < countof(p.bits); i++)
		r->needed->bits[i] |= p.bits[i];
	r->len = 0;
}

static void
add_char(struct run *r, char c)
{
	if (r->len == sizeof r->text)
		end_run(r);
	r->text[r->len++] = c;
}

/* the index behind the class that begins at s.p[i]; STR_NPOS: it does not end, or has a class of its own in it */
static size_t
skip_class(struct str s, size_t i)
{
	i++;
	if (i < s.len && s.p[i] == '^')
		i++;
	if (i < s.len && s.p[i] == ']')
		i++;
	for (; i < s.len; i++) {
		if (s.p[i] == ']')
			return i + 1;
		if (s.p[i] == '[')
			return STR_NPOS;
		if (s.p[i] == '\\')
			i++;
	}
	return STR_NPOS;
}

/* the index behind the escape at s.p[i]; STR_NPOS: what it means is not known here */
static size_t
take_escape(struct str s, size_t i, struct run *r, bool is_top)
{
	char c = i + 1 < s.len ? s.p[i + 1] : 'x';

	if (ascii_is_alnum(c)) {
		end_run(r);
		return strchr("dDwWsSbBAzZ", c) == NULL ? STR_NPOS : i + 2;
	}
	if (is_top)
		add_char(r, c);
	return i + 2;
}

/* the index behind the quantifier at s.p[i] */
static size_t
take_quantifier(struct str s, size_t i, struct run *r, bool is_top)
{
	size_t close = str_find(str_skip(s, i), '}');

	/* the character before it may not be there at all */
	if (is_top && s.p[i] != '+' && r->len > 0)
		r->len--;
	if (is_top)
		end_run(r);
	if (s.p[i] != '{')
		return i + 1;
	return close == STR_NPOS ? STR_NPOS : i + close + 1;
}

static size_t
take_one(struct str s, size_t i, struct run *r, int *depth)
{
	char c = s.p[i];
	bool is_top = *depth == 0;

	if (c == '\\')
		return take_escape(s, i, r, is_top);
	if (c == '*' || c == '+' || c == '?' || c == '{')
		return take_quantifier(s, i, r, is_top);
	if (c == '[') {
		end_run(r);
		return skip_class(s, i);
	}
	if (c == '(' || c == ')')
		*depth += c == '(' ? 1 : -1;
	if (c == '(' || c == ')' || c == '.' || c == '^' || c == '$')
		end_run(r);
	else if (c == '|' && is_top)
		return STR_NPOS;
	else if (is_top)
		add_char(r, c);
	return i + 1;
}

void
pairs_of_regex(struct str s, struct pairs *p)
{
	struct run r = {.needed = p};
	int depth = 0;

	*p = (struct pairs){{0}};
	if (str_find_str(s, STR("(?")) != STR_NPOS || str_find_str(s, STR("(*")) != STR_NPOS)
		return;
	for (size_t i = 0; i < s.len && i != STR_NPOS;) {
		i = take_one(s, i, &r, &depth);
		if (i == STR_NPOS) {
			*p = (struct pairs){{0}};
			return;
		}
	}
	end_run(&r);
}

void
pairs_of_glob(struct str glob, struct pairs *p)
{
	struct run r = {.needed = p};

	*p = (struct pairs){{0}};
	for (size_t i = 0; i < glob.len; i++) {
		if (glob.p[i] == '*' || glob.p[i] == '?')
			end_run(&r);
		else
			add_char(&r, glob.p[i]);
	}
	end_run(&r);
}
