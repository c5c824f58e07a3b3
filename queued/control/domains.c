/* show domains and topdomains: the queues of each added up */
#include "lib/base/hmap.h"
#include "lib/base/xalloc.h"
#include "queued/control/control_int.h"
#include "queued/control/events.h"
#include "queued/control/pick.h"
#include "queued/state.h"

/* a turn's work: sums put into order, rows told */
#define SUMS_A_TURN 10000
#define ROWS_A_TURN 100

struct sum {
	char *name; /* owned: a queue may go while the answer is under way */
	uint64_t rcpts, bytes;
	uint64_t delivered, bounced, deferred;
	uint32_t conns;
	uint32_t last; /* the queue with the latest error */
	struct wall when;
};
struct domains {
	struct queue_walk walk;
	struct hmap map; /* to the sum, from 1 */
	struct sum *sums;
	uint32_t n, room;
	uint32_t next; /* sum */
	uint32_t at;   /* row */
	struct pick pick;
	bool is_added, is_picked;
};

struct key {
	const struct domains *d;
	struct str name;
};

static bool
is_domain(const void *key, uint32_t handle)
{
	const struct key *k = key;

	return str_eq(str_of(k->d->sums[handle - 1].name), k->name);
}

static struct sum *
sum_of(struct domains *d, struct str name)
{
	struct key key = {.d = d, .name = name};
	uint64_t hash = str_hash(name);
	uint32_t h = hmap_find(&d->map, hash, is_domain, &key);

	if (h != 0)
		return &d->sums[h - 1];
	if (d->n == d->room) {
		d->room = d->room == 0 ? 64 : d->room * 2;
		d->sums = xreallocarray(d->sums, d->room, sizeof *d->sums);
	}
	d->sums[d->n] = (struct sum){.name = xstrdup_str(name)};
	hmap_add(&d->map, hash, ++d->n);
	return &d->sums[d->n - 1];
}

static bool
add_queue(struct control *c, struct queue *q, void *state)
{
	const struct event *e = events_last(q, 0);
	struct sum *s;

	if (!control_is_shown(c, q))
		return true;
	s = sum_of(state, queue_domain(q));
	s->rcpts += queue_n_rcpts(q);
	s->bytes += q->bytes;
	s->conns += q->n_conns;
	s->delivered += q->n_delivered;
	s->bounced += q->n_bounced;
	s->deferred += q->n_deferred;
	if (e != NULL && (s->last == 0 || e->when.ns > s->when.ns)) {
		s->last = q->handle;
		s->when = e->when;
	}
	return true;
}

static void
pick_some(struct control *c, struct domains *d)
{
	for (int k = 0; k < SUMS_A_TURN && d->next < d->n; k++, d->next++) {
		const struct sum *s = &d->sums[d->next];
		pick_add(
		    &d->pick, control_sort_key(c, s->rcpts, s->bytes), str_of(s->name), d->next);
	}
	d->is_picked = d->next == d->n;
}

static void
show_domain(struct control *c, const struct sum *s, uint32_t i)
{
	const struct queue *last = queue_try(s->last);
	const struct event *e = last == NULL ? NULL : events_last(last, 0);

	control_text(c, str_of(s->name), "domain[%u].name", i);
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
		show_domain(c, &d->sums[row.handle], d->at++);
		free(row.name);
	}
	return d->at >= max;
}

static bool
step_domains(struct control *c, void *state)
{
	struct domains *d = state;

	if (!d->is_added)
		d->is_added = queue_walk_step(&d->walk, c, add_queue, d);
	if (d->is_added && !d->is_picked)
		pick_some(c, d);
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

	for (uint32_t i = 0; i < d->n; i++)
		free(d->sums[i].name);
	free(d->sums);
	hmap_clear(&d->map);
	pick_clear(&d->pick);
	free(d);
}

void
control_show_domains(struct control *c)
{
	struct domains *d;

	if (!control_are_options_good(c))
		return;
	d = xcalloc(1, sizeof *d);
	hmap_init(&d->map);
	pick_init(&d->pick, control_rows_wanted(c));
	control_go_on(c, step_domains, free_domains, d);
}
