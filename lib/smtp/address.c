#include "lib/smtp/address.h"

#include <arpa/inet.h>
#include <idn2.h>

static int
bad(struct why *why, const char *text)
{
	return why_smtp(why, 501, 5, 1, 3, "%s", text);
}

/* ---- UTF-8 (RFC 3629: shortest forms, no surrogates) ---- */

/* length of the character at the front of s, 0: malformed */
static size_t
utf8_char(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n;
	uint32_t c;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (s.len < n)
		return 0;
	c = p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000) || c > 0x10ffff)
		return 0;
	return c >= 0xd800 && c <= 0xdfff ? 0 : n;
}

bool
utf8_is_valid(struct str s)
{
	while (s.len > 0) {
		size_t n = utf8_char(s);
		if (n == 0)
			return false;
		s = str_skip(s, n);
	}
	return true;
}

/* how many bytes at the front are one or more characters beyond ASCII (C1 controls are none), 0: none */
static size_t
utf8_beyond_ascii(struct str s)
{
	size_t n;

	if (s.len == 0 || (unsigned char)s.p[0] < 0x80)
		return 0;
	n = utf8_char(s);
	if (n == 2 && (unsigned char)s.p[0] == 0xc2 && (unsigned char)s.p[1] < 0xa0)
		return 0;
	return n;
}

/* ---- domains ---- */

static bool
is_ldh(char c)
{
	/* the underscore is no letter of RFC 5321, but of host names in use */
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

static bool
label_is_valid(struct str label, bool utf8)
{
	bool is_ascii = true;

	if (label.len == 0 || label.p[0] == '-' || label.p[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len;) {
		size_t n = is_ldh(label.p[i]) ? 1
			   : utf8	      ? utf8_beyond_ascii(str_skip(label, i))
					      : 0;
		if (n == 0)
			return false;
		is_ascii = is_ascii && is_ldh(label.p[i]);
		i += n;
	}
	/* a U-label may be longer: what counts is its A-label, which domain_queue_name() checks */
	return label.len <= 63 || !is_ascii;
}

bool
domain_is_literal(struct str domain)
{
	return domain.len >= 2 && domain.p[0] == '[' && domain.p[domain.len - 1] == ']';
}

static bool
ip_is_valid(int family, struct str s)
{
	char text[64];
	unsigned char addr[16];

	return str_copy(text, sizeof text, s) < sizeof text && memchr(s.p, '\0', s.len) == NULL &&
	       inet_pton(family, text, addr) == 1;
}

/* General-address-literal = Standardized-tag ":" 1*dcontent; without "@", so that an address is cut at its last one */
static bool
general_is_valid(struct str s)
{
	size_t colon = str_find(s, ':');

	if (colon == STR_NPOS || colon == 0 || colon + 1 == s.len ||
	    !ascii_is_alnum(s.p[colon - 1]))
		return false;
	for (size_t i = 0; i < colon; i++)
		if (!ascii_is_alnum(s.p[i]) && s.p[i] != '-')
			return false;
	for (size_t i = colon + 1; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("[\\]@", s.p[i]) != NULL)
			return false;
	return true;
}

static bool
literal_is_valid(struct str domain)
{
	struct str in = str_sub(domain, 1, domain.len - 2);

	if (str_has_iprefix(in, STR("IPv6:")))
		return ip_is_valid(AF_INET6, str_skip(in, 5));
	return ip_is_valid(AF_INET, in) || general_is_valid(in);
}

static bool
domain_is_valid(struct str domain, bool utf8)
{
	struct str label, rest = domain;

	if (domain.len == 0 || domain.len > ADDRESS_MAX_DOMAIN)
		return false;
	if (domain_is_literal(domain))
		return literal_is_valid(domain);
	while (str_next(&rest, '.', &label))
		if (!label_is_valid(label, utf8))
			return false;
	return true;
}

static size_t
queue_name_ascii(struct str domain, char *dst, size_t size)
{
	if (domain.len >= size)
		return 0;
	(void)str_copy(dst, size, domain);
	str_lower(dst, domain.len);
	return domain.len;
}

static size_t
queue_name_idn(struct str domain, char *dst, size_t size)
{
	uint8_t text[ADDRESS_MAX_DOMAIN + 1];
	uint8_t *a = NULL;
	size_t len;

	if (str_copy((char *)text, sizeof text, domain) >= sizeof text)
		return 0;
	if (idn2_lookup_u8(text, &a, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return 0;
	len = queue_name_ascii(str_of((const char *)a), dst, size);
	idn2_free(a);
	/* mapping may give other ASCII than letters, such as a blank */
	return domain_is_valid(str_from(dst, len), false) ? len : 0;
}

size_t
domain_queue_name(struct str domain, char *dst, size_t size)
{
	if (domain.len > 1 && domain.p[domain.len - 1] == '.')
		domain.len--;
	if (!domain_is_valid(domain, true))
		return 0;
	for (size_t i = 0; i < domain.len; i++)
		if ((unsigned char)domain.p[i] >= 0x80)
			return queue_name_idn(domain, dst, size);
	return queue_name_ascii(domain, dst, size);
}

/* ---- local parts ---- */

/* atext of RFC 5322 3.2.3 */
static bool
is_atext(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Dot-string = Atom *("." Atom): its length at the front of s, 0: none */
static size_t
scan_dot_string(struct str s, bool utf8)
{
	size_t i = 0;
	bool after_atom = false;

	while (i < s.len) {
		size_t n = is_atext(s.p[i]) ? 1 : utf8 ? utf8_beyond_ascii(str_skip(s, i)) : 0;
		if (n == 0 && s.p[i] != '.')
			break;
		if (n == 0 && !after_atom)
			return 0; /* a dot in front, or two in a row */
		after_atom = n != 0;
		i += n == 0 ? 1 : n;
	}
	return after_atom ? i : 0;
}

/* Quoted-string = DQUOTE *( qtextSMTP / "\" %d32-126 ) DQUOTE: its length at the front of s, 0: none */
static size_t
scan_quoted_string(struct str s, bool utf8)
{
	size_t i = 1;

	while (i < s.len && s.p[i] != '"') {
		size_t n = utf8 ? utf8_beyond_ascii(str_skip(s, i)) : 0;
		if (s.p[i] == '\\' && ++i == s.len)
			return 0;
		if (n == 0 && !ascii_is_print(s.p[i]))
			return 0;
		i += n == 0 ? 1 : n;
	}
	return i < s.len ? i + 1 : 0;
}

static size_t
scan_local(struct str s, bool utf8)
{
	if (s.len > 0 && s.p[0] == '"')
		return scan_quoted_string(s, utf8);
	return scan_dot_string(s, utf8);
}

/* ---- the whole ---- */

/* Mailbox = Local-part "@" ( Domain / address-literal ), up to a byte that belongs to neither: its length, 0: none */
static size_t
scan_mailbox(struct str s, unsigned allow, struct address *a, struct why *why)
{
	size_t n = scan_local(s, (allow & ADDRESS_UTF8) != 0), end;

	*a = (struct address){.local = str_sub(s, 0, n), .domain = STR_NULL};
	if (n == 0)
		return (void)bad(why, "Bad address syntax: the local part is missing or malformed"),
		       0;
	if (n > ((allow & ADDRESS_LONG) != 0 ? ADDRESS_LONG_LOCAL : ADDRESS_MAX_LOCAL))
		return (void)bad(why, "The local part is too long"), 0;
	if (n == s.len || s.p[n] != '@') {
		if ((allow & ADDRESS_NO_DOMAIN) != 0)
			return n;
		return (void)bad(why, "Bad address syntax: the domain is missing"), 0;
	}
	for (end = ++n; end < s.len && s.p[end] != '>' && s.p[end] != ' '; end++)
		;
	a->domain = str_sub(s, n, end - n);
	if (a->domain.len > ADDRESS_MAX_DOMAIN)
		return (void)bad(why, "The domain is longer than 255 octets"), 0;
	if (!domain_is_valid(a->domain, (allow & ADDRESS_UTF8) != 0))
		return (void)bad(why, "Bad address syntax: the domain is malformed"), 0;
	if (end > ADDRESS_MAX_PATH - 2)
		return (void)bad(why, "The address is longer than 254 octets"), 0;
	return end;
}

bool
address_parse(struct str s, unsigned allow, struct address *a, struct why *why)
{
	size_t n = scan_mailbox(s, allow, a, why);

	if (n == 0)
		return false;
	return n == s.len || bad(why, "Bad address syntax: something follows the address") == 0;
}

/* A-d-l ":" = At-domain *( "," At-domain ) ":", to be ignored: its length, 0: malformed */
static size_t
scan_route(struct str s, bool utf8)
{
	struct str route, hop;
	size_t colon = str_find(s, ':');

	if (colon == STR_NPOS || colon > ADDRESS_MAX_PATH)
		return 0;
	route = str_sub(s, 0, colon);
	while (str_next(&route, ',', &hop))
		if (hop.len < 2 || hop.p[0] != '@' || domain_is_literal(str_skip(hop, 1)) ||
		    !domain_is_valid(str_skip(hop, 1), utf8))
			return 0;
	return colon + 1;
}

bool
address_parse_path(struct str *s, unsigned allow, struct address *a, struct why *why)
{
	struct str p = *s;
	size_t n;

	*a = (struct address){STR_NULL, STR_NULL};
	if (p.len > 0 && p.p[0] == ' ')
		p = str_skip(p, 1);
	if (p.len == 0 || p.p[0] != '<')
		return bad(why, "Bad address syntax: the address must stand in < and >") == 0;
	p = str_skip(p, 1);
	if (p.len > 0 && p.p[0] == '>') {
		*s = str_skip(p, 1);
		return true;
	}
	if (p.len > 0 && p.p[0] == '@') {
		n = scan_route(p, (allow & ADDRESS_UTF8) != 0);
		if (n == 0)
			return bad(why, "Bad address syntax: the source route is malformed") == 0;
		p = str_skip(p, n);
	}
	n = scan_mailbox(p, allow, a, why);
	if (n == 0)
		return false;
	if (n == p.len || p.p[n] != '>')
		return bad(why, "Bad address syntax: the closing > is missing") == 0;
	*s = str_skip(p, n + 1);
	return true;
}

struct address
address_split(struct str s)
{
	size_t at = str_rfind(s, '@');

	if (at == STR_NPOS)
		return (struct address){.local = s, .domain = STR_NULL};
	return (struct address){.local = str_sub(s, 0, at), .domain = str_skip(s, at + 1)};
}
