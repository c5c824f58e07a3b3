/* Whose mail a report is about, and what proves it: nobody is believed who could have made it up. */
#include "lib/mail/header.h"
#include "lib/processor/processor_int.h"

static bool
is_processors(void *ctx, struct str sender)
{
	const struct reading *rd = ctx;

	return conf_processor_of(rd->p->conf, sender) != CONF_NO_PROCESSOR;
}

/* X-FBLId in what comes back, or anywhere in a complaint that is only text */
static bool
find_token(struct reading *rd)
{
	struct header_field f;

	return header_find(rd->report.returned, STR(TRACK_FIELD), &f) &&
	       track_open(rd->p->track, f.value, &rd->token, rd->token_text);
}

void
identity_prepare(struct reading *rd)
{
	for (size_t i = 0; i < rd->p->n_trusted && !rd->is_trusted; i++)
		rd->is_trusted = net_cidr_has(&rd->p->trusted[i], &rd->env.src);
	if (rd->p->track == NULL)
		return;
	rd->has_token = find_token(rd);
	rd->has_verp =
	    track_read_verp(rd->p->track, str_of(rd->rcpt), is_processors, rd, &rd->verp);
}

static bool
fits(struct str rcpt, struct str original, struct str final)
{
	return rcpt.len > 0 && (str_ieq(rcpt, original) || str_ieq(rcpt, final));
}

static void
set_rcpt(struct identity *id, struct str rcpt, enum report_proof proof)
{
	(void)str_copy(id->rcpt, sizeof id->rcpt, rcpt);
	id->proof = (uint8_t)proof;
}

/* the sender of our mail: as it was sealed, or as it was when it was made into this address, or this address */
static void
set_sender(const struct reading *rd, struct identity *id)
{
	struct str sender = str_of(rd->rcpt);

	if (rd->has_token && rd->token.sender.len > 0)
		sender = rd->token.sender;
	else if (rd->has_verp)
		sender = str_of(rd->verp.sender);
	(void)str_copy(id->sender, sizeof id->sender, sender);
}

/* what the seal says of the whole message */
static void
begin(const struct reading *rd, struct identity *id)
{
	*id = (struct identity){.proof = PROOF_NONE};
	set_sender(rd, id);
	if (!rd->has_token)
		return;
	id->envid = rd->token.envid;
}

static bool
is_no_address(struct str s)
{
	size_t at = str_rfind(s, '@');

	return at == STR_NPOS || at == 0 || at + 1 == s.len;
}

/* what remains when nothing proves it */
static void
set_unproved(const struct reading *rd, struct str original, struct str final, struct identity *id)
{
	struct str rcpt = is_no_address(original) ? final : original;

	if (is_no_address(rcpt) && rd->has_verp)
		rcpt = str_of(rd->verp.rcpt);
	set_rcpt(id, rcpt, rd->is_trusted && !is_no_address(rcpt) ? PROOF_TRUSTED : PROOF_NONE);
}

void
identity_of_bounce(
    const struct reading *rd, struct str original, struct str final, struct identity *id)
{
	struct str envid = str_of(rd->report.envid);
	bool unnamed = is_no_address(original) && is_no_address(final);

	begin(rd, id);
	if (rd->has_token && rd->token.rcpt.len > 0 &&
	    (unnamed || fits(rd->token.rcpt, original, final)))
		set_rcpt(id, rd->token.rcpt, PROOF_HEADER);
	else if (rd->has_verp && rd->verp.is_ours &&
		 (unnamed || fits(str_of(rd->verp.rcpt), original, final)))
		set_rcpt(id, str_of(rd->verp.rcpt), PROOF_VERP);
	else if (rd->p->track != NULL && track_is_envid(rd->p->track, envid, original))
		set_rcpt(id, original, PROOF_ENVID);
	else if (rd->p->track != NULL && track_is_envid(rd->p->track, envid, final))
		set_rcpt(id, final, PROOF_ENVID);
	else
		set_unproved(rd, original, final, id);
	/* ours was made for want of one */
	if (!rd->has_token &&
	    !(rd->p->track != NULL && track_is_envid(rd->p->track, envid, str_of(id->rcpt))))
		id->envid = envid;
}

static struct str
domain_of(struct str s)
{
	size_t at = str_rfind(s, '@');

	return at == STR_NPOS ? STR_NULL : str_skip(s, at + 1);
}

/* Of complaints the address is often hidden (RFC 6590): all of it, or its local part. */
static bool
may_be(struct str complainant, struct str rcpt)
{
	return is_no_address(complainant) || str_ieq(complainant, rcpt) ||
	       str_ieq(domain_of(complainant), domain_of(rcpt)) ||
	       str_has_iprefix(complainant, STR("redact"));
}

void
identity_of_complaint(const struct reading *rd, struct str complainant, struct identity *id)
{
	begin(rd, id);
	if (rd->has_token && rd->token.rcpt.len > 0 && may_be(complainant, rd->token.rcpt))
		set_rcpt(id, rd->token.rcpt, PROOF_HEADER);
	else if (rd->has_verp && rd->verp.is_ours && may_be(complainant, str_of(rd->verp.rcpt)))
		set_rcpt(id, str_of(rd->verp.rcpt), PROOF_VERP);
	else
		set_unproved(rd, STR(""), complainant, id);
}
