/* show rates: what jobs and VirtualMTAs brought upon us, the worst first */
#include "lib/base/xalloc.h"
#include "queued/alert/rate.h"
#include "queued/control/control_int.h"

#define SHOWN 100u

struct row {
	struct alert_share s;
	uint64_t per_million;
};
struct rows {
	struct str category; /* empty: all */
	struct row *list;    /* owned */
	size_t n, room;
};

static void
add(void *ctx, const struct alert_share *s)
{
	struct rows *r = ctx;

	if (r->category.len > 0 && !str_ieq(r->category, str_of(s->category)))
		return;
	if (r->n == r->room) {
		r->room = 2 * r->room + 64;
		r->list = xreallocarray(r->list, r->room, sizeof *r->list);
	}
	r->list[r->n++] = (struct row){
	    *s, s->delivered == 0 ? s->bad * 1000000 : s->bad * 1000000 / s->delivered};
}

static int
by_share(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->per_million != y->per_million)
		return x->per_million < y->per_million ? 1 : -1;
	return strcmp(x->s.name, y->s.name);
}

static void
put_percent(struct control *c, uint64_t per_million, const char *leaf, uint32_t i)
{
	char text[32];
	int n =
	    snprintf(text, sizeof text, "%lu.%02lu", per_million / 10000, per_million / 100 % 100);

	control_text(c, str_from(text, (size_t)n), "rate[%u].%s", i, leaf);
}

static void
show(struct control *c, const struct row *r, uint32_t i)
{
	control_text(c, r->s.of_job ? STR("job") : STR("vmta"), "rate[%u].of", i);
	control_text(c, str_of(r->s.name), "rate[%u].name", i);
	control_text(c, str_of(r->s.category), "rate[%u].category", i);
	control_number(c, r->s.bad, "rate[%u].count", i);
	control_number(c, r->s.delivered, "rate[%u].delivered", i);
	put_percent(c, r->per_million, "percent", i);
	put_percent(c, r->s.per_million, "allowed", i);
	control_number(c, r->s.window_s, "rate[%u].windowSeconds", i);
	control_bool(c, r->s.is_raised, "rate[%u].alert", i);
}

void
control_show_rates(struct control *c)
{
	struct rows r = {.category = control_arg(c, ARG_TARGET)};
	size_t max = c->req->max == 0 ? SHOWN : c->req->max;

	alert_rate_each(add, &r);
	if (r.n > 1)
		qsort(r.list, r.n, sizeof *r.list, by_share);
	for (uint32_t i = 0; i < PH_MIN(r.n, max); i++)
		show(c, &r.list[i], i);
	if (r.n == 0)
		control_no_rows(c, "rate");
	control_end(c, true, "%zu of %zu rates.", PH_MIN(r.n, max), r.n);
	free(r.list);
}
