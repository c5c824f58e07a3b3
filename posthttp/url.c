#include "lib/base/num.h"
#include "posthttp/posthttp.h"

static bool
is_plain(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] > 126)
			return false;
	return true;
}

static bool
take_port(struct str *host, struct url *u)
{
	size_t colon = str_rfind(*host, ':'), bracket = str_rfind(*host, ']');
	uint32_t n = u->is_tls ? 443 : 80;

	if (colon != STR_NPOS && (bracket == STR_NPOS || colon > bracket)) {
		if (!parse_u32(str_skip(*host, colon + 1), 1, 65535, &n))
			return false;
		*host = str_sub(*host, 0, colon);
	}
	snprintf(u->port, sizeof u->port, "%u", n);
	return true;
}

bool
url_parse(struct str text, struct url *u, struct why *why)
{
	struct str rest, host;
	size_t slash;

	*u = (struct url){.is_tls = str_has_iprefix(text, STR("https://"))};
	rest = str_skip(text, u->is_tls ? 8 : 7);
	slash = str_find(rest, '/');
	host = str_sub(rest, 0, slash);
	if ((!u->is_tls && !str_has_iprefix(text, STR("http://"))) || !is_plain(text) ||
	    str_find(text, '#') != STR_NPOS || str_find(host, '@') != STR_NPOS || host.len == 0 ||
	    str_copy(u->authority, sizeof u->authority, host) >= sizeof u->authority ||
	    !take_port(&host, u)) {
		(void)why_set(why, "%.*s is no URL that can be posted to", STR_ARG(text));
		return false;
	}
	if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
		host = str_sub(host, 1, host.len - 2);
	rest = slash == STR_NPOS ? STR("/") : str_skip(rest, slash);
	if (str_copy(u->host, sizeof u->host, host) >= sizeof u->host ||
	    str_copy(u->target, sizeof u->target, rest) >= sizeof u->target) {
		(void)why_set(why, "the URL is too long");
		return false;
	}
	return true;
}
