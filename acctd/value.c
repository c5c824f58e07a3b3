#include "acctd/value.h"

#include <inttypes.h>
#include <time.h>

#include "lib/acct/csv.h"
#include "lib/acct/pairs.h"
#include "lib/mail/category.h"
#include "lib/mail/header.h"
#include "lib/mail/status.h"
#include "lib/net/addr.h"
#include "lib/smtp/ext.h"

#define HEADER_VALUE_MAX (8 * 1024)
#define NO_VMTA		 "{default}"

/* All makers have this form; `scratch` is empty and takes what has to be composed. */
typedef struct str value_maker(const struct acct_event *e, struct str suffix, struct buf *scratch);

static struct str
value_none(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return STR_NULL;
}

static struct str
value_type(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return str_of(acct_rec_name(e->rec));
}

static struct str
value_etype(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return str_of(acct_rec_long_name(e->rec));
}

/* ---- times ---- */

static struct str
time_value(const struct acct_event *e, struct wall when, struct buf *scratch)
{
	time_t sec = (time_t)wall_sec(when);
	struct tm tm = {0};
	char text[64];

	if (!e->def->iso_times) {
		buf_addf(scratch, "%" PRId64, wall_sec(when));
		return buf_str(scratch);
	}
	localtime_r(&sec, &tm);
	buf_add(scratch, text, strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S%z", &tm));
	return buf_str(scratch);
}

static struct str
value_time_logged(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return time_value(e, (struct wall){.ns = e->record->logged_ns}, scratch);
}

static struct str
value_time_queued(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->env == NULL ? STR_NULL : time_value(e, e->env->accepted, scratch);
}

static struct str
value_time_first_attempt(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	struct wall w = {.ns = e->record->first_attempt_ns};

	return w.ns == 0 ? STR_NULL : time_value(e, w, scratch);
}

static struct str
value_total_seconds_queued(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	int64_t sec;

	if (e->env == NULL)
		return STR_NULL;
	sec = (e->record->logged_ns - e->env->accepted.ns) / NS_PER_SEC;
	buf_addf(scratch, "%" PRId64, PH_MAX(sec, INT64_C(0)));
	return buf_str(scratch);
}

/* ---- the envelope's ---- */

static struct str
value_orig(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->env == NULL ? STR_NULL : e->env->sender;
}

static struct str
value_rcpt(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->rcpt == NULL ? STR_NULL : e->rcpt->address;
}

static struct str
value_orcpt(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->rcpt == NULL ? STR_NULL : e->rcpt->orcpt;
}

static struct str
value_dest_domain(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	struct str a = value_rcpt(e, suffix, scratch);
	size_t at = str_rfind(a, '@');

	return at == STR_NPOS ? STR_NULL : str_skip(a, at + 1);
}

static struct str
value_src_type(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->env == NULL ? STR_NULL : e->env->src_type;
}

static struct str
value_src_mta(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->env == NULL ? STR_NULL : e->env->src_mta;
}

static struct str
value_job_id(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->env == NULL ? STR_NULL : e->env->job;
}

static struct str
value_env_id(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->env == NULL ? STR_NULL : e->env->envid;
}

static struct str
value_rcv_smtp_user(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->env == NULL ? STR_NULL : e->env->user;
}

static struct str
addr_value(const struct net_addr *a, struct buf *scratch)
{
	char text[NET_ADDR_TEXT];

	buf_add_cstr(scratch, net_addr_text(a, text));
	return buf_str(scratch);
}

static struct str
value_rcv_source_ip(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->env == NULL ? STR_NULL : addr_value(&e->env->src, scratch);
}

static struct str
value_rcv_destination_ip(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->env == NULL ? STR_NULL : addr_value(&e->env->dst, scratch);
}

static struct str
value_record_id(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	buf_addf(scratch, "%016" PRIx64 ".%" PRIu32, e->record->place.id, e->record->rcpt);
	if (e->pairs.len > 0)
		buf_addf(scratch, ".%" PRIu32, e->record->nth);
	return buf_str(scratch);
}

static struct str
value_header_field(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	struct header_field f;
	size_t room;
	char *p;

	if (!header_find(e->headers, suffix, &f))
		return STR_NULL;
	p = buf_reserve(scratch, HEADER_VALUE_MAX, &room);
	if (p == NULL)
		return STR_NULL;
	header_unfold(f.value, p, PH_MIN(room, (size_t)HEADER_VALUE_MAX));
	return str_of(p);
}

/* ---- the outcome's ---- */

static struct str
value_dsn_action(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	if (e->rec == ACCT_REC_D)
		return e->record->dsn_relayed ? STR("relayed") : STR("delivered");
	return e->rec == ACCT_REC_B ? STR("failed") : STR("delayed");
}

/* our own verdict's class stands, whatever the last reply's code was */
static uint16_t
reply_code(const struct acct_event *e)
{
	return e->record->local ? 0 : e->record->code;
}

static struct str
value_dsn_status(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	char text[STATUS_TEXT];

	buf_add_cstr(scratch, status_format(e->record->enh, reply_code(e), text));
	return buf_str(scratch);
}

static struct str
value_dsn_diag(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	struct str diag = e->text[TEXT_DIAG];

	if (diag.len == 0)
		return STR_NULL;
	buf_add_cstr(scratch, e->record->local ? "x-pmta;" : "smtp;");
	buf_add_str(scratch, diag);
	return buf_str(scratch);
}

static struct str
value_dsn_mta(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	struct net_addr dst;
	char ip[NET_ADDR_TEXT];
	struct str name = e->text[TEXT_MTA];

	net_from_ipc(&e->record->dst, &dst);
	if (dst.family == 0)
		return name;
	net_addr_text(&dst, ip);
	if (name.len == 0)
		buf_addf(scratch, "[%s] (%s)", ip, ip);
	else
		buf_addf(scratch, "%.*s (%s)", STR_ARG(name), ip);
	return buf_str(scratch);
}

static struct str
value_bounce_cat(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	if (e->rec == ACCT_REC_D)
		return STR_NULL;
	if (e->text[TEXT_CATEGORY].len > 0)
		return e->text[TEXT_CATEGORY];
	return str_of(category_of(reply_code(e), e->record->enh));
}

static struct str
value_dlv_type(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	static const struct str names[] = {
	    STR("smtp"), STR("pipe"), STR("file"), STR("discard"), STR("http")};

	return e->record->delivery < countof(names) ? names[e->record->delivery] : STR("smtp");
}

static struct str
value_dlv_source_ip(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	struct net_addr a;

	net_from_ipc(&e->record->src, &a);
	if (a.family == 0 && e->record->dst.family == 4)
		return STR("0.0.0.0");
	return addr_value(&a, scratch);
}

static struct str
value_dlv_destination_ip(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	struct net_addr a;

	net_from_ipc(&e->record->dst, &a);
	return addr_value(&a, scratch);
}

static struct str
value_dlv_esmtp_available(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	char names[SMTP_EXT_NAMES_MAX];

	buf_add(scratch, names, smtp_ext_names(e->record->extensions, names, sizeof names));
	return buf_str(scratch);
}

static struct str
value_dlv_size(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	buf_addf(scratch, "%" PRIu64, e->record->bytes);
	return buf_str(scratch);
}

static struct str
value_vmta(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	if (e->rec == ACCT_REC_R && e->text[TEXT_POOL].len > 0)
		return e->text[TEXT_POOL];
	return e->text[TEXT_VMTA].len > 0 ? e->text[TEXT_VMTA] : STR(NO_VMTA);
}

static struct str
value_vmta_pool(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->text[TEXT_POOL];
}

static struct str
value_queue(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->text[TEXT_QUEUE];
}

static struct str
value_user_string(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return str_of(e->def->user_string);
}

static struct str
value_dlv_tls_protocol(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->text[TEXT_TLS_PROTOCOL];
}

static struct str
value_dlv_tls_cipher(const struct acct_event *e, struct str suffix, struct buf *scratch)
{
	return e->text[TEXT_TLS_CIPHER];
}

static value_maker *const makers[ACCT_FIELD_MAX] = {
#define FIELD(id, name, records, maker) [ACCT_FIELD_##id] = value_##maker,
#define DEFAULTS(record, list)
#include "lib/acct/fields.def"
#undef FIELD
#undef DEFAULTS
    [ACCT_FIELD_UNKNOWN] = value_none,
};

/* What a report is about comes with it; what is of the report itself, from the spool: whence it came, when, its id. */
static bool
is_told(const struct acct_event *e, const struct acct_column *c)
{
	static const enum acct_field own[] = {ACCT_FIELD_TYPE, ACCT_FIELD_TIME_LOGGED,
	    ACCT_FIELD_SRC_TYPE, ACCT_FIELD_SRC_MTA, ACCT_FIELD_REP_SOURCE_IP,
	    ACCT_FIELD_USER_STRING, ACCT_FIELD_RECORD_ID};

	for (size_t i = 0; i < countof(own); i++)
		if (own[i] == c->field)
			return false;
	return e->pairs.len > 0;
}

/* map-header-to-field */
static struct str
mapped(const struct acct_event *e, struct str name, struct buf *scratch)
{
	if (e->pairs.len > 0)
		return pairs_find(e->pairs, name);
	return value_header_field(
	    e, str_skip(name, strlen(acct_field_name(ACCT_FIELD_HEADER))), scratch);
}

int
value_line(const struct acct_event *e, struct buf *b, struct buf *scratch)
{
	const struct acct_layout *l = &e->def->layout;
	size_t before = buf_len(b);

	for (size_t i = 0; i < l->n; i++) {
		const struct acct_column *c = &l->columns[i];
		struct str v = STR_NULL;

		buf_reset(scratch);
		if (l->mapped[e->rec][i] != NULL)
			v = mapped(e, str_of(l->mapped[e->rec][i]), scratch);
		else if (l->fills[e->rec][i] && is_told(e, c))
			v = pairs_find(e->pairs, str_of(c->name));
		else if (l->fills[e->rec][i])
			v = makers[c->field](e, c->suffix, scratch);
		csv_add(b, v, i == 0);
	}
	if (csv_end(b) == 0)
		return 0;
	buf_truncate(b, before);
	b->overfull = false;
	return -1;
}
