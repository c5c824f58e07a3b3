#include "queued/end/report.h"

#include "lib/base/slab.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "queued/control/events.h"
#include "queued/end/final.h"
#include "queued/state.h"

#define RETRY_MS 5000

struct report {
	TAILQ_ENTRY(report) link;
	uint64_t id;
	uint32_t handle;
	bool sent;
	struct final_list finals;
};

static struct {
	TAILQ_HEAD(report_list, report) all;
	struct report_list later; /* could not be made; tried again */
	struct slab slots;
	struct hmap by_id;
	struct ev_timer retry;
	bool made;
} rep;

static void
on_retry(struct ev_timer *t)
{
	TAILQ_CONCAT(&rep.all, &rep.later, link);
	report_send_new();
}

static void
make_once(void)
{
	if (rep.made)
		return;
	TAILQ_INIT(&rep.all);
	TAILQ_INIT(&rep.later);
	slab_init(&rep.slots, sizeof(struct report *));
	ev_timer_init(&rep.retry, on_retry);
	rep.made = true;
}

static struct report **
slot(uint32_t handle)
{
	return slab_at(&rep.slots, handle);
}

static bool
is_report(const void *key, uint32_t handle)
{
	const uint64_t *id = key;

	return (*slot(handle))->id == *id;
}

static uint64_t
hash_of(uint64_t id)
{
	return id * UINT64_C(0x9e3779b97f4a7c15) >> 20;
}

static struct report *
get(uint64_t id)
{
	uint32_t h = hmap_find(&rep.by_id, hash_of(id), is_report, &id);
	struct report *r;

	/* one that was sent already is complete: recipients that fail later have a report of their own, after it */
	if (h != 0)
		return *slot(h);
	r = xcalloc(1, sizeof *r);
	r->id = id;
	r->handle = slab_new(&rep.slots);
	*slot(r->handle) = r;
	TAILQ_INIT(&r->finals);
	TAILQ_INSERT_TAIL(&rep.all, r, link);
	hmap_add(&rep.by_id, hash_of(id), r->handle);
	return r;
}

static void
drop(struct report *r)
{
	hmap_remove(&rep.by_id, hash_of(r->id), r->handle);
	slab_free(&rep.slots, r->handle);
	free(r);
}

void
report_add(struct final *f)
{
	struct report *r;

	make_once();
	r = get(f->record.place.id);
	TAILQ_INSERT_TAIL(&r->finals, f, link);
	f->report_due = true;
}

void
report_delay(struct queue *q, uint32_t rcpt, struct tick until)
{
	const struct event *e = events_last(q, 0);
	struct str text = e == NULL ? STR("it could not be delivered yet") : str_of(e->text);
	struct str vmta = queue_vmta_name(q);
	struct final *f;

	make_once();
	text = str_sub(text, 0, 400);
	f = xcalloc(1, sizeof *f + text.len + vmta.len);
	f->is_delay = true;
	f->record.place = message_place(message_at(rcpt_at(rcpt)->message));
	f->record.rcpt = rcpt_at(rcpt)->index;
	f->record.logged_ns = ev_wall().ns;
	f->record.local = 1;
	f->record.enh[0] = 4;
	f->record.enh[1] = 4;
	f->retry_until_ns = tick_to_wall(until).ns;
	f->text_len[0] = (uint16_t)text.len;
	f->text_len[2] = (uint16_t)vmta.len;
	memcpy(f->texts, text.p, text.len);
	memcpy(f->texts + text.len, vmta.p, vmta.len);
	report_add(f);
}

static enum report_kind
kind_of(const struct final *f)
{
	if (f->is_delay)
		return REPORT_DELAYED;
	if (f->record.final != FINAL_DELIVERED)
		return REPORT_FAILED;
	return f->record.dsn_relayed ? REPORT_RELAYED : REPORT_DELIVERED;
}

static void
send_rcpt(struct final *f)
{
	const struct ipc_record *rec = &f->record;
	struct ipc_report_rcpt msg = {.id = rec->place.id,
	    .when_ns = rec->logged_ns,
	    .rcpt = rec->rcpt,
	    .code = rec->code,
	    .enh = {rec->enh[0], rec->enh[1], rec->enh[2]},
	    .local = rec->local,
	    .kind = (uint8_t)kind_of(f)};
	struct str texts[3] = {str_from(f->texts, f->text_len[0]),
	    str_from(f->texts + f->text_len[0], f->text_len[1]),
	    str_from(f->texts + f->text_len[0] + f->text_len[1], f->text_len[2])};

	ipc_send(qd.bounce.chan, IPC_REPORT_RCPT, &msg, texts, -1);
	f->report_due = false; /* told */
}

static void
send_report(struct report *r)
{
	struct ipc_report msg = {.place = TAILQ_FIRST(&r->finals)->record.place};
	struct final *f;

	r->sent = true;
	TAILQ_FOREACH(f, &r->finals, link)
	{
		msg.expires_ns = PH_MAX(msg.expires_ns, f->retry_until_ns);
		send_rcpt(f);
	}
	ipc_send(qd.bounce.chan, IPC_REPORT, &msg, NULL, -1);
}

void
report_send_new(void)
{
	struct report *r;

	make_once();
	if (qd.bounce.chan == NULL)
		return;
	/* new ones are at the end */
	TAILQ_FOREACH_REVERSE(r, &rep.all, report_list, link)
	{
		if (r->sent)
			break;
		send_report(r);
	}
}

void
final_resend_reports(void)
{
	struct report *r;
	struct final *f;

	make_once();
	TAILQ_CONCAT(&rep.all, &rep.later, link);
	TAILQ_FOREACH(r, &rep.all, link)
	{
		r->sent = false;
		TAILQ_FOREACH(f, &r->finals, link)
		f->report_due = true;
	}
	report_send_new();
}

/* those told are done; those that joined after the sending get a report of their own */
static void
end_told(struct report *r)
{
	struct final *f, *next;

	for (f = TAILQ_FIRST(&r->finals); f != NULL; f = next) {
		next = TAILQ_NEXT(f, link);
		if (f->report_due)
			continue;
		TAILQ_REMOVE(&r->finals, f, link);
		if (f->is_delay)
			free(f);
		else
			final_end(f);
	}
}

/* the message may have gone meanwhile: they must not be tried for ever */
static void
drop_delays(struct report *r)
{
	struct final *f, *next;

	for (f = TAILQ_FIRST(&r->finals); f != NULL; f = next) {
		next = TAILQ_NEXT(f, link);
		if (!f->is_delay)
			continue;
		TAILQ_REMOVE(&r->finals, f, link);
		free(f);
	}
}

static void
again_later(struct report *r)
{
	struct final *f;

	if (TAILQ_EMPTY(&r->finals)) {
		drop(r);
		return;
	}

	TAILQ_FOREACH(f, &r->finals, link)
	/* what the checker does not follow is TAILQ_REMOVE: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	f->report_due = true;
	TAILQ_INSERT_TAIL(&rep.later, r, link);
	if (!ev_timer_is_armed(&rep.retry))
		ev_timer_in_ms(&rep.retry, RETRY_MS);
}

void
final_reported(const struct ipc_report_done *d)
{
	uint32_t h;
	struct report *r;

	make_once();
	h = hmap_find(&rep.by_id, hash_of(d->id), is_report, &d->id);
	if (h == 0)
		return;
	r = *slot(h);
	if (!r->sent)
		return;
	TAILQ_REMOVE(&rep.all, r, link);
	r->sent = false;
	if (!d->ok) {
		drop_delays(r);
		again_later(r);
		return;
	}
	end_told(r);
	if (TAILQ_EMPTY(&r->finals)) {
		drop(r);
	} else {
		/* to the end of the list, where report_send_new() looks */
		TAILQ_INSERT_TAIL(&rep.all, r, link);
		report_send_new();
	}
	final_end_flush();
}

bool
report_is_idle(void)
{
	make_once();
	return qd.bounce.chan == NULL || (TAILQ_EMPTY(&rep.all) && TAILQ_EMPTY(&rep.later));
}
