#include "bounced/failures.h"

#include <inttypes.h>

#include "bounced/bounced.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/mail/status.h"
#include "lib/stats/stats.h"

#define SCRATCH_MAX (1024 * 1024)
#define FILE_TEXT   1000

/* an answer that waits for the disk */
struct answer {
	struct bounced *b;
	uint64_t epoch;
	struct ipc_judged head;
	char *category, *file; /* owned */
};

void
failures_init(struct failures *f)
{
	*f = (struct failures){.cap = {.count = CONF_UNLIMITED}};
	buf_init(&f->raw, SPOOL_MAX_ENV);
	buf_init(&f->scratch, SCRATCH_MAX);
}

void
failures_clear(struct failures *f)
{
	judge_clear(&f->judge);
	actions_clear(&f->actions);
	buf_clear(&f->raw);
	buf_clear(&f->scratch);
}

void
failures_use_conf(struct failures *f, const struct conf *c)
{
	judge_use_conf(&f->judge, c);
	actions_use_conf(&f->actions, c);
	f->cap = (struct conf_rate){.count = 100, .period_ms = 60000};
	if (conf_n_blocks(c, CONF_BLOCK_BOUNCEPROC) > 0)
		f->cap = conf_rate(
		    conf_block_at(c, CONF_BLOCK_BOUNCEPROC, 0), CONF_BOUNCEPROC_MAX_SUPPRESS_RATE);
}

/* ---- the recipient's address ---- */

static int
read_envelope(struct bounced *b, const struct spool_place *place, struct why *why)
{
	struct failures *f = &b->failures;
	struct str text;

	f->id = 0;
	if (place->env_len <= SPOOL_HEADER_LEN || place->env_len > SPOOL_MAX_ENV)
		return why_set(why, "The place of the message makes no sense.");
	if (spool_read(b->composer.reader, place, place->env_len, &f->raw, NULL, NULL, why) == -1)
		return -1;
	if (buf_len(&f->raw) < place->env_len)
		return why_set(why, "The record ends inside its envelope.");
	text = str_sub(buf_str(&f->raw), SPOOL_HEADER_LEN, place->env_len - SPOOL_HEADER_LEN);
	buf_reset(&f->scratch);
	if (!envelope_parse(text, &f->env, &f->scratch, why))
		return -1;
	env_iter_init(&f->it, text);
	f->id = place->id;
	f->next = 0;
	return 0;
}

/* f->env and f->rcpt are of that recipient; -1 with `why` */
static int
find_rcpt(struct bounced *b, const struct spool_place *place, uint32_t rcpt, struct why *why)
{
	struct failures *f = &b->failures;
	uint32_t index;

	if ((f->id != place->id || f->next > rcpt) && read_envelope(b, place, why) == -1)
		return -1;
	while (env_iter_next(&f->it, &index, &f->rcpt)) {
		f->next = index + 1;
		if (index == rcpt)
			return 0;
	}
	f->id = 0;
	return why_set(why, "The message has no such recipient.");
}

/* ---- answering ---- */

static void
send_answer(
    struct bounced *b, const struct ipc_judged *head, const char *category, const char *file)
{
	struct str texts[2] = {str_of(category), str_sub(str_of(file), 0, FILE_TEXT)};

	if (b->queue != NULL)
		ipc_send(b->queue, IPC_JUDGED, head, texts, -1);
}

static void
on_durable(void *ctx, int result)
{
	struct answer *a = ctx;

	/* an address that cannot be an entry has failed all the same */
	if (a->epoch == a->b->epoch)
		send_answer(a->b, &a->head, a->category, a->file);
	free(a->category);
	free(a->file);
	free(a);
}

/* of mail that was given to one of its members, not to the pool */
static struct str
pool_of(struct str vmta)
{
	const struct conf *c = daemon_conf();

	for (size_t i = 0; i < conf_n_pools(c); i++)
		if (conf_pool_has(conf_pool_at(c, i), vmta))
			return conf_pool_at(c, i)->name;
	return vmta;
}

void
failures_limit(const struct action *a, struct str vmta, struct str pool, struct suppression *e)
{
	if (a->scope == SCOPE_VMTA)
		e->scope = vmta;
	else if (a->scope == SCOPE_POOL)
		e->scope = pool.len > 0 ? pool : pool_of(vmta);
	if (a->suppress_ms != CONF_NEVER &&
	    __builtin_add_overflow(e->since.ns, a->suppress_ms * NS_PER_MS, &e->until.ns))
		e->until.ns = 0;
}

static bool
suppress(struct bounced *b, const struct ipc_judge *q, const struct ipc_msg *m,
    const struct action *a, struct answer *answer)
{
	struct failures *f = &b->failures;
	struct suppression e = {.since = ev_wall(),
	    .source = SUPPRESS_REPLY,
	    .category = str_of(answer->category),
	    .vmta = m->text[2],
	    .text = m->text[0]};
	struct why why;

	if (find_rcpt(b, &q->place, q->rcpt, &why) == -1) {
		log_warn(
		    "id=%016" PRIx64 " event=not-suppressed text=\"%s\"", q->place.id, why.text);
		return false;
	}
	e.address = f->rcpt.address;
	e.job = f->env.job;
	failures_limit(a, m->text[2], f->env.pool, &e);
	suppressed_add(&b->suppressed, &e, on_durable, answer);
	log_info("id=%016" PRIx64 " event=suppressed address=%s category=%s by=\"%s:%u\"",
	    q->place.id, log_quote(e.address), answer->category, a->file, a->line);
	return true;
}

/* Was it waited for? Otherwise it is answered here. */
static bool
act(struct bounced *b, const struct ipc_judge *q, const struct ipc_msg *m, const struct action *a,
    const struct verdict *v, struct ipc_judged *head)
{
	struct answer *answer;

	head->line = a->line;
	head->max_tries = a->max_tries;
	if (a->what == ACTION_RETRY) {
		head->action = JUDGED_RETRY;
		head->retry_ms = a->retry_ms;
		return false;
	}
	if (a->what != ACTION_SUPPRESS && a->what != ACTION_DELETE)
		return false;
	head->action = a->what == ACTION_DELETE ? JUDGED_BOUNCE : JUDGED_SUPPRESSED;
	if (!q->of_rcpt || q->place.kind == 0)
		return false;
	answer = xcalloc(1, sizeof *answer);
	*answer = (struct answer){.b = b,
	    .epoch = b->epoch,
	    .head = *head,
	    .category = xstrdup(v->category),
	    .file = xstrdup(a->file)};
	if (suppress(b, q, m, a, answer))
		return true;
	free(answer->category);
	free(answer->file);
	free(answer);
	return false;
}

void
failures_judge(struct bounced *b, const struct ipc_msg *m)
{
	const struct ipc_judge *q = m->head;
	struct failure f = {.code = q->code,
	    .is_local = q->local != 0,
	    .text = m->text[0],
	    .mta = m->text[1].len > 0 ? m->text[1] : m->text[3]};
	struct action_case c = {.vmta = m->text[2], .is_permanent = q->kind == JUDGE_PERMANENT};
	struct ipc_judged head = {.seq = q->seq, .max_tries = UINT32_MAX};
	const struct action *a = NULL;
	struct verdict v;

	status_effective(q->enh, q->code, f.enh);
	v = judge_failure(&b->failures.judge, &f);
	stat_inc(STAT_JUDGED);
	head.is_hard = v.is_hard;
	c.enh = f.enh;
	c.category = v.category;
	if (q->kind != JUDGE_ENDED)
		a = actions_find(&b->failures.actions, &c);
	if (a == NULL || !act(b, q, m, a, &v, &head))
		send_answer(b, &head, v.category, a == NULL ? "" : a->file);
}
