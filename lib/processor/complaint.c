/* Complaints: one record for each who complained. */
#include "lib/mail/header.h"
#include "lib/processor/processor_int.h"

/* "dns; mx.example" without its type */
static struct str
without_type(struct str s)
{
	size_t semi = str_find(s, ';');

	return str_trim(semi == STR_NPOS ? s : str_skip(s, semi + 1));
}

static void
put_field(struct reading *rd, const char *column, struct str field, bool has_type)
{
	char value[REMOTE_DIAG];
	size_t n = remote_arf(&rd->report, field, value, sizeof value);
	struct str v = str_from(value, PH_MIN(n, sizeof value - 1));

	answer_put(rd, column, has_type ? without_type(v) : v);
}

/* the sender of our mail: what the complaint says, where no seal does */
static void
set_sender(const struct reading *rd, struct identity *id)
{
	struct header_field f;
	char value[REMOTE_DIAG];
	size_t n;

	if (rd->has_token)
		return;
	n = remote_arf(&rd->report, STR("original-mail-from"), value, sizeof value);
	if (n == 0 && header_find(rd->report.returned, STR("return-path"), &f))
		n = header_unfold(f.value, value, sizeof value);
	if (n == 0)
		return;
	value[PH_MIN(n, sizeof value - 1)] = '\0';
	n = strlen(value);
	if (n > 1 && value[0] == '<' && value[n - 1] == '>')
		(void)str_copy(id->sender, sizeof id->sender, str_from(value + 1, n - 2));
	else
		(void)str_copy(id->sender, sizeof id->sender, str_from(value, n));
}

static void
tell(struct reading *rd, struct str complainant)
{
	struct identity id;

	answer_begin(rd);
	identity_of_complaint(rd, complainant, &id);
	set_sender(rd, &id);
	answer_put(rd, "format", str_of(remote_format_name(rd->report.format)));
	put_field(rd, "feedbackType", STR("feedback-type"), false);
	put_field(rd, "userAgent", STR("user-agent"), false);
	put_field(rd, "reportingMta", STR("reporting-mta"), true);
	put_field(rd, "dlvSourceIp", STR("source-ip"), false);
	put_field(rd, "reportedDomain", STR("reported-domain"), false);
	if (id.envid.len > 0)
		answer_put(rd, "envId", id.envid);
	else
		put_field(rd, "envId", STR("original-envelope-id"), false);
	if (rd->report.format == REMOTE_JMRP)
		answer_put(rd, "feedbackType", STR("abuse"));
	answer_put(rd, "orig", str_of(id.sender));
	answer_put(rd, "rcpt", str_of(id.rcpt));
	answer_put_headers(rd);
	answer_send(rd, ACCT_COMPLAINT, &id);
}

/*
 * Reports that do not say "no more of this": the mail was no spam after all (RFC 6430), it failed authentication
 * (RFC 6591), a scanner found a virus in it. They are told like any other.
 */
static const char *const no_complaints[] = {
    "not-spam", "auth-failure", "dkim", "dmarc", "virus", "opt-in"};

/* what it is, in a few words, and whether it means that its recipient wants no more */
static void
take_type(struct reading *rd)
{
	char type[REMOTE_ADDRESS], by[REMOTE_ADDRESS];
	struct str who;

	if (remote_arf(&rd->report, STR("feedback-type"), type, sizeof type) == 0)
		(void)str_copy(type, sizeof type, STR("abuse"));
	if (remote_arf(&rd->report, STR("reporting-mta"), by, sizeof by) == 0 &&
	    remote_arf(&rd->report, STR("user-agent"), by, sizeof by) == 0)
		(void)str_copy(by, sizeof by, str_of(remote_format_name(rd->report.format)));
	who = without_type(str_of(by));
	(void)snprintf(rd->says, sizeof rd->says, "%.60s complaint (%.*s)", type,
	    STR_ARG(str_sub(who, 0, 150)));
	rd->complains = true;
	for (size_t i = 0; i < countof(no_complaints); i++)
		rd->complains &= !str_ieq(str_trim(str_of(type)), str_of(no_complaints[i]));
}

bool
complaint_tell(struct reading *rd)
{
	char all[REMOTE_DIAG], one[REMOTE_ADDRESS];
	struct str rest, who;
	bool any = false;
	size_t n;

	if (rd->report.kind != REMOTE_COMPLAINT)
		return false;
	take_type(rd);
	n = remote_arf(&rd->report, STR("original-rcpt-to"), all, sizeof all);
	rest = str_from(all, PH_MIN(n, sizeof all - 1));
	while (rest.len > 0 && str_next(&rest, ',', &who)) {
		who = without_type(who);
		if (who.len >= 2 && who.p[0] == '<' && who.p[who.len - 1] == '>')
			who = str_sub(who, 1, who.len - 2);
		if (who.len == 0)
			continue;
		tell(rd, who);
		any = true;
	}
	if (any)
		return true;
	n = remote_complainant(&rd->report, one);
	tell(rd, str_from(one, n));
	return true;
}
