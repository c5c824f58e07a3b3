#include "injectd/head.h"

#include "injectd/inbound.h"
#include "injectd/rcpts.h"
#include "injectd/session.h"
#include "injectd/vmta.h"
#include "lib/base/xalloc.h"
#include "lib/conf/rewrite.h"
#include "lib/ev/ev.h"
#include "lib/mail/date.h"
#include "lib/mail/from.h"
#include "lib/mail/header.h"
#include "lib/mail/schedule.h"

#define MAX_NAME 256 /* of a VirtualMTA in a field, with NUL */

/* what was found in the fields that came */
struct found {
	const struct conf_set *set;
	const struct rewrite_list *rewrite; /* of the source; NULL: none */
	struct session *session;
	const char *given;   /* fields in front of this are obeyed in any case */
	struct str schedule; /* raw; p NULL: none */
	char vmta[MAX_NAME], job[TXN_MAX_JOB + 1], header_job[TXN_MAX_JOB + 1],
	    envid[TXN_MAX_ENVID + 1], dkim[TXN_MAX_DKIM + 1];
	bool has_vmta, has_job, has_envid, has_dkim, has_date, has_message_id;
	uint64_t n_received;
};

/* ---- what is done with a field ---- */

typedef void field_fn(struct found *f, struct str value);

static void
take_vmta(struct found *f, struct str value)
{
	if (!f->has_vmta && header_unfold(value, f->vmta, sizeof f->vmta) >= sizeof f->vmta)
		f->vmta[0] = '\0';
	f->has_vmta = true;
}

static void
take_job(struct found *f, struct str value)
{
	if (!f->has_job)
		(void)header_unfold(value, f->job, sizeof f->job);
	f->has_job = true;
}

static void
take_envid(struct found *f, struct str value)
{
	if (!f->has_envid)
		(void)header_unfold(value, f->envid, sizeof f->envid);
	f->has_envid = true;
}

static void
take_dkim(struct found *f, struct str value)
{
	if (!f->has_dkim && header_unfold(value, f->dkim, sizeof f->dkim) >= sizeof f->dkim)
		f->dkim[0] = '\0';
	f->has_dkim = true;
}

static void
take_schedule(struct found *f, struct str value)
{
	if (f->schedule.p == NULL)
		f->schedule = value;
}

static void
see_received(struct found *f, struct str value)
{
	f->n_received++;
}

static void
see_date(struct found *f, struct str value)
{
	f->has_date = true;
}

static void
see_message_id(struct found *f, struct str value)
{
	f->has_message_id = true;
}

static bool
drops_date(const struct conf_set *set)
{
	static const int is_override = 2; /* no|yes|override */

	return conf_enum(set, CONF_SOURCE_ADD_DATE_HEADER) == is_override;
}

static bool
drops_received(const struct conf_set *set)
{
	return conf_bool(set, CONF_SOURCE_REMOVE_RECEIVED_HEADERS);
}

static bool
drops_vmta(const struct conf_set *set)
{
	return !conf_bool(set, CONF_SOURCE_RETAIN_X_VIRTUAL_MTA);
}

static bool
drops_job(const struct conf_set *set)
{
	return !conf_bool(set, CONF_SOURCE_RETAIN_X_JOB);
}

static bool
drops_dkim(const struct conf_set *set)
{
	return !conf_bool(set, CONF_SOURCE_RETAIN_X_DKIM_OPTIONS);
}

static bool
drops_schedule(const struct conf_set *set)
{
	return !conf_bool(set, CONF_SOURCE_RETAIN_X_SCHEDULE);
}

/* a private key: it is not signed with, and never leaves the server unless that is asked for */
static bool
drops_dkim_key(const struct conf_set *set)
{
	return !conf_bool(set, CONF_SOURCE_RETAIN_X_DKIM_KEY);
}

static void
pass_over(struct found *f, struct str value)
{
}

static bool
drops_always(const struct conf_set *set)
{
	return true;
}

/*
 * A control field is honoured only where `honoured` says so, but never leaves the server unless it is retained: a
 * client that may not choose must not be able to tell the next server either.
 */
static const struct rule {
	struct str name;
	enum conf_key honoured; /* CONF_NONE: always */
	field_fn *take;
	bool (*drops)(const struct conf_set *set); /* NULL: it stays */
} rules[] = {
    {{"x-virtual-mta", 13}, CONF_SOURCE_PROCESS_X_VIRTUAL_MTA, take_vmta, drops_vmta},
    {{"x-virtualmta", 12}, CONF_SOURCE_PROCESS_X_VIRTUAL_MTA, take_vmta, drops_vmta},
    {{"x-binding", 9}, CONF_SOURCE_PROCESS_X_VIRTUAL_MTA, take_vmta, drops_vmta},
    {{"x-job", 5}, CONF_SOURCE_PROCESS_X_JOB, take_job, drops_job},
    {{"x-envid", 7}, CONF_SOURCE_PROCESS_X_ENVID, take_envid, drops_always},
    {{"x-dkim-options", 14}, CONF_SOURCE_PROCESS_X_DKIM_OPTIONS, take_dkim, drops_dkim},
    {{"x-dkim-key", 10}, CONF_NONE, pass_over, drops_dkim_key},
    {{"x-schedule", 10}, CONF_SOURCE_PROCESS_X_SCHEDULE, take_schedule, drops_schedule},
    {{"received", 8}, CONF_NONE, see_received, drops_received},
    {{"date", 4}, CONF_NONE, see_date, drops_date},
    {{"message-id", 10}, CONF_NONE, see_message_id, NULL},
};

static const struct rule *
find_rule(struct str name)
{
	for (size_t i = 0; i < countof(rules); i++)
		if (str_ieq(name, rules[i].name))
			return &rules[i];
	return NULL;
}

static void
see_field(struct found *f, const struct header_field *field)
{
	const struct rule *r = find_rule(field->name);
	struct str job = conf_str(f->set, CONF_SOURCE_JOBID_HEADER);

	if (job.len > 0 && f->header_job[0] == '\0' && str_ieq(field->name, job))
		(void)header_unfold(field->value, f->header_job, sizeof f->header_job);
	if (r != NULL && (r->honoured == CONF_NONE || field->whole.p < f->given ||
			     conf_bool(f->set, r->honoured)))
		r->take(f, field->value);
}

/* First pass: only looks. */
static void
see_fields(struct found *f, struct str head)
{
	struct header_iter it;
	struct header_field field;

	header_iter_init(&it, head);
	while (header_next(&it, &field))
		see_field(f, &field);
}

static bool
is_dropped(const struct found *f, const struct header_field *field)
{
	const struct rule *r = find_rule(field->name);

	if (str_ieq(field->name, STR("authentication-results")))
		return inbound_is_forged(f->session, field->value);
	return r != NULL && r->drops != NULL && r->drops(f->set);
}

static bool
map_domain(void *arg, struct str domain, struct str *to)
{
	return rewrite_domain(arg, domain, to);
}

/* a From field as from-domain wants it */
static void
store_from(struct txn *t, const struct rewrite_list *l, const struct header_field *field)
{
	struct buf b;

	/* each domain may become longer; one of two bytes ("@x") by 255 at most */
	buf_init(&b, TXN_MAX_HEADER);
	(void)buf_add(&b, field->whole.p, (size_t)(field->value.p - field->whole.p));
	(void)from_rewrite(&b, field->value, map_domain, (void *)l);
	content_store(t, buf_is_overfull(&b) ? field->whole : buf_str(&b));
	buf_clear(&b);
}

/* Second pass: stores what stays, in runs as long as possible. */
static void
store_rest(struct txn *t, const struct found *f, struct str head)
{
	struct header_iter it;
	struct header_field field;
	const char *from = head.p;

	header_iter_init(&it, head);
	while (header_next(&it, &field)) {
		bool is_from = f->rewrite != NULL && str_ieq(field.name, STR("from"));
		if (!is_from && !is_dropped(f, &field))
			continue;
		content_store(t, str_from(from, (size_t)(field.whole.p - from)));
		from = field.whole.p + field.whole.len;
		if (is_from)
			store_from(t, f->rewrite, &field);
		else if (field.whole.p[0] == '.')
			t->filter.n_dots--;
	}
	content_store(t, str_from(from, (size_t)(head.p + head.len - from)));
}

/* ---- our fields ---- */

static bool
wants_date(const struct found *f)
{
	return drops_date(f->set) ||
	       (conf_enum(f->set, CONF_SOURCE_ADD_DATE_HEADER) != 0 && !f->has_date);
}

static void
add_received_end(struct txn *t, struct buf *b)
{
	char date[MAIL_DATE_MAX];

	(void)buf_addf(b, " id %016jx", (uintmax_t)t->env.id);
	/* of several recipients none may learn of the others */
	if (t->env.n_rcpts == 1)
		(void)buf_addf(b, "\r\n\tfor <%s>", t->only_rcpt);
	(void)buf_addf(b, ";\r\n\t%s\r\n", mail_date(t->env.accepted, date));
}

static void
add_received(struct txn *t, struct buf *b)
{
	struct session *s = t->session;

	(void)buf_add_cstr(b, "Received: ");
	if (session_is_inner(s)) {
		(void)buf_addf(b, "by %s (Posthaste v%s) via %.*s", t->world->host, PH_VERSION,
		    STR_ARG(t->env.src_type));
		add_received_end(t, b);
		return;
	}
	if (!conf_bool(session_set(s), CONF_SOURCE_HIDE_MESSAGE_SOURCE))
		(void)buf_addf(b, "from %s ([%s])\r\n\t", s->helo, s->client_text);
	(void)buf_addf(b, "by %s (Posthaste v%s) with %s", t->world->host, PH_VERSION,
	    session_protocol(s, t->env.smtputf8));
	if (s->tls.protocol != NULL)
		(void)buf_addf(b, " (%s %s)", s->tls.protocol, s->tls.cipher);
	add_received_end(t, b);
}

static void
add_fields(struct txn *t, const struct found *f, struct buf *b)
{
	const struct conf_set *set = f->set;
	const char *vmta = t->vmta != NULL ? t->vmta : t->pool;
	char date[MAIL_DATE_MAX];

	inbound_add_fields(t->session, t, b);
	if (conf_bool(set, CONF_SOURCE_ADD_RECEIVED_HEADER))
		add_received(t, b);
	if (wants_date(f) && !t->env.date_late)
		(void)buf_addf(b, "Date: %s\r\n", mail_date(t->env.accepted, date));
	if (conf_bool(set, CONF_SOURCE_ADD_MESSAGE_ID_HEADER) && !f->has_message_id)
		(void)buf_addf(
		    b, "Message-ID: <%016jx@%s>\r\n", (uintmax_t)t->env.id, t->world->host);
	if (conf_bool(set, CONF_SOURCE_ADD_X_VIRTUAL_MTA_HEADER) && !f->has_vmta && vmta != NULL)
		(void)buf_addf(b, "x-virtual-mta: %s\r\n", vmta);
}

/* Text that would follow our fields and is no field is kept from becoming one, without changing its bytes. */
static void
add_border(struct buf *b, struct str head, bool has_more)
{
	if (buf_len(b) == 0)
		return;
	if (str_has_prefix(head, STR("From ")) && header_line_kind(head) == HEADER_LINE_MBOX)
		(void)buf_add_cstr(b, "X-Mailbox-Line: ");
	else if (head.len == 0 && has_more)
		(void)buf_add_cstr(b, "\r\n");
}

/* ---- the whole ---- */

/* jobid-prefix: {auth} in it stands for the user who authenticated */
static void
take_job_id(struct txn *t, const struct found *f)
{
	struct str job = str_of(f->has_job ? f->job : f->header_job);
	struct str prefix = conf_str(f->set, CONF_SOURCE_JOBID_PREFIX);
	size_t at = str_find_str(prefix, STR("{auth}"));
	struct str user = at == STR_NPOS ? STR_NULL : t->env.user;

	if (job.len == 0)
		return;
	(void)snprintf(t->job, sizeof t->job, "%.*s%.*s%.*s%.*s", STR_ARG(str_sub(prefix, 0, at)),
	    STR_ARG(user), STR_ARG(at == STR_NPOS ? STR_NULL : str_skip(prefix, at + 6)),
	    STR_ARG(job));
}

/* Names for the envelope, with commas between; NULL: none. Returns owned. */
static char *
joined_list(const struct conf_set *set, enum conf_key key)
{
	struct buf b;
	char *text = NULL;

	buf_init(&b, TXN_MAX_HEADER);
	for (size_t i = 0; i < conf_n(set, key); i++) {
		if (i > 0)
			(void)buf_add_char(&b, ',');
		(void)buf_add_str(&b, conf_item(set, key, i));
	}
	if (buf_len(&b) > 0)
		text = xstrdup_str(buf_str(&b));
	buf_clear(&b);
	return text;
}

static int
take_windows(struct txn *t, struct str value, struct why *why)
{
	struct schedule s;
	char text[SCHEDULE_TEXT_MAX];

	if (value.p == NULL)
		return 0;
	if (schedule_parse_field(value, &s, why) == -1)
		return -1;
	schedule_text(&s, text);
	t->windows = xstrdup_str(str_of(text));
	t->env.not_before = s.window[0].from;
	t->env.expires = s.window[s.n - 1].until;
	return 0;
}

static void
take_ret(struct txn *t, const struct conf_set *set)
{
	static const uint8_t rets[] = {ENV_RET_HDRS, ENV_RET_FULL, ENV_RET_NONE};

	if (t->env.ret == ENV_RET_NONE)
		t->env.ret = rets[conf_enum(set, CONF_SOURCE_DSN_RETURN_DEFAULT)];
}

/* What the source and the fields say for the envelope. */
static void
fill_envelope(struct txn *t, const struct found *f)
{
	const struct conf_set *set = f->set;
	char sender[sizeof t->sender];
	struct str to;

	take_job_id(t, f);
	if (f->has_envid)
		(void)str_copy(t->envid, sizeof t->envid, str_of(f->envid));
	/* that the field was there counts too */
	if (f->has_dkim)
		(void)str_copy(
		    t->dkim, sizeof t->dkim, f->dkim[0] == '\0' ? STR(";") : str_of(f->dkim));
	t->remove = joined_list(set, CONF_SOURCE_REMOVE_HEADER);
	t->env.date_late = wants_date(f) && conf_enum(set, CONF_SOURCE_DATE_HEADER_TIME) == 1;
	t->env.verp =
	    (t->env.verp || conf_bool(set, CONF_SOURCE_VERP_DEFAULT)) && t->sender[0] != '\0';
	take_ret(t, set);
	if (f->rewrite != NULL &&
	    rewrite_sender(f->rewrite, str_of(t->sender), sender, sizeof sender, &to)) {
		(void)str_copy(t->sender, sizeof t->sender, to);
		t->env.sender = str_of(t->sender);
	}
}

static bool
check(struct txn *t, const struct found *f, struct str head)
{
	struct why why = {0};

	/* ours counts */
	if (f->n_received >= conf_u64(f->set, CONF_SOURCE_MAX_MESSAGE_HOPS)) {
		txn_fail(t, 554, 5, 4, 6, "Too many hops: the message loops");
		return false;
	}
	if (vmta_choose(t, f->has_vmta ? str_of(f->vmta) : STR_NULL, head, &why) == -1 ||
	    take_windows(t, f->schedule, &why) == -1) {
		txn_fail(t, why.smtp_code, why.enh[0], why.enh[1], why.enh[2], why.text);
		return false;
	}
	return true;
}

void
head_process(struct txn *t, struct str head, bool has_more)
{
	struct found f = {.set = session_set(t->session), .session = t->session};
	struct buf ours;

	f.given = head.p + PH_MIN(t->session->n_given, head.len);
	f.rewrite = conf_rewrite_list(t->world->conf, conf_str(f.set, CONF_SOURCE_REWRITE_LIST));
	see_fields(&f, head);
	if (!check(t, &f, head))
		return;
	fill_envelope(t, &f);
	buf_init(&ours, 4096);
	add_fields(t, &f, &ours);
	add_border(&ours, head, has_more);
	content_store(t, buf_str(&ours));
	buf_clear(&ours);
	store_rest(t, &f, head);
	rcpts_finish(t);
}
