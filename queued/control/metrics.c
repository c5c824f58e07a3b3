/* show metrics: the pages of all daemons, line by line */
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/stats/metrics.h"
#include "queued/control/control_int.h"

#define LINES_A_TURN 200

struct metrics {
	struct buf text;
	struct str rest; /* of it */
	uint32_t n;
};

static void
free_metrics(void *state)
{
	struct metrics *m = state;

	buf_clear(&m->text);
	free(m);
}

static bool
step_metrics(struct control *c, void *state)
{
	struct metrics *m = state;
	struct str line;

	for (int i = 0; i < LINES_A_TURN && m->rest.len > 0; i++) {
		if (str_next(&m->rest, '\n', &line) && line.len > 0)
			control_text(c, line, "line[%u]", m->n++);
	}
	if (m->rest.len > 0)
		return false;
	control_end(c, true, "%s", "");
	return true;
}

void
control_show_metrics(struct control *c)
{
	const struct stats_page *pages[CONTROL_MAX_PAGES];
	size_t n = control_pages(pages, countof(pages));
	struct metrics *m = xcalloc(1, sizeof *m);

	buf_init(&m->text, METRICS_MAX);
	if (metrics_write(&m->text, pages, n) == -1)
		log_warn("event=metrics-cut");
	m->rest = buf_str(&m->text);
	control_go_on(c, step_metrics, free_metrics, m);
}
