/*
 * From rules to one pass. Each rule is cut at its outermost alternatives; those that can begin with the same two bytes
 * become one expression, in the rules' order: so a word of the text costs only the rules that begin like it. Which
 * begin how, PCRE2 says itself: it is given the two bytes and asked whether more could make a match.
 */
#include "lib/base/regex.h"
#include "lib/base/xalloc.h"
#include "lib/classify/classify_int.h"

#define MAX_PATTERN  (1u * 1024 * 1024)
#define MAX_BRANCHES 8192

struct branch {
	struct str text; /* of a rule's regex */
	size_t rule;
	pcre2_code *code;
	uint8_t first[32]; /* bitmap of the bytes it may begin with */
};
struct builder {
	const struct classifier *c;
	struct branch *list;
	size_t n;
	classify_complaint *tell;
	void *arg;
	bool is_good;
};

/* ---- compiling one ---- */

static pcre2_code *
compile(struct str pattern, struct why *why)
{
	PCRE2_UCHAR text[256];
	PCRE2_SIZE at;
	int err;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.len,
	    PCRE2_CASELESS | PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C, &err, &at, NULL);

	if (code != NULL)
		return code;
	pcre2_get_error_message(err, text, sizeof text);
	why_set(why, "the expression is wrong: %s, near \"%.*s\"", (const char *)text,
	    STR_ARG(str_sub(pattern, at > 20 ? at - 20 : 0, 40)));
	return NULL;
}

static void
set_bit(uint8_t bits[32], unsigned c)
{
	bits[c / 8] |= (uint8_t)(1u << (c % 8));
}

static bool
has_bit(const uint8_t bits[32], unsigned c)
{
	return (bits[c / 8] >> (c % 8) & 1) != 0;
}

/* The bytes that it can begin with, small letters only; all when PCRE2 cannot say. */
static void
read_first(const pcre2_code *code, uint8_t first[32])
{
	const uint8_t *map = NULL;
	uint32_t type = 0, unit = 0;

	memset(first, 0, 32);
	(void)pcre2_pattern_info(code, PCRE2_INFO_FIRSTBITMAP, &map);
	(void)pcre2_pattern_info(code, PCRE2_INFO_FIRSTCODETYPE, &type);
	(void)pcre2_pattern_info(code, PCRE2_INFO_FIRSTCODEUNIT, &unit);
	for (unsigned c = 0; c < 256; c++) {
		bool may = map != NULL ? has_bit(map, c) : type == 1 ? c == (unit & 255) : true;
		if (may)
			set_bit(first, (unsigned char)ascii_lower((char)c));
	}
}

/* ---- cutting at the outermost "|" ---- */

/* how far one thing goes that begins at i: an escape, a class, or a byte */
static size_t
one_thing(struct str s, size_t i)
{
	size_t end = i + 1;

	if (s.p[i] == '\\')
		return PH_MIN(s.len, i + 2);
	if (s.p[i] != '[')
		return end;
	end += end < s.len && s.p[end] == '^';
	end += end < s.len && s.p[end] == ']';
	while (end < s.len && s.p[end] != ']')
		end += s.p[end] == '\\' ? 2 : 1;
	return PH_MIN(s.len, end + 1);
}

/* the end of the alternative that begins at `from`: an outermost "|" or the text's end */
static size_t
alternative_end(struct str s, size_t from)
{
	int depth = 0;

	for (size_t i = from; i < s.len; i = one_thing(s, i)) {
		if (s.p[i] == '|' && depth == 0)
			return i;
		depth += s.p[i] == '(';
		depth -= s.p[i] == ')';
	}
	return s.len;
}

/* "(?:a|b)" as a whole: what is inside */
static struct str
unwrap(struct str s)
{
	struct str inner = str_sub(s, 3, s.len < 4 ? 0 : s.len - 4);
	int depth = 0;

	if (!str_has_prefix(s, STR("(?:")) || !str_has_suffix(s, STR(")")))
		return s;
	for (size_t i = 0; i < inner.len; i = one_thing(inner, i)) {
		depth += inner.p[i] == '(';
		depth -= inner.p[i] == ')';
		if (depth < 0)
			return s;
	}
	return depth == 0 ? inner : s;
}

static void
add_branch(struct builder *b, size_t rule, struct str text)
{
	struct why why;
	struct branch *br;
	pcre2_code *code = compile(text, &why);
	uint32_t refers = 0;

	if (code != NULL && pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &refers) == 0 &&
	    refers > 0)
		why_set(&why, "a rule may not refer back to its groups");
	if (code == NULL || refers > 0 || b->n == MAX_BRANCHES) {
		if (b->n == MAX_BRANCHES)
			why_set(&why, "too many alternatives");
		b->tell(b->arg, b->c->rules[rule].line, &why);
		b->is_good = false;
		pcre2_code_free(code);
		return;
	}
	b->list = xreallocarray(b->list, b->n + 1, sizeof *b->list);
	br = &b->list[b->n++];
	*br = (struct branch){.text = text, .rule = rule, .code = code};
	read_first(code, br->first);
}

static void
cut(struct builder *b, size_t rule)
{
	struct str s = unwrap(str_of(b->c->rules[rule].regex));
	size_t end;

	for (size_t from = 0; from <= s.len; from = end + 1) {
		end = alternative_end(s, from);
		add_branch(b, rule, str_sub(s, from, end - from));
	}
}

/* ---- putting together ---- */

unsigned
second_class(char c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') : CLASSIFY_OTHER;
}

static void
add_end(struct buf *b, const struct classifier *c, size_t rule)
{
	if (c->rules[rule].conditions != NULL)
		buf_add_cstr(b, c->rules[rule].conditions);
	buf_addf(b, "(*MARK:%zu)", rule);
}

/* may it go on behind these two bytes? */
static bool
may_begin(const struct builder *b, const struct branch *br, const char two[2])
{
	int r = pcre2_match(
	    br->code, (PCRE2_SPTR)two, 2, 0, PCRE2_PARTIAL_HARD, b->c->match, b->c->limits);

	return r != PCRE2_ERROR_NOMATCH;
}

/* the second byte is this letter, or, as CLASSIFY_OTHER, any that is none */
static bool
may_begin_with(const struct builder *b, const struct branch *br, char first, unsigned second)
{
	char two[2] = {first, (char)('a' + second)};

	if (!has_bit(br->first, (unsigned char)first))
		return false;
	if (second != CLASSIFY_OTHER)
		return may_begin(b, br, two);
	for (unsigned c = '\n'; c < 256; c++) {
		two[1] = (char)c;
		if (second_class(two[1]) == CLASSIFY_OTHER && may_begin(b, br, two))
			return true;
	}
	return false;
}

static void
write_words(struct buf *out, const struct builder *b, char first, unsigned second)
{
	for (size_t i = 0; i < b->n; i++) {
		if (!may_begin_with(b, &b->list[i], first, second))
			continue;
		buf_addf(out, "%s(?:%.*s)", buf_len(out) == 0 ? "" : "|", STR_ARG(b->list[i].text));
		add_end(out, b->c, b->list[i].rule);
	}
}

/* rules of conditions only match at the end of the text's line */
static void
write_bare(struct buf *out, const struct classifier *c)
{
	for (size_t i = 0; i < c->n_rules; i++) {
		if (c->rules[i].regex != NULL)
			continue;
		buf_add_cstr(out, buf_len(out) == 0 ? "(?=\\n)" : "|(?=\\n)");
		add_end(out, c, i);
	}
}

/* most beginnings are those of the same rules: a few hundred expressions serve thousands of them */
static pcre2_code *
known_code(const struct classifier *c, XXH128_hash_t hash)
{
	for (size_t i = 0; i < c->n_made; i++)
		if (XXH128_isEqual(c->made[i].hash, hash))
			return c->made[i].code;
	return NULL;
}

/* the expression into *code; NULL when nothing was written */
static bool
finish(struct classifier *c, struct buf *out, pcre2_code **code, struct why *why)
{
	XXH128_hash_t hash = XXH3_128bits(buf_str(out).p, buf_len(out));

	if (buf_is_overfull(out))
		return why_set(why, "too many rules begin alike") == 0;
	if (buf_len(out) == 0)
		return true;
	*code = known_code(c, hash);
	if (*code != NULL)
		return true;
	*code = compile(buf_str(out), why);
	if (*code == NULL)
		return false;
	/* without JIT it is only slower */
	if (regex_may_jit())
		(void)pcre2_jit_compile(*code, PCRE2_JIT_COMPLETE);
	c->made = xreallocarray(c->made, c->n_made + 1, sizeof *c->made);
	c->made[c->n_made++] = (struct made){.hash = hash, .code = *code};
	return true;
}

static bool
build_first(struct classifier *c, const struct builder *b, char first, struct why *why)
{
	struct buf out;
	bool is_good = true;

	buf_init(&out, MAX_PATTERN);
	for (unsigned second = 0; second <= CLASSIFY_OTHER && is_good; second++) {
		buf_reset(&out);
		write_words(&out, b, first, second);
		is_good = finish(c, &out, &c->code[(unsigned char)first][second], why);
	}
	buf_clear(&out);
	return is_good;
}

static bool
build_all(struct classifier *c, const struct builder *b, struct why *why)
{
	struct buf out;
	bool is_good;

	buf_init(&out, MAX_PATTERN);
	write_bare(&out, c);
	is_good = finish(c, &out, &c->bare, why);
	buf_clear(&out);
	for (unsigned first = '!'; first < 256 && is_good; first++)
		if (first < 'A' || first > 'Z')
			is_good = build_first(c, b, (char)first, why);
	return is_good;
}

bool
classify_build(struct classifier *c, classify_complaint *tell, void *arg)
{
	struct builder b = {.c = c, .tell = tell, .arg = arg, .is_good = true};
	struct why why;

	for (size_t i = 0; i < c->n_rules; i++)
		if (c->rules[i].regex != NULL)
			cut(&b, i);
	if (b.is_good && !build_all(c, &b, &why)) {
		tell(arg, 0, &why);
		b.is_good = false;
	}
	for (size_t i = 0; i < b.n; i++)
		pcre2_code_free(b.list[i].code);
	free(b.list);
	return b.is_good;
}
