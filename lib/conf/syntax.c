#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/why.h"
#include "lib/conf/conf_int.h"

#define ARGS_MAX 16

/* Checks one argument; may put another text in its place. 0 or -1. */
typedef int check_fn(struct conf_pool_mem *m, struct str *s);

/* letters, digits, bytes beyond ASCII, and `more` */
bool
conf_is_all(struct str s, const char *more)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_alnum(s.p[i]) && !((unsigned char)s.p[i] >= 0x80) &&
		    (s.p[i] == '\0' || strchr(more, s.p[i]) == NULL))
			return false;
	return s.len > 0;
}

static int
ok(bool is_good)
{
	return is_good ? 0 : -1;
}

static int
check_text(struct conf_pool_mem *m, struct str *s)
{
	return 0;
}

static int
check_some(struct conf_pool_mem *m, struct str *s)
{
	return ok(s->len > 0);
}

static int
check_name(struct conf_pool_mem *m, struct str *s)
{
	return ok(conf_is_all(*s, "-_.{}:+@~*&%!") && s->len <= 255);
}

static int
check_host(struct conf_pool_mem *m, struct str *s)
{
	return ok(conf_is_all(*s, "-_.") && s->len <= 253 && s->p[0] != '.');
}

static int
check_domain(struct conf_pool_mem *m, struct str *s)
{
	return ok(conf_is_all(*s, "-_.*$[]{}/:") && s->len <= 512);
}

static int
check_domains(struct conf_pool_mem *m, struct str *s)
{
	return ok(s->len > 0);
}

static int
check_email(struct conf_pool_mem *m, struct str *s)
{
	size_t at = str_rfind(*s, '@');

	if (at == STR_NPOS || at == 0 || at + 1 == s->len || s->len > 320)
		return -1;
	return ok(str_find(*s, '<') == STR_NPOS && str_find(*s, '>') == STR_NPOS);
}

static int
check_address(struct conf_pool_mem *m, struct str *s)
{
	return ok(s->len > 0 && s->len <= 1024);
}

static int
check_ip(struct conf_pool_mem *m, struct str *s)
{
	struct net_addr a;

	return ok(net_addr_parse(*s, &a));
}

static int
check_addrport(struct conf_pool_mem *m, struct str *s)
{
	struct net_addr a;

	return ok(net_addr_parse(*s, &a) || net_addr_parse_port(*s, &a));
}

/* names would have to be looked up by who may not ask */
static int
check_server(struct conf_pool_mem *m, struct str *s)
{
	struct net_addr a;

	return ok(net_addr_parse_port(*s, &a) && a.port != 0);
}

static int
check_cidr(struct conf_pool_mem *m, struct str *s)
{
	struct net_cidr c;

	return ok(net_cidr_parse(*s, &c));
}

static int
check_hostport(struct conf_pool_mem *m, struct str *s)
{
	size_t colon = str_rfind(*s, ':');
	uint32_t port;
	struct str host = str_sub(*s, 0, colon);

	if (colon == STR_NPOS || !parse_u32(str_skip(*s, colon + 1), 1, 65535, &port))
		return -1;
	return ok(conf_is_all(host, "-_.:[]"));
}

static int
check_n(struct conf_pool_mem *m, struct str *s)
{
	uint64_t n;

	return ok(parse_u64(*s, 0, UINT64_MAX - 1, &n));
}

static int
check_count(struct conf_pool_mem *m, struct str *s)
{
	return str_ieq(*s, STR("unlimited")) ? 0 : check_n(m, s);
}

static int
check_weight(struct conf_pool_mem *m, struct str *s)
{
	uint32_t n;

	return ok(parse_u32(*s, 1, 10000, &n));
}

/* "2", "1.5": up to 1000, three places */
static int
check_factor(struct conf_pool_mem *m, struct str *s)
{
	size_t dot = str_find(*s, '.');
	struct str part = dot == STR_NPOS ? STR("0") : str_skip(*s, dot + 1);
	uint32_t n;

	return ok(parse_u32(str_sub(*s, 0, dot), 1, 1000, &n) && part.len <= 3 &&
		  parse_u32(part, 0, 999, &n));
}

/* the code of a reply that is no success */
static int
check_code(struct conf_pool_mem *m, struct str *s)
{
	uint32_t n;

	return ok(s->len == 3 && parse_u32(*s, 400, 599, &n));
}

static int
check_rate(struct conf_pool_mem *m, struct str *s)
{
	struct conf_rate r;

	return ok(conf_parse_rate(*s, &r));
}

static int
check_volume(struct conf_pool_mem *m, struct str *s)
{
	struct conf_rate r;

	return ok(conf_parse_volume(*s, &r));
}

static int
check_time(struct conf_pool_mem *m, struct str *s)
{
	int64_t ms;

	return ok(conf_parse_time(*s, &ms));
}

static int
check_bool(struct conf_pool_mem *m, struct str *s)
{
	bool b;

	return ok(conf_parse_bool(*s, &b));
}

static int
check_header(struct conf_pool_mem *m, struct str *s)
{
	return ok(conf_is_all(*s, "-_.!#$%&'*+^`|~"));
}

static int
check_word(struct conf_pool_mem *m, struct str *s)
{
	return ok(conf_is_all(*s, "-_."));
}

static int
check_apikey(struct conf_pool_mem *m, struct str *s)
{
	for (size_t i = 0; i < s->len; i++)
		if (!ascii_is_alnum(s->p[i]) && s->p[i] != '_')
			return -1;
	return ok(s->len >= 32 && s->len <= 128);
}

static int
check_canon(struct conf_pool_mem *m, struct str *s)
{
	unsigned i;

	return ok(conf_one_of(
	    "simple|relaxed|simple/simple|simple/relaxed|relaxed/simple|relaxed/relaxed", *s, &i));
}

/* The letters of accounting records and their long names. */
static int
check_record(struct conf_pool_mem *m, struct str *s)
{
	static const char *const letters[] = {"d", "b", "t", "tq", "r", "rb", "rs", "f"};
	static const char *const names[] = {"delivery|delivered", "bounce|bounced", "transient",
	    "transient-queue", "receipt|received", "remote-bounce", "remote-status",
	    "feedback-loop|fbl|feedback"};
	unsigned ignored;

	for (size_t i = 0; i < countof(letters); i++)
		if (str_ieq(str_of(letters[i]), *s) || conf_one_of(names[i], *s, &ignored)) {
			*s = str_of(letters[i]);
			return 0;
		}
	return -1;
}

/* queue-filter: [!] ( "*" / domain [ "/" vmta ] ) */
static int
check_filter(struct conf_pool_mem *m, struct str *s)
{
	struct str t = str_has_prefix(*s, STR("!")) ? str_skip(*s, 1) : *s;

	return ok(t.len > 0 && t.p[0] != '/');
}

/* 0.5%, 100% */
static int
check_percent(struct conf_pool_mem *m, struct str *s)
{
	struct str t = s->len > 0 && s->p[s->len - 1] == '%' ? str_sub(*s, 0, s->len - 1) : *s;
	size_t dot = str_find(t, '.');
	struct str part = dot == STR_NPOS ? STR("0") : str_skip(t, dot + 1);
	uint32_t whole, ignored;

	return ok(parse_u32(str_sub(t, 0, dot), 0, 100, &whole) &&
		  parse_u32(part, 0, 999999, &ignored) && part.len <= 4);
}

static const struct {
	const char *name;
	check_fn *check;
	const char *what;
} kinds[] = {
    {"TEXT", check_text, "a text"},
    {"NAME", check_name, "a name"},
    {"VMTA", check_name, "the name of a VirtualMTA"},
    {"HOST", check_host, "a host name"},
    {"HOSTPORT", check_hostport, "host:port"},
    {"DOMAIN", check_domain, "a domain"},
    {"DOMAINS", check_domains, "a list of domains"},
    {"EMAIL", check_email, "an e-mail address"},
    {"ADDRESS", check_address, "an address or /pattern/"},
    {"IP", check_ip, "an IP address"},
    {"ADDRPORT", check_addrport, "an IP address, with or without port"},
    {"SERVER", check_server, "an IP address with a port; a name is not looked up"},
    {"CIDR", check_cidr, "an IP address or CIDR block"},
    {"PERCENT", check_percent, "a share such as 0.5%"},
    {"N", check_n, "a number"},
    {"COUNT", check_count, "a number or \"unlimited\""},
    {"WEIGHT", check_weight, "a weight from 1 to 10000"},
    {"FACTOR", check_factor, "a number from 1 to 1000 such as 1.5"},
    {"CODE", check_code, "a reply code from 400 to 599"},
    {"RATE", check_rate, "a rate such as 500/m, 100/15m or \"unlimited\""},
    {"VOLUME", check_volume, "a volume in a time such as 12M/m or \"unlimited\""},
    {"TIME", check_time, "a time such as 30s, 10m or 1d12h"},
    {"BOOL", check_bool, "yes or no"},
    {"FILE", check_some, "a file"},
    {"DIR", check_some, "a directory"},
    {"HEADER", check_header, "the name of a header field"},
    {"WORD", check_word, "a word"},
    {"CATEGORY", check_word, "a bounce category"},
    {"APIKEY", check_apikey, "a key of 32 to 128 letters, digits and _"},
    {"CANON", check_canon, "simple or relaxed, for header and body: relaxed/simple"},
    {"RECORD", check_record, "a kind of record: d, b, t, tq, r, rb, rs or f"},
    {"FILTER", check_filter, "a queue: domain, domain/vmta or *, with ! in front or without"},
};

static int
check_alternative(struct conf_pool_mem *m, struct str alt, struct str *text, const char **what)
{
	if (alt.len > 0 && alt.p[0] >= 'A' && alt.p[0] <= 'Z')
		for (size_t i = 0; i < countof(kinds); i++)
			if (str_eq(str_of(kinds[i].name), alt)) {
				*what = *what == NULL ? kinds[i].what : *what;
				return kinds[i].check(m, text);
			}
	if (!str_ieq(alt, *text))
		return -1;
	*text = alt;
	return 0;
}

int
conf_syntax_arg(struct conf_pool_mem *m, struct str kind, struct str *text, struct why *why)
{
	struct str rest = kind, alt;
	const char *what = NULL;

	while (str_next(&rest, '|', &alt))
		if (check_alternative(m, alt, text, &what) == 0)
			return 0;
	if (what == NULL)
		return why_set(why, "\"%.*s\" is not one of %.*s", STR_ARG(*text), STR_ARG(kind));
	return why_set(why, "\"%.*s\" is not %s", STR_ARG(*text), what);
}

/* ---- arguments parted by blanks ---- */

struct spec {
	struct str kind;
	struct str name; /* named argument: name=KIND */
	bool is_optional;
	struct str text;
	bool is_there;
};
struct line {
	struct spec specs[ARGS_MAX];
	size_t n_specs;
	struct str words[ARGS_MAX];
	size_t n_words;
};

static void
read_specs(struct line *ln, const char *syntax)
{
	struct str rest = str_of(syntax), word;

	while (ln->n_specs < ARGS_MAX && str_next_word(&rest, &word)) {
		struct spec *s = &ln->specs[ln->n_specs++];
		size_t eq;
		*s = (struct spec){.is_optional = word.p[0] == '['};
		if (s->is_optional)
			word = str_sub(word, 1, word.len - 2);
		eq = str_find(word, '=');
		s->kind = word;
		if (eq != STR_NPOS) {
			s->name = str_sub(word, 0, eq);
			s->kind = str_skip(word, eq + 1);
		}
	}
}

static struct spec *
named(struct line *ln, struct str word)
{
	size_t eq = str_find(word, '=');

	for (size_t i = 0; eq != STR_NPOS && i < ln->n_specs; i++)
		if (ln->specs[i].name.len > 0 && str_ieq(ln->specs[i].name, str_sub(word, 0, eq)))
			return &ln->specs[i];
	return NULL;
}

static int
read_words(struct conf_pool_mem *m, struct line *ln, struct str rest, struct why *why)
{
	struct conf_word w;

	while (conf_lex_word(m, &rest, '\0', &w)) {
		struct spec *s = named(ln, w.text);
		if (s != NULL) {
			if (s->is_there)
				return why_set(why, "%.*s is given twice", STR_ARG(s->name));
			s->is_there = true;
			s->text = str_skip(w.text, s->name.len + 1);
			continue;
		}
		if (ln->n_words == ARGS_MAX)
			return why_set(why, "too many arguments");
		ln->words[ln->n_words++] = w.text;
	}
	return 0;
}

static int
assign(struct line *ln, struct why *why)
{
	size_t required = 0, next = 0;

	for (size_t i = 0; i < ln->n_specs; i++)
		required += ln->specs[i].name.len == 0 && !ln->specs[i].is_optional;
	for (size_t i = 0; i < ln->n_specs; i++) {
		struct spec *s = &ln->specs[i];
		if (s->name.len > 0) {
			if (!s->is_there && !s->is_optional)
				return why_set(why, "argument missing: %.*s=", STR_ARG(s->name));
			continue;
		}
		if (ln->n_words - next <= (s->is_optional ? required : 0)) {
			if (!s->is_optional)
				return why_set(why, "argument missing");
			continue;
		}
		required -= !s->is_optional;
		s->is_there = true;
		s->text = ln->words[next++];
	}
	if (next < ln->n_words)
		return why_set(why, "too many arguments: \"%.*s\"", STR_ARG(ln->words[next]));
	return 0;
}

static int
line_of_words(
    struct conf_pool_mem *m, const char *syntax, struct str rest, struct buf *out, struct why *why)
{
	struct line ln = {0};

	read_specs(&ln, syntax);
	if (read_words(m, &ln, rest, why) == -1 || assign(&ln, why) == -1)
		return -1;
	for (size_t i = 0; i < ln.n_specs; i++) {
		struct spec *s = &ln.specs[i];
		if (!s->is_there)
			continue;
		if (conf_syntax_arg(m, s->kind, &s->text, why) == -1)
			return -1;
		if (buf_len(out) > 0)
			buf_add_char(out, ' ');
		if (s->name.len > 0)
			buf_addf(out, "%.*s=", STR_ARG(s->name));
		conf_quote(out, s->text, "");
	}
	return buf_is_overfull(out) ? why_set(why, "too long") : 0;
}

/* ---- lines with a pattern, or with a list at their end (tail.c) ---- */

static bool
conf_syntax_has_regex(const char *syntax)
{
	struct str rest = str_of(syntax), kind;
	size_t i;

	while (str_next_word(&rest, &kind))
		if (str_eq(kind, STR("REGEX")) || conf_tail_find(kind, &i))
			return true;
	return false;
}

static int
put_next(
    struct conf_pool_mem *m, struct str kind, struct str *rest, struct buf *out, struct why *why)
{
	struct conf_word w;
	struct str regex;
	size_t i;

	*rest = str_trim(*rest);
	if (rest->len == 0)
		return why_set(why, "argument missing");
	if (buf_len(out) > 0)
		buf_add_char(out, ' ');
	if (conf_tail_find(kind, &i)) {
		struct str all = *rest;
		*rest = STR_NULL;
		return conf_tail_put(m, i, all, out, why);
	}
	if (str_eq(kind, STR("REGEX"))) {
		if (!conf_lex_regex(rest, &regex))
			return why_set(why, "not a /pattern/, or its end is missing");
		buf_add_str(out, regex);
		return 0;
	}
	if (!conf_lex_word(m, rest, '\0', &w))
		return why_set(why, "argument missing");
	if (conf_syntax_arg(m, kind, &w.text, why) == -1)
		return -1;
	conf_quote(out, w.text, "");
	return 0;
}

int
conf_syntax_line(
    struct conf_pool_mem *m, const char *syntax, struct str rest, struct buf *out, struct why *why)
{
	struct str specs = str_of(syntax), kind;

	if (!conf_syntax_has_regex(syntax))
		return line_of_words(m, syntax, rest, out, why);
	while (str_next_word(&specs, &kind))
		if (put_next(m, kind, &rest, out, why) == -1)
			return -1;
	if (str_trim(rest).len > 0)
		return why_set(why, "too many arguments: \"%.*s\"", STR_ARG(str_trim(rest)));
	return buf_is_overfull(out) ? why_set(why, "too long") : 0;
}
