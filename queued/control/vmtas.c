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
by_vmta(const void *a, const void *b)
{
	const struct vmta_sum *x = a, *y = b;

	return x->v < y->v ? -1 : x->v > y->v;
}

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

/* all VirtualMTAs by name, the default first; owned by the caller */
static struct vmta_sum *
sum_vmtas(size_t *n)
{
	const struct conf *conf = daemon_conf();
	struct vmta_sum *sums, *s;

	vmta_get(STR(""));
	for (size_t i = 0; i < conf_n_vmtas(conf); i++)
		vmta_get(conf_vmta_at(conf, i)->name);
	*n = vmta_n();
	sums = xcalloc(*n, sizeof *sums);
	for (size_t i = 0; i < *n; i++)
		sums[i].v = vmta_at(i);
	qsort(sums, *n, sizeof *sums, by_vmta);
	for (uint32_t h = 0; (h = queue_next(h)) != 0;) {
		const struct queue *q = queue_at(h);
		struct vmta_sum key = {.v = q->vmta};
		s = bsearch(&key, sums, *n, sizeof *sums, by_vmta);
		s->rcpts += queue_n_rcpts(q);
		s->bytes += q->bytes;
		s->domains += queue_n_rcpts(q) > 0;
	}
	qsort(sums, *n, sizeof *sums, by_vmta_name);
	return sums;
}

/* also a part of show status detail */
void
control_show_vmtas(struct control *c)
{
	size_t n, max;
	struct vmta_sum *s = sum_vmtas(&n);

	if (str_ieq(control_arg(c, ARG_SORT), STR("rcpt")))
		qsort(s, n, sizeof *s, by_vmta_rcpts);
	else if (str_ieq(control_arg(c, ARG_SORT), STR("size")))
		qsort(s, n, sizeof *s, by_vmta_size);
	max = c->req->max == 0 ? n : PH_MIN(n, (size_t)c->req->max);
	for (size_t i = 0; i < max; i++) {
		control_text(c, s[i].v->name.len == 0 ? STR("{default}") : s[i].v->name,
		    "vmta[%zu].name", i);
		control_number(c, s[i].domains, "vmta[%zu].dom", i);
		control_number(c, s[i].rcpts, "vmta[%zu].rcp", i);
		control_number(c, s[i].bytes / 1024, "vmta[%zu].kb", i);
		control_number(c, s[i].v->out.used, "vmta[%zu].conn", i);
		control_bool(c, s[i].v->is_held, "vmta[%zu].held", i);
	}
	free(s);
	control_number(c, qd.rcpts.n_used, "totalRcp");
	if (c->req->command == CTL_SHOW_VMTAS)
		control_end(c, true, "%zu of %zu virtual MTAs.", max, n);
}
