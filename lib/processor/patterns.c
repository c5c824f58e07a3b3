/* <email-patterns>: reports of forms that only the operator knows, by the named groups of his patterns. */
#include "lib/base/log.h"
#include "lib/mail/category.h"
#include "lib/mail/status.h"
#include "lib/mime/mime.h"
#include "lib/processor/processor_int.h"

/* of the configuration's groups and of the columns that they fill */
static const struct {
	const char *group, *column;
	enum conf_processor which;
} rows[] = {
    {"diag", "dsnDiag", CONF_BOUNCES},
    {"action", "dsnAction", CONF_BOUNCES},
    {"repMta", "dsnReportingMta", CONF_BOUNCES},
    {"remMta", "dsnMta", CONF_BOUNCES},
    {"reportedDomainTo", "reportedDomain", CONF_COMPLAINTS},
    {"reportedDomainFrom", "reportedDomain", CONF_COMPLAINTS},
    {"dlvSourceIp", "dlvSourceIp", CONF_COMPLAINTS},
};

struct matched {
	struct reading *rd;
	const char *file;
	char rcpt[REMOTE_ADDRESS], original[REMOTE_ADDRESS], sender[REMOTE_ADDRESS];
	struct remote_rcpt rc;
};

static void
on_group(void *ctx, const char *name, struct str value)
{
	struct matched *m = ctx;
	struct str group = str_of(name);

	value = str_trim(value);
	if (m->rd->p->logs_matches)
		log_info("id=%016lx event=pattern-matched file=%s group=%s value=%s",
		    m->rd->what->place.id, m->file, name, log_quote(value));
	if (str_ieq(group, STR("r")) || str_ieq(group, STR("rcpt")))
		(void)str_copy(m->rcpt, sizeof m->rcpt, value);
	else if (str_ieq(group, STR("or")))
		(void)str_copy(m->original, sizeof m->original, value);
	else if (str_ieq(group, STR("orig")))
		(void)str_copy(m->sender, sizeof m->sender, value);
	else if (str_ieq(group, STR("diag")))
		(void)str_copy(m->rc.diag, sizeof m->rc.diag, value);
	else if (str_ieq(group, STR("action")))
		(void)str_copy(m->rc.action, sizeof m->rc.action, value);
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].which == m->rd->p->which && str_ieq(group, str_of(rows[i].group)))
			answer_put(m->rd, rows[i].column, value);
}

static void
tell_bounce(struct matched *m, const struct identity *id)
{
	struct reading *rd = m->rd;
	char status[STATUS_TEXT];
	bool is_failure = m->rc.action[0] == '\0' || str_ieq(str_of(m->rc.action), STR("failed"));

	remote_take_codes(&m->rc);
	if (m->rc.action[0] == '\0')
		answer_put(rd, "dsnAction", STR("failed"));
	if (m->rc.enh[0] != 0 || m->rc.code != 0)
		answer_put(rd, "dsnStatus", str_of(status_format(m->rc.enh, m->rc.code, status)));
	if (is_failure)
		answer_put(rd, "bounceCat", str_of(category_of(m->rc.code, m->rc.enh)));
	answer_put(rd, "orcpt", str_of(m->original));
	answer_send(rd, is_failure ? ACCT_REMOTE_BOUNCE : ACCT_REMOTE_STATUS, id);
}

static void
tell(struct matched *m)
{
	struct reading *rd = m->rd;
	struct identity id;

	if (rd->p->which == CONF_BOUNCES)
		identity_of_bounce(rd, str_of(m->original), str_of(m->rcpt), &id);
	else
		identity_of_complaint(rd, str_of(m->rcpt), &id);
	if (!rd->has_token && m->sender[0] != '\0')
		(void)str_copy(id.sender, sizeof id.sender, str_of(m->sender));
	answer_put(rd, "orig", str_of(id.sender));
	answer_put(rd, "rcpt", str_of(id.rcpt));
	answer_put(rd, "envId", id.envid);
	answer_put(rd, "format", str_of(m->file));
	answer_put_headers(rd);
	if (rd->p->which == CONF_BOUNCES) {
		tell_bounce(m, &id);
		return;
	}
	rd->complains = true;
	(void)snprintf(rd->says, sizeof rd->says, "complaint (%.150s)", m->file);
	answer_send(rd, ACCT_COMPLAINT, &id);
}

/* in the text for people, as it is read; then in the body as it came */
static bool
finds(struct matched *m, const struct regex *regex)
{
	struct str body = str_skip(m->rd->message, mime_head_length(m->rd->message));

	answer_begin(m->rd);
	return regex_groups(regex, buf_str(&m->rd->report.human), on_group, m) ||
	       regex_groups(regex, body, on_group, m);
}

bool
patterns_tell(struct reading *rd)
{
	const struct processor *p = rd->p;

	for (size_t i = 0; i < p->n_patterns; i++) {
		struct matched m = {.rd = rd, .file = p->patterns[i].name};
		if (!finds(&m, p->patterns[i].regex))
			continue;
		tell(&m);
		return true;
	}
	return false;
}
