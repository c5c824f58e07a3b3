/* Arguments that take all the rest of a line: lists, actions, hosts. */
#include "lib/base/num.h"
#include "lib/base/why.h"
#include "lib/conf/conf_int.h"

static bool
has_blank(struct str s)
{
	return str_find(s, ' ') != STR_NPOS || str_find(s, '\t') != STR_NPOS;
}

/* comma list without the blanks */
static int
put_list(struct conf_pool_mem *m, struct str rest, struct buf *out, struct why *why)
{
	struct str piece;

	for (bool is_first = true; str_next(&rest, ',', &piece); is_first = false) {
		piece = str_trim(piece);
		if (piece.len == 0)
			return why_set(why, "the list has an empty item");
		if (has_blank(piece) && piece.p[0] != '"' &&
		    !str_has_iprefix(piece, STR("call-to")))
			return why_set(why, "a comma is missing in \"%.*s\"", STR_ARG(piece));
		if (!is_first)
			buf_add_char(out, ',');
		buf_add_str(out, piece);
	}
	return 0;
}

static int
tail_fields(struct conf_pool_mem *m, struct str rest, struct buf *out, struct why *why)
{
	if (!conf_is_all(rest, "-_.!*, \t@"))
		return why_set(why, "\"%.*s\" is not a list of fields", STR_ARG(rest));
	return put_list(m, rest, out, why);
}

static int
tail_list(struct conf_pool_mem *m, struct str rest, struct buf *out, struct why *why)
{
	return put_list(m, rest, out, why);
}

static int
tail_rest(struct conf_pool_mem *m, struct str rest, struct buf *out, struct why *why)
{
	buf_add_str(out, rest);
	return 0;
}

static int
tail_key(struct conf_pool_mem *m, struct str rest, struct buf *out, struct why *why)
{
	size_t n = 1;

	for (size_t i = 0; i < rest.len; i++)
		n += rest.p[i] == ',';
	if (n != 3)
		return why_set(why, "not SELECTOR,DOMAIN,FILE");
	return put_list(m, rest, out, why);
}

static int
check_choice(struct str piece, struct why *why)
{
	size_t colon = str_find(piece, ':'), eq = str_find(piece, '=');
	uint32_t n;
	struct str name = str_sub(piece, 0, eq), value = str_skip(piece, eq + 1);

	if (str_has_iprefix(piece, STR("call-to")) && colon != STR_NPOS &&
	    str_trim(str_skip(piece, colon + 1)).len > 0)
		return 0;
	if (eq != STR_NPOS && str_ieq(name, STR("virtual-mta")) && value.len > 0)
		return 0;
	if (eq != STR_NPOS && str_ieq(name, STR("recipient-priority")) &&
	    parse_u32(value, 0, 100, &n))
		return 0;
	return why_set(why,
	    "\"%.*s\" is none of virtual-mta=NAME, recipient-priority=0-100, call-to: LIST",
	    STR_ARG(piece));
}

static int
tail_result(struct conf_pool_mem *m, struct str rest, struct buf *out, struct why *why)
{
	struct str all = rest, piece;

	while (str_next(&all, ',', &piece))
		if (check_choice(str_trim(piece), why) == -1)
			return -1;
	return put_list(m, rest, out, why);
}

/* what a reply may cause; the bits say what excludes what */
enum { BACKOFF = 1, NORMAL = 2, SKIP = 4, BOUNCE = 8, DISABLE = 16, REENABLE = 32 };
static const struct {
	const char *name;
	bool has_time;
	unsigned bit, excludes, needs;
} actions[] = {
    {"mode=backoff", false, BACKOFF, NORMAL, 0},
    {"mode=normal", false, NORMAL, BACKOFF, 0},
    {"skip-mx", false, SKIP, BOUNCE, 0},
    {"bounce-queue", false, BOUNCE, SKIP, 0},
    {"bounce-rcpt", false, 0, 0, 0},
    {"defer-queue", false, 0, 0, 0},
    {"disable-source-ip", false, DISABLE, 0, 0},
    {"reenable-after=", true, REENABLE, REENABLE, DISABLE},
    {"backoff-to-normal-after=", true, 0, 0, BACKOFF},
};

static int
check_action(struct str piece, unsigned *seen, struct why *why)
{
	int64_t ms;

	for (size_t i = 0; i < countof(actions); i++) {
		struct str name = str_of(actions[i].name);
		if (!(actions[i].has_time ? str_has_iprefix(piece, name) : str_ieq(piece, name)))
			continue;
		if (actions[i].has_time && !conf_parse_time(str_skip(piece, name.len), &ms))
			return why_set(why, "\"%.*s\" needs a time such as 10m", STR_ARG(piece));
		if ((*seen & actions[i].excludes) != 0)
			return why_set(
			    why, "\"%.*s\" contradicts what stands before it", STR_ARG(piece));
		if ((actions[i].needs & ~*seen) != 0)
			return why_set(why, "\"%.*s\" without %s before it", STR_ARG(piece),
			    actions[i].needs == DISABLE ? "disable-source-ip" : "mode=backoff");
		*seen |= actions[i].bit;
		return 0;
	}
	return why_set(why, "unknown action \"%.*s\"", STR_ARG(piece));
}

static int
tail_actions(struct conf_pool_mem *m, struct str rest, struct buf *out, struct why *why)
{
	struct str all = rest, piece;
	unsigned seen = 0;

	while (str_next(&all, ',', &piece))
		if (check_action(str_trim(piece), &seen, why) == -1)
			return -1;
	return put_list(m, rest, out, why);
}

/* One host of smtp-hosts: name, name:port, [ip], [ip]:port, lookup-mx:domain. */
static bool
is_hop(struct str s)
{
	struct net_addr a;
	struct str host = s, inner;
	size_t close = str_find(s, ']'), colon = str_rfind(s, ':');
	uint32_t port;

	if (str_has_iprefix(s, STR("lookup-mx:")))
		return conf_is_all(str_skip(s, 10), "-_.");
	if (s.len > 0 && s.p[0] == '[') {
		if (close == STR_NPOS)
			return false;
		inner = str_sub(s, 1, close - 1);
		if (str_has_iprefix(inner, STR("IPv6:")))
			inner = str_skip(inner, 5);
		s = str_skip(s, close + 1);
		return net_addr_parse(inner, &a) &&
		       (s.len == 0 ||
			   (s.p[0] == ':' && parse_u32(str_skip(s, 1), 1, 65535, &port)));
	}
	if (colon != STR_NPOS) {
		if (!parse_u32(str_skip(s, colon + 1), 1, 65535, &port))
			return false;
		host = str_sub(s, 0, colon);
	}
	return conf_is_all(host, "-_.");
}

static int
tail_hosts(struct conf_pool_mem *m, struct str rest, struct buf *out, struct why *why)
{
	struct str group, hop;

	for (bool is_first = true; str_next(&rest, ';', &group); is_first = false) {
		struct str all = group;
		while (str_next(&all, ',', &hop))
			if (!is_hop(str_trim(hop)))
				return why_set(why,
				    "\"%.*s\" is not HOST, HOST:PORT, [IP], [IP]:PORT or "
				    "lookup-mx:DOMAIN",
				    STR_ARG(str_trim(hop)));
		if (!is_first)
			buf_add_char(out, ';');
		if (put_list(m, group, out, why) == -1)
			return -1;
	}
	return 0;
}

static const struct {
	const char *name;
	int (*put)(struct conf_pool_mem *m, struct str rest, struct buf *out, struct why *why);
} tails[] = {
    {"REST", tail_rest},
    {"FIELDS", tail_fields},
    {"TARGETS", tail_list},
    {"DOMAINS", tail_list},
    {"KEYSPEC", tail_key},
    {"RESULT", tail_result},
    {"ACTIONS", tail_actions},
    {"HOSTS", tail_hosts},
};

bool
conf_tail_find(struct str kind, size_t *index)
{
	for (size_t i = 0; i < countof(tails); i++)
		if (str_eq(str_of(tails[i].name), kind)) {
			*index = i;
			return true;
		}
	return false;
}

int
conf_tail_put(
    struct conf_pool_mem *m, size_t tail, struct str rest, struct buf *out, struct why *why)
{
	return tails[tail].put(m, rest, out, why);
}
