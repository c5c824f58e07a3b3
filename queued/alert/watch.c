#include "queued/alert/watch.h"

#include <sys/statvfs.h>

#include "lib/daemon/daemon.h"
#include "lib/stats/stats.h"
#include "queued/alert/alert.h"
#include "queued/alert/rate.h"
#include "queued/control/control.h"
#include "queued/state.h"
#include "queued/control/survey.h"

#define LOOK_MS	   2000
#define RESTART_MS (3600 * 1000LL)
#define DAY_S	   86400

static struct {
	struct ev_timer timer;
	/* starts of each process at the last look, by role and instance */
	uint64_t starts[ROLE_MAX][64];
} watch;

static const struct conf_set *
global(void)
{
	return conf_global(daemon_conf());
}

static void
look_at_disk(void)
{
	uint64_t least = conf_u64(global(), CONF_GLOBAL_ALERT_DISK_FREE), free_percent;
	struct statvfs v;

	if (fstatvfs(qd.spool_fd, &v) == -1 || v.f_blocks == 0)
		return;
	free_percent = (uint64_t)v.f_bavail * 100 / v.f_blocks;
	if (free_percent < least)
		alert_raise(ALERT_DISK, STR("spool"),
		    "%lu %% of its file system are free, less than alert-disk-free (%lu)",
		    free_percent, least);
	else
		alert_clear(ALERT_DISK, STR("spool"));
}

static void
look_at_age(void)
{
	int64_t most = conf_ms(global(), CONF_GLOBAL_ALERT_QUEUE_AGE);
	uint32_t age = survey_oldest_s();

	if (most != CONF_NEVER && (int64_t)age * 1000 > most)
		alert_raise(ALERT_QUEUE_AGE, STR("queues"),
		    "the oldest message waits for %uh%02um, more than alert-queue-age", age / 3600,
		    age / 60 % 60);
	else
		alert_clear(ALERT_QUEUE_AGE, STR("queues"));
}

static void
look_at_accounting(void)
{
	if (control_stat(STAT_ACCT_BLOCKED) > 0)
		alert_raise(ALERT_ACCOUNTING, STR("acctd"),
		    "accounting cannot be written; deliveries wait for it");
	else
		alert_clear(ALERT_ACCOUNTING, STR("acctd"));
}

/* master tells when each file's first certificate to run out does */
static void
look_at_certificate(struct str file, int64_t ends_s)
{
	int64_t left_s = ends_s - wall_sec(ev_wall());
	int64_t least = conf_ms(global(), CONF_GLOBAL_ALERT_CERTIFICATE);

	if (least == CONF_NEVER || left_s * 1000 > least)
		alert_clear(ALERT_CERTIFICATE, file);
	else if (left_s <= 0)
		alert_raise(ALERT_CERTIFICATE, file, "a certificate in it has run out");
	else
		alert_raise(ALERT_CERTIFICATE, file, "a certificate in it runs out in %ld days",
		    left_s / DAY_S);
}

static void
look_at_master(const struct stats_page *p)
{
	static struct stats_labels l;

	if (!stats_labels_read(p, FAMILY_CERTIFICATES, &l))
		return;
	for (uint32_t i = 0; i < l.n; i++)
		look_at_certificate(str_of(l.rows[i].text), (int64_t)l.rows[i].value);
}

static void
look_at_starts(const struct stats_page *p)
{
	uint64_t n = p->v[STAT_PROC_STARTS], *last;
	char name[64];

	if (p->role >= ROLE_MAX || p->instance >= countof(watch.starts[0]))
		return;
	last = &watch.starts[p->role][p->instance];
	/* a queued that has just begun knows of its own death by its page */
	if (n > PH_MAX(*last, (uint64_t)1)) {
		snprintf(name, sizeof name, "%s.%lu", ipc_role_name((enum ipc_role)p->role),
		    p->instance);
		alert_raise_for(ALERT_RESTART, RESTART_MS, str_of(name),
		    "it died and was started again, %lu times since the server began; see the log",
		    n - 1);
	}
	*last = n;
}

static void
look_at_pages(void)
{
	const struct stats_page *pages[CONTROL_MAX_PAGES];
	size_t n = control_pages(pages, countof(pages));

	for (size_t i = 0; i < n; i++) {
		if (pages[i]->role == ROLE_MASTER)
			look_at_master(pages[i]);
		look_at_starts(pages[i]);
	}
}

static void
on_look(struct ev_timer *t)
{
	look_at_disk();
	look_at_age();
	look_at_accounting();
	look_at_pages();
	alert_rate_look();
	ev_timer_in_ms(t, LOOK_MS);
}

void
alert_watch_start(void)
{
	ev_timer_init(&watch.timer, on_look);
	ev_timer_in_ms(&watch.timer, 1000);
}
