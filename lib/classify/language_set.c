/* Sets of bytes as a regex writes them. */
#include "lib/classify/language_int.h"

void
byte_set_add(struct byte_set *s, unsigned from, unsigned to)
{
	for (unsigned c = from; c <= to && c < 256; c++)
		s->bits[c / 8] |= (uint8_t)(1u << (c % 8));
}

void
byte_set_fold(struct byte_set *s)
{
	for (unsigned c = 'a'; c <= 'z'; c++) {
		unsigned big = c - 'a' + 'A';
		if (byte_set_has(s, c) || byte_set_has(s, big)) {
			byte_set_add(s, c, c);
			byte_set_add(s, big, big);
		}
	}
}

void
byte_set_negate(struct byte_set *s)
{
	for (size_t i = 0; i < sizeof s->bits; i++)
		s->bits[i] = (uint8_t)~s->bits[i];
}

void
byte_set_merge(struct byte_set *s, const struct byte_set *other)
{
	for (size_t i = 0; i < sizeof s->bits; i++)
		s->bits[i] |= other->bits[i];
}

/* of the same name as PCRE's classes and escapes; ranges in pairs */
static const struct {
	const char *name;
	char escape; /* 0: none */
	uint8_t ranges[10];
	uint8_t n;
} classes[] = {
    {"digit", 'd', {'0', '9'}, 2},
    {"word", 'w', {'0', '9', 'A', 'Z', '_', '_', 'a', 'z'}, 8},
    {"space", 's', {'\t', '\r', ' ', ' '}, 4},
    {"blank", 'h', {'\t', '\t', ' ', ' '}, 4},
    {"alnum", 0, {'0', '9', 'A', 'Z', 'a', 'z'}, 6},
    {"alpha", 0, {'A', 'Z', 'a', 'z'}, 4},
    {"lower", 0, {'A', 'Z', 'a', 'z'}, 4},
    {"upper", 0, {'A', 'Z', 'a', 'z'}, 4},
    {"xdigit", 0, {'0', '9', 'A', 'F', 'a', 'f'}, 6},
    {"punct", 0, {'!', '/', ':', '@', '[', '`', '{', '~'}, 8},
};

static void
add_class(struct byte_set *s, size_t i)
{
	for (size_t k = 0; k < classes[i].n; k += 2)
		byte_set_add(s, classes[i].ranges[k], classes[i].ranges[k + 1]);
}

bool
byte_set_of_escape(char c, struct byte_set *s)
{
	*s = (struct byte_set){0};
	if (c == 'N')
		byte_set_add(s, '\n', '\n');
	for (size_t i = 0; i < countof(classes); i++)
		if (classes[i].escape != 0 && classes[i].escape == ascii_lower(c))
			add_class(s, i);
	if (c == 'h' || c == 'H')
		byte_set_add(s, 0xa0, 0xa0);
	if (c == 'v' || c == 'V') {
		byte_set_add(s, '\n', '\r');
		byte_set_add(s, 0x85, 0x85);
	}
	if (memcmp(s, &(struct byte_set){0}, sizeof *s) == 0)
		return false;
	if (c >= 'A' && c <= 'Z')
		byte_set_negate(s);
	return true;
}

/* "41" or "{41}" */
static int
byte_of_hex(struct str s, size_t *i)
{
	bool has_brace = *i < s.len && s.p[*i] == '{';
	size_t k = *i + has_brace, end = k + 2;
	int value = 0;

	for (; k < s.len && k < end && ascii_hex_value(s.p[k]) >= 0; k++)
		value = value * 16 + ascii_hex_value(s.p[k]);
	if (has_brace && (k >= s.len || s.p[k++] != '}'))
		return -1;
	*i = k;
	return value;
}

int
byte_of_escape(struct str s, size_t *i)
{
	static const char names[] = "nrtfea", values[] = "\n\r\t\f\033\a";
	char c = *i < s.len ? s.p[*i] : '\0';
	const char *name = c == '\0' ? NULL : strchr(names, c);

	if (c == '\0')
		return -1;
	++*i;
	if (name != NULL)
		return values[name - names];
	if (c == 'x')
		return byte_of_hex(s, i);
	return ascii_is_alnum(c) ? -1 : (unsigned char)c;
}

/* "[:alpha:]" at *i */
static bool
take_named(struct str s, size_t *i, struct byte_set *set)
{
	struct str rest = str_skip(s, *i + 2);
	size_t end = str_find_str(rest, STR(":]"));

	for (size_t k = 0; end != STR_NPOS && k < countof(classes); k++) {
		if (!str_eq(str_sub(rest, 0, end), str_of(classes[k].name)))
			continue;
		add_class(set, k);
		*i += end + 4;
		return true;
	}
	return false;
}

/* a byte of a class, as itself or escaped; -1: none */
static int
take_member(struct str s, size_t *i)
{
	if (*i >= s.len)
		return -1;
	if (s.p[*i] != '\\')
		return (unsigned char)s.p[(*i)++];
	++*i;
	if (*i < s.len && s.p[*i] == 'b') {
		++*i;
		return '\b';
	}
	return byte_of_escape(s, i);
}

/* a byte, a range, \d or [:name:] */
static bool
take_members(struct str s, size_t *i, struct byte_set *set)
{
	struct byte_set one;
	int from, to;

	if (str_has_prefix(str_skip(s, *i), STR("[:")))
		return take_named(s, i, set);
	if (s.p[*i] == '[' && *i + 1 < s.len && (s.p[*i + 1] == '.' || s.p[*i + 1] == '='))
		return false;
	if (s.p[*i] == '\\' && *i + 1 < s.len && byte_set_of_escape(s.p[*i + 1], &one)) {
		byte_set_merge(set, &one);
		*i += 2;
		return true;
	}
	from = to = take_member(s, i);
	if (from >= 0 && *i + 1 < s.len && s.p[*i] == '-' && s.p[*i + 1] != ']') {
		++*i;
		if (s.p[*i] == '\\' && *i + 1 < s.len && byte_set_of_escape(s.p[*i + 1], &one))
			return false;
		to = take_member(s, i);
	}
	if (from < 0 || to < from)
		return false;
	byte_set_add(set, (unsigned)from, (unsigned)to);
	return true;
}

bool
byte_set_of_class(struct str s, size_t *i, struct byte_set *set)
{
	bool is_negated = *i < s.len && s.p[*i] == '^';
	size_t first = *i += is_negated;

	*set = (struct byte_set){0};
	while (*i < s.len && (s.p[*i] != ']' || *i == first))
		if (!take_members(s, i, set))
			return false;
	if (*i >= s.len)
		return false;
	++*i;
	byte_set_fold(set);
	if (is_negated)
		byte_set_negate(set);
	return true;
}
