#include "lib/remote/remote.h"

#include "lib/base/xalloc.h"
#include "lib/mail/header.h"
#include "lib/remote/remote_int.h"

#define MAX_DECODED (1024u * 1024)
#define MAX_FIELDS  (1024u * 1024)

static const char *const kind_names[REMOTE_KINDS] = {
    [REMOTE_NONE] = "not-bounce",
    [REMOTE_BOUNCE] = "bounce",
    [REMOTE_DELAYED] = "delayed",
    [REMOTE_DELIVERED] = "delivered",
    [REMOTE_AUTOREPLY] = "autoreply",
    [REMOTE_MDN] = "mdn",
    [REMOTE_COMPLAINT] = "complaint",
};

const char *
remote_kind_name(enum remote_kind kind)
{
	return kind_names[kind];
}

const char *
remote_format_name(enum remote_format format)
{
	static const char *const names[] = {"dsn", "qmail", "exim", "text", "arf", "jmrp"};

	return names[format];
}

struct str
remote_raw(const struct remote_report *r, const struct remote_rcpt *rc, enum remote_field which)
{
	return str_sub(buf_str(&r->fields), rc->raw[which].at, rc->raw[which].len);
}

struct remote_rcpt *
remote_add_rcpt(struct remote_report *r)
{
	if (r->n_rcpts == REMOTE_MAX_RCPTS)
		return NULL;
	/* room for 1, 2, 4, …: it is full when their number is a power of two */
	if ((r->n_rcpts & (r->n_rcpts - 1)) == 0)
		r->rcpts =
		    xreallocarray(r->rcpts, PH_MAX(2 * r->n_rcpts, (size_t)1), sizeof *r->rcpts);
	memset(&r->rcpts[r->n_rcpts], 0, sizeof *r->rcpts);
	return &r->rcpts[r->n_rcpts++];
}

/* ---- the parts ---- */

struct reading {
	struct remote_report *r;
	bool has_status, has_text, has_feedback;
	struct str html; /* the first, for when there is no plain text */
	enum mime_encoding html_encoding;
};

static bool
is_type(const struct mime_part *p, const char *type)
{
	return strcmp(p->type.type, type) == 0;
}

static void
read_status(struct reading *rd, const struct mime_part *p)
{
	struct buf b;

	buf_init(&b, MAX_DECODED);
	mime_decode(p->type.encoding, p->body, &b);
	remote_read_status(rd->r, buf_str(&b));
	rd->has_status = rd->has_status || rd->r->n_rcpts > 0;
	buf_clear(&b);
}

/* ISO-2022: what is in two bytes a character is no ASCII, whatever it looks like */
static void
drop_wide(char *p, size_t len)
{
	bool is_wide = false;

	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\033' && i + 1 < len)
			is_wide = p[i + 1] == '$';
		if (p[i] == '\n')
			is_wide = false;
		if (is_wide)
			p[i] = ' ';
	}
}

static void
add_human(struct reading *rd, const struct mime_part *p)
{
	struct buf b;

	if (rd->r->returned.len > 0)
		return;
	buf_init(&b, REMOTE_HUMAN);
	mime_decode(p->type.encoding, str_sub(p->body, 0, (size_t)2 * REMOTE_HUMAN), &b);
	if (buf_len(&b) > 0 && str_has_prefix(str_of(p->type.charset), STR("iso-2022")))
		drop_wide(b.base + b.head, buf_len(&b));
	(void)buf_add_str(&rd->r->human,
	    str_sub(buf_str(&b), 0,
		REMOTE_HUMAN - 1 - PH_MIN(REMOTE_HUMAN - 1, buf_len(&rd->r->human))));
	(void)buf_add_char(&rd->r->human, '\n');
	rd->has_text = true;
	buf_clear(&b);
}

static void
take_returned(struct reading *rd, const struct mime_part *p)
{
	struct remote_report *r = rd->r;

	if (r->returned.len > 0)
		return;
	r->returned = p->body;
	if (p->type.encoding == MIME_IDENTITY)
		return;
	mime_decode(p->type.encoding, p->body, &r->decoded);
	r->returned = buf_str(&r->decoded);
}

/* a complaint's fields are kept whole: each has its own */
static void
read_feedback(struct reading *rd, const struct mime_part *p)
{
	if (rd->has_status || rd->has_feedback)
		return;
	mime_decode(p->type.encoding, p->body, &rd->r->fields);
	rd->has_feedback = true;
}

static void
read_part(struct reading *rd, const struct mime_part *p)
{
	if (is_type(p, "message/delivery-status") || is_type(p, "message/global-delivery-status"))
		read_status(rd, p);
	else if (is_type(p, "message/feedback-report"))
		read_feedback(rd, p);
	else if (is_type(p, "message/rfc822") || is_type(p, "text/rfc822-headers") ||
		 is_type(p, "message/global") || is_type(p, "message/global-headers") ||
		 is_type(p, "message/partial"))
		take_returned(rd, p);
	else if (is_type(p, "text/html") && rd->html.len == 0) {
		rd->html = p->body;
		rd->html_encoding = p->type.encoding;
	} else if (!is_type(p, "text/html") && (strncmp(p->type.type, "text/", 5) == 0 ||
						   strncmp(p->type.type, "multipart/", 10) == 0))
		add_human(rd, p);
}

static void
read_html(struct reading *rd)
{
	struct buf b;

	if (rd->has_text || rd->html.len == 0)
		return;
	buf_init(&b, MAX_DECODED);
	mime_decode(rd->html_encoding, rd->html, &b);
	mime_html_text(buf_str(&b), &rd->r->human);
	buf_clear(&b);
}

/* Fields of a delivery status that were not typed as such stand in the text. */
static void
read_status_in_text(struct reading *rd)
{
	static const char *const names[] = {
	    "reporting-mta:", "final-recipient:", "original-recipient:"};
	struct str text = buf_str(&rd->r->human), line;
	size_t at = 0, lf;

	while (at < text.len && !rd->has_status) {
		lf = str_find(str_skip(text, at), '\n');
		line = str_sub(text, at, lf == STR_NPOS ? text.len - at : lf + 1);
		for (size_t i = 0; i < countof(names) && !rd->has_status; i++) {
			if (!str_has_iprefix(line, str_of(names[i])))
				continue;
			remote_read_status(rd->r, str_skip(text, at));
			rd->has_status = true;
		}
		at += line.len;
	}
	if (rd->has_status && rd->r->n_rcpts == 0)
		rd->has_status = false;
}

/* the text for people ends where a message's header begins: that is what it is about */
static void
split_human(struct remote_report *r)
{
	struct str text = buf_str(&r->human);
	size_t at = remote_find_header(text);

	if (at == text.len)
		return;
	if (r->returned.len == 0) {
		(void)buf_add_str(&r->decoded, str_skip(text, at));
		r->returned = buf_str(&r->decoded);
	}
	buf_truncate(&r->human, at);
}

static void
read_parts(struct reading *rd, struct str message)
{
	struct mime_walker w;
	struct mime_part p;

	bool is_any = false;

	mime_walk(&w, message);
	while (mime_next(&w, &p)) {
		read_part(rd, &p);
		is_any = true;
	}
	if (is_any)
		return;
	/* it says that it has parts, and has none */
	p = (struct mime_part){.body = str_skip(message, mime_head_length(message))};
	add_human(rd, &p);
}

/* A report that was sent on as an attachment of another: its fields count. */
static void
read_inner(struct reading *rd)
{
	struct str inner = rd->r->returned;
	struct mime_type t;

	mime_read_type(str_sub(inner, 0, mime_head_length(inner)), &t);
	if (strcmp(t.report_type, "delivery-status") != 0)
		return;
	rd->r->returned = STR("");
	read_parts(rd, inner);
	split_human(rd->r);
}

void
remote_read(struct remote_report *r, struct str message)
{
	struct reading rd = {.r = r};
	struct remote_head h;

	*r = (struct remote_report){.format = REMOTE_DSN};
	buf_init(&r->human, REMOTE_HUMAN + 1);
	buf_init(&r->decoded, MAX_DECODED);
	buf_init(&r->fields, MAX_FIELDS);
	remote_read_head(&h, message);
	read_parts(&rd, message);
	read_html(&rd);
	if (!rd.has_status)
		read_status_in_text(&rd);
	split_human(r);
	if (!rd.has_status)
		read_inner(&rd);
	r->kind = remote_judge(r, &h, rd.has_status);
	if (rd.has_feedback || remote_is_jmrp(r)) {
		r->kind = REMOTE_COMPLAINT;
		r->format = rd.has_feedback ? REMOTE_ARF : REMOTE_JMRP;
	}
	if (r->kind == REMOTE_BOUNCE || r->kind == REMOTE_DELAYED || r->kind == REMOTE_DELIVERED)
		remote_read_text(r, &h);
	else if (!rd.has_status)
		r->n_rcpts = 0;
}

void
remote_clear(struct remote_report *r)
{
	buf_clear(&r->human);
	buf_clear(&r->decoded);
	buf_clear(&r->fields);
	xfree(&r->rcpts);
	r->n_rcpts = 0;
}
