#include "lib/spool/envelope.h"

#include "lib/base/digits.h"
#include "lib/base/num.h"
#include "lib/spool/record_int.h"

/*
 *	envelope  = id rcpts *field *rcpt *pad
 *	id	  = "id: " 16HEX LF
 *	rcpts	  = "rcpts: " 8DIGIT LF			how many `rcpt` lines follow
 *	field	  = name ": " value LF			each name at most once; table below
 *	rcpt	  = "rcpt: " text [" notify=" words] [" orcpt=" text] [" invalid"] LF
 *	pad	  = "pad:" *"-" LF			room that was kept and not needed
 *	text	  = *( %x21-24 / %x26-7E / "%" 2HEX )
 */

#define PRIORITY_USUAL 50
#define MAX_TEXT       2048 /* of one address, decoded: the iterator's scratch */

/* ---- text ---- */

static bool
is_plain(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '%';
}

/* how many bytes from the front are plain */
static size_t
plain_run(struct str s)
{
	size_t n = 0;

	while (n < s.len && is_plain((unsigned char)s.p[n]))
		n++;
	return n;
}

static int
add_text(struct buf *b, struct str s)
{
	char enc[3] = {'%'};
	size_t run;

	while ((run = plain_run(s)) < s.len) {
		put_hex(enc + 1, 2, (unsigned char)s.p[run]);
		if (buf_add(b, s.p, run) < 0 || buf_add(b, enc, 3) < 0)
			return -1;
		s = str_skip(s, run + 1);
	}
	return buf_add(b, s.p, s.len);
}

/* Decodes into dst[size]; the length, or -1 for what add_text() would not have written. */
static ssize_t
decode_text(char *dst, size_t size, struct str s)
{
	size_t n = 0;
	uint64_t c;

	while (s.len > 0) {
		size_t run = plain_run(s);
		if (run > size - n)
			return -1;
		memcpy(dst + n, s.p, run);
		n += run;
		s = str_skip(s, run);
		if (s.len == 0)
			break;
		if (n == size || !take_hex(&s, "%", 2, &c) || is_plain((unsigned char)c))
			return -1;
		dst[n++] = (char)c;
	}
	return (ssize_t)n;
}

/* ---- writing ---- */

static void
add_text_field(struct buf *b, const char *name, struct str value)
{
	/* a failure is remembered by the buffer: asked once, at the end */
	if (value.len == 0)
		return;
	(void)buf_add_cstr(b, name);
	(void)buf_add(b, ": ", 2);
	(void)add_text(b, value);
	(void)buf_add_char(b, '\n');
}

static void
add_number(struct buf *b, const char *name, int64_t n)
{
	if (n != 0)
		(void)buf_addf(b, "%s: %jd\n", name, (intmax_t)n);
}

static void
add_addr(struct buf *b, const char *name, const struct net_addr *a)
{
	char text[NET_ADDR_TEXT];

	if (a->family == 0)
		return;
	(void)buf_add_cstr(b, name);
	(void)buf_add(b, ": ", 2);
	(void)buf_add_cstr(b, a->port == 0 ? net_addr_text(a, text) : net_addr_text_port(a, text));
	(void)buf_add_char(b, '\n');
}

static void
add_options(struct buf *b, const struct envelope *e)
{
	if (e->body == ENV_8BITMIME)
		(void)buf_add_cstr(b, "body: 8bitmime\n");
	if (e->ret != ENV_RET_NONE)
		(void)buf_addf(b, "ret: %s\n", e->ret == ENV_RET_FULL ? "full" : "hdrs");
	if (e->smtputf8)
		(void)buf_add_cstr(b, "smtputf8: yes\n");
	if (e->is_report)
		(void)buf_add_cstr(b, "report: yes\n");
	if (e->no_dsn)
		(void)buf_add_cstr(b, "no-dsn: yes\n");
	if (e->verp)
		(void)buf_add_cstr(b, "verp: yes\n");
	if (e->is_processed)
		(void)buf_add_cstr(b, "processed: yes\n");
	if (e->date_late)
		(void)buf_add_cstr(b, "date-late: yes\n");
	if (e->priority != PRIORITY_USUAL)
		(void)buf_addf(b, "priority: %u\n", e->priority);
}

/* what nearly every message has, in one piece: id, recipients, time, sizes, sender */
static void
add_basics(struct buf *b, const struct envelope *e)
{
	char line[256], *p = line;

	p = digits_put_hex(digits_put_text(p, "id: "), 16, e->id);
	p = digits_put(digits_put_text(p, "\nrcpts: "), 8, e->n_rcpts);
	p = digits_put_text(p, "\naccepted: ");
	if (e->accepted.ns < 0)
		*p++ = '-';
	p = digits_put_all(
	    p, e->accepted.ns < 0 ? 0 - (uint64_t)e->accepted.ns : (uint64_t)e->accepted.ns);
	p = digits_put_all(digits_put_text(p, "\nsize: "), e->body_len);
	p = digits_put_all(digits_put_text(p, "\ndots: "), e->n_dots);
	p = digits_put_text(p, "\nsender: ");
	(void)buf_add(b, line, (size_t)(p - line));
	(void)add_text(b, e->sender);
	(void)buf_add_char(b, '\n');
}

int
envelope_write(struct buf *b, const struct envelope *e)
{
	add_basics(b, e);
	add_number(b, "not-before", e->not_before.ns);
	add_number(b, "expires", e->expires.ns);
	add_text_field(b, "vmta", e->vmta);
	add_text_field(b, "pool", e->pool);
	add_text_field(b, "job", e->job);
	add_text_field(b, "envid", e->envid);
	add_text_field(b, "windows", e->windows);
	add_text_field(b, "remove", e->remove);
	add_text_field(b, "lists", e->lists);
	add_text_field(b, "dkim", e->dkim);
	add_text_field(b, "source-type", e->src_type);
	add_text_field(b, "source-mta", e->src_mta);
	add_text_field(b, "user", e->user);
	add_addr(b, "source", &e->src);
	add_addr(b, "destination", &e->dst);
	add_options(b, e);
	return buf_is_overfull(b) ? -1 : 0;
}

static const struct {
	const char *word;
	uint8_t bit;
} notify_words[] = {
    {"never", NOTIFY_NEVER},
    {"success", NOTIFY_SUCCESS},
    {"failure", NOTIFY_FAILURE},
    {"delay", NOTIFY_DELAY},
};

static void
add_notify(struct buf *b, uint8_t notify)
{
	const char *sep = " notify=";

	for (size_t i = 0; i < countof(notify_words); i++) {
		if ((notify & notify_words[i].bit) == 0)
			continue;
		(void)buf_addf(b, "%s%s", sep, notify_words[i].word);
		sep = ",";
	}
}

int
envelope_write_rcpt(struct buf *b, const struct env_rcpt *r)
{
	if (r->address.len == 0 || r->address.len > MAX_TEXT || r->orcpt.len > MAX_TEXT)
		return -1;
	(void)buf_add(b, "rcpt: ", 6);
	(void)add_text(b, r->address);
	add_notify(b, r->notify);
	if (r->orcpt.len > 0) {
		(void)buf_add(b, " orcpt=", 7);
		(void)add_text(b, r->orcpt);
	}
	if (r->is_invalid)
		(void)buf_add_cstr(b, " invalid");
	(void)buf_add_char(b, '\n');
	return buf_is_overfull(b) ? -1 : 0;
}

/* ---- reading: the recipients ---- */

static bool
parse_notify(struct str s, uint8_t *notify)
{
	struct str word;

	while (str_next(&s, ',', &word)) {
		size_t i = 0;
		while (i < countof(notify_words) && !str_eq(word, str_of(notify_words[i].word)))
			i++;
		if (i == countof(notify_words) || (*notify & notify_words[i].bit) != 0)
			return false;
		*notify |= notify_words[i].bit;
	}
	return true;
}

static bool
decode_into(char *scratch, size_t size, struct str s, struct str *out)
{
	ssize_t n;

	/* nothing encoded: the usual case, borrowed as it is (but looked at) */
	n = decode_text(scratch, size, s);
	if (n <= 0)
		return false;
	*out = str_from(scratch, (size_t)n);
	return true;
}

static bool
parse_rcpt(struct env_iter *it, struct str line, struct env_rcpt *r)
{
	struct str word, rest = line;

	*r = (struct env_rcpt){0};
	if (!str_next(&rest, ' ', &word) ||
	    !decode_into(it->address, sizeof it->address, word, &r->address))
		return false;
	while (str_next(&rest, ' ', &word)) {
		if (take_lit(&word, "notify=")) {
			if (r->notify != 0 || !parse_notify(word, &r->notify))
				return false;
		} else if (str_eq(word, STR("invalid")) && !r->is_invalid) {
			r->is_invalid = true;
		} else if (!take_lit(&word, "orcpt=") || r->orcpt.len > 0 ||
			   !decode_into(it->orcpt, sizeof it->orcpt, word, &r->orcpt)) {
			return false;
		}
	}
	return true;
}

/* where the first `rcpt` line begins; env.len when there is none */
static size_t
find_rcpts(struct str env)
{
	static const char mark[] = "\nrcpt: ";
	const char *p;

	p = env.len == 0 ? NULL : memmem(env.p, env.len, mark, sizeof mark - 1);
	return p == NULL ? env.len : (size_t)(p - env.p) + 1;
}

void
env_iter_init(struct env_iter *it, struct str env)
{
	env_iter_init_lines(it, str_skip(env, find_rcpts(env)));
}

void
env_iter_init_lines(struct env_iter *it, struct str lines)
{
	it->rest = lines;
	it->next_index = 0;
}

bool
env_iter_next(struct env_iter *it, uint32_t *index, struct env_rcpt *r)
{
	struct str rest = it->rest, line;
	size_t n = str_find(rest, '\n');

	if (n == STR_NPOS)
		return false;
	line = str_sub(rest, 0, n);
	if (!take_lit(&line, "rcpt: ") || !parse_rcpt(it, line, r))
		return false;
	*index = it->next_index++;
	it->rest = str_skip(rest, n + 1);
	return true;
}

/* ---- reading: the fields ---- */

struct parse {
	struct envelope *e;
	char *out; /* where the next decoded value goes */
	size_t room;
	size_t next; /* field, if they come in the table's order */
};

static bool
set_text(struct parse *p, void *member, struct str v)
{
	struct str *s = member;
	ssize_t n = decode_text(p->out, p->room, v);

	if (n < 0)
		return false;
	*s = str_from(p->out, (size_t)n);
	p->out += n;
	p->room -= (size_t)n;
	return true;
}

static bool
set_id(struct parse *p, void *member, struct str v)
{
	return v.len == 16 && take_hex(&v, "", 16, member);
}

static bool
set_time(struct parse *p, void *member, struct str v)
{
	struct wall *w = member;
	uint64_t ns;

	if (!parse_u64(v, 0, INT64_MAX, &ns))
		return false;
	w->ns = (int64_t)ns;
	return true;
}

static bool
set_u64(struct parse *p, void *member, struct str v)
{
	return parse_u64(v, 0, INT64_MAX, member);
}

static bool
set_rcpts(struct parse *p, void *member, struct str v)
{
	return v.len == 8 && parse_u32(v, 1, SPOOL_MAX_RCPTS, member);
}

static bool
set_addr(struct parse *p, void *member, struct str v)
{
	return net_addr_parse_port(v, member) || net_addr_parse(v, member);
}

static bool
set_yes(struct parse *p, void *member, struct str v)
{
	*(bool *)member = true;
	return str_eq(v, STR("yes"));
}

static bool
set_body(struct parse *p, void *member, struct str v)
{
	*(uint8_t *)member = ENV_8BITMIME;
	return str_eq(v, STR("8bitmime"));
}

static bool
set_ret(struct parse *p, void *member, struct str v)
{
	*(uint8_t *)member = str_eq(v, STR("full")) ? ENV_RET_FULL : ENV_RET_HDRS;
	return str_eq(v, STR("full")) || str_eq(v, STR("hdrs"));
}

static bool
set_priority(struct parse *p, void *member, struct str v)
{
	uint32_t n;

	if (!parse_u32(v, 0, 100, &n))
		return false;
	*(uint8_t *)member = (uint8_t)n;
	return true;
}

#define AT(member) offsetof(struct envelope, member)
#define NAME(text)                                                                                 \
	{                                                                                          \
		.p = (text), .len = sizeof(text) - 1                                               \
	}
static const struct field {
	struct str name;
	size_t offset;
	bool (*set)(struct parse *, void *, struct str);
	bool must;
} fields[] = {
    {NAME("id"), AT(id), set_id, true},
    {NAME("rcpts"), AT(n_rcpts), set_rcpts, true},
    {NAME("accepted"), AT(accepted), set_time, true},
    {NAME("size"), AT(body_len), set_u64, true},
    {NAME("dots"), AT(n_dots), set_u64, true},
    {NAME("sender"), AT(sender), set_text, true},
    {NAME("not-before"), AT(not_before), set_time, false},
    {NAME("expires"), AT(expires), set_time, false},
    {NAME("vmta"), AT(vmta), set_text, false},
    {NAME("pool"), AT(pool), set_text, false},
    {NAME("job"), AT(job), set_text, false},
    {NAME("envid"), AT(envid), set_text, false},
    {NAME("windows"), AT(windows), set_text, false},
    {NAME("remove"), AT(remove), set_text, false},
    {NAME("lists"), AT(lists), set_text, false},
    {NAME("dkim"), AT(dkim), set_text, false},
    {NAME("source-type"), AT(src_type), set_text, false},
    {NAME("source-mta"), AT(src_mta), set_text, false},
    {NAME("user"), AT(user), set_text, false},
    {NAME("source"), AT(src), set_addr, false},
    {NAME("destination"), AT(dst), set_addr, false},
    {NAME("body"), AT(body), set_body, false},
    {NAME("ret"), AT(ret), set_ret, false},
    {NAME("smtputf8"), AT(smtputf8), set_yes, false},
    {NAME("report"), AT(is_report), set_yes, false},
    {NAME("no-dsn"), AT(no_dsn), set_yes, false},
    {NAME("verp"), AT(verp), set_yes, false},
    {NAME("date-late"), AT(date_late), set_yes, false},
    {NAME("processed"), AT(is_processed), set_yes, false},
    {NAME("priority"), AT(priority), set_priority, false},
};
#undef AT
#undef NAME

/* countof(fields): there is none of that name; what is written has them in the table's order, or nearly */
static size_t
find_field(struct parse *p, struct str name)
{
	for (size_t n = 0; n < countof(fields); n++) {
		size_t i = p->next;
		p->next = i + 1 < countof(fields) ? i + 1 : 0;
		if (str_eq(name, fields[i].name))
			return i;
	}
	return countof(fields);
}

static int
parse_field(struct parse *p, struct str line, uint32_t *seen, struct why *why)
{
	struct str value;
	size_t i, colon = str_find(line, ':');

	if (colon == STR_NPOS || colon + 1 == line.len || line.p[colon + 1] != ' ')
		return why_set(why, "A line of the envelope has no name.");
	value = str_skip(line, colon + 2);
	i = find_field(p, str_sub(line, 0, colon));
	if (i == countof(fields))
		return why_set(why, "The envelope has a field that is unknown to this version.");
	if ((*seen & 1u << i) != 0)
		return why_set(
		    why, "The envelope's field \"%s\" is there twice.", fields[i].name.p);
	*seen |= 1u << i;
	if (!fields[i].set(p, (char *)p->e + fields[i].offset, value))
		return why_set(why, "The envelope's field \"%s\" is malformed.", fields[i].name.p);
	return 0;
}

static int
parse_fields(struct parse *p, struct str text, struct why *why)
{
	struct str line;
	uint32_t seen = 0;

	while (text.len > 0) {
		size_t n = str_find(text, '\n');
		if (n == STR_NPOS)
			return why_set(why, "The envelope's last field is cut.");
		line = str_sub(text, 0, n);
		text = str_skip(text, n + 1);
		if (parse_field(p, line, &seen, why) < 0)
			return -1;
	}
	for (size_t i = 0; i < countof(fields); i++)
		if (fields[i].must && (seen & 1u << i) == 0)
			return why_set(
			    why, "The envelope lacks its field \"%s\".", fields[i].name.p);
	return 0;
}

/* what may stand behind the recipients: padding, and the empty line */
static bool
is_padding(struct str s)
{
	if (take_lit(&s, "pad:")) {
		while (s.len > 0 && s.p[0] == '-')
			s = str_skip(s, 1);
		if (!take_lit(&s, "\n"))
			return false;
	}
	return str_eq(s, STR("\n"));
}

static int
check_rcpts(struct str env, uint32_t n_rcpts, struct why *why)
{
	/* 4 KB of room, which need not be cleared for each envelope */
	__attribute__((uninitialized)) struct env_iter it;
	struct env_rcpt r;
	uint32_t index;

	env_iter_init(&it, env);
	while (it.next_index < n_rcpts && env_iter_next(&it, &index, &r))
		continue;
	if (it.next_index != n_rcpts)
		return why_set(why, "The envelope's recipient %u of %u is malformed or missing.",
		    it.next_index, n_rcpts);
	if (!is_padding(it.rest))
		return why_set(why, "The envelope goes on behind its recipients.");
	return 0;
}

bool
envelope_parse(struct str env, struct envelope *e, struct buf *scratch, struct why *why)
{
	struct parse p = {.e = e};
	struct str text = str_sub(env, 0, find_rcpts(env));

	*e = (struct envelope){.priority = PRIORITY_USUAL};
	/* decoded values are never longer than the text: one reservation, so that no view can move
	 */
	p.out = buf_reserve(scratch, text.len + 1, &p.room);
	if (p.out == NULL || p.room < text.len) {
		why_set(why, "The envelope is too long.");
		return false;
	}
	if (parse_fields(&p, text, why) < 0 || check_rcpts(env, e->n_rcpts, why) < 0)
		return false;
	buf_wrote(scratch, (size_t)(p.out - (scratch->base + scratch->tail)));
	return true;
}
