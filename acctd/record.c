#include "acctd/record.h"

#include <inttypes.h>

#include "acctd/value.h"
#include "lib/base/log.h"

#define UNREAD_LOG_MS 10000

static const enum acct_rec recs[ACCT_TYPE_MAX] = {
    [ACCT_DELIVERED] = ACCT_REC_D,
    [ACCT_BOUNCED] = ACCT_REC_B,
    [ACCT_TRANSIENT] = ACCT_REC_T,
    [ACCT_QUEUE] = ACCT_REC_TQ,
    [ACCT_RECEIVED] = ACCT_REC_R,
    [ACCT_REMOTE_BOUNCE] = ACCT_REC_RB,
    [ACCT_REMOTE_STATUS] = ACCT_REC_RS,
    [ACCT_COMPLAINT] = ACCT_REC_F,
};

/* of a report: its values come with it, and it has no queue */
static bool
is_heard(enum acct_rec rec)
{
	return rec == ACCT_REC_RB || rec == ACCT_REC_RS || rec == ACCT_REC_F;
}

static bool
wants(const struct acct_def *d, const struct acct_event *e)
{
	if ((d->layout.records & ACCT_BIT(e->rec)) == 0)
		return false;
	return e->rec == ACCT_REC_R || is_heard(e->rec) ||
	       filter_passes(&d->filter, e->text[TEXT_QUEUE]);
}

/* one line in ten seconds, however many there are */
static void
log_unread(struct acctd *a, const struct acct_event *e, const struct why *why)
{
	a->n_unread++;
	if (ev_now().ns - a->unread_logged.ns < UNREAD_LOG_MS * NS_PER_MS)
		return;
	log_warn("id=%016" PRIx64 " unreadable rcpt=%" PRIu32 " records=%" PRIu64 " %s",
	    e->record->place.id, e->record->rcpt, a->n_unread, why->text);
	a->n_unread = 0;
	a->unread_logged = ev_now();
}

/* What cannot be read any more is written with what the message carried: the record itself must not be lost. */
static void
read_message(struct acctd *a, struct acct_event *e, bool with_headers)
{
	struct why why;

	if (e->record->place.kind == 0)
		return;
	if (source_load(&a->source, &e->record->place, e->record->rcpt, with_headers, &why) == -1) {
		log_unread(a, e, &why);
		return;
	}
	e->env = &a->source.env;
	e->rcpt = &a->source.rcpt;
	if (with_headers)
		e->headers = source_headers(&a->source);
}

static bool
is_wanted(const struct acctd *a, const struct acct_event *e, bool *with_headers)
{
	bool wanted = false;

	*with_headers = false;
	for (size_t i = 0; i < a->n_slots; i++) {
		const struct acct_def *d = sink_def(a->slots[i].sink);
		wanted |= wants(d, e);
		*with_headers |= d->layout.has_headers;
	}
	return wanted;
}

static void
add_line(struct acctd *a, struct slot *s, struct acct_event *e)
{
	size_t before = buf_len(&s->pending);

	e->def = sink_def(s->sink);
	if (value_line(e, &s->pending, &a->scratch) == -1)
		fatal("acct file=%s more than %zu bytes wait to be written",
		    log_quote(str_of(e->def->path)), before);
	a->bytes += buf_len(&s->pending) - before;
	a->lines++;
}

bool
record_take(struct acctd *a, const struct ipc_record *r, const struct str *text, bool is_report,
    bool *urgent)
{
	static const struct str none[TEXT_CATEGORY + 1];
	struct acct_event e = {.record = r, .text = text};
	bool with_headers;

	if (r->type == 0 || r->type >= ACCT_TYPE_MAX || r->src.family > 6 || r->dst.family > 6)
		return false;
	e.rec = recs[r->type];
	if (is_heard(e.rec) != is_report)
		return false;
	if (is_report) {
		e.pairs = text[0];
		e.text = none;
	}
	if (r->quiet || !is_wanted(a, &e, &with_headers))
		return true;
	read_message(a, &e, with_headers);
	for (size_t i = 0; i < a->n_slots; i++) {
		struct slot *s = &a->slots[i];
		const struct acct_def *d = sink_def(s->sink);

		if (!wants(d, &e))
			continue;
		add_line(a, s, &e);
		*urgent |= d->sync;
	}
	return true;
}
