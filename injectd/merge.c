#include "injectd/merge_int.h"

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/mail/date.h"
#include "lib/stats/stats.h"

#define MAX_PENDING_BYTES (4u * 1024 * 1024) /* on their way to the disk */
#define MAX_PENDING	  512u
#define TURN_MESSAGES	  64u
#define TURN_BYTES	  (1024u * 1024)
#define MAX_GIVEN	  (8u * 1024)
/* next to a byte of text: a byte of definitions, a piece of the text */
#define DEFS_COST  4u
#define PIECE_COST 16u

/* ---- beginning and end ---- */

static void on_later(struct ev_defer *d);

void
merge_start(struct txn *t)
{
	struct merge *m = xcalloc(1, sizeof *m);

	m->txn = t;
	merge_text_init(&m->text, MERGE_MAX_TEXT);
	/* every line may begin with a dot */
	buf_init(&m->part, 2 * MERGE_MAX_TEXT);
	buf_init(&m->defs, MERGE_MAX_DEFS);
	buf_init(&m->next, MERGE_MAX_VALUE);
	ev_defer_init(&m->later, on_later);
	t->merge = m;
}

void
merge_free(struct merge **mp)
{
	struct merge *m = *mp;

	if (m == NULL)
		return;
	ph_assert(m->n_pending == 0);
	*mp = NULL;
	ev_defer_cancel(&m->later);
	m->txn->world->merge_held -= m->held;
	merge_text_clear(&m->text);
	buf_clear(&m->part);
	buf_clear(&m->defs);
	buf_clear(&m->next);
	free(m->ends);
	free(m->values);
	free(m);
}

int
merge_hold(struct merge *m, size_t n, struct why *why)
{
	if (m->txn->world->merge_held + n > MERGE_MAX_HELD)
		return why_smtp(why, 452, 4, 3, 1, "Too much mail merge is under way");
	m->txn->world->merge_held += n;
	m->held += n;
	return 0;
}

struct str
merge_defs_of(const struct merge *m, uint32_t i)
{
	size_t from = i == 0 ? 0 : m->ends[i - 1];

	return str_sub(buf_str(&m->defs), from, m->ends[i] - from);
}

/* ---- recipients ---- */

void
merge_add_rcpt(struct merge *m)
{
	if (m->n == m->cap) {
		m->cap = PH_MAX(m->cap * 2, 64u);
		m->ends = xreallocarray(m->ends, m->cap, sizeof m->ends[0]);
	}
	/* merge_check_rcpt() saw that they fit */
	(void)buf_add_str(&m->defs, buf_str(&m->next));
	m->ends[m->n++] = (uint32_t)buf_len(&m->defs);
	buf_reset(&m->next);
}

void
merge_drop_rcpt(struct merge *m)
{
	m->n--;
	buf_truncate(&m->defs, m->n == 0 ? 0 : m->ends[m->n - 1]);
}

void
merge_refuse_rcpt(struct merge *m)
{
	buf_reset(&m->next);
}

/* ---- one message ---- */

void
merge_own_of(struct str defs, struct str own[OWN_MAX])
{
	static const struct str names[OWN_MAX] = {
	    [OWN_FROM] = {"*from", 5},
	    [OWN_ENVID] = {"*envid", 6},
	    [OWN_VMTA] = {"*vmta", 5},
	    [OWN_JOB] = {"*jobid", 6},
	    [OWN_PARTS] = {"*parts", 6},
	    [OWN_SCHEDULE] = {"*schedule", 9},
	    [OWN_PRIORITY] = {"*priority", 9},
	};

	merge_own(defs, names, OWN_MAX, own);
}

/* The control fields that they stand for: in front of the message, to be obeyed (session.n_given). */
static void
add_given(const struct str own[OWN_MAX], struct buf *b)
{
	static const char *const fields[OWN_MAX] = {
	    [OWN_VMTA] = "x-virtual-mta",
	    [OWN_JOB] = "x-job",
	    [OWN_ENVID] = "x-envid",
	    [OWN_SCHEDULE] = "x-schedule",
	};

	for (size_t i = 0; i < OWN_MAX; i++)
		if (fields[i] != NULL && own[i].len > 0)
			(void)buf_addf(b, "%s: %.*s\r\n", fields[i], STR_ARG(own[i]));
}

/* one recipient's message in the making */
struct making {
	struct merge *m;
	struct txn *t;
	struct str defs, to;
	struct str own[OWN_MAX];
	uint64_t cost; /* about as many bytes of text */
};

/* what the text's names stand for */
static void
find_values(const struct making *g, struct str date)
{
	struct merge *m = g->m;

	merge_set_all(&m->text, g->defs, m->values);
	if (g->own[OWN_FROM].p == NULL)
		merge_set(&m->text, STR("*from"), str_of(m->txn->sender), m->values);
	merge_set(&m->text, STR("*to"), g->to, m->values);
	merge_set(&m->text, STR("*date"), date, m->values);
}

static void
feed_filter(void *filter, struct str piece)
{
	data_run_chunk(filter, piece);
}

/* Its content into its transaction. -1 with `why`. */
static int
fill(struct making *g, struct why *why)
{
	struct merge *m = g->m;
	struct session *s = m->txn->session;
	const struct conf_set *global = conf_global(m->txn->world->conf);
	char date[MAIL_DATE_MAX];
	struct merge_order order;
	struct merge_values v = {.value = m->values,
	    .is_undefined_left =
		!conf_bool(global, CONF_GLOBAL_MAILMERGE_EXPANDS_UNDEFINED_VARIABLES)};
	struct buf given;

	if (merge_order_parse(&m->text, g->own[OWN_PARTS], &order, why) == -1)
		return -1;
	find_values(g, str_of(mail_date(ev_wall(), date)));
	g->cost += merge_n_pieces(&m->text, &order) * PIECE_COST;
	if (merge_length(&m->text, &order, &v) > MERGE_MAX_MADE)
		return why_smtp(why, 552, 5, 3, 4, "The message is too large");
	buf_init(&given, MAX_GIVEN);
	add_given(g->own, &given);
	s->n_given = buf_len(&given);
	txn_begin_content(g->t);
	data_run_chunk(&g->t->filter, buf_str(&given));
	merge_expand(&m->text, &order, &v, feed_filter, &g->t->filter);
	data_end_chunks(&g->t->filter);
	buf_clear(&given);
	return 0;
}

static void
take_priority(struct txn *t, struct str priority)
{
	uint32_t n;

	if (parse_u32(priority, 0, 100, &n))
		t->env.priority = (uint8_t)n;
}

/* A transaction of its own for recipient r, and what it shares with the others. */
static struct txn *
new_txn(struct merge *m, struct str from, const struct env_rcpt *r, struct why *why)
{
	const struct txn *all = m->txn;
	struct txn *t;

	if (str_eq(from, STR("<>")))
		from = STR("");
	t = txn_new(all->session, from.p == NULL ? str_of(all->sender) : from);
	t->merge_of = m;
	t->is_trial = m->is_trial;
	t->env.body = all->env.body;
	t->env.ret = all->env.ret;
	t->env.smtputf8 = all->env.smtputf8;
	t->env.verp = all->env.verp;
	(void)str_copy(t->envid, sizeof t->envid, str_of(all->envid));
	/* one always fits */
	if (txn_add_rcpt(t, r, why) == -1)
		txn_free(&t);
	return t;
}

/* Makes the message of recipient r, and stores it if it is no trial. -1 with `why`. *cost: about so many bytes. */
static int
make_one(struct merge *m, const struct env_rcpt *r, uint64_t *cost, struct why *why)
{
	struct session *s = m->txn->session;
	uint64_t preset = s->preset_id, n_bytes;
	struct making g = {.m = m, .defs = merge_defs_of(m, m->at), .to = r->address};
	int rc;

	merge_own_of(g.defs, g.own);
	g.t = new_txn(m, g.own[OWN_FROM], r, why);
	if (g.t == NULL)
		return -1;
	/* who gives an id asks by it whether all was taken: it is the last message's */
	if (m->at + 1 < m->n)
		s->preset_id = 0;
	rc = fill(&g, why);
	s->preset_id = preset;
	take_priority(g.t, g.own[OWN_PRIORITY]);
	n_bytes = g.t->filter.n_bytes;
	*cost = g.cost + n_bytes + g.defs.len * DEFS_COST;
	if (rc == 0)
		rc = m->is_trial ? txn_try(g.t, why) : txn_submit(&g.t, why);
	s->n_given = 0;
	if (rc == 0 && !m->is_trial) {
		m->n_pending++;
		m->pending_bytes += n_bytes;
	}
	txn_free(&g.t);
	return rc;
}

/* ---- all of them ---- */

static void
rewind_rcpts(struct merge *m, bool is_trial)
{
	m->is_trial = is_trial;
	m->at = 0;
	env_iter_init_lines(&m->it, buf_str(&m->txn->rcpts));
}

void
merge_make_all(struct merge *m)
{
	m->values = xcalloc(PH_MAX(m->text.n_names, (size_t)1), sizeof m->values[0]);
	rewind_rcpts(m, true);
	ev_defer_queue(&m->later);
}

static bool
has_room(const struct merge *m)
{
	/* the last one only when all others are on the disk */
	if (!m->is_trial && m->at + 1 == m->n)
		return m->n_pending == 0;
	return m->n_pending < MAX_PENDING && m->pending_bytes < MAX_PENDING_BYTES;
}

/* Some messages of this turn. */
static void
make_some(struct merge *m)
{
	uint64_t done = 0, cost;
	struct env_rcpt r;
	uint32_t index;

	for (unsigned i = 0; i < TURN_MESSAGES && done < TURN_BYTES && m->at < m->n; i++) {
		if (!has_room(m) || !env_iter_next(&m->it, &index, &r))
			return;
		if (make_one(m, &r, &cost, &m->why) == -1)
			return;
		done += cost;
		m->at++;
	}
	if (m->at == m->n && m->is_trial)
		rewind_rcpts(m, false);
}

/* What the client is told of a merge that failed when some of it was stored already. */
static void
tell_partly(struct merge *m)
{
	char text[sizeof m->why.text];

	if (m->n_stored == 0)
		return;
	(void)snprintf(text, sizeof text, "%.300s (%u of %u recipients were accepted)", m->why.text,
	    (unsigned)m->n_stored, (unsigned)m->n);
	(void)str_copy(m->why.text, sizeof m->why.text, str_of(text));
	log_warn("event=merge-partly-accepted stored=%u of=%u why=%s", (unsigned)m->n_stored,
	    (unsigned)m->n, log_quote(str_of(m->why.text)));
}

static void
finish(struct merge *m)
{
	struct txn *t = m->txn;
	struct session *s = t->session;
	struct why why;
	uint64_t id = m->id;
	bool has_failed = m->why.smtp_code != 0;

	if (has_failed)
		tell_partly(m);
	why = m->why;
	txn_free(&t); /* and the merge */
	if (has_failed)
		stat_inc(STAT_IN_REJECTED);
	if (s != NULL)
		session_settled(s, id, has_failed ? &why : NULL);
}

static void
on_later(struct ev_defer *d)
{
	struct merge *m = ph_container_of(d, struct merge, later);
	bool may_go_on = m->txn->session != NULL && m->why.smtp_code == 0;

	if (may_go_on && m->at < m->n)
		make_some(m);
	may_go_on = m->txn->session != NULL && m->why.smtp_code == 0 && m->at < m->n;
	if (may_go_on && has_room(m))
		ev_defer_queue(&m->later);
	else if (!may_go_on && m->n_pending == 0)
		finish(m);
	/* otherwise an answer of the spool wakes it */
}

void
merge_settled(struct merge *m, uint64_t id, uint64_t bytes, const struct why *why)
{
	m->n_pending--;
	m->pending_bytes -= PH_MIN(bytes, m->pending_bytes);
	if (why == NULL) {
		m->n_stored++;
		m->id = id;
	} else if (m->why.smtp_code == 0) {
		m->why = *why;
	}
	ev_defer_queue(&m->later);
}
