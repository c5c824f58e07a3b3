/* the statistics pages of all daemons, and traffic, which is counted from them once a second */
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/stats/stats.h"
#include "queued/control/control_int.h"
#include "queued/state.h"

#define LOOK_MS 1000

static struct {
	const struct stats_page *pages[CONTROL_MAX_PAGES];
	uint32_t n_pages;
	struct ev_timer look;
	struct traffic traffic;
	uint64_t top_in, top_out; /* connections */
} watch;

void
control_stats_page(const struct ipc_fd *what, int fd)
{
	const struct stats_page *p = stats_map(fd);

	if (close(fd) == -1 || p == NULL) {
		log_warn("event=stats-page-unreadable role=%s", ipc_role_name(what->role));
		return;
	}
	for (uint32_t i = 0; i < watch.n_pages; i++) {
		if (watch.pages[i]->role == what->role && watch.pages[i]->instance == what->index) {
			munmap((void *)(uintptr_t)watch.pages[i], sizeof *p);
			watch.pages[i] = p;
			return;
		}
	}
	if (watch.n_pages < CONTROL_MAX_PAGES)
		watch.pages[watch.n_pages++] = p;
}

size_t
control_pages(const struct stats_page **list, size_t max)
{
	size_t n = 0;

	list[n++] = stats_own;
	for (uint32_t i = 0; i < watch.n_pages && n < max; i++) {
		if (watch.pages[i]->role != ROLE_QUEUE)
			list[n++] = watch.pages[i];
	}
	return n;
}

uint64_t
control_stat(uint32_t stat_id)
{
	uint64_t sum = stats_own->v[stat_id];

	for (uint32_t i = 0; i < watch.n_pages; i++) {
		if (watch.pages[i]->role != ROLE_QUEUE)
			sum += watch.pages[i]->v[stat_id];
	}
	return sum;
}

/* ---- traffic ---- */

static struct traffic_sum
totals(void)
{
	return (struct traffic_sum){{control_stat(STAT_IN_RCPTS), control_stat(STAT_IN_MSGS),
	    control_stat(STAT_IN_BYTES), control_stat(STAT_OUT_RCPTS), control_stat(STAT_OUT_MSGS),
	    control_stat(STAT_OUT_BYTES)}};
}

static int64_t
this_second(void)
{
	return ev_now().ns / NS_PER_SEC;
}

static void
look(void)
{
	struct traffic_sum now = totals();

	traffic_look(&watch.traffic, this_second(), &now);
	watch.top_in = PH_MAX(watch.top_in, control_stat(STAT_IN_CONNS));
	watch.top_out = PH_MAX(watch.top_out, qd.total_out.used);
}

static void
on_look(struct ev_timer *t)
{
	look();
	ev_timer_in_ms(t, LOOK_MS);
}

void
control_stats_init(void)
{
	ev_timer_init(&watch.look, on_look);
	ev_timer_in_ms(&watch.look, LOOK_MS);
}

const struct traffic *
control_traffic(void)
{
	look();
	return &watch.traffic;
}

void
control_traffic_reset(void)
{
	struct traffic_sum now = totals();

	traffic_reset(&watch.traffic, this_second(), &now);
	watch.top_in = watch.top_out = 0;
}

uint64_t
control_top(uint32_t stat_id)
{
	return stat_id == STAT_IN_CONNS ? watch.top_in : watch.top_out;
}
