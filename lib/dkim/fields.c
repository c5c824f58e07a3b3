#include "lib/dkim/fields.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/mail/header.h"

/* signed where they are there; `closed`: and once more, for a second one would change what the reader sees */
static const struct usual {
	struct str name;
	bool closed;
} usual[] = {
    {{"Cc", 2}, true},
    {{"Content-Description", 19}, false},
    {{"Content-ID", 10}, false},
    {{"Content-Transfer-Encoding", 25}, false},
    {{"Content-Type", 12}, true},
    {{"Date", 4}, true},
    {{"From", 4}, true},
    {{"In-Reply-To", 11}, false},
    {{"List-Archive", 12}, false},
    {{"List-Help", 9}, false},
    {{"List-Id", 7}, false},
    {{"List-Owner", 10}, false},
    {{"List-Post", 9}, false},
    {{"List-Subscribe", 14}, false},
    {{"List-Unsubscribe", 16}, true},
    {{"List-Unsubscribe-Post", 21}, true},
    {{"Message-ID", 10}, true},
    {{"MIME-Version", 12}, true},
    {{"References", 10}, false},
    {{"Reply-To", 8}, true},
    {{"Sender", 6}, false},
    {{"Subject", 7}, true},
    {{"To", 2}, true},
};
/* what relays add, change or take away (RFC 6376 5.4.1) */
static const struct str never[] = {
    {"Bcc", 3},
    {"Comments", 8},
    {"DKIM-Signature", 14},
    {"Keywords", 8},
    {"Received", 8},
    {"Resent-Bcc", 10},
    {"Return-Path", 11},
};

static bool
is_one_of(const struct str *list, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieq(list[i], name))
			return true;
	return false;
}

static bool
is_usual(struct str name)
{
	for (size_t i = 0; i < countof(usual); i++)
		if (str_ieq(usual[i].name, name))
			return true;
	return str_has_iprefix(name, STR("Resent-"));
}

static bool
is_wanted(const struct dkim_names *names, struct str name)
{
	/* a tag list could not hold it */
	if (str_find(name, ';') != STR_NPOS || is_one_of(never, countof(never), name))
		return false;
	if (str_ieq(name, STR("From")) || is_one_of(names->more, names->n_more, name) ||
	    is_one_of(names->closed, names->n_closed, name))
		return true;
	if (names->wants != NULL && names->wants(names->arg, name))
		return true;
	return !names->is_only && is_usual(name);
}

/* ---- where the body is ---- */

bool
dkim_find_body(struct str text, bool whole, size_t *at)
{
	struct header_iter it;
	struct header_field f;
	struct str rest = text;
	size_t lf;

	header_iter_init(&it, text);
	while (header_next(&it, &f)) {
		rest = str_skip(text, (size_t)(f.whole.p - text.p) + f.whole.len);
		if (rest.len == 0)
			break;
	}
	*at = text.len - rest.len;
	lf = str_find(rest, '\n');
	/* its next line may yet turn out to be more of the last field, or the empty one */
	if (lf == STR_NPOS && !whole)
		return false;
	if (header_line_kind(rest) == HEADER_LINE_EMPTY)
		*at += lf == STR_NPOS ? rest.len : lf + 1;
	return true;
}

/* ---- the choice ---- */

struct pick {
	struct buf *list, *text;
	enum dkim_canon canon;
};

static void
add_name(struct buf *list, struct str name)
{
	if (buf_len(list) > 0)
		(void)buf_add_char(list, ':');
	(void)buf_add_str(list, name);
}

static int
take(struct pick *p, const struct header_field *f)
{
	add_name(p->list, f->name);
	return dkim_canon_field(p->canon, f->whole, p->text);
}

static void
close_names(const struct dkim_names *names, struct buf *list)
{
	for (size_t i = 0; i < countof(usual); i++)
		if (usual[i].closed && is_wanted(names, usual[i].name))
			add_name(list, usual[i].name);
	for (size_t i = 0; i < names->n_closed; i++) {
		bool again = is_one_of(names->closed, i, names->closed[i]);
		for (size_t k = 0; k < countof(usual); k++)
			again =
			    again || (usual[k].closed && str_ieq(usual[k].name, names->closed[i]));
		if (!again && is_wanted(names, names->closed[i]))
			add_name(list, names->closed[i]);
	}
}

/* the wanted ones in a ring: the last DKIM_MAX_FIELDS stay */
struct ring {
	struct header_field f[DKIM_MAX_FIELDS];
	size_t n;
};

int
dkim_pick_fields(const struct dkim_names *names, enum dkim_canon c, struct str header,
    struct buf *list, struct buf *text)
{
	struct pick p = {.list = list, .text = text, .canon = c};
	struct ring *ring = xmalloc(sizeof *ring);
	struct header_iter it;
	struct header_field f;
	size_t n;
	int r = 0;

	ring->n = 0;
	header_iter_init(&it, header);
	while (header_next(&it, &f))
		if (is_wanted(names, f.name))
			ring->f[ring->n++ % DKIM_MAX_FIELDS] = f;
	n = PH_MIN(ring->n, (size_t)DKIM_MAX_FIELDS);
	for (size_t i = 0; i < n && r == 0; i++)
		r = take(&p, &ring->f[(ring->n - 1 - i) % DKIM_MAX_FIELDS]);
	free(ring);
	close_names(names, list);
	return r == -1 || buf_is_overfull(list) ? -1 : 0;
}
