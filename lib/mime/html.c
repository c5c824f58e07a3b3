#include "lib/base/num.h"
#include "lib/mime/mime.h"

static const struct {
	struct str name;
	const char *text;
} entities[] = {
    {STR("lt"), "<"},
    {STR("gt"), ">"},
    {STR("amp"), "&"},
    {STR("quot"), "\""},
    {STR("nbsp"), " "},
    {STR("apos"), "'"},
    {STR("#39"), "'"},
    {STR("#8217"), "'"},
    {STR("#64"), "@"},
};

/* "&name;" at the front: its length, the text into b; 0: none */
static size_t
put_entity(struct str s, struct buf *b)
{
	size_t semi = str_find(str_sub(s, 0, 12), ';');
	struct str name = str_sub(s, 1, semi == STR_NPOS ? 0 : semi - 1);
	uint32_t c;

	if (semi == STR_NPOS)
		return 0;
	for (size_t i = 0; i < countof(entities); i++) {
		if (!str_ieq(name, entities[i].name))
			continue;
		(void)buf_add_cstr(b, entities[i].text);
		return semi + 1;
	}
	if (name.len > 1 && name.p[0] == '#' && parse_u32(str_skip(name, 1), 32, 126, &c))
		(void)buf_add_char(b, (char)c);
	else
		(void)buf_add_char(b, ' ');
	return semi + 1;
}

static bool
is_tag(struct str tag, struct str name)
{
	return str_has_iprefix(tag, name) &&
	       (tag.len == name.len || !ascii_is_alnum(tag.p[name.len]));
}

static bool
breaks_line(struct str tag)
{
	static const struct str names[] = {STR("br"), STR("p"), STR("/p"), STR("div"), STR("/div"),
	    STR("tr"), STR("/tr"), STR("li"), STR("h1"), STR("h2"), STR("h3"), STR("/h1"),
	    STR("/h2"), STR("/h3"), STR("table"), STR("hr"), STR("td"), STR("pre"), STR("/pre")};

	for (size_t i = 0; i < countof(names); i++)
		if (is_tag(tag, names[i]))
			return true;
	return false;
}

/* what nobody reads: up to its end tag */
static size_t
unread(struct str s, struct str tag)
{
	struct str end;
	size_t lt = 0, at;

	if (is_tag(tag, STR("style")))
		end = STR("</style");
	else if (is_tag(tag, STR("script")))
		end = STR("</script");
	else if (str_has_prefix(tag, STR("!--")))
		end = STR("-->");
	else
		return 0;
	while ((at = str_find(str_skip(s, lt), end.p[0])) != STR_NPOS) {
		lt += at;
		if (str_has_iprefix(str_skip(s, lt), end))
			return end.p[0] == '-' ? lt + end.len : lt;
		lt++;
	}
	return s.len;
}

/* An address in angle brackets is no tag. */
static bool
is_markup(struct str tag)
{
	char c = tag.len == 0 ? ' ' : ascii_lower(tag.p[0]);

	return ((c >= 'a' && c <= 'z') || c == '/' || c == '!' || c == '?') &&
	       str_find(str_sub(tag, 0, str_find(tag, ' ')), '@') == STR_NPOS;
}

void
mime_html_text(struct str s, struct buf *b)
{
	size_t i = 0, n;
	struct str tag;

	while (i < s.len && !buf_is_overfull(b)) {
		if (s.p[i] == '&' && (n = put_entity(str_skip(s, i), b)) > 0) {
			i += n;
			continue;
		}
		n = s.p[i] == '<' ? str_find(str_sub(s, i, 4096), '>') : STR_NPOS;
		tag = str_sub(s, i + 1, n == STR_NPOS ? 0 : n - 1);
		if (n == STR_NPOS || !is_markup(tag)) {
			(void)buf_add_char(b, s.p[i++]);
			continue;
		}
		i += PH_MAX(n + 1, unread(str_skip(s, i), tag));
		if (breaks_line(tag))
			(void)buf_add_char(b, '\n');
	}
}
