/*
 * What goes on: once a second the sums over all daemons' pages of statistics, as an event for the pages that are open,
 * and every ten seconds a point of the last hour. Reading costs the counted daemons nothing.
 */
#include <microhttpd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/ipc/ipc.h"
#include "lib/stats/metrics.h"
#include "lib/stats/stats.h"
#include "webd/webd.h"

#define MAX_PAGES  128
#define TICK_MS	   1000
#define POINT_S	   10
#define MAX_POINTS 361 /* an hour of differences */
#define EVENT_MAX  8192

struct point {
	int64_t at_s;
	uint64_t v[STAT_MAX];
};
static struct {
	const struct stats_page *pages[MAX_PAGES + 1]; /* room for our own behind the others */
	size_t n_pages;
	struct ev_timer tick;
	struct buf event;
	uint64_t number;
	struct point points[MAX_POINTS];
	size_t n_points; /* ever */
} live;

void
live_page(uint32_t role, uint32_t instance, int fd)
{
	const struct stats_page *p = stats_map(fd);

	close(fd);
	if (p == NULL || live.n_pages == MAX_PAGES) {
		log_warn("event=stats-page-unreadable role=%s", ipc_role_name((enum ipc_role)role));
		return;
	}
	live.pages[live.n_pages++] = p;
}

static uint64_t
sum(enum stat_id id)
{
	uint64_t n = stats_own->v[id];

	for (size_t i = 0; i < live.n_pages; i++)
		n += __atomic_load_n(&live.pages[i]->v[id], __ATOMIC_RELAXED);
	return n;
}

static void
take_point(const uint64_t *v, int64_t now_s)
{
	struct point *p;

	if (live.n_points > 0 &&
	    now_s - live.points[(live.n_points - 1) % MAX_POINTS].at_s < POINT_S)
		return;
	p = &live.points[live.n_points++ % MAX_POINTS];
	p->at_s = now_s;
	memcpy(p->v, v, sizeof p->v);
}

static void
on_tick(struct ev_timer *t)
{
	int64_t now_ms = ev_wall().ns / NS_PER_MS;
	uint64_t v[STAT_MAX];

	buf_reset(&live.event);
	(void)buf_addf(&live.event, "data: {\"time\":%ld", (long)now_ms);
	for (unsigned i = 0; i < STAT_MAX; i++) {
		v[i] = sum((enum stat_id)i);
		(void)buf_addf(&live.event, ",\"%s\":%lu", stat_name((enum stat_id)i), v[i]);
	}
	(void)buf_add_cstr(&live.event, "}\n\n");
	ph_assert(!buf_is_overfull(&live.event));
	live.number++;
	take_point(v, now_ms / 1000);
	requests_wake_streams();
	ev_timer_in_ms(t, TICK_MS);
}

void
live_init(void)
{
	buf_init(&live.event, EVENT_MAX);
	ev_timer_init(&live.tick, on_tick);
	on_tick(&live.tick);
}

struct str
live_event(uint64_t *number)
{
	*number = live.number;
	return buf_str(&live.event);
}

/* {"data":{"history":[{"time":…,"NAME":…},…]}}, the oldest first */
void
live_history(struct request *r)
{
	static const enum stat_id shown[] = {STAT_IN_MSGS, STAT_IN_RCPTS, STAT_IN_BYTES,
	    STAT_OUT_MSGS, STAT_OUT_RCPTS, STAT_OUT_BYTES, STAT_Q_RCPTS, STAT_Q_BOUNCED,
	    STAT_Q_DEFERRED, STAT_OUT_CONNS, STAT_IN_CONNS};
	size_t n = PH_MIN(live.n_points, (size_t)MAX_POINTS);
	struct buf b;

	buf_init(&b, 1024 * 1024);
	(void)buf_add_cstr(&b, "{\"data\":{\"history\":[");
	for (size_t i = live.n_points - n; i < live.n_points; i++) {
		const struct point *p = &live.points[i % MAX_POINTS];
		(void)buf_addf(&b, "%s{\"time\":%ld", i == live.n_points - n ? "" : ",",
		    (long)(p->at_s * 1000));
		for (size_t k = 0; k < countof(shown); k++)
			(void)buf_addf(&b, ",\"%s\":%lu", stat_name(shown[k]), p->v[shown[k]]);
		(void)buf_add_char(&b, '}');
	}
	(void)buf_add_cstr(&b, "]},\"status\":\"success\",\"message\":\"\"}\n");
	request_reply(r, MHD_HTTP_OK, "application/json", buf_str(&b));
	buf_clear(&b);
}

void
live_metrics(struct request *r)
{
	struct buf b;

	buf_init(&b, METRICS_MAX);
	live.pages[live.n_pages] = stats_own;
	if (metrics_write(&b, live.pages, live.n_pages + 1) == -1)
		request_say(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "There are more metrics than fit.");
	else
		request_reply(r, MHD_HTTP_OK, METRICS_CONTENT_TYPE, buf_str(&b));
	buf_clear(&b);
}

/* one family as `FAMILY[i].label`, `FAMILY[i].n`: of each process a row of its own, the page adds up */
static void
add_family(struct tree *t, enum stat_family f, const char *name)
{
	struct stats_labels *copy = xmalloc(sizeof *copy);
	uint32_t n = 0;
	char path[64], value[24];
	bool ok = true;

	for (size_t i = 0; i < live.n_pages; i++) {
		if (!stats_labels_read(live.pages[i], f, copy))
			continue;
		for (uint32_t k = 0; k < copy->n && ok; k++, n++) {
			snprintf(path, sizeof path, "%s[%u].label", name, n);
			ok = tree_add(t, str_of(path), str_of(copy->rows[k].text), CTL_TEXT) == 0;
			snprintf(path, sizeof path, "%s[%u].n", name, n);
			snprintf(value, sizeof value, "%lu", copy->rows[k].value);
			ok = ok && tree_add(t, str_of(path), str_of(value), CTL_NUMBER) == 0;
		}
	}
	if (n == 0)
		ok = tree_add(t, str_of(name), STR(""), CTL_NO_ROWS) == 0;
	ph_assert(ok);
	free(copy);
}

/* What is counted by label: categories, states, limits, the largest domains and VirtualMTAs. */
void
live_labels(struct request *r)
{
	static const struct {
		enum stat_family family;
		const char *name;
	} shown[] = {
	    {FAMILY_BOUNCES, "bounces"},
	    {FAMILY_DEFERRALS, "deferrals"},
	    {FAMILY_HELD, "states"},
	    {FAMILY_BINDING, "limits"},
	    {FAMILY_DOMAINS, "domains"},
	    {FAMILY_VMTAS, "vmtas"},
	    {FAMILY_OLDER, "ages"},
	};
	struct tree t;

	tree_init(&t);
	for (size_t i = 0; i < countof(shown); i++)
		add_family(&t, shown[i].family, shown[i].name);
	t.message = xstrdup("");
	request_tree(r, MHD_HTTP_OK, &t);
	tree_clear(&t);
}
