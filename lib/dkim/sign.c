#include "lib/dkim/sign.h"

#include "lib/base/log.h"

#define LINE 76 /* columns that a line should have at most */

const char *
dkim_algorithm_name(enum dkim_algorithm a)
{
	static const char *const names[DKIM_ALGORITHM_MAX] = {
	    "none", "rsa-sha256", "ed25519-sha256"};

	return names[a];
}

/* ---- text with folding ---- */

struct writer {
	struct buf *to;
	struct buf tag; /* one, while it is made */
	size_t column;
};

static void
put(struct writer *w, struct str s)
{
	(void)buf_add_str(w->to, s);
	w->column += s.len;
}

static void
fold(struct writer *w)
{
	(void)buf_add(w->to, "\r\n\t", 3);
	w->column = 8;
}

/* a tag, on a new line where this one has no room for it */
static void PH_PRINTF(2, 3) put_tag(struct writer *w, const char *fmt, ...)
{
	va_list ap;

	buf_reset(&w->tag);
	va_start(ap, fmt);
	(void)buf_addvf(&w->tag, fmt, ap);
	va_end(ap);
	if (w->column + 2 + buf_len(&w->tag) > LINE)
		fold(w);
	else
		put(w, STR(" "));
	put(w, buf_str(&w->tag));
}

/* the colons are where a list may be folded */
static void
put_list(struct writer *w, struct str list)
{
	struct str name;
	bool is_first = true;

	fold(w);
	put(w, STR("h="));
	while (str_next(&list, ':', &name)) {
		if (!is_first)
			put(w, STR(":"));
		if (!is_first && w->column + name.len + 1 > LINE)
			fold(w);
		put(w, name);
		is_first = false;
	}
	put(w, STR(";"));
}

static size_t
base64(struct str s, char *to)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0;

	for (size_t i = 0; i < s.len; i += 3) {
		uint32_t v = (uint32_t)(uint8_t)s.p[i] << 16;
		v |= i + 1 < s.len ? (uint32_t)(uint8_t)s.p[i + 1] << 8 : 0;
		v |= i + 2 < s.len ? (uint32_t)(uint8_t)s.p[i + 2] : 0;
		to[n++] = digits[v >> 18];
		to[n++] = digits[v >> 12 & 63];
		to[n++] = i + 1 < s.len ? digits[v >> 6 & 63] : '=';
		to[n++] = i + 2 < s.len ? digits[v & 63] : '=';
	}
	return n;
}

/* dkim-quoted-printable (RFC 6376 2.11) */
static void
add_quoted(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c > ' ' && c <= '~' && c != ';' && c != '=')
			(void)buf_add_char(b, (char)c);
		else
			(void)buf_addf(b, "=%02X", c);
	}
}

static void
put_identity(struct writer *w, const struct dkim_spec *s)
{
	struct buf b;

	if (s->identity_domain.len == 0)
		return;
	buf_init(&b, 4096);
	add_quoted(&b, s->local);
	(void)buf_add_char(&b, '@');
	add_quoted(&b, s->identity_domain);
	put_tag(w, "i=%.*s;", STR_ARG(buf_str(&b)));
	buf_clear(&b);
}

static void
put_times(struct writer *w, const struct dkim_spec *s)
{
	if (s->signed_s > 0)
		put_tag(w, "t=%lld;", (long long)s->signed_s);
	if (s->expires_s > 0)
		put_tag(w, "x=%lld;", (long long)s->expires_s);
}

static void
put_tags(struct writer *w, const struct dkim_spec *s, struct str list,
    const struct dkim_body_result *body)
{
	char hash[DKIM_HASH_LEN / 3 * 4 + 5];
	size_t n = base64(str_from((const char *)body->digest, DKIM_HASH_LEN), hash);

	put(w, STR("DKIM-Signature: v=1;"));
	put_tag(w, "a=%s;", dkim_algorithm_name(s->algorithm));
	put_tag(w, "c=%s/%s;", dkim_canon_name(s->header_canon), dkim_canon_name(s->body_canon));
	if (s->query.len > 0)
		put_tag(w, "q=%.*s;", STR_ARG(s->query));
	put_tag(w, "s=%.*s;", STR_ARG(s->selector));
	put_tag(w, "d=%.*s;", STR_ARG(s->domain));
	put_times(w, s);
	if (s->body_limit)
		put_tag(w, "l=%llu;", (unsigned long long)body->len);
	put_list(w, list);
	put_identity(w, s);
	put_tag(w, "bh=%.*s;", (int)n, hash);
	fold(w);
	put(w, STR("b="));
}

/* ---- the two steps ---- */

int
dkim_begin(const struct dkim_spec *spec, struct str header, const struct dkim_body_result *body,
    struct buf *field, uint8_t digest[DKIM_HASH_LEN])
{
	struct writer w = {.to = field};
	struct buf list, text;
	size_t room;
	int r;

	buf_reset(field);
	buf_init(&w.tag, 4096);
	buf_init(&list, DKIM_MAX_FIELD / 2);
	buf_init(&text, 2 * DKIM_MAX_FIELD);
	/* what most come to: then neither grows */
	(void)buf_reserve(field, 1024, &room);
	(void)buf_reserve(&text, header.len + 1024, &room);
	r = dkim_pick_fields(&spec->names, spec->header_canon, header, &list, &text);
	put_tags(&w, spec, buf_str(&list), body);
	if (r == 0 && dkim_canon_field(spec->header_canon, buf_str(field), &text) == 0 &&
	    !buf_is_overfull(field)) {
		/* the field itself comes last, and without its CRLF (3.7) */
		buf_truncate(&text, buf_len(&text) - 2);
		dkim_hash(buf_str(&text), digest);
	} else {
		r = -1;
	}
	buf_clear(&w.tag);
	buf_clear(&list);
	buf_clear(&text);
	return r;
}

int
dkim_finish(struct buf *field, struct str signature)
{
	char text[(DKIM_MAX_SIGNATURE + 2) / 3 * 4];
	struct str rest;

	ph_assert(signature.len <= DKIM_MAX_SIGNATURE);
	rest = str_from(text, base64(signature, text));
	while (rest.len > 0) {
		struct str part = str_sub(rest, 0, LINE - 10);
		(void)buf_add_str(field, part);
		rest = str_skip(rest, part.len);
		(void)buf_add_cstr(field, rest.len > 0 ? "\r\n\t" : "\r\n");
	}
	return buf_is_overfull(field) ? -1 : 0;
}
