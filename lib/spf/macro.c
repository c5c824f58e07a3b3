#include "lib/spf/spf_int.h"

/*
 *	macro-string  = *( macro-expand / %x21-24 / %x26-7E )		(RFC 7208 7.1; blanks too in explanations)
 *	macro-expand  = "%{" letter *DIGIT [ "r" ] *delimiter "}" / "%%" / "%_" / "%-"
 */

#define MAX_PARTS  128
#define DELIMITERS ".-+,/_="

struct out {
	char *p; /* NULL: only looks */
	size_t n, size;
};

static void
put(struct out *o, struct str s)
{
	for (size_t i = 0; i < s.len && o->p != NULL && o->n + 1 < o->size; i++)
		o->p[o->n++] = s.p[i];
}

/* RFC 3986 2.3 */
static void
put_escaped(struct out *o, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char hex[4];
		if (ascii_is_alnum(s.p[i]) || (s.p[i] != '\0' && strchr("-._~", s.p[i]) != NULL)) {
			put(o, str_sub(s, i, 1));
			continue;
		}
		snprintf(hex, sizeof hex, "%%%02X", (unsigned char)s.p[i]);
		put(o, str_from(hex, 3));
	}
}

/* ---- what a letter stands for ---- */

/* "1.2.3.4", and of IPv6 32 digits with dots between */
static void
dotted(const struct net_addr *a, char out[80])
{
	size_t n = 0;

	if (a->family != 6) {
		(void)net_addr_text(a, out);
		return;
	}
	for (size_t i = 0; i < 16; i++)
		n += (size_t)snprintf(out + n, 80 - n, "%s%x.%x", i > 0 ? "." : "",
		    a->bytes[i] >> 4, a->bytes[i] & 15);
}

/* False: no such macro. `scratch` is for what must be made. */
static bool
value_of(const struct spf_vars *v, char letter, bool in_exp, char scratch[80], struct str *value)
{
	const struct {
		char letter;
		bool only_exp;
		const char *value;
	} known[] = {
	    {'s', false, v->sender},
	    {'l', false, v->local},
	    {'o', false, v->origin},
	    {'d', false, v->domain},
	    {'h', false, v->helo},
	    {'v', false, v->client.family == 6 ? "ip6" : "in-addr"},
	    {'i', false, scratch},
	    /* the name of the client's address: "unknown" is allowed, and its look-ups are not worth it (7.2) */
	    {'p', false, "unknown"},
	    {'c', true, scratch},
	    {'r', true, v->receiver},
	    {'t', true, scratch},
	};

	for (size_t i = 0; i < countof(known); i++) {
		if (known[i].letter != letter || (known[i].only_exp && !in_exp))
			continue;
		if (letter == 'i')
			dotted(&v->client, scratch);
		else if (letter == 'c')
			(void)net_addr_text(&v->client, scratch);
		else if (letter == 't')
			snprintf(scratch, 80, "%jd", (intmax_t)v->now_s);
		*value = str_of(known[i].value);
		return true;
	}
	return false;
}

/* ---- transformers ---- */

struct macro {
	char letter;
	bool is_upper, is_reversed;
	unsigned keep; /* parts from the right; 0: all */
	struct str delimiters;
};

static size_t
split(struct str s, struct str delimiters, struct str parts[MAX_PARTS])
{
	size_t n = 0, from = 0;

	for (size_t i = 0; i <= s.len && n < MAX_PARTS; i++) {
		if (i < s.len && str_find(delimiters, s.p[i]) == STR_NPOS)
			continue;
		parts[n++] = str_sub(s, from, i - from);
		from = i + 1;
	}
	return n;
}

static void
put_value(struct out *o, const struct macro *m, struct str value)
{
	struct str parts[MAX_PARTS];
	struct str delimiters = m->delimiters.len > 0 ? m->delimiters : STR(".");
	size_t n = split(value, delimiters, parts), first = 0, k;

	if (m->keep > 0 && m->keep < n)
		first = n - m->keep;
	for (size_t i = first; i < n; i++) {
		k = m->is_reversed ? n - 1 - i : i;
		if (i > first)
			put(o, STR("."));
		if (m->is_upper)
			put_escaped(o, parts[k]);
		else
			put(o, parts[k]);
	}
}

/* ---- the syntax ---- */

/* Behind "%{": the macro up to "}". Returns the bytes, 0: it is wrong. */
static size_t
take_macro(struct str s, struct macro *m)
{
	size_t i = 1, digits;

	if (s.len < 2 || !ascii_is_alnum(s.p[0]) || ascii_is_digit(s.p[0]))
		return 0;
	*m = (struct macro){.letter = ascii_lower(s.p[0])};
	m->is_upper = m->letter != s.p[0];
	for (digits = i; i < s.len && ascii_is_digit(s.p[i]); i++)
		m->keep = PH_MIN(m->keep * 10 + (unsigned)(s.p[i] - '0'), (unsigned)MAX_PARTS);
	if (i > digits && m->keep == 0)
		return 0;
	m->is_reversed = i < s.len && ascii_lower(s.p[i]) == 'r';
	i += m->is_reversed;
	m->delimiters = str_skip(s, i);
	while (i < s.len && s.p[i] != '\0' && strchr(DELIMITERS, s.p[i]) != NULL)
		i++;
	m->delimiters =
	    str_sub(s, (size_t)(m->delimiters.p - s.p), i - (size_t)(m->delimiters.p - s.p));
	return i < s.len && s.p[i] == '}' ? i + 1 : 0;
}

/* At a '%': the bytes that were used, 0: it is wrong. */
static size_t
expand_one(const struct spf_vars *v, struct str s, bool in_exp, struct out *o)
{
	static const struct {
		char letter;
		const char *text;
	} fixed[] = {{'%', "%"}, {'_', " "}, {'-', "%20"}};
	struct macro m;
	struct str value;
	char scratch[80];
	size_t n;

	for (size_t i = 0; i < countof(fixed); i++)
		if (s.len > 1 && s.p[1] == fixed[i].letter) {
			put(o, str_of(fixed[i].text));
			return 2;
		}
	if (s.len < 2 || s.p[1] != '{')
		return 0;
	n = take_macro(str_skip(s, 2), &m);
	if (n == 0 || !value_of(v, m.letter, in_exp, scratch, &value))
		return 0;
	put_value(o, &m, value);
	return n + 2;
}

bool
spf_expand(const struct spf_vars *v, struct str text, bool in_exp, char *out, size_t size)
{
	struct out o = {.p = out, .size = size};
	size_t i = 0, n;

	while (i < text.len) {
		if (text.p[i] == '%') {
			n = expand_one(v, str_skip(text, i), in_exp, &o);
			if (n == 0)
				return false;
			i += n;
			continue;
		}
		if (!ascii_is_print(text.p[i]))
			return false;
		put(&o, str_sub(text, i++, 1));
	}
	if (out != NULL)
		out[o.n] = '\0';
	return true;
}

/* toplabel: letters, digits and '-', not at its ends, and not digits alone */
static bool
is_top_label(struct str s)
{
	bool has_other = false;

	if (s.len == 0 || s.p[0] == '-' || s.p[s.len - 1] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_alnum(s.p[i]) && s.p[i] != '-')
			return false;
		has_other = has_other || !ascii_is_digit(s.p[i]);
	}
	return has_other;
}

bool
spf_spec_is_valid(struct str spec)
{
	const struct spf_vars none = {0};
	size_t brace = str_rfind(spec, '}'), dot;

	if (spec.len == 0 || str_find(spec, ' ') != STR_NPOS ||
	    !spf_expand(&none, spec, false, NULL, 0))
		return false;
	if (brace == spec.len - 1)
		return true;
	if (spec.p[spec.len - 1] == '.')
		spec.len--;
	dot = str_rfind(spec, '.');
	return dot != STR_NPOS && (brace == STR_NPOS || brace < dot) &&
	       is_top_label(str_skip(spec, dot + 1));
}

bool
spf_expand_name(const struct spf_vars *v, struct str spec, char out[SPF_MAX_NAME])
{
	char text[2048];
	struct str s;

	if (!spf_expand(v, spec, false, text, sizeof text))
		return false;
	s = str_of(text);
	if (s.len > 0 && s.p[s.len - 1] == '.')
		s.len--;
	while (s.len >= SPF_MAX_NAME) {
		size_t dot = str_find(s, '.');
		if (dot == STR_NPOS)
			break;
		s = str_skip(s, dot + 1);
	}
	if (str_copy(out, SPF_MAX_NAME, s) >= SPF_MAX_NAME)
		out[0] = '\0';
	str_lower(out, strlen(out));
	return true;
}
