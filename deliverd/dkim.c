/* A message from being loaded to being sealed: planned, hashed in slices, signed elsewhere. */
#include "deliverd/dkim.h"

#include "deliverd/dkim_int.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/stats/stats.h"

#define MAX_HEADER (512u * 1024) /* of a message; above that of any that was accepted */
#define TURN_BYTES (512u * 1024) /* hashed in one turn of the loop: about 1 ms */
#define TURN_JOBS  64

/* ---- jobs ---- */

static struct dkim_jobs *
list_of(struct dkim *d, enum job_state state)
{
	switch (state) {
	case JOB_READY:
		return &d->ready;
	case JOB_PARKED:
		return &d->parked;
	case JOB_ASKED:
		return &d->asked;
	case JOB_NEW:
		break;
	}
	return NULL;
}

static bool
is_waited_for(const struct dkim *d)
{
	return !TAILQ_EMPTY(&d->parked) || !TAILQ_EMPTY(&d->asked);
}

static void
dkim_job_enter(struct dkim_job *j, enum job_state state)
{
	struct dkim *d = j->d;
	bool was_waited_for = is_waited_for(d);

	if (list_of(d, j->state) != NULL)
		TAILQ_REMOVE(list_of(d, j->state), j, link);
	j->state = state;
	if (list_of(d, state) != NULL)
		TAILQ_INSERT_TAIL(list_of(d, state), j, link);
	if (state == JOB_READY)
		ev_defer_queue(&d->work);
	if (was_waited_for || !is_waited_for(d))
		return;
	d->progress = ev_now();
	if (!ev_timer_is_armed(&d->limit))
		ev_timer_in_ms(&d->limit, DKIM_WAIT_MS);
}

static void
forget_work(struct dkim_job *j)
{
	for (size_t i = 0; i < countof(j->hash); i++)
		dkim_body_hash_free(&j->hash[i]);
	for (size_t i = 0; i < countof(j->made); i++) {
		buf_clear(&j->made[i].field);
		j->made[i].is_whole = false;
	}
	j->n_made = j->n_missing = 0;
	if (j->signer != NULL)
		j->signer->n_asked--;
	j->signer = NULL;
}

static void
job_free(struct dkim_job *j)
{
	struct dkim *d = j->d;

	dkim_job_enter(j, JOB_NEW);
	forget_work(j);
	buf_clear(&j->header);
	slab_free(&d->slab, (uint32_t)j->number);
}

/* The message goes away before its signature came. Sets NULL; accepts NULL. */
static void
dkim_job_drop(struct dkim_job **jp)
{
	struct dkim_job *j = *jp;

	*jp = NULL;
	if (j != NULL)
		job_free(j);
}

void
dkim_job_again(struct dkim_job *j)
{
	/* late answers to what was asked before belong to nobody */
	j->number = (uint64_t)++j->d->serial << 32 | (uint32_t)j->number;
	forget_work(j);
	dkim_job_enter(j, JOB_READY);
}

struct dkim_job *
dkim_job_find(struct dkim *d, uint64_t number)
{
	uint32_t handle = (uint32_t)number;
	struct dkim_job *j;

	if (handle == 0 || handle >= slab_end(&d->slab))
		return NULL;
	j = slab_at(&d->slab, handle);
	return j->d == d && j->state == JOB_ASKED && j->number == number ? j : NULL;
}

/* ---- fields that were made before ---- */

static uint64_t
hash_of_names(struct str vmta, struct str pool)
{
	return str_ihash(vmta) * 31 + str_ihash(pool);
}

static struct dkim_cached *
cache_slot(struct dkim *d, uint64_t id, const void *queue)
{
	uint64_t h = (id ^ (uint64_t)(uintptr_t)queue >> 4) * UINT64_C(0x9e3779b97f4a7c15);

	return &d->cache[h >> 56 & (DKIM_CACHE - 1)];
}

static void
keep(struct dkim_job *j, struct str text)
{
	const struct conf_set *queue = conf_queue(daemon_conf(), j->ask.domain, j->ask.vmta);
	struct dkim_cached *c;

	/* signed for a configuration that is no longer in force */
	if (j->generation != daemon_generation() || j->mail->generation != j->generation ||
	    j->mail->date_late || j->mail->tracks)
		return;
	c = cache_slot(j->d, j->id, queue);
	free(c->text);
	*c = (struct dkim_cached){.id = j->id,
	    .generation = j->generation,
	    .queue = queue,
	    .names = hash_of_names(j->ask.vmta, j->mail->pool),
	    .made = ev_now(),
	    .made_wall = ev_wall(),
	    .text = xstrdup_str(text),
	    .len = text.len};
}

bool
dkim_is_fresh(const struct dkim_cached *c, struct mono now, struct wall wall)
{
	int64_t age_ms = mono_diff_ms(c->made, now);
	int64_t by_wall_ms = (wall.ns - c->made_wall.ns) / NS_PER_MS;

	return age_ms <= DKIM_CACHE_MS && by_wall_ms - age_ms <= DKIM_STEP_MS &&
	       age_ms - by_wall_ms <= DKIM_STEP_MS;
}

static bool
take_cached(struct dkim *d, struct mail *m, uint64_t id, const struct conf_set *queue,
    const struct dkim_ask *ask)
{
	const struct dkim_cached *c = cache_slot(d, id, queue);

	if (c->text == NULL || c->id != id || c->queue != queue ||
	    c->generation != daemon_generation() || c->names != hash_of_names(ask->vmta, m->pool) ||
	    !dkim_is_fresh(c, ev_now(), ev_wall()))
		return false;
	return buf_add(&m->head, c->text, c->len) == 0;
}

/* ---- the end ---- */

static void
put_fields(struct dkim_job *j)
{
	struct buf *head = &j->mail->head;

	for (uint32_t i = 0; i < j->n_made; i++)
		(void)buf_add_str(head, buf_str(&j->made[i].field));
	if (j->n_made > 0 && !buf_is_overfull(head))
		keep(j, buf_str(head));
}

void
dkim_job_end(struct dkim_job *j, const char *why_not)
{
	struct mail *m = j->mail;
	struct dkim_ask ask = j->ask;
	bool was_waiting = m->seal == MAIL_WAITS;

	if (why_not == NULL)
		put_fields(j);
	if (why_not != NULL || buf_is_overfull(&m->head)) {
		buf_reset(&m->head);
		m->seal = MAIL_FAILED;
		(void)str_copy(m->why_not, sizeof m->why_not,
		    str_of(why_not == NULL ? "the signature is too long" : why_not));
	} else {
		m->seal = MAIL_SEALED;
	}
	m->job = NULL;
	job_free(j);
	if (was_waiting)
		ask.done(ask.ctx);
}

/* ---- hashing ---- */

/* what will be sent in front of the body; false: not yet, or it never ends */
static bool
find_header(struct dkim_job *j, struct str *header)
{
	const struct mail *m = j->mail;
	static char slice[MAIL_SLICE];
	struct str piece;
	size_t at;

	if (m->fd == -1) {
		dkim_find_body(m->content, true, &at);
		*header = str_sub(m->content, 0, at);
		j->body_at = at;
		return true;
	}
	while (j->body_at == 0 && buf_len(&j->header) < m->stored_len) {
		piece = mail_piece(m, buf_len(&j->header), slice);
		if (piece.len == 0 || buf_add_str(&j->header, piece) == -1)
			return false;
		if (!dkim_find_body(buf_str(&j->header), buf_len(&j->header) == m->stored_len, &at))
			continue;
		j->body_at = at;
		buf_truncate(&j->header, at);
		break;
	}
	*header = buf_str(&j->header);
	return true;
}

static bool
needs_body(const struct dkim_job *j, const struct dkim_plan *plan, enum dkim_canon c)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->choices[i].spec.body_canon == c && !j->has_body[c])
			return true;
	return false;
}

static void
end_body(struct dkim_job *j)
{
	for (size_t c = 0; c < countof(j->hash); c++) {
		if (j->hash[c] == NULL)
			continue;
		dkim_body_hash_end(j->hash[c], j->body[c].digest, &j->body[c].len);
		dkim_body_hash_free(&j->hash[c]);
		j->has_body[c] = true;
	}
}

/* > 0: done; 0: more in the next turn; < 0: the file cannot be read */
static int
hash_body(struct dkim_job *j, const struct dkim_plan *plan, uint64_t *budget)
{
	static char slice[MAIL_SLICE];
	const struct mail *m = j->mail;
	struct str piece;
	bool is_new = false;

	for (int c = 0; c < 2; c++) {
		if (!needs_body(j, plan, (enum dkim_canon)c) || j->hash[c] != NULL)
			continue;
		j->hash[c] = dkim_body_hash_new((enum dkim_canon)c);
		is_new = true;
	}
	/* a form that is asked for only now has missed what was read */
	if (is_new && j->hashed > j->body_at && (j->hash[0] != NULL) != (j->hash[1] != NULL))
		j->hashed = j->body_at;
	if (j->hash[0] == NULL && j->hash[1] == NULL)
		return 1;
	j->hashed = PH_MAX(j->hashed, j->body_at);
	while (j->hashed < m->stored_len) {
		if (*budget == 0)
			return 0;
		piece = mail_piece(m, j->hashed, slice);
		if (piece.len == 0)
			return -1;
		for (size_t c = 0; c < 2; c++)
			if (j->hash[c] != NULL)
				dkim_body_hash_add(j->hash[c], piece);
		j->hashed += piece.len;
		*budget -= PH_MIN(*budget, (uint64_t)piece.len);
	}
	end_body(j);
	return 1;
}

/* ---- asking ---- */

static bool
ask_for(struct dkim_job *j, struct dkim_choice *c, enum dkim_algorithm a, struct str header)
{
	struct ipc_sign sign = {.generation = j->generation, .key = c->key};
	struct dkim_made *made = &j->made[j->n_made];

	c->spec.algorithm = a;
	buf_init(&made->field, DKIM_MAX_FIELD);
	if (dkim_begin(&c->spec, header, &j->body[c->spec.body_canon], &made->field, sign.digest) ==
	    -1)
		return false;
	sign.job = j->number;
	sign.part = j->n_made;
	j->n_made++;
	j->n_missing++;
	dkim_signer_ask(j, &sign);
	return true;
}

static void
ask_all(struct dkim_job *j, struct dkim_plan *plan, struct str header)
{
	const struct dkim_known *known;
	struct dkim_signer *s = dkim_signer_choose(j->d, &known);

	if (s == NULL) {
		dkim_job_enter(j, JOB_PARKED);
		return;
	}
	j->signer = s;
	s->n_asked++;
	j->generation = daemon_generation();
	for (size_t i = 0; i < plan->n; i++) {
		uint32_t key = plan->choices[i].key;
		enum dkim_algorithm a = DKIM_NO_ALGORITHM;
		if (key < known->total)
			a = (enum dkim_algorithm)known->kinds[key];
		if (a == DKIM_NO_ALGORITHM || !ask_for(j, &plan->choices[i], a, header)) {
			dkim_job_end(j, "the message's header is too large to be signed");
			return;
		}
	}
	dkim_job_enter(j, JOB_ASKED);
}

/* Does what can be done now: j has ended, waits, or is still JOB_READY for the next turn. */
static void
advance(struct dkim_job *j, uint64_t *budget)
{
	static struct dkim_plan plan; /* large */
	struct dkim_message msg = {.vmta = j->ask.vmta,
	    .pool = j->mail->pool,
	    .options = j->mail->dkim_options,
	    .has_options = j->mail->has_dkim_options,
	    .now = ev_wall()};
	const struct conf_set *queue = conf_queue(daemon_conf(), j->ask.domain, j->ask.vmta);
	int r;

	if (!find_header(j, &msg.header)) {
		dkim_job_end(j, "the message's header cannot be read");
		return;
	}
	dkim_plan_make(j->d->keys, queue, &msg, &plan);
	if (plan.n == 0) {
		dkim_job_end(j, NULL);
		return;
	}
	r = hash_body(j, &plan, budget);
	if (r < 0)
		dkim_job_end(j, "the message cannot be read");
	else if (r == 0)
		dkim_job_enter(j, JOB_READY);
	else
		ask_all(j, &plan, msg.header);
}

static void
work(struct ev_defer *defer)
{
	struct dkim *d = ph_container_of(defer, struct dkim, work);
	uint64_t budget = TURN_BYTES;
	struct dkim_job *j;

	for (int n = 0; n < TURN_JOBS && budget > 0 && (j = TAILQ_FIRST(&d->ready)) != NULL; n++)
		advance(j, &budget);
	if (!TAILQ_EMPTY(&d->ready))
		ev_defer_queue(&d->work);
}

void
dkim_seal(struct dkim *d, struct mail *m, uint64_t id, const struct dkim_ask *ask)
{
	const struct conf_set *queue = conf_queue(daemon_conf(), ask->domain, ask->vmta);
	uint64_t budget = TURN_BYTES;
	struct dkim_job *j;
	uint32_t handle;

	m->seal = MAIL_SEALED;
	if (!dkim_plan_may_sign(d->keys, queue, ask->vmta) || take_cached(d, m, id, queue, ask))
		return;
	handle = slab_new(&d->slab);
	j = slab_at(&d->slab, handle);
	*j = (struct dkim_job){.d = d,
	    .mail = m,
	    .ask = *ask,
	    .id = id,
	    .number = (uint64_t)++d->serial << 32 | handle};
	buf_init(&j->header, MAX_HEADER);
	m->job = j;
	m->drop_job = dkim_job_drop;
	/* what is in memory is small: at once */
	if (m->fd == -1)
		advance(j, &budget);
	else
		dkim_job_enter(j, JOB_READY);
	if (m->job != NULL)
		m->seal = MAIL_WAITS;
}

/* ---- time and configuration ---- */

void
dkim_wake(struct dkim *d)
{
	struct dkim_job *j;

	while ((j = TAILQ_FIRST(&d->parked)) != NULL)
		dkim_job_enter(j, JOB_READY);
}

/* Whoever waits has waited too long: no signd answers. */
static void
on_limit(struct ev_timer *t)
{
	struct dkim *d = ph_container_of(t, struct dkim, limit);
	int64_t silent = mono_diff_ms(d->progress, ev_now());
	struct dkim_job *j;
	size_t n = 0;

	if (!is_waited_for(d))
		return;
	if (silent < DKIM_WAIT_MS) {
		ev_timer_in_ms(&d->limit, DKIM_WAIT_MS - silent);
		return;
	}
	while ((j = TAILQ_FIRST(&d->parked)) != NULL || (j = TAILQ_FIRST(&d->asked)) != NULL) {
		dkim_job_end(j, "no signature could be had: signd does not answer");
		n++;
	}
	log_error("event=no-signatures messages=%zu text=\"signd does not answer; what has to be "
		  "signed waits in its queues\"",
	    n);
}

void
dkim_config(struct dkim *d)
{
	dkim_keys_free(&d->keys);
	d->keys = dkim_keys_new(daemon_conf());
	d->files_hash = conf_key_files_hash(daemon_conf());
	dkim_wake(d);
}

void
dkim_prepare(struct dkim *d)
{
	dkim_hash_prepare();
	slab_init(&d->slab, sizeof(struct dkim_job));
	TAILQ_INIT(&d->ready);
	TAILQ_INIT(&d->parked);
	TAILQ_INIT(&d->asked);
	ev_defer_init(&d->work, work);
	ev_timer_init(&d->limit, on_limit);
}

void
dkim_clear(struct dkim *d)
{
	dkim_signers_clear(d);
	dkim_keys_free(&d->keys);
	for (size_t i = 0; i < DKIM_CACHE; i++)
		xfree(&d->cache[i].text);
	slab_clear(&d->slab);
}
