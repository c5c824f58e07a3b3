/* show domains and topdomains: the queues of each added up */
#include "lib/base/xalloc.h"
#include "queued/control/control_int.h"
#include "queued/control/events.h"
#include "queued/control/pick.h"
#include "queued/domain.h"
#include "queued/state.h"

/* a turn's work: sums put into order, rows told */
#define SUMS_A_TURN 20000
#define ROWS_A_TURN 400

struct sum {
	uint64_t begin; /* of its name */
	uint64_t rcpts, bytes;
	uint64_t delivered, bounced, deferred;
	int64_t last_error_ns;
	uint32_t last; /* the queue with the latest error */
	uint32_t conns;
	uint32_t n_queues;
};
struct domains {
	struct queue_filter filter;
	struct queue_walk walk;
	struct pick pick;
	uint32_t next, end; /* domains */
	uint32_t n, at;	    /* that have queues; row */
	bool is_added, is_picked;
	struct sum sums[]; /* by domain */
};

/* of a queue's name: what is before the slash */
static uint64_t
begin_of_domain(uint64_t begin)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		if ((begin >> shift & 0xff) == '/')
			return begin >> shift >> 8 << shift << 8;
	return begin;
}

static bool
add_queue(struct control *c, const struct queue_brief *b, void *state)
{
	struct domains *d = state;
	struct sum *s;

	/* one may have come meanwhile */
	if (b->domain >= d->end || !queue_filter_fits(&d->filter, b))
		return true;
	s = &d->sums[b->domain];
	d->n += s->n_queues++ == 0;
	s->begin = begin_of_domain(b->name_begin);
	s->rcpts += b->n_rcpts;
	s->bytes += b->bytes;
	s->conns += b->n_conns;
	s->delivered += b->n_delivered;
	s->bounced += b->n_bounced;
	s->deferred += b->n_deferred;
	if (b->last_error_ns > s->last_error_ns) {
		s->last = b->q->handle;
		s->last_error_ns = b->last_error_ns;
	}
	return true;
}

/* those with equally many bounces by their temporary failures */
static uint64_t
key_of(const struct domains *d, const struct sum *s)
{
	if (d->filter.key != KEY_BOUNCES)
		return queue_filter_key(&d->filter, s->rcpts, s->bytes);
	return PH_MIN(s->bounced, (uint64_t)UINT32_MAX) << 32 |
	       PH_MIN(s->deferred, (uint64_t)UINT32_MAX);
}

static void
pick_some(struct domains *d)
{
	for (int k = 0; k < SUMS_A_TURN && d->next < d->end; k++, d->next++) {
		const struct sum *s = &d->sums[d->next];
		uint64_t key = key_of(d, s);
		if (s->n_queues > 0 && pick_wants(&d->pick, key, s->begin))
			pick_add(&d->pick, key, domain_name(d->next), d->next);
	}
	d->is_picked = d->next == d->end;
}

static void
show_domain(struct control *c, const struct sum *s, const char *name, uint32_t i)
{
	const struct queue *last = queue_try(s->last);
	const struct event *e = last == NULL ? NULL : events_last(last, 0);

	control_text(c, str_of(name), "domain[%u].name", i);
	control_number(c, s->rcpts, "domain[%u].rcp", i);
	control_number(c, s->bytes / 1024, "domain[%u].kb", i);
	control_number(c, s->conns, "domain[%u].conn", i);
	control_number(c, s->delivered, "domain[%u].deliveries", i);
	control_number(c, s->bounced, "domain[%u].bounces", i);
	control_number(c, s->deferred, "domain[%u].deferrals", i);
	control_text(c, e == NULL ? STR("") : str_of(e->text), "domain[%u].lastError", i);
	if (e != NULL && control_flag(c, "errors"))
		control_text(c, str_of(last->name), "domain[%u].lastErrorQueue", i);
}

static bool
tell(struct control *c, struct domains *d)
{
	uint32_t max = PH_MIN(d->n, control_rows_wanted(c));
	struct pick_row row;

	for (int k = 0; k < ROWS_A_TURN && d->at < max && pick_take(&d->pick, &row); k++) {
		show_domain(c, &d->sums[row.handle], row.name, d->at++);
		free(row.name);
	}
	return d->at >= max || d->pick.n == 0;
}

static bool
step_domains(struct control *c, void *state)
{
	struct domains *d = state;

	if (d->walk.last == 0)
		queue_filter_init(&d->filter, c);
	if (!d->is_added)
		d->is_added = queue_walk_step(&d->walk, c, add_queue, d);
	if (d->is_added && !d->is_picked)
		pick_some(d);
	if (!d->is_picked || !tell(c, d))
		return false;
	if (d->n == 0)
		control_no_rows(c, "domain");
	control_end(c, true, "%u of %u domains shown.", d->at, d->n);
	return true;
}

static void
free_domains(void *state)
{
	struct domains *d = state;

	pick_clear(&d->pick);
	free(d);
}

void
control_show_domains(struct control *c)
{
	struct domains *d;

	if (!control_are_options_good(c))
		return;
	d = xcalloc(1, sizeof *d + domain_end() * sizeof d->sums[0]);
	d->end = domain_end();
	pick_init(&d->pick, control_rows_wanted(c));
	control_go_on(c, step_domains, free_domains, d);
}
