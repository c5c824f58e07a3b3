#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "injectd/injectd.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/daemon/daemon.h"

#define TICK_MS	    1000
#define MAX_PENDING (256u * 1024 * 1024) /* on its way to the disk */
#define MIN_INODES  64u

/* "MemTotal:  16318480 kB" of /proc/meminfo */
static uint64_t
meminfo_value(struct str text, struct str name)
{
	struct str line, word;
	uint64_t v = 0;

	while (str_next(&text, '\n', &line)) {
		if (!str_has_prefix(line, name))
			continue;
		line = str_skip(line, name.len);
		return str_next_word(&line, &word) && parse_u64(word, 0, UINT64_MAX / 100, &v) ? v
											       : 0;
	}
	return 0;
}

/* Page cache counts as free. */
static bool
memory_is_short(uint64_t max_percent)
{
	char text[4096];
	ssize_t n;
	uint64_t total, available;

	if (max_percent >= 100 || injectd.meminfo_fd == -1)
		return false;
	n = pread(injectd.meminfo_fd, text, sizeof text, 0);
	if (n <= 0)
		return false;
	total = meminfo_value(str_from(text, (size_t)n), STR("MemTotal:"));
	available = meminfo_value(str_from(text, (size_t)n), STR("MemAvailable:"));
	return total > 0 && available <= total && (total - available) * 100 / total >= max_percent;
}

static bool
disk_is_short(uint64_t min_free)
{
	struct statvfs v;

	if (fstatvfs(injectd.spool_fd, &v) == -1)
		return true;
	return (uint64_t)v.f_bavail * v.f_frsize < min_free ||
	       (v.f_files > 0 && v.f_favail < MIN_INODES);
}

static int
may_accept(struct why *why)
{
	const struct conf *c = daemon_conf();
	const struct conf_set *g = conf_global(c);
	bool has_spool = conf_n_blocks(c, CONF_BLOCK_SPOOL) > 0;
	const struct conf_set *spool = has_spool ? conf_block_at(c, CONF_BLOCK_SPOOL, 0) : NULL;

	if (injectd.queue_refuses)
		return why_smtp(why, 452, 4, 3, 1, "%s",
		    injectd.queue_text[0] != '\0' ? injectd.queue_text
						  : "No mail can be taken now");
	if (spool != NULL && conf_bool(spool, CONF_SPOOL_DELIVER_ONLY))
		return why_smtp(why, 452, 4, 3, 1, "The spool takes no new mail");
	if (disk_is_short(spool != NULL ? conf_u64(spool, CONF_SPOOL_MIN_FREE_SPACE) : 0))
		return why_smtp(why, 452, 4, 3, 1, "There is not enough space in the spool");
	if (memory_is_short(conf_u64(g, CONF_GLOBAL_MAX_MEMORY_USAGE_PERCENT)))
		return why_smtp(why, 452, 4, 3, 2, "There is not enough memory");
	if (injectd.queue_is_behind || journal_pending(injectd.journal) > MAX_PENDING)
		return why_smtp(why, 452, 4, 3, 2, "The system is busy");
	return 0;
}

void
space_check(void)
{
	struct why *now = &injectd.world.refusal, why = {0};
	bool refused_before = now->smtp_code != 0;

	if (injectd.journal == NULL)
		return;
	(void)may_accept(&why);
	if (why.smtp_code != 0 && !refused_before)
		log_warn("event=refusing-mail why=%s", log_quote(str_of(why.text)));
	if (why.smtp_code == 0 && refused_before)
		log_info("event=taking-mail-again");
	*now = why;
}

static void
on_tick(struct ev_timer *t)
{
	if (injectd.journal == NULL && injectd.has_begun && !injectd.is_stopping)
		(void)intake_open();
	space_check();
	ev_timer_in_ms(t, TICK_MS);
}

void
space_init(void)
{
	/* behind the walls there is no /proc */
	injectd.meminfo_fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	if (injectd.meminfo_fd == -1)
		log_warn("event=no-meminfo why=\"%s\"", strerrordesc_np(errno));
	ev_timer_init(&injectd.space_tick, on_tick);
	ev_timer_in_ms(&injectd.space_tick, TICK_MS);
}
