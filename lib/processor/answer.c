/* From what was read to messages for queued. */
#include "lib/acct/fields.h"
#include "lib/acct/pairs.h"
#include "lib/mail/header.h"
#include "lib/processor/processor_int.h"

void
answer_begin(struct reading *rd)
{
	buf_reset(&rd->p->pairs);
}

void
answer_put(struct reading *rd, const char *name, struct str value)
{
	pairs_put(&rd->p->pairs, str_of(name), value);
}

static void
keep_arf(struct reading *rd, struct str name, struct str suffix)
{
	char value[REMOTE_DIAG];
	size_t n = remote_arf(&rd->report, suffix, value, sizeof value);

	pairs_put(&rd->p->headers, name, str_from(value, PH_MIN(n, sizeof value - 1)));
}

static void
keep_header(struct reading *rd, struct str name, struct str suffix)
{
	char value[2048];
	struct header_field f;

	if (header_find(rd->report.returned, suffix, &f)) {
		(void)header_unfold(f.value, value, sizeof value);
		pairs_put(&rd->p->headers, name, str_of(value));
	} else if (rd->has_token && str_ieq(suffix, STR("x-job"))) {
		/* it was taken out before it went over the wire */
		pairs_put(&rd->p->headers, name, rd->token.job);
	}
}

/* the columns header_NAME and arf_NAME that some file wants */
static void
keep_headers(struct reading *rd)
{
	buf_reset(&rd->p->headers);
	for (size_t i = 0; i < rd->p->n_wanted; i++) {
		struct str name = rd->p->wanted[i];
		enum acct_field f = acct_field_find(name);
		struct str suffix = str_skip(name, strlen(acct_field_name(f)));
		if (f == ACCT_FIELD_ARF)
			keep_arf(rd, name, suffix);
		else
			keep_header(rd, name, suffix);
	}
}

void
answer_put_headers(struct reading *rd)
{
	if (buf_len(&rd->p->pairs) + buf_len(&rd->p->headers) <= PAIRS_MAX)
		(void)buf_add_str(&rd->p->pairs, buf_str(&rd->p->headers));
}

void
answer_send(struct reading *rd, enum acct_type type, const struct identity *id)
{
	struct ipc_processed_rcpt head = {.id = rd->what->place.id,
	    .handle = rd->what->handle,
	    .nth = rd->n_sent++,
	    .type = (uint8_t)type,
	    .fbl = rd->fbl,
	    .proof = id->proof,
	    .complains = rd->complains};
	struct str texts[5] = {
	    buf_str(&rd->p->pairs), str_of(id->rcpt), STR(""), STR(""), str_of(rd->says)};

	if (rd->has_token) {
		texts[2] = rd->token.vmta.len > 0 ? rd->token.vmta : STR("{default}");
		texts[3] = rd->token.job;
	}
	ipc_send(rd->to, IPC_PROCESSED_RCPT, &head, texts, -1);
}

static enum process_verdict
judge(struct reading *rd)
{
	bool is_told = rd->p->which == CONF_BOUNCES ? report_tell(rd) : complaint_tell(rd);

	return is_told || patterns_tell(rd) ? PROCESS_MATCHED : PROCESS_UNMATCHED;
}

static uint32_t
fbl_of(const struct reading *rd)
{
	size_t fbl;

	return conf_fbl_of(rd->p->conf, str_of(rd->rcpt), &fbl) ? (uint32_t)fbl + 1 : 0;
}

void
processor_answer(struct processor *p, const struct ipc_process *what, struct ipc_chan *to)
{
	struct reading rd = {.p = p, .what = what, .to = to};
	struct ipc_processed done = {.id = what->place.id, .handle = what->handle};
	struct why why = {0};
	struct str text = STR("");

	ipc_send(to, IPC_PROCESSED, &done, &text, -1);
	ipc_flush(to);
	if (message_read(&rd, &why) == -1) {
		done.verdict = PROCESS_ERROR;
	} else {
		remote_read(&rd.report, rd.message);
		identity_prepare(&rd);
		keep_headers(&rd);
		done.fbl = rd.fbl = fbl_of(&rd);
		done.verdict = (uint32_t)judge(&rd);
		remote_clear(&rd.report);
	}
	done.n = rd.n_sent;
	text = str_of(why.text);
	if (done.verdict != PROCESS_ERROR && p->events->keep_end != NULL &&
	    p->events->keep_end(p->ctx, &done))
		return;
	ipc_send(to, IPC_PROCESSED, &done, &text, -1);
	ipc_flush(to);
}
