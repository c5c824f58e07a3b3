#include "queued/spool/arrive.h"

#include <errno.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/spool/journal.h"
#include "queued/bigrams.h"
#include "queued/spool/age.h"
#include "queued/limit/cold.h"
#include "queued/domain.h"
#include "queued/end/expire.h"
#include "queued/end/final.h"
#include "queued/job.h"
#include "queued/names.h"
#include "queued/spool/orphan.h"
#include "queued/place.h"
#include "queued/end/process.h"
#include "queued/way/failover.h"
#include "queued/spool/recover.h"
#include "queued/way/reroute.h"
#include "queued/spool/segment.h"
#include "queued/state.h"
#include "queued/end/suppress.h"
#include "queued/vmta.h"
#include "queued/window.h"

#define UNREAD_MAX	1000 /* of one writer */
#define UNREAD_AGAIN_MS 5000

struct arrival {
	struct envelope env;
	struct message *m;
	uint32_t message; /* handle, 0: not made yet */
	uint32_t job;
	enum arrive_how how;
};

void
arrive_set_aside(const struct spool_place *place, const struct why *why)
{
	if (conf_bool(conf_global(daemon_conf()), CONF_GLOBAL_SPOOL_DELETE_CORRUPTED))
		spool_delete_broken(qd.store, place);
	else
		spool_set_aside(qd.store, place, why);
}

/* The name under which its mail is queued: the domain in lower case, or one of those that stand for many. */
static struct str
domain_of(const struct env_rcpt *er, char lower[256])
{
	size_t at = str_rfind(er->address, '@');
	struct str d = at == STR_NPOS ? STR("local") : str_skip(er->address, at + 1);

	if (er->is_invalid)
		return STR("invalid");
	if (conf_goes_local(daemon_conf(), d))
		return STR("local");
	d = str_sub(d, 0, 255);
	str_copy(lower, 256, d);
	str_lower(lower, d.len);
	return str_from(lower, d.len);
}

/* the message's own choice, else the pool that <domain> names, else none */
static struct str
choose_vmta(const struct envelope *env, struct str domain)
{
	struct str pool = env->pool;

	if (env->vmta.len > 0)
		return env->vmta;
	if (pool.len == 0) {
		const struct conf_set *set = conf_queue(daemon_conf(), domain, STR(""));
		pool = conf_str(set, CONF_DOMAIN_VIRTUAL_MTA_POOL);
	}
	return pool.len == 0 ? STR("") : pool_choose_for(pool, domain);
}

/* when what was accepted, or scheduled for, at that time was so */
static struct tick
born(struct wall w)
{
	return tick_ago_ms(age_of_ns(w) / NS_PER_MS);
}

/* when the message may first be tried; also in the past */
static struct tick
scheduled_for(const struct envelope *env)
{
	int64_t ms = (env->not_before.ns - ev_wall().ns) / NS_PER_MS;

	return ms > 0 ? tick_in_ms(ms) : born(env->not_before);
}

static void
make_message(struct arrival *a, const struct spool_place *place)
{
	struct message *m;

	a->message = message_new();
	a->m = m = message_at(a->message);
	m->id = place->id;
	m->offset = (uint32_t)place->offset;
	m->len = (uint32_t)PH_MIN(place->len, (uint64_t)UINT32_MAX);
	m->env_len = place->env_len;
	m->segment = place->kind == SPOOL_FILE ? 0 : segment_get(place, a->how == ARRIVE_TOLD);
	m->pool = name_number(a->env.pool);
	/* what came just now was born now, whatever the wall clock does meanwhile */
	m->born = a->how == ARRIVE_TOLD ? tick_now() : born(a->env.accepted);
	m->counts_from = m->born;
	if (a->env.not_before.ns > a->env.accepted.ns)
		m->counts_from = scheduled_for(&a->env);
	m->windows = window_get(a->env.windows);
	m->priority = a->env.priority;
	m->flags = (uint8_t)((a->env.sender.len == 0 ? MSG_NULL_SENDER : 0) |
			     (a->env.is_report ? MSG_REPORT : 0) |
			     (a->env.no_dsn ? MSG_NO_DSN : 0) | (a->env.verp ? MSG_VERP : 0));
	m->sender = bigrams_of(a->env.sender, BIGRAMS_WHOLE);
	m->envid = bigrams_of(a->env.envid, BIGRAMS_WHOLE);
	segment_message_came(a->message);
	qd.n_queued_bytes += m->len;
}

/* accept-invalid-recipients: it was taken only to be bounced */
static void
bounce_invalid(struct queue *q, uint32_t rcpt)
{
	struct final_facts f = {.reply = STR("bad destination mailbox address syntax"),
	    .enh = {5, 1, 3},
	    .local = true,
	    .is_ours = true};

	final_begin(q, rcpt, FINAL_BOUNCED, &f);
}

static struct str
vmta_for(const struct arrival *a, struct str domain)
{
	return cold_choose(
	    &a->env, domain, choose_vmta(&a->env, domain), a->m->id, a->how != ARRIVE_FIRST_SCAN);
}

/* mail to a processor's address is read, unless it was: an earlier queued had ordered its delivery, or it is a copy */
static enum conf_processor
processor_of(const struct arrival *a, const struct env_rcpt *er, const struct orphan *o)
{
	if (o != NULL || a->env.is_processed || er->is_invalid)
		return CONF_NO_PROCESSOR;
	return conf_processor_of(daemon_conf(), er->address);
}

static struct queue *
queue_for(
    const struct arrival *a, const struct env_rcpt *er, const struct orphan *o, struct str domain)
{
	enum conf_processor which = processor_of(a, er, o);

	if (which != CONF_NO_PROCESSOR)
		return queue_get(process_domain(which), STR(""));
	if (o != NULL)
		return place_queue(domain, orphan_vmta(o));
	return reroute_new(place_queue(domain, vmta_for(a, domain)));
}

static void
add_rcpt(struct arrival *a, uint32_t index, const struct env_rcpt *er)
{
	char lower[256];
	struct str domain = domain_of(er, lower);
	struct orphan *o = orphan_find(a->m->id, index);
	struct queue *q = queue_for(a, er, o, domain);
	uint32_t h = rcpt_new();
	struct rcpt *r = rcpt_at(h);

	r->message = a->message;
	r->index = index;
	r->domain = domain_add_rcpt(domain);
	r->notify = er->notify;
	r->local_part = bigrams_of_local_part(er->address);
	suppress_note(r, er->address);
	r->priority = a->m->priority;
	a->m->n_open++;
	q->bytes += a->m->len;
	a->m->job = job_add_rcpt(a->env.job);
	if (a->m->job != 0 && a->m->n_open == 1)
		job_at(a->m->job)->bytes += a->m->len;
	if (a->how == ARRIVE_FIRST_SCAN)
		expire_skip_notices(q, r);
	if (o != NULL)
		orphan_claim(o, q, h);
	else if (a->m->windows == 0 && a->env.not_before.ns > ev_wall().ns)
		queue_add_deferred(q, h, a->m->counts_from);
	else
		queue_add_ready(q, h, false);
	if (a->how != ARRIVE_FIRST_SCAN)
		final_received(q, h);
	if (er->is_invalid && o == NULL)
		bounce_invalid(q, h);
	if (q->retrying && q->policy->retry_upon_new_mail && q->ordered == NULL)
		queue_schedule(q, false);
	queue_kick(q);
}

static void
add_rcpts(struct arrival *a, const struct spool_place *place, struct str text)
{
	/* 4 KB of room, which need not be cleared for each message */
	__attribute__((uninitialized)) struct env_iter it;
	struct env_rcpt er;
	uint32_t index;
	enum final_kind kind;

	env_iter_init(&it, text);
	while (env_iter_next(&it, &index, &er)) {
		if (a->how == ARRIVE_FIRST_SCAN && spool_is_done(qd.store, place->id, index, &kind))
			continue;
		if (a->message == 0)
			make_message(a, place);
		add_rcpt(a, index, &er);
	}
}

/* everything in it was done before: what is left of it on disk may go */
static void
drop_finished(const struct spool_place *place)
{
	struct why why;

	if (place->kind == SPOOL_FILE && spool_file_remove(qd.store, place->id, &why) == -1)
		log_error("id=%016lx event=remove-failed text=\"%s\"", place->id, why.text);
}

void
arrive_envelope(const struct spool_place *place, struct str text, enum arrive_how how)
{
	static struct buf scratch;
	struct arrival a = {.how = how};
	struct why why;

	if (scratch.cap == 0)
		buf_init(&scratch, SPOOL_MAX_ENV);
	buf_reset(&scratch);
	if (!envelope_parse(text, &a.env, &scratch, &why)) {
		log_error("id=%016lx event=bad-envelope text=\"%s\"", place->id, why.text);
		arrive_set_aside(place, &why);
		return;
	}
	if (how != ARRIVE_FIRST_SCAN) {
		spool_count_accepted(qd.store, a.env.n_rcpts);
		stat_add(STAT_Q_ACCEPTED, a.env.n_rcpts);
	}
	add_rcpts(&a, place, text);
	if (how == ARRIVE_FIRST_SCAN && a.message != 0)
		spool_count_accepted(
		    qd.store, a.m->n_open); /* the ledger began with what had ended */
	if (a.message == 0)
		drop_finished(place);
}

/* places that the system did not give; tried again, for the message was acknowledged */
static struct {
	struct spool_place *list;
	size_t n;
	uint32_t n_of[countof(qd.told)];
	struct ev_timer again;
} unread;

static void on_again(struct ev_timer *t);

static bool
keep_unread(const struct spool_place *place, struct why *why)
{
	if (unread.n_of[place->writer] == UNREAD_MAX)
		return false;
	log_error("id=%016lx event=unreadable text=\"%s\"", place->id, why->text);
	unread.n_of[place->writer]++;
	unread.list = xreallocarray(unread.list, unread.n + 1, sizeof *unread.list);
	unread.list[unread.n++] = *place;
	if (unread.again.cb == NULL)
		ev_timer_init(&unread.again, on_again);
	ev_timer_in_ms(&unread.again, UNREAD_AGAIN_MS);
	return true;
}

/* False with `why` and errno, as spool_read(). */
static bool
take(const struct spool_place *place, struct why *why)
{
	static struct buf b;

	if (b.cap == 0)
		buf_init(&b, SPOOL_MAX_ENV);
	if (spool_read(qd.reader, place, place->env_len, &b, NULL, NULL, why) == -1)
		return false;
	arrive_envelope(place, str_skip(buf_str(&b), SPOOL_HEADER_LEN), ARRIVE_TOLD);
	return true;
}

static void
on_again(struct ev_timer *t)
{
	struct spool_place *list = unread.list;
	size_t n = unread.n;
	struct why why;

	unread.list = NULL;
	unread.n = 0;
	memset(unread.n_of, 0, sizeof unread.n_of);
	for (size_t i = 0; i < n; i++)
		if (!take(&list[i], &why))
			(void)keep_unread(&list[i], &why);
	free(list);
}

bool
arrive_accepted(const struct spool_place *place, struct why *why)
{
	if ((place->kind != SPOOL_JOURNAL && place->kind != SPOOL_FILE) ||
	    journal_id_writer(place->id) != place->writer)
		return why_set(why, "A message of another writer was told.") == 0;
	/* a scan has brought it, and knows how far it came */
	if (recover_knows(place->id))
		return true;
	if (!take(place, why) && (errno == EBADMSG || errno == ENOENT || !keep_unread(place, why)))
		return false;
	recover_came(place->id);
	if (place->kind == SPOOL_JOURNAL) {
		qd.told[place->writer].generation = place->generation;
		qd.told[place->writer].offset = place->offset + place->len;
	}
	return true;
}

/* ---- what a processor passes on ---- */

static bool
find_rcpt(struct str lines, uint32_t index, struct env_iter *it, struct env_rcpt *er)
{
	uint32_t at;

	env_iter_init(it, lines);
	while (env_iter_next(it, &at, er))
		if (at == index)
			return true;
	return false;
}

/* the queue of its domain; NULL: the envelope cannot be read now */
static struct queue *
own_queue(uint32_t rcpt)
{
	static struct buf raw, scratch;
	struct spool_place place = message_place(message_at(rcpt_at(rcpt)->message));
	struct arrival a = {.how = ARRIVE_TOLD, .m = message_at(rcpt_at(rcpt)->message)};
	struct env_iter it;
	struct env_rcpt er;
	char lower[256];
	struct str lines, domain;
	struct why why;

	if (raw.cap == 0) {
		buf_init(&raw, SPOOL_MAX_ENV);
		buf_init(&scratch, SPOOL_MAX_ENV);
	}
	buf_reset(&scratch);
	if (spool_read(qd.reader, &place, place.env_len, &raw, NULL, NULL, &why) == -1)
		goto out;
	lines = str_skip(buf_str(&raw), SPOOL_HEADER_LEN);
	if (!envelope_parse(lines, &a.env, &scratch, &why))
		goto out;
	if (!find_rcpt(lines, rcpt_at(rcpt)->index, &it, &er)) {
		why_set(&why, "The recipient is not in the envelope.");
		goto out;
	}
	domain = domain_of(&er, lower);
	return reroute_new(place_queue(domain, vmta_for(&a, domain)));
out:
	log_error("id=%016lx event=unreadable text=\"%s\"", place.id, why.text);
	return NULL;
}

void
arrive_unprocessed(struct queue *from, uint32_t rcpt)
{
	struct message *m = message_at(rcpt_at(rcpt)->message);
	struct queue *to = own_queue(rcpt);

	from->n_flight--;
	m->n_busy--;
	if (to == NULL) {
		queue_add_deferred(from, rcpt, tick_in_ms(UNREAD_AGAIN_MS));
		return;
	}
	from->bytes -= m->len;
	to->bytes += m->len;
	queue_add_ready(to, rcpt, false);
	queue_kick(to);
}
