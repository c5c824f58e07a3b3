#include "deliverd/mail_edit.h"

#include "lib/base/xalloc.h"
#include "lib/conf/processor.h"
#include "lib/conf/rewrite.h"
#include "lib/mail/date.h"
#include "lib/mail/from.h"
#include "lib/mail/header.h"
#include "lib/smtp/address.h"

#define MAX_INCLUDES 3

/* what is to be done to this message */
struct plan {
	struct mail *m;
	const struct mail_edit *how;
	const struct rewrite_list *rewrite; /* NULL: none */
	struct str include[MAX_INCLUDES];   /* whole fields */
	size_t n_includes;
	bool tracks; /* X-FBLId is added, as add-fbl-id says */
	struct str accepted_sender;
	struct buf to; /* what was made of the section */
	uint64_t n_dots_gone;
};

/* ---- planning ---- */

static void
add_include(struct plan *p, struct str path)
{
	struct str text = path.len > 0 ? conf_file_text(p->how->conf, path) : STR_NULL;

	if (text.len > 0)
		p->include[p->n_includes++] = text;
}

enum { FBL_ID_AUTO, FBL_ID_YES, FBL_ID_NO };

static bool
tracks(const struct mail_edit *how)
{
	int says = conf_enum(how->queue, CONF_DOMAIN_ADD_FBL_ID);

	return how->track != NULL && says != FBL_ID_NO &&
	       (says == FBL_ID_YES || conf_has_processor(how->conf));
}

static void
make_plan(struct plan *p)
{
	const struct conf *c = p->how->conf;
	const struct conf_vmta *vmta = p->how->vmta.len > 0 ? conf_vmta(c, p->how->vmta) : NULL;
	const struct conf_pool *pool = p->m->pool.len > 0 ? conf_pool(c, p->m->pool) : NULL;
	struct str list = STR_NULL;

	add_include(p, conf_str(conf_global(c), CONF_GLOBAL_INCLUDE_HEADERS_FROM));
	if (pool != NULL) {
		add_include(p, conf_str(pool->set, CONF_POOL_INCLUDE_HEADERS_FROM));
		list = conf_str(pool->set, CONF_POOL_REWRITE_LIST);
	}
	if (vmta != NULL) {
		add_include(p, conf_str(vmta->set, CONF_VMTA_INCLUDE_HEADERS_FROM));
		if (conf_is_set(vmta->set, CONF_VMTA_REWRITE_LIST))
			list = conf_str(vmta->set, CONF_VMTA_REWRITE_LIST);
	}
	if (list.len > 0)
		p->rewrite = conf_rewrite_list(c, list);
	p->tracks = p->m->tracks = tracks(p->how);
	p->accepted_sender = p->m->sender;
}

static bool
changes_header(const struct plan *p)
{
	return p->n_includes > 0 || p->m->date_late || p->tracks || p->m->remove.len > 0 ||
	       conf_n(p->how->queue, CONF_DOMAIN_REMOVE_HEADER) > 0 ||
	       (p->rewrite != NULL && rewrite_has_domains(p->rewrite));
}

/* ---- the sender ---- */

static void
set_sender(struct mail *m, struct str sender)
{
	char *text = xstrdup_str(sender);

	free(m->own_sender);
	m->own_sender = text;
	m->sender = str_of(text);
}

static bool
is_quoted(struct str s)
{
	return s.len > 0 && s.p[0] == '"';
}

/* user-rcptuser=rcptdomain@domain; what has no such form, or would be too long for a path, stays as it is */
static void
set_verp(const struct plan *p, struct mail *m)
{
	struct address from = address_split(m->sender), to;
	char text[ADDRESS_MAX_PATH - 1], tag[TRACK_TAG + 1];
	size_t local;
	int n;

	if (m->n_rcpts != 1 || from.local.len == 0 || from.domain.len == 0)
		return;
	to = address_split(m->rcpts[0].address);
	if (to.domain.len == 0 || is_quoted(from.local) || is_quoted(to.local) ||
	    domain_is_literal(to.domain))
		return;
	n = snprintf(text, sizeof text, "%.*s-%.*s=%.*s@%.*s", STR_ARG(from.local),
	    STR_ARG(to.local), STR_ARG(to.domain), STR_ARG(from.domain));
	if (n <= 0 || (size_t)n >= sizeof text)
		return;
	if (p->how->track == NULL || conf_processor_of(p->how->conf, m->sender) != CONF_BOUNCES) {
		set_sender(m, str_from(text, (size_t)n));
		return;
	}
	/* what comes back to it is read here: the tag tells it from what somebody made up */
	local = (size_t)n - from.domain.len - 1;
	track_make_tag(p->how->track, str_from(text, local), from.domain, tag);
	n = snprintf(text + local, sizeof text - local, "=%s@%.*s", tag, STR_ARG(from.domain));
	if (n > 0 && (size_t)n < sizeof text - local)
		set_sender(m, str_from(text, local + (size_t)n));
}

static void
edit_sender(const struct plan *p)
{
	struct mail *m = p->m;
	char text[ADDRESS_MAX_PATH + 256];
	struct str to;

	if (p->rewrite != NULL && rewrite_sender(p->rewrite, m->sender, text, sizeof text, &to))
		set_sender(m, to);
	if (m->verp)
		set_verp(p, m);
}

/* ---- the header section ---- */

/* by the source (the envelope says it) or the queue */
static bool
is_removed(const struct plan *p, struct str name)
{
	const struct conf_set *queue = p->how->queue;
	struct str list = p->m->remove, word;

	while (list.len > 0 && str_next(&list, ',', &word))
		if (str_ieq(word, name))
			return true;
	for (size_t i = 0; i < conf_n(queue, CONF_DOMAIN_REMOVE_HEADER); i++)
		if (str_ieq(conf_item(queue, CONF_DOMAIN_REMOVE_HEADER, i), name))
			return true;
	return false;
}

/* lines that begin with a dot, which stuffing had doubled */
static uint64_t
count_dots(struct str field)
{
	struct str line;
	uint64_t n = 0;

	while (field.len > 0 && str_next(&field, '\n', &line))
		n += line.len > 0 && line.p[0] == '.';
	return n;
}

static void
put_track(struct plan *p)
{
	const struct mail *m = p->m;
	struct track_of of = {.id = p->how->id,
	    .sender = p->accepted_sender,
	    .job = m->track_job,
	    .vmta = p->how->vmta,
	    .envid = m->envid};

	if (m->n_rcpts == 1)
		of.rcpt = m->rcpts[0].address;
	if (track_seal(p->how->track, &of, &p->to) == -1)
		return; /* too large, as the end of all this will say */
}

/* RFC 3461 4.4: a report says it again. The sender's own stands. */
static void
edit_envid(const struct plan *p)
{
	struct mail *m = p->m;

	if (!p->tracks || m->envid.len > 0 || m->n_rcpts != 1)
		return;
	track_make_envid(p->how->track, p->how->id, m->rcpts[0].address, m->own_envid);
	m->envid = str_of(m->own_envid);
}

static void
put_own(struct plan *p)
{
	char date[MAIL_DATE_MAX];

	for (size_t i = 0; i < p->n_includes; i++)
		(void)buf_add_str(&p->to, p->include[i]);
	if (p->m->date_late)
		(void)buf_addf(&p->to, "Date: %s\r\n", mail_date(p->how->now, date));
	if (p->tracks)
		put_track(p);
}

static bool
map_domain(void *arg, struct str domain, struct str *to)
{
	return rewrite_domain(arg, domain, to);
}

static void
put_field(struct plan *p, const struct header_field *f)
{
	size_t before = (size_t)(f->value.p - f->whole.p);

	if (is_removed(p, f->name) || (p->tracks && str_ieq(f->name, STR(TRACK_FIELD)))) {
		p->n_dots_gone += count_dots(f->whole);
	} else if (p->rewrite != NULL && str_ieq(f->name, STR("from"))) {
		(void)buf_add(&p->to, f->whole.p, before);
		(void)from_rewrite(&p->to, f->value, map_domain, (void *)p->rewrite);
	} else {
		(void)buf_add_str(&p->to, f->whole);
	}
}

/* our own Received has the message's id in it */
static bool
is_our_received(const struct plan *p, const struct header_field *f)
{
	char id[24];
	int n = snprintf(id, sizeof id, " id %016jx", (uintmax_t)p->how->id);

	return str_ieq(f->name, STR("received")) &&
	       str_find_str(f->value, str_from(id, (size_t)n)) != STR_NPOS;
}

/* Makes the section; returns how long it was. What follows it is kept from becoming a part of it. */
static size_t
edit_header(struct plan *p, struct str text)
{
	struct header_iter it;
	struct header_field f;
	const char *end = text.p;
	bool is_first = true, is_put = false;
	struct str rest;

	header_iter_init(&it, text);
	while (header_next(&it, &f)) {
		/* an mbox line may stand in front of the first */
		if (f.whole.p > end)
			(void)buf_add(&p->to, end, (size_t)(f.whole.p - end));
		if (!is_put && (!is_first || !is_our_received(p, &f))) {
			put_own(p);
			is_put = true;
		}
		put_field(p, &f);
		end = f.whole.p + f.whole.len;
		is_first = false;
	}
	if (!is_put)
		put_own(p);
	rest = str_skip(text, (size_t)(end - text.p));
	if (is_first && buf_len(&p->to) > 0 && rest.len > 0 &&
	    header_line_kind(rest) != HEADER_LINE_EMPTY)
		(void)buf_add_cstr(&p->to, "\r\n");
	return (size_t)(end - text.p);
}

/* ---- where it lies ---- */

/* in memory: the whole message anew */
static void
edit_small(struct plan *p)
{
	struct mail *m = p->m;
	size_t len = edit_header(p, m->content);

	(void)buf_add_str(&p->to, str_skip(m->content, len));
}

/* in a file: the section in memory, the rest where it is */
static int
edit_large(struct plan *p, struct why *why)
{
	struct mail *m = p->m;
	struct buf head;
	struct str piece;
	static char slice[MAIL_SLICE];
	size_t len;
	int r = 0;

	buf_init(&head, MAIL_MAX_HEADER);
	while (r == 0 && buf_len(&head) < m->stored_len &&
	       str_find_str(buf_str(&head), STR("\r\n\r\n")) == STR_NPOS) {
		piece = mail_piece(m, buf_len(&head), slice);
		if (piece.len == 0)
			r = why_set(why, "the message's header cannot be read");
		else if (buf_add_str(&head, piece) == -1)
			break; /* text without any empty line: the section has ended long before */
	}
	if (r == 0) {
		len = edit_header(p, buf_str(&head));
		m->offset += len;
		m->stored_len -= len;
	}
	buf_clear(&head);
	return r;
}

int
mail_edit(struct mail *m, const struct mail_edit *how, struct why *why)
{
	struct plan p = {.m = m, .how = how};

	make_plan(&p);
	edit_sender(&p);
	if (!changes_header(&p))
		return 0;
	buf_init(&p.to, MAIL_MAX_HEADER + MAIL_SMALL_BYTES);
	if (m->fd == -1)
		edit_small(&p);
	else if (edit_large(&p, why) == -1) {
		buf_clear(&p.to);
		return -1;
	}
	if (buf_is_overfull(&p.to)) {
		buf_clear(&p.to);
		return why_set(why, "the message's header is too large to be edited");
	}
	buf_clear(&m->lead);
	m->lead = p.to;
	m->n_dots -= PH_MIN(m->n_dots, p.n_dots_gone);
	if (m->fd == -1)
		m->content = buf_str(&m->lead);
	m->stored_len = m->fd == -1 ? m->content.len : m->stored_len + buf_len(&m->lead);
	edit_envid(&p);
	return 0;
}
