#include "lib/base/num.h"
#include "lib/spf/spf_int.h"

/*
 *	terms      = *( 1*SP ( directive / modifier ) )
 *	directive  = [ "+" / "-" / "?" / "~" ] mechanism
 *	modifier   = name "=" macro-string
 */

static bool
is_name_char(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

/* the part in front of ':' , '=' or '/' */
static struct str
head_of(struct str s)
{
	size_t n = 0;

	while (n < s.len && strchr(":=/", s.p[n]) == NULL)
		n++;
	return str_sub(s, 0, n);
}

/* 1*DIGIT without a leading zero, at most max */
static bool
take_bits(struct str s, unsigned max, unsigned *bits)
{
	uint32_t v;

	if (s.len == 0 || s.len > 3 || (s.len > 1 && s.p[0] == '0') || !parse_u32(s, 0, max, &v))
		return false;
	*bits = v;
	return true;
}

/* where digits begin that end s; s.len: nowhere */
static size_t
digits_at_end(struct str s)
{
	size_t n = s.len;

	while (n > 0 && ascii_is_digit(s.p[n - 1]))
		n--;
	return n;
}

/* dual-cidr-length = [ "/" 1*DIGIT ] [ "//" 1*DIGIT ], off the end of *s */
static bool
take_dual_cidr(struct str *s, struct spf_term *t)
{
	size_t at = digits_at_end(*s);

	if (at < s->len && at >= 2 && s->p[at - 1] == '/' && s->p[at - 2] == '/') {
		if (!take_bits(str_skip(*s, at), 128, &t->bits6))
			return false;
		*s = str_sub(*s, 0, at - 2);
		at = digits_at_end(*s);
	}
	if (at < s->len && at >= 1 && s->p[at - 1] == '/') {
		if (!take_bits(str_skip(*s, at), 32, &t->bits4))
			return false;
		*s = str_sub(*s, 0, at - 1);
	}
	return true;
}

/* [ ":" domain-spec ] */
static bool
take_spec(struct str s, bool is_needed, struct spf_term *t)
{
	if (s.len == 0)
		return !is_needed;
	t->spec = str_skip(s, 1);
	return s.p[0] == ':' && spf_spec_is_valid(t->spec);
}

static bool
take_network(struct str s, unsigned family, struct spf_term *t)
{
	size_t slash;
	unsigned bits = family == 4 ? 32 : 128;

	if (s.len < 2 || s.p[0] != ':')
		return false;
	s = str_skip(s, 1);
	slash = str_find(s, '/');
	if (slash != STR_NPOS && !take_bits(str_skip(s, slash + 1), bits, &bits))
		return false;
	return net_addr_parse(str_sub(s, 0, slash), &t->net.addr) && t->net.addr.family == family &&
	       net_cidr_parse(s, &t->net);
}

/* ---- mechanisms: what may follow the name ---- */

static bool
parse_all(struct str s, struct spf_term *t)
{
	return s.len == 0;
}

static bool
parse_spec(struct str s, struct spf_term *t)
{
	return take_spec(s, true, t);
}

static bool
parse_hosts(struct str s, struct spf_term *t)
{
	return take_dual_cidr(&s, t) && take_spec(s, false, t);
}

static bool
parse_ptr(struct str s, struct spf_term *t)
{
	return take_spec(s, false, t);
}

static bool
parse_ip4(struct str s, struct spf_term *t)
{
	return take_network(s, 4, t);
}

static bool
parse_ip6(struct str s, struct spf_term *t)
{
	return take_network(s, 6, t);
}

static const struct mechanism {
	struct str name;
	bool (*parse)(struct str rest, struct spf_term *t);
	enum spf_kind kind;
} mechanisms[] = {
    {{"all", 3}, parse_all, SPF_K_ALL},
    {{"include", 7}, parse_spec, SPF_K_INCLUDE},
    {{"a", 1}, parse_hosts, SPF_K_A},
    {{"mx", 2}, parse_hosts, SPF_K_MX},
    {{"ptr", 3}, parse_ptr, SPF_K_PTR},
    {{"ip4", 3}, parse_ip4, SPF_K_IP4},
    {{"ip6", 3}, parse_ip6, SPF_K_IP6},
    {{"exists", 6}, parse_spec, SPF_K_EXISTS},
};

static bool
take_qualifier(struct str *s, enum spf_result *r)
{
	static const char letters[] = "+-~?";
	static const enum spf_result results[] = {SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_NEUTRAL};
	const char *at = s->len == 0 || s->p[0] == '\0' ? NULL : strchr(letters, s->p[0]);

	*r = SPF_PASS;
	if (at == NULL)
		return false;
	*r = results[at - letters];
	*s = str_skip(*s, 1);
	return true;
}

static bool
parse_directive(struct str s, struct spf_term *t)
{
	struct str name;

	(void)take_qualifier(&s, &t->result);
	name = head_of(s);
	for (size_t i = 0; i < countof(mechanisms); i++)
		if (str_ieq(name, mechanisms[i].name)) {
			t->kind = mechanisms[i].kind;
			return mechanisms[i].parse(str_skip(s, name.len), t);
		}
	return false;
}

static bool
parse_modifier(struct str name, struct str value, struct spf_term *t)
{
	const struct spf_vars none = {0};

	if (name.len == 0 || ascii_is_digit(name.p[0]) || !ascii_is_alnum(name.p[0]))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!is_name_char(name.p[i]))
			return false;
	t->spec = value;
	t->kind = str_ieq(name, STR("redirect")) ? SPF_K_REDIRECT
		  : str_ieq(name, STR("exp"))	 ? SPF_K_EXP
						 : SPF_K_MODIFIER;
	if (t->kind != SPF_K_MODIFIER)
		return spf_spec_is_valid(value);
	return spf_expand(&none, value, true, NULL, 0);
}

int
spf_term_next(struct str *rest, struct spf_term *t)
{
	struct str word = STR_NULL, name;

	while (rest->len > 0 && rest->p[0] == ' ')
		*rest = str_skip(*rest, 1);
	if (rest->len == 0)
		return 0;
	(void)str_next(rest, ' ', &word);
	*t = (struct spf_term){.text = word, .bits4 = 32, .bits6 = 128};
	name = head_of(word);
	if (name.len < word.len && word.p[name.len] == '=')
		return parse_modifier(name, str_skip(word, name.len + 1), t) ? 1 : -1;
	return parse_directive(word, t) ? 1 : -1;
}
