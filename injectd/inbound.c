#include "injectd/inbound.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/spf/spf.h"
#include "lib/stats/stats.h"

struct inbound {
	bool has_iprev, has_spf;
	enum spf_result iprev, spf; /* of the present sender */
	char name[256];		    /* the client's, that leads back to it */
	char domain[256], reason[256], explanation[SPF_MAX_EXPLAIN];
};

/* ---- what is refused ---- */

/* a row for each result that the configuration may refuse; texts end in what was found */
struct refusal {
	enum spf_result result;
	enum conf_key wanted;
	int code, enh;
	const char *text;
};
static const struct refusal iprev_refusals[] = {
    {SPF_TEMPERROR, CONF_SOURCE_REJECT_IPREV_CHECK_TEMPERROR, 451, ENH(4, 7, 25),
	"The name of your address cannot be checked now"},
    {SPF_PERMERROR, CONF_SOURCE_REJECT_IPREV_CHECK_PERMERROR, 550, ENH(5, 7, 25),
	"Your address has no name"},
    {SPF_FAIL, CONF_SOURCE_REJECT_IPREV_CHECK_FAIL, 550, ENH(5, 7, 25),
	"The name of your address does not lead back to it"},
};
static const struct refusal spf_refusals[] = {
    {SPF_TEMPERROR, CONF_SOURCE_REJECT_SPF_CHECK_TEMPERROR, 451, ENH(4, 7, 24),
	"SPF of the sender cannot be checked now"},
    {SPF_PERMERROR, CONF_SOURCE_REJECT_SPF_CHECK_PERMERROR, 550, ENH(5, 7, 24),
	"SPF of the sender's domain is wrong"},
    {SPF_FAIL, CONF_SOURCE_REJECT_SPF_CHECK_FAIL, 550, ENH(5, 7, 23),
	"The sender's domain does not let your address send"},
};

static const struct refusal *
find_refusal(
    struct session *s, const struct refusal *rows, size_t n, bool is_known, enum spf_result r)
{
	for (size_t i = 0; i < n && is_known; i++)
		if (rows[i].result == r && conf_bool(session_set(s), rows[i].wanted))
			return &rows[i];
	return NULL;
}

/* All is known: the reply to MAIL. */
static void
decide(struct session *s)
{
	struct inbound *in = s->inbound;
	const struct refusal *r =
	    find_refusal(s, iprev_refusals, countof(iprev_refusals), in->has_iprev, in->iprev);
	const char *more = "";

	if (r == NULL) {
		r = find_refusal(s, spf_refusals, countof(spf_refusals), in->has_spf, in->spf);
		more = in->spf == SPF_FAIL ? in->explanation : in->reason;
	}
	if (r == NULL) {
		session_reply(s, 250, ENH(2, 1, 0), "Sender ok");
		return;
	}
	stat_inc(STAT_IN_REJECTED);
	txn_free(&s->txn);
	session_reply(s, r->code, r->enh, "%s%s%s", r->text, more[0] != '\0' ? ": " : "", more);
	session_error(s);
}

/* ---- asking ---- */

static void
log_check(struct session *s, const char *what, enum spf_result r, struct str name)
{
	log_info("session=%016jx event=%s-check client=%s result=%s name=%s reason=%s",
	    (uintmax_t)s->id, what, s->client_text, spf_result_name(r), log_quote(name),
	    log_quote(str_of(s->inbound->reason)));
}

static void
take_iprev(struct session *s, enum spf_result r, const struct str text[3])
{
	struct inbound *in = s->inbound;

	in->has_iprev = true;
	in->iprev = r;
	(void)str_copy(in->name, sizeof in->name, text[0]);
	(void)str_copy(in->reason, sizeof in->reason, text[1]);
	if (conf_bool(session_set(s), CONF_SOURCE_TRACE_IPREV_CHECK))
		log_check(s, "iprev", r, text[0]);
	in->reason[0] = '\0';
}

static void
take_spf(struct session *s, enum spf_result r, const struct str text[3])
{
	struct inbound *in = s->inbound;

	in->has_spf = true;
	in->spf = r;
	(void)str_copy(in->domain, sizeof in->domain, text[0]);
	(void)str_copy(in->reason, sizeof in->reason, text[1]);
	(void)str_copy(in->explanation, sizeof in->explanation, text[2]);
	if (conf_bool(session_set(s), CONF_SOURCE_TRACE_SPF_CHECK))
		log_check(s, "spf", r, text[0]);
}

static void
take(struct session *s, enum check_kind kind, enum spf_result r, const struct str text[3])
{
	if (kind == CHECK_IPREV)
		take_iprev(s, r, text);
	else if (kind == CHECK_SPF)
		take_spf(s, r, text);
}

static void
ask(struct session *s, enum check_kind kind)
{
	const struct str none[3] = {STR_NULL, STR("nobody can be asked"), STR_NULL};
	const struct str text[3] = {
	    str_of(s->helo), str_of(s->txn->sender), str_of(s->world->host)};
	struct ipc_check q = {.kind = (uint8_t)kind};
	uint64_t max = conf_u64(session_set(s), CONF_SOURCE_CHECK_SPF_INBOUND_MAX_VOID_LOOKUPS);

	q.max_void = (uint16_t)PH_MIN(max, (uint64_t)UINT16_MAX);
	net_to_ipc(&s->client, &q.client);
	if (s->world->checks != NULL && s->world->checks->ask(s, &q, text))
		s->n_asked++;
	else
		take(s, kind, SPF_TEMPERROR, none);
}

void
inbound_check_sender(struct session *s)
{
	const struct conf_set *set = session_set(s);
	bool wants_iprev = conf_bool(set, CONF_SOURCE_CHECK_IPREV_INBOUND);
	bool wants_spf = conf_bool(set, CONF_SOURCE_CHECK_SPF_INBOUND);

	if ((!wants_iprev && !wants_spf) || s->client.family == 0 || session_is_inner(s)) {
		session_reply(s, 250, ENH(2, 1, 0), "Sender ok");
		return;
	}
	if (s->inbound == NULL)
		s->inbound = xcalloc(1, sizeof *s->inbound);
	s->inbound->has_spf = false;
	s->inbound->has_iprev = s->inbound->has_iprev && wants_iprev;
	/* the client's name does not change while it is connected; that it could not be looked up may */
	if (wants_iprev && (!s->inbound->has_iprev || s->inbound->iprev == SPF_TEMPERROR))
		ask(s, CHECK_IPREV);
	if (wants_spf)
		ask(s, CHECK_SPF);
	if (s->n_asked == 0)
		decide(s);
	else
		session_enter(s, SESSION_CHECK);
}

void
session_checked(struct session *s, enum check_kind kind, unsigned result, const struct str text[3])
{
	s->n_asked--;
	if (kind == CHECK_TXT) {
		if (inbound_take_key(s, result, text[2]))
			return;
		session_submit(s);
	} else {
		take(s, kind, (enum spf_result)result, text);
		if (s->n_asked > 0)
			return;
		session_enter(s, SESSION_COMMAND);
		decide(s);
	}
	s->wake(s);
}

void
inbound_clear(struct session *s)
{
	if (s->n_asked > 0)
		s->world->checks->cancel(s);
	s->n_asked = 0;
	xfree(&s->inbound);
}

/* ---- the header ---- */

/* of what may stand in a header field as it is */
static bool
is_plain(const char *name)
{
	for (const char *p = name; *p != '\0'; p++)
		if (!ascii_is_alnum(*p) && strchr(".-_", *p) == NULL)
			return false;
	return name[0] != '\0';
}

static void
add_iprev(const struct session *s, struct buf *b)
{
	const struct inbound *in = s->inbound;

	(void)buf_addf(
	    b, ";\r\n\tiprev=%s policy.iprev=\"%s\"", spf_result_name(in->iprev), s->client_text);
	if (is_plain(in->name))
		(void)buf_addf(b, " (%s)", in->name);
}

static void
add_spf(const struct session *s, const struct txn *t, struct buf *b)
{
	const struct inbound *in = s->inbound;

	(void)buf_addf(b, ";\r\n\tspf=%s", spf_result_name(in->spf));
	if (is_plain(in->domain))
		(void)buf_addf(
		    b, " smtp.%s=%s", t->sender[0] != '\0' ? "mailfrom" : "helo", in->domain);
}

static void
add_received_spf(const struct session *s, const struct txn *t, struct buf *b)
{
	const struct inbound *in = s->inbound;
	bool has_sender = t->sender[0] != '\0';

	(void)buf_addf(b, "Received-SPF: %s (%s)\r\n\tclient-ip=%s; identity=%s; helo=\"%s\"",
	    spf_result_name(in->spf), s->world->host, s->client_text,
	    has_sender ? "mailfrom" : "helo", s->helo);
	if (has_sender && strpbrk(t->sender, "\"\\") == NULL)
		(void)buf_addf(b, ";\r\n\tenvelope-from=\"%s\"", t->sender);
	(void)buf_add_cstr(b, "\r\n");
}

void
inbound_add_fields(const struct session *s, const struct txn *t, struct buf *b)
{
	const struct inbound *in = s->inbound;

	if (in == NULL || (!in->has_iprev && !in->has_spf))
		return;
	if (in->has_spf)
		add_received_spf(s, t, b);
	(void)buf_addf(b, "Authentication-Results: %s", s->world->host);
	if (in->has_iprev)
		add_iprev(s, b);
	if (in->has_spf)
		add_spf(s, t, b);
	(void)buf_add_cstr(b, "\r\n");
}

bool
inbound_is_forged(struct session *s, struct str value)
{
	const struct conf_set *set = session_set(s);
	struct str name = STR_NULL;

	if (!conf_bool(set, CONF_SOURCE_CHECK_IPREV_INBOUND) &&
	    !conf_bool(set, CONF_SOURCE_CHECK_SPF_INBOUND) &&
	    !conf_bool(set, CONF_SOURCE_CHECK_DKIM_INBOUND))
		return false;
	value = str_trim(value);
	name = str_trim(str_sub(value, 0, str_find(value, ';')));
	return str_next_word(&name, &value) && str_ieq(value, str_of(s->world->host));
}
