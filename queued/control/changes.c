#include "queued/control/changes.h"

#include "lib/base/xalloc.h"
#include "queued/control/control_int.h"

#define KEPT	 1000u
#define SHOWN	 100u
#define HOUR_NS	 (3600 * NS_PER_SEC)
#define TEXT_LEN 400u

struct change {
	struct wall when;
	uint8_t kind;		     /* enum tail_kind */
	char *queue, *source, *text; /* owned */
};
static struct {
	struct change ring[KEPT];
	uint32_t n; /* ever */
} changes;

bool
changes_have(enum tail_kind kind)
{
	return kind == TAIL_MODE || kind == TAIL_SOURCE || kind == TAIL_ALERT ||
	       kind == TAIL_COMMAND;
}

void
changes_keep(const struct tail_event *e)
{
	struct change *c = &changes.ring[changes.n++ % KEPT];

	free(c->queue);
	free(c->source);
	free(c->text);
	*c = (struct change){.when = ev_wall(),
	    .kind = (uint8_t)e->kind,
	    .queue = xstrdup_str(str_sub(e->queue, 0, TEXT_LEN)),
	    .source = xstrdup_str(str_sub(e->source, 0, TEXT_LEN)),
	    .text = xstrdup_str(str_sub(e->text, 0, TEXT_LEN))};
}

static void
show(struct control *c, const struct change *e, uint32_t i)
{
	char when[32];

	control_text(c, control_time(e->when, when), "change[%u].time", i);
	control_text(c, str_of(tail_kind_name((enum tail_kind)e->kind)), "change[%u].type", i);
	control_text(c, str_of(e->queue), "change[%u].queue", i);
	control_text(c, str_of(e->source), "change[%u].source", i);
	control_text(c, str_of(e->text), "change[%u].text", i);
}

void
control_show_changes(struct control *c)
{
	uint32_t kept = PH_MIN(changes.n, KEPT), max = c->req->max == 0 ? SHOWN : c->req->max;
	uint32_t n = 0, n_shown;
	int64_t since = ev_wall().ns - HOUR_NS;

	while (n < kept && changes.ring[(changes.n - 1 - n) % KEPT].when.ns >= since)
		n++;
	n_shown = PH_MIN(n, max);
	for (uint32_t i = 0; i < n_shown; i++)
		show(c, &changes.ring[(changes.n - 1 - i) % KEPT], i);
	if (n_shown == 0)
		control_no_rows(c, "change");
	control_end(c, true, "%u of %u changes in the last hour%s.", n_shown, n,
	    n == KEPT ? " (and more, which were not kept)" : "");
}
