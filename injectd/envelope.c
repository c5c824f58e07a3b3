#include "injectd/commands.h"
#include "injectd/inbound.h"
#include "injectd/merge.h"
#include "injectd/suppressed.h"
#include "lib/base/num.h"
#include "lib/smtp/param.h"
#include "lib/smtp/xtext.h"
#include "lib/stats/stats.h"

/* ---- what MAIL and RCPT share ---- */

/* what a command has been told */
struct told {
	struct session *s;
	struct address address;
	struct str path; /* the address as one text */
	uint64_t size;
	unsigned seen; /* bits of the parameters' rows */
	struct env_rcpt rcpt;
	uint8_t body, ret;
	bool is_utf8, is_verp;
	char envid[TXN_MAX_ENVID + 1];
	char orcpt[TXN_MAX_ORCPT + 1];
	char text[ADDRESS_MAX_PATH + WORLD_HOST_MAX];
};

typedef int param_fn(struct told *d, struct str value, struct why *why);
struct param {
	const char *key;
	param_fn *take; /* 0, or -1 with `why` */
};

static int
bad_value(struct why *why, const char *text)
{
	return why_smtp(why, 501, 5, 5, 4, "%s", text);
}

static int
take_param(
    struct told *d, const struct param *rows, size_t n, const struct smtp_param *p, struct why *why)
{
	for (size_t i = 0; i < n; i++) {
		if (!str_ieq(p->key, str_of(rows[i].key)))
			continue;
		if ((d->seen & 1u << i) != 0)
			return bad_value(why, "A parameter was given twice");
		d->seen |= 1u << i;
		return rows[i].take(d, p->value, why);
	}
	return why_smtp(why, 555, 5, 5, 4, "A parameter is not supported");
}

static int
take_params(struct told *d, const struct param *rows, size_t n, struct str rest, struct why *why)
{
	struct smtp_param p;
	int r;

	if (rest.len > 0 && rest.p[0] != ' ')
		return bad_value(why, "A blank is missing behind the address");
	while ((r = smtp_param_next(&rest, &p)) > 0)
		if (take_param(d, rows, n, &p, why) == -1)
			return -1;
	return r < 0 ? bad_value(why, "A parameter is malformed") : 0;
}

/* "FROM:" or "TO:", the path, and what follows */
static int
take_path(struct told *d, struct str word, struct str *arg, struct why *why)
{
	if (!str_has_iprefix(*arg, word))
		return why_smtp(
		    why, 501, 5, 5, 4, "The command needs %.*s<address>", STR_ARG(word));
	*arg = str_skip(*arg, word.len);
	return address_parse_path(
		   arg, ADDRESS_UTF8 | ADDRESS_NO_DOMAIN | ADDRESS_LONG, &d->address, why)
		   ? 0
		   : -1;
}

static bool
is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* The domain that an address without one gets; empty: none, it is an error. */
static struct str
qualifying_domain(struct session *s, struct str local)
{
	struct str suffix = conf_str(conf_global(s->world->conf), CONF_GLOBAL_DOMAIN_SUFFIX);

	if (suffix.len > 0 && conf_bool(session_set(s), CONF_SOURCE_AUTO_QUALIFY_DOMAIN))
		return suffix;
	/* RFC 5321 4.5.1: always */
	return str_ieq(local, STR("postmaster")) ? str_of(s->world->host) : STR_NULL;
}

/* Makes d->path from the address. */
static int
qualify(struct told *d, struct why *why)
{
	struct str local = d->address.local, domain = d->address.domain;
	char name[DOMAIN_QUEUE_NAME_MAX];

	if (local.len == 0)
		return 0;
	if (domain.len == 0)
		domain = qualifying_domain(d->s, local);
	if (domain.len == 0)
		return why_smtp(why, 501, 5, 1, 3, "The address needs a domain");
	if (!is_ascii(domain) && domain_queue_name(domain, name, sizeof name) == 0)
		return why_smtp(why, 501, 5, 1, 2, "The domain has no valid form in ASCII");
	if (local.len + domain.len + sizeof "@" > sizeof d->text)
		return why_smtp(why, 501, 5, 1, 3, "The address is too long");
	memcpy(d->text, local.p, local.len);
	d->text[local.len] = '@';
	memcpy(d->text + local.len + 1, domain.p, domain.len);
	d->path = str_from(d->text, local.len + 1 + domain.len);
	return 0;
}

/* ---- MAIL ---- */

static int
take_size(struct told *d, struct str value, struct why *why)
{
	uint64_t limit =
	    PH_MIN(conf_u64(session_set(d->s), CONF_SOURCE_MAX_MESSAGE_SIZE), TXN_MAX_BYTES);

	/* RFC 1870 6: 1*20DIGIT */
	if (value.len > 20 || !parse_u64(value, 0, UINT64_MAX, &d->size))
		return bad_value(why, "SIZE is not a number");
	return d->size > limit ? why_smtp(why, 552, 5, 3, 4, "The message is too large") : 0;
}

static int
take_body(struct told *d, struct str value, struct why *why)
{
	if (str_ieq(value, STR("8BITMIME")))
		d->body = ENV_8BITMIME;
	else if (!str_ieq(value, STR("7BIT")))
		return bad_value(why, "BODY is neither 7BIT nor 8BITMIME");
	return 0;
}

static int
take_smtputf8(struct told *d, struct str value, struct why *why)
{
	if (!conf_bool(session_set(d->s), CONF_SOURCE_ALLOW_SMTPUTF8))
		return why_smtp(why, 555, 5, 5, 4, "A parameter is not supported");
	if (value.p != NULL)
		return bad_value(why, "SMTPUTF8 has no value");
	d->is_utf8 = true;
	return 0;
}

static int
take_ret(struct told *d, struct str value, struct why *why)
{
	if (str_ieq(value, STR("FULL")))
		d->ret = ENV_RET_FULL;
	else if (str_ieq(value, STR("HDRS")))
		d->ret = ENV_RET_HDRS;
	else
		return bad_value(why, "RET is neither FULL nor HDRS");
	return 0;
}

/* RFC 3461 4.4: what was encoded must be printable; so nothing that could end a line comes out of it */
static bool
text_is_printable(const char *p, ssize_t len)
{
	for (ssize_t i = 0; i < len; i++)
		if (!ascii_is_print(p[i]))
			return false;
	return len > 0;
}

static int
take_envid(struct told *d, struct str value, struct why *why)
{
	ssize_t n = xtext_decode(value, d->envid, sizeof d->envid - 1);

	if (!text_is_printable(d->envid, n))
		return bad_value(why, "ENVID is not xtext of at most 100 printable characters");
	d->envid[n] = '\0';
	return 0;
}

static int
take_verp(struct told *d, struct str value, struct why *why)
{
	if (value.p != NULL)
		return bad_value(why, "VERP has no value");
	d->is_verp = true;
	return 0;
}

static const struct param mail_params[] = {
    {"SIZE", take_size},
    {"BODY", take_body},
    {"SMTPUTF8", take_smtputf8},
    {"RET", take_ret},
    {"ENVID", take_envid},
    {"VERP", take_verp},
};

static int
parse_mail(struct told *d, struct str arg, struct why *why)
{
	if (take_path(d, STR("FROM:"), &arg, why) == -1) {
		if (why->enh[1] == 1)
			why->enh[2] = 7; /* it is the sender's address that is bad */
		return -1;
	}
	if (arg.len > 0 && !d->s->is_esmtp)
		return why_smtp(why, 555, 5, 5, 4, "Parameters need EHLO");
	if (take_params(d, mail_params, countof(mail_params), arg, why) == -1)
		return -1;
	if (!d->is_utf8 && (!is_ascii(d->address.local) || !is_ascii(d->address.domain)))
		return why_smtp(why, 553, 5, 6, 7, "The address needs SMTPUTF8");
	return qualify(d, why);
}

static void
begin(struct session *s, const struct told *d)
{
	struct txn *t = txn_new(s, d->path);

	t->env.body = d->body;
	t->env.ret = d->ret;
	t->env.smtputf8 = d->is_utf8;
	t->env.verp = d->is_verp;
	(void)str_copy(t->envid, sizeof t->envid, str_of(d->envid));
	s->txn = t;
}

void
command_mail(struct session *s, struct str arg)
{
	struct told d = {.s = s};
	struct why why = {0};

	if (s->txn != NULL) {
		session_reply(s, 503, ENH(5, 5, 1), "A transaction is open already");
		session_error(s);
		return;
	}
	if (parse_mail(&d, arg, &why) == -1) {
		stat_inc(STAT_IN_REJECTED);
		session_reply_why(s, &why);
		session_error(s);
		return;
	}
	/* for the client to try again later: no error of its own */
	if (s->world->refusal.smtp_code != 0) {
		session_reply_why(s, &s->world->refusal);
		return;
	}
	begin(s, &d);
	inbound_check_sender(s);
}

/* ---- RCPT ---- */

static const struct {
	const char *word;
	uint8_t bit;
} notify_words[] = {
    {"SUCCESS", NOTIFY_SUCCESS},
    {"FAILURE", NOTIFY_FAILURE},
    {"DELAY", NOTIFY_DELAY},
    {"NEVER", NOTIFY_NEVER},
};

/* notify-esmtp-value = "NEVER" / 1#("SUCCESS" / "FAILURE" / "DELAY") */
static int
take_notify(struct told *d, struct str value, struct why *why)
{
	struct str word;
	uint8_t bits = 0;

	while (str_next(&value, ',', &word)) {
		size_t i = 0;
		while (i < countof(notify_words) && !str_ieq(word, str_of(notify_words[i].word)))
			i++;
		if (i == countof(notify_words))
			return bad_value(why, "NOTIFY has an unknown word");
		bits |= notify_words[i].bit;
	}
	if (bits == 0 || ((bits & NOTIFY_NEVER) != 0 && bits != NOTIFY_NEVER))
		return bad_value(why, "NEVER of NOTIFY must stand alone");
	d->rcpt.notify = bits;
	return 0;
}

/* original-recipient-address = atom ";" *xtext */
static int
take_orcpt(struct told *d, struct str value, struct why *why)
{
	size_t semi = str_find(value, ';'), room = sizeof d->orcpt - 1;
	ssize_t n;

	if (semi == STR_NPOS || semi == 0 || semi > 64)
		return bad_value(why, "ORCPT needs a type and an address");
	for (size_t i = 0; i < semi; i++)
		if (!ascii_is_alnum(value.p[i]) && value.p[i] != '-')
			return bad_value(why, "The type of ORCPT is malformed");
	memcpy(d->orcpt, value.p, semi + 1);
	n = xtext_decode(str_skip(value, semi + 1), d->orcpt + semi + 1, room - semi - 1);
	if (!text_is_printable(d->orcpt + semi + 1, n))
		return bad_value(
		    why, "The address of ORCPT is not xtext of at most 500 printable characters");
	d->rcpt.orcpt = str_from(d->orcpt, semi + 1 + (size_t)n);
	return 0;
}

static const struct param rcpt_params[] = {
    {"NOTIFY", take_notify},
    {"ORCPT", take_orcpt},
};

static int
parse_rcpt(struct told *d, struct str arg, struct why *why)
{
	if (take_path(d, STR("TO:"), &arg, why) == -1)
		return -1;
	if (d->address.local.len == 0)
		return why_smtp(why, 501, 5, 1, 3, "The recipient's address is empty");
	if (arg.len > 0 && !d->s->is_esmtp)
		return why_smtp(why, 555, 5, 5, 4, "Parameters need EHLO");
	if (take_params(d, rcpt_params, countof(rcpt_params), arg, why) == -1)
		return -1;
	if (!d->s->txn->env.smtputf8 &&
	    (!is_ascii(d->address.local) || !is_ascii(d->address.domain)))
		return why_smtp(why, 553, 5, 6, 7, "The address needs SMTPUTF8");
	return qualify(d, why);
}

static bool
may_relay(struct session *s)
{
	return session_is_inner(s) || conf_bool(session_set(s), CONF_SOURCE_ALWAYS_ALLOW_RELAYING);
}

/*
 * accept-invalid-recipients: what is no address is taken as it stands, to be bounced. False: it is to be refused. Only
 * for clients that may relay: others would have us write reports to whom they please.
 */
static bool
take_invalid(struct told *d, struct str arg, const struct why *why)
{
	struct str text = str_trim(str_skip(arg, sizeof "TO:" - 1));
	size_t end = str_rfind(text, '>');

	if (why->enh[0] != 5 || why->enh[1] != 1 || !str_has_iprefix(arg, STR("TO:")) ||
	    !may_relay(d->s) ||
	    (!d->s->is_quiet &&
		!conf_bool(session_set(d->s), CONF_SOURCE_ACCEPT_INVALID_RECIPIENTS)))
		return false;
	if (str_has_prefix(text, STR("<")) && end != STR_NPOS)
		text = str_sub(text, 1, end - 1);
	text = str_sub(text, 0, ADDRESS_MAX_PATH);
	(void)snprintf(d->text, sizeof d->text, "%.*s", STR_ARG(text));
	d->path = text.len == 0 ? STR("<>") : str_of(d->text);
	d->rcpt = (struct env_rcpt){.is_invalid = true};
	return true;
}

static int
accept_rcpt(struct told *d, struct why *why)
{
	struct session *s = d->s;
	struct txn *t = s->txn;
	const struct conf_set *set = session_set(s);

	if (!d->rcpt.is_invalid && !may_relay(s) && !conf_is_relay_rcpt(s->world->conf, d->path)) {
		if (conf_bool(conf_global(s->world->conf), CONF_GLOBAL_RELAY_DEBUG))
			return why_smtp(why, 450, 4, 7, 1, "Relaying is not allowed");
		return why_smtp(why, 550, 5, 7, 1, "Relaying is not allowed");
	}
	if (t->env.n_rcpts >= conf_u64(set, CONF_SOURCE_MAX_RCPT_PER_MESSAGE)) {
		t->is_too_many = conf_bool(set, CONF_SOURCE_TOO_MANY_RCPTS_FAILS_MESSAGE);
		return why_smtp(why, 452, 4, 5, 3, "Too many recipients");
	}
	if (t->merge != NULL && merge_check_rcpt(t, why) == -1)
		return -1;
	d->rcpt.address = d->path;
	return txn_add_rcpt(t, &d->rcpt, why);
}

static void
refuse_rcpt(struct session *s, const struct why *why)
{
	s->txn->n_refused++;
	if (s->txn->merge != NULL)
		merge_refuse_rcpt(s->txn->merge);
	if (why->smtp_code >= 500)
		stat_inc(STAT_IN_REJECTED);
	session_reply_why(s, why);
	/* a client that may relay sends lists as they are: bad addresses are no sign of an attack */
	if (why->smtp_code >= 500 && !may_relay(s))
		session_error(s);
}

void
command_rcpt(struct session *s, struct str arg)
{
	struct told d = {.s = s};
	struct why why = {0};

	if (s->txn == NULL || s->txn->is_chunked) {
		session_reply(s, 503, ENH(5, 5, 1),
		    s->txn == NULL ? "MAIL comes first" : "RCPT cannot follow BDAT");
		session_error(s);
		return;
	}
	if ((parse_rcpt(&d, arg, &why) == -1 && !take_invalid(&d, arg, &why)) ||
	    accept_rcpt(&d, &why) == -1)
		refuse_rcpt(s, &why);
	else if (!d.rcpt.is_invalid && !s->is_quiet && suppressed_ask(s, d.path))
		session_enter(s, SESSION_CHECK);
	else
		session_reply(s, 250, ENH(2, 1, 5), "Recipient ok");
}

void
session_suppressed(struct session *s, struct str list)
{
	struct why why = {0};

	s->asks_suppress = false;
	session_enter(s, SESSION_COMMAND);
	if (list.len == 0) {
		session_reply(s, 250, ENH(2, 1, 5), "Recipient ok");
	} else {
		txn_drop_rcpt(s->txn);
		(void)why_smtp(&why, 550, 5, 7, 1, "recipient is in suppression list \"%.*s\"",
		    STR_ARG(str_sub(list, 0, 200)));
		refuse_rcpt(s, &why);
	}
	s->wake(s);
}
