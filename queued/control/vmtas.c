/* show vmtas */
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/control/control_int.h"
#include "queued/state.h"
#include "queued/vmta.h"

struct vmta_sum {
	const struct vmta *v;
	uint64_t rcpts, bytes;
	uint32_t domains;
};

static int
by_vmta_rcpts(const void *a, const void *b)
{
	const struct vmta_sum *x = a, *y = b;

	return (x->rcpts < y->rcpts) - (x->rcpts > y->rcpts);
}

static int
by_vmta_size(const void *a, const void *b)
{
	const struct vmta_sum *x = a, *y = b;

	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static int
by_vmta_name(const void *a, const void *b)
{
	const struct vmta_sum *x = a, *y = b;

	return str_icmp(x->v->name, y->v->name);
}

struct vmtas {
	struct queue_walk walk;
	bool is_part; /* of show status detail */
	size_t n;
	struct vmta_sum sums[];
};

static bool
add_queue(struct control *c, const struct queue_brief *b, void *state)
{
	struct vmtas *all = state;
	struct vmta_sum *s = &all->sums[b->vmta];

	if (b->vmta >= all->n)
		return true; /* it has come meanwhile */
	s->rcpts += b->n_rcpts;
	s->bytes += b->bytes;
	s->domains += b->n_rcpts > 0;
	return true;
}

/* by name, the default first, unless --sort says another */
static void
sort(struct control *c, struct vmtas *all)
{
	qsort(all->sums, all->n, sizeof all->sums[0], by_vmta_name);
	if (str_ieq(control_arg(c, ARG_SORT), STR("rcpt")))
		qsort(all->sums, all->n, sizeof all->sums[0], by_vmta_rcpts);
	else if (str_ieq(control_arg(c, ARG_SORT), STR("size")))
		qsort(all->sums, all->n, sizeof all->sums[0], by_vmta_size);
}

static void
tell(struct control *c, const struct vmta_sum *s, size_t i)
{
	control_text(c, s->v->name.len == 0 ? STR("{default}") : s->v->name, "vmta[%zu].name", i);
	control_number(c, s->domains, "vmta[%zu].dom", i);
	control_number(c, s->rcpts, "vmta[%zu].rcp", i);
	control_number(c, s->bytes / 1024, "vmta[%zu].kb", i);
	control_number(c, s->v->out.used, "vmta[%zu].conn", i);
	control_bool(c, s->v->is_held, "vmta[%zu].held", i);
}

static bool
step_vmtas(struct control *c, void *state)
{
	struct vmtas *all = state;
	size_t max = c->req->max == 0 ? all->n : PH_MIN(all->n, (size_t)c->req->max);

	if (!queue_walk_step(&all->walk, c, add_queue, all))
		return false;
	sort(c, all);
	for (size_t i = 0; i < max; i++)
		tell(c, &all->sums[i], i);
	control_number(c, qd.rcpts.n_used, "totalRcp");
	if (all->is_part)
		control_end(c, true, "%s", "");
	else
		control_end(c, true, "%zu of %zu virtual MTAs.", max, all->n);
	return true;
}

/* also a part of show status detail */
void
control_show_vmtas(struct control *c)
{
	const struct conf *conf = daemon_conf();
	struct vmtas *all;

	if (!control_are_options_good(c))
		return;
	vmta_get(STR(""));
	for (size_t i = 0; i < conf_n_vmtas(conf); i++)
		vmta_get(conf_vmta_at(conf, i)->name);
	all = xcalloc(1, sizeof *all + vmta_n() * sizeof all->sums[0]);
	all->is_part = c->req->command == CTL_SHOW_STATUS;
	all->n = vmta_n();
	for (size_t i = 0; i < all->n; i++)
		all->sums[i].v = vmta_at(i);
	control_go_on(c, step_vmtas, NULL, all);
}
