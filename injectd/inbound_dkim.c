/*
 * Verification of DKIM signatures on arrival: the header section is kept as it came, the body is hashed as it comes, and
 * once the content is whole each signature is tried, one after the other, for each needs its key from the DNS. The result
 * goes to the front of the message.
 */
#include "injectd/inbound.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/dkim/verify.h"
#include "lib/ev/ev.h"
#include "lib/mail/header.h"
#include "lib/spf/spf.h"

#define MAX_SIGNATURES 5

struct signature {
	struct dkim_found found;
	struct str field;	     /* in `head` */
	struct dkim_body_hash *body; /* owned; NULL: it is not wanted */
	uint8_t digest[DKIM_HASH_LEN];
	enum spf_result result; /* with the names of RFC 8601; NONE: its key is wanted */
	char reason[80];
};
struct dkim_check {
	struct buf head; /* as it came */
	struct signature signature[MAX_SIGNATURES];
	size_t n, at;
	bool is_over;
};

/* ---- the signatures ---- */

static void
settle(struct signature *g, enum spf_result r, const char *reason)
{
	g->result = r;
	(void)str_copy(g->reason, sizeof g->reason, str_of(reason));
}

/* What the field says by itself; then the body is wanted. */
static void
begin(struct signature *g, struct str field)
{
	struct why why = {0};

	g->field = field;
	if (dkim_found_parse(field, &g->found, &why) == -1)
		settle(g, SPF_PERMERROR, why.text);
	else if (g->found.expires_s != 0 && ev_wall().ns / NS_PER_SEC > g->found.expires_s)
		settle(g, SPF_FAIL, "it has expired");
	else
		g->body = dkim_found_body(&g->found);
}

void
inbound_keep_head(struct txn *t, struct str head)
{
	struct dkim_check *k;
	struct header_iter it;
	struct header_field f;

	if (session_is_inner(t->session) || t->fault.smtp_code != 0 ||
	    !conf_bool(session_set(t->session), CONF_SOURCE_CHECK_DKIM_INBOUND))
		return;
	k = t->dkim_check = xcalloc(1, sizeof *t->dkim_check);
	buf_init(&k->head, 2 * TXN_MAX_HEADER);
	(void)buf_add_str(&k->head, head);
	header_iter_init(&it, buf_str(&k->head));
	while (k->n < MAX_SIGNATURES && header_next(&it, &f))
		if (str_ieq(f.name, STR("dkim-signature")))
			begin(&k->signature[k->n++], f.whole);
}

void
inbound_take_body(struct txn *t, struct str piece)
{
	struct dkim_check *k = t->dkim_check;

	for (size_t i = 0; k != NULL && i < k->n; i++)
		if (k->signature[i].body != NULL)
			dkim_body_hash_add(k->signature[i].body, piece);
}

void
inbound_forget_head(struct txn *t)
{
	struct dkim_check *k = t->dkim_check;

	if (k == NULL)
		return;
	for (size_t i = 0; i < k->n; i++)
		dkim_body_hash_free(&k->signature[i].body);
	buf_clear(&k->head);
	xfree(&t->dkim_check);
}

/* The body is whole: all but the key. */
static void
prepare(struct dkim_check *k)
{
	for (size_t i = 0; i < k->n; i++) {
		struct signature *g = &k->signature[i];
		if (g->body == NULL)
			continue;
		if (!dkim_found_body_fits(&g->found, &g->body))
			settle(g, SPF_FAIL, "the body was changed");
		else if (dkim_found_digest(&g->found, buf_str(&k->head), g->field, g->digest) == -1)
			settle(g, SPF_NEUTRAL, "the header is too large");
	}
}

static void
take_key(struct signature *g, enum spf_result r, struct str record)
{
	struct why why = {0};
	int fits;

	if (r == SPF_TEMPERROR) {
		settle(g, SPF_TEMPERROR, "the key cannot be looked up now");
		return;
	}
	fits = dkim_found_try(&g->found, record, g->digest, &why);
	if (fits == -1)
		settle(g, SPF_PERMERROR, why.text);
	else
		settle(
		    g, fits == 1 ? SPF_PASS : SPF_FAIL, fits == 1 ? "" : "the header was changed");
}

/* ---- the result ---- */

static void
add_results(struct session *s, struct buf *b)
{
	const struct dkim_check *k = s->txn->dkim_check;

	(void)buf_addf(b, "Authentication-Results: %s", s->world->host);
	if (k->n == 0)
		(void)buf_add_cstr(b, "; dkim=none");
	for (size_t i = 0; i < k->n; i++) {
		const struct signature *g = &k->signature[i];
		(void)buf_addf(b, ";\r\n\tdkim=%s", spf_result_name(g->result));
		if (g->reason[0] != '\0')
			(void)buf_addf(b, " (%s)", g->reason);
		if (g->found.domain[0] != '\0' && g->found.selector[0] != '\0')
			(void)buf_addf(
			    b, " header.d=%s header.s=%s", g->found.domain, g->found.selector);
	}
	(void)buf_add_cstr(b, "\r\n");
}

static void
log_results(struct session *s)
{
	const struct dkim_check *k = s->txn->dkim_check;

	if (!conf_bool(session_set(s), CONF_SOURCE_TRACE_DKIM_CHECK))
		return;
	if (k->n == 0)
		log_info("session=%016jx event=dkim-check client=%s result=none", (uintmax_t)s->id,
		    s->client_text);
	for (size_t i = 0; i < k->n; i++)
		log_info(
		    "session=%016jx event=dkim-check client=%s result=%s domain=%s selector=%s "
		    "reason=%s",
		    (uintmax_t)s->id, s->client_text, spf_result_name(k->signature[i].result),
		    log_quote(str_of(k->signature[i].found.domain)),
		    log_quote(str_of(k->signature[i].found.selector)),
		    log_quote(str_of(k->signature[i].reason)));
}

static void
finish(struct session *s)
{
	struct txn *t = s->txn;
	struct buf b;

	t->dkim_check->is_over = true;
	log_results(s);
	buf_init(&b, INBOUND_MAX_FIELD);
	add_results(s, &b);
	txn_prepend(t, buf_str(&b));
	buf_clear(&b);
}

/* Until a key must be waited for. True: it is. */
static bool
go_on(struct session *s)
{
	struct dkim_check *k = s->txn->dkim_check;
	struct ipc_check q = {.kind = CHECK_TXT};
	char name[2 * DKIM_MAX_NAME + 16];

	for (; k->at < k->n; k->at++) {
		struct signature *g = &k->signature[k->at];
		if (g->result != SPF_NONE)
			continue;
		snprintf(name, sizeof name, "%s._domainkey.%s", g->found.selector, g->found.domain);
		if (s->world->checks != NULL &&
		    s->world->checks->ask(
			s, &q, (struct str[3]){str_of(name), STR_NULL, STR_NULL})) {
			s->n_asked++;
			return true;
		}
		take_key(g, SPF_TEMPERROR, STR_NULL);
	}
	finish(s);
	return false;
}

bool
inbound_check_content(struct session *s)
{
	struct txn *t = s->txn;

	content_end(t);
	if (t->dkim_check == NULL || t->dkim_check->is_over || t->filter.fault != DATA_GOOD ||
	    t->fault.smtp_code != 0)
		return false;
	prepare(t->dkim_check);
	return go_on(s);
}

bool
inbound_take_key(struct session *s, unsigned result, struct str record)
{
	struct dkim_check *k = s->txn->dkim_check;

	take_key(&k->signature[k->at++], (enum spf_result)result, record);
	return go_on(s);
}
