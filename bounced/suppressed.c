#include "bounced/suppressed.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/stats/stats.h"

#define MAX_SCOPES	64
#define CACHE_MB	64
#define CHANGES_A_FLUSH 2000
#define AGAIN_MS	1000
#define SWEEP_STEP_MS	50
#define SWEEP_EVERY_MS	(10 * 60 * 1000)

static void on_flush(struct ev_defer *d);
static void on_step(struct ev_defer *d);
static void on_again(struct ev_timer *t);
static void on_sweep(struct ev_timer *t);

/* ---- life ---- */

void
suppressed_init(
    struct suppressed *s, void (*tell)(enum suppressed_filter which, const struct filter *f))
{
	*s = (struct suppressed){.tell = tell};
	TAILQ_INIT(&s->waiting);
	ev_defer_init(&s->flush, on_flush);
	ev_defer_init(&s->step, on_step);
	ev_timer_init(&s->again, on_again);
	ev_timer_init(&s->sweep, on_sweep);
}

int
suppressed_open(struct suppressed *s, const char *dir, struct why *why)
{
	s->store = suppress_open(dir, CACHE_MB, why);
	if (s->store == NULL)
		return -1;
	s->tell(FILTER_STORE, suppress_filter(s->store));
	ev_timer_in_ms(&s->sweep, SWEEP_EVERY_MS);
	return 0;
}

static void
use_next_lists(struct suppressed *s)
{
	lists_free(&s->lists);
	s->lists = s->next;
	s->next = NULL;
	s->tell(FILTER_LISTS, lists_filter(s->lists));
}

void
suppressed_use_conf(struct suppressed *s, const struct conf *c, struct list_file *files,
    size_t n_files, bool at_once)
{
	lists_free(&s->next);
	s->next = lists_new(c, suppress_key(s->store), files, n_files);
	if (!at_once) {
		ev_defer_queue(&s->step);
		return;
	}
	while (lists_read(s->next))
		;
	use_next_lists(s);
}

void
suppressed_close(struct suppressed *s)
{
	struct change *c;

	if (s->store != NULL && !TAILQ_EMPTY(&s->waiting))
		on_flush(&s->flush);
	while ((c = TAILQ_FIRST(&s->waiting)) != NULL) {
		TAILQ_REMOVE(&s->waiting, c, link);
		free(c);
	}
	ev_defer_cancel(&s->flush);
	ev_defer_cancel(&s->step);
	ev_timer_stop(&s->again);
	ev_timer_stop(&s->sweep);
	lists_free(&s->lists);
	lists_free(&s->next);
	suppress_close(&s->store);
}

/* ---- changes ---- */

static struct str
copy(char **to, struct str s)
{
	struct str c = str_from(*to, s.len);

	if (s.len > 0)
		memcpy(*to, s.p, s.len);
	*to += s.len;
	return c;
}

static void
wait(struct suppressed *s, const struct suppression *e, bool is_removal, suppressed_done *done,
    void *ctx)
{
	size_t len = e->address.len + e->scope.len + e->category.len + e->vmta.len + e->job.len +
		     e->text.len;
	struct change *c = xcalloc(1, sizeof *c + len);
	char *to = c->text;

	c->e = *e;
	c->e.address = copy(&to, e->address);
	c->e.scope = copy(&to, e->scope);
	c->e.category = copy(&to, e->category);
	c->e.vmta = copy(&to, e->vmta);
	c->e.job = copy(&to, e->job);
	c->e.text = copy(&to, e->text);
	c->is_removal = is_removal;
	c->done = done;
	c->ctx = ctx;
	TAILQ_INSERT_TAIL(&s->waiting, c, link);
	if (!ev_timer_is_armed(&s->again))
		ev_defer_queue(&s->flush);
}

void
suppressed_add(struct suppressed *s, const struct suppression *e, suppressed_done *done, void *ctx)
{
	wait(s, e, false, done, ctx);
}

void
suppressed_remove(
    struct suppressed *s, struct str address, struct str scope, suppressed_done *done, void *ctx)
{
	struct suppression e = {.address = address, .scope = scope};

	wait(s, &e, true, done, ctx);
}

/* What is out of form fails alone; -1: the store is in trouble. */
static int
make(struct suppressed *s, struct change *c, struct why *why)
{
	if (!suppress_is_good(&c->e)) {
		c->result = -1;
		return 0;
	}
	if (c->is_removal) {
		c->result = suppress_remove(s->store, c->e.address, c->e.scope, why);
		return c->result == -1 ? -1 : 0;
	}
	c->result = 1;
	return suppress_add(s->store, &c->e, why);
}

static void
tell_made(struct suppressed *s, unsigned n)
{
	struct change *c;

	for (; n > 0 && (c = TAILQ_FIRST(&s->waiting)) != NULL; n--) {
		TAILQ_REMOVE(&s->waiting, c, link);
		if (c->result == 1)
			stat_inc(c->is_removal ? STAT_UNSUPPRESSED : STAT_SUPPRESSED);
		if (c->done != NULL)
			c->done(c->ctx, c->result);
		free(c);
	}
}

static void
on_flush(struct ev_defer *d)
{
	struct suppressed *s = ph_container_of(d, struct suppressed, flush);
	struct change *c;
	struct why why;
	unsigned n = 0;
	int r = 0;

	TAILQ_FOREACH(c, &s->waiting, link)
	{
		if (n == CHANGES_A_FLUSH || (r = make(s, c, &why)) == -1)
			break;
		n++;
	}
	if (r == -1 || suppress_commit(s->store, &why) == -1) {
		/* none of it was made: a full disk has room again one day */
		log_error("event=suppression-database-failed text=\"%s\"", why.text);
		ev_timer_in_ms(&s->again, AGAIN_MS);
		return;
	}
	tell_made(s, n);
	if (!TAILQ_EMPTY(&s->waiting))
		ev_defer_queue(&s->flush);
	if (suppress_is_growing(s->store))
		ev_defer_queue(&s->step);
}

static void
on_again(struct ev_timer *t)
{
	struct suppressed *s = ph_container_of(t, struct suppressed, again);

	ev_defer_queue(&s->flush);
}

/* ---- what takes long, in pieces ---- */

static bool
grow(struct suppressed *s)
{
	struct why why;
	int r;

	if (!suppress_is_growing(s->store))
		return false;
	r = suppress_grow(s->store, &why);
	if (r == -1)
		log_error("event=suppression-database-failed text=\"%s\"", why.text);
	if (r == 1)
		s->tell(FILTER_STORE, suppress_filter(s->store));
	return r == 0;
}

static bool
read_lists(struct suppressed *s)
{
	if (s->next == NULL)
		return false;
	if (lists_read(s->next))
		return true;
	use_next_lists(s);
	return false;
}

static void
on_step(struct ev_defer *d)
{
	struct suppressed *s = ph_container_of(d, struct suppressed, step);

	if (grow(s) | read_lists(s))
		ev_defer_queue(d);
}

static void
on_sweep(struct ev_timer *t)
{
	struct suppressed *s = ph_container_of(t, struct suppressed, sweep);
	struct why why;
	int r = suppress_sweep(s->store, ev_wall(), &why);

	if (r == -1)
		log_error("event=suppression-database-failed text=\"%s\"", why.text);
	ev_timer_in_ms(t, r == 1 ? SWEEP_STEP_MS : SWEEP_EVERY_MS);
}

/* ---- questions ---- */

/* its VirtualMTA, the pool that it was given to, and each pool that the VirtualMTA belongs to */
static size_t
scopes_of(const struct suppressed_question *q, struct str scopes[MAX_SCOPES])
{
	const struct conf *c = daemon_conf();
	size_t n = 0;

	if (q->pool.len > 0)
		scopes[n++] = q->pool;
	if (q->vmta.len == 0)
		return n;
	scopes[n++] = q->vmta;
	for (size_t i = 0; i < conf_n_pools(c) && n < MAX_SCOPES; i++)
		if (conf_pool_has(conf_pool_at(c, i), q->vmta))
			scopes[n++] = conf_pool_at(c, i)->name;
	return n;
}

static bool
ask_store(struct suppressed *s, const struct suppressed_question *q, struct suppressed_answer *a,
    struct buf *b)
{
	struct str scopes[MAX_SCOPES];
	size_t n = scopes_of(q, scopes);
	struct why why;
	int r = suppress_find(s->store, q->address, scopes, n, ev_wall(), &a->e, b, &why);
	if (r == -1)
		log_error("event=suppression-database-failed text=\"%s\"", why.text);
	return r == 1;
}

void
suppressed_ask(struct suppressed *s, const struct suppressed_question *q,
    struct suppressed_answer *a, struct buf *b)
{
	struct str list;

	buf_reset(b);
	*a = (struct suppressed_answer){0};
	if (ask_store(s, q, a, b)) {
		a->is_suppressed = true;
		(void)str_copy(a->list, sizeof a->list, STR(SUPPRESSED_LIST));
		return;
	}
	if (s->lists == NULL)
		return;
	list = lists_find(s->lists, q->lists, q->address);
	a->is_suppressed = list.len > 0;
	(void)str_copy(a->list, sizeof a->list, list);
}
