/* Bounces and other reports of what became of our mail: one record a recipient. */
#include "lib/mail/category.h"
#include "lib/mail/status.h"
#include "lib/processor/processor_int.h"

static const char *
category_of_rcpt(const struct reading *rd, const struct remote_rcpt *rc)
{
	const struct processor *p = rd->p;
	const struct failure f = processor_failure_of(&rd->report, rc);
	const char *category = NULL;

	if (p->events->category != NULL)
		category = p->events->category(p->ctx, &f);
	return category != NULL ? category : category_of(rc->code, rc->enh);
}

/* "smtp; 550 no such user" as it came; what is only text gets the type */
static void
put_diag(struct reading *rd, const struct remote_rcpt *rc)
{
	struct str raw = remote_raw(&rd->report, rc, FIELD_DIAG), type, rest = raw;
	char text[REMOTE_DIAG + 16];

	if (str_find(raw, ';') != STR_NPOS && str_next(&rest, ';', &type) && type.len < 20)
		(void)snprintf(text, sizeof text, "%.*s;%.*s", STR_ARG(str_trim(type)),
		    STR_ARG(str_trim(rest)));
	else if (rc->diag[0] == '\0')
		return;
	else
		(void)snprintf(text, sizeof text, "smtp;%s", rc->diag);
	answer_put(rd, "dsnDiag", str_of(text));
}

static void
put_rcpt(struct reading *rd, const struct remote_rcpt *rc, const struct identity *id)
{
	char status[STATUS_TEXT];
	const char *action = rc->action;

	if (action[0] == '\0')
		action = rd->report.kind == REMOTE_BOUNCE ? "failed" : "delayed";
	answer_put(rd, "orig", str_of(id->sender));
	answer_put(rd, "rcpt", str_of(id->rcpt));
	answer_put(rd, "orcpt", remote_raw(&rd->report, rc, FIELD_ORIGINAL));
	answer_put(rd, "dsnAction", str_of(action));
	answer_put(rd, "dsnStatus", str_of(status_format(rc->enh, rc->code, status)));
	put_diag(rd, rc);
	answer_put(rd, "dsnMta", str_of(rc->mta));
	answer_put(rd, "dsnReportingMta", str_of(rd->report.reporting_mta));
	answer_put(rd, "envId", id->envid);
	answer_put(rd, "format", str_of(remote_format_name(rd->report.format)));
	if (rd->report.kind == REMOTE_BOUNCE)
		answer_put(rd, "bounceCat", str_of(category_of_rcpt(rd, rc)));
	answer_put_headers(rd);
}

/* a report of several recipients may tell of failures and of others */
static enum acct_type
type_of(const struct reading *rd, const struct remote_rcpt *rc)
{
	if (rc->action[0] != '\0')
		return strcmp(rc->action, "failed") == 0 ? ACCT_REMOTE_BOUNCE : ACCT_REMOTE_STATUS;
	return rd->report.kind == REMOTE_BOUNCE ? ACCT_REMOTE_BOUNCE : ACCT_REMOTE_STATUS;
}

/* only what is proved: everything else is told in the record alone */
static void
say_failed(const struct reading *rd, const struct remote_rcpt *rc, const struct identity *id)
{
	struct processor_failure f = {
	    .rcpt = str_of(id->rcpt), .what = processor_failure_of(&rd->report, rc)};

	if (rd->p->events->failed == NULL || id->proof == PROOF_NONE)
		return;
	if (rd->has_token) {
		f.vmta = rd->token.vmta;
		f.job = rd->token.job;
	}
	rd->p->events->failed(rd->p->ctx, &f);
}

static void
tell(struct reading *rd, const struct remote_rcpt *rc)
{
	struct identity id;

	answer_begin(rd);
	identity_of_bounce(rd, str_of(rc->original), str_of(rc->final), &id);
	put_rcpt(rd, rc, &id);
	answer_send(rd, type_of(rd, rc), &id);
	if (type_of(rd, rc) == ACCT_REMOTE_BOUNCE)
		say_failed(rd, rc, &id);
}

bool
report_tell(struct reading *rd)
{
	static const struct remote_rcpt unnamed;
	enum remote_kind kind = rd->report.kind;

	if (kind != REMOTE_BOUNCE && kind != REMOTE_DELAYED && kind != REMOTE_DELIVERED)
		return false;
	for (size_t i = 0; i < rd->report.n_rcpts; i++)
		tell(rd, &rd->report.rcpts[i]);
	if (rd->report.n_rcpts == 0)
		tell(rd, &unnamed);
	return true;
}
