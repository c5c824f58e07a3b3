#include "queued/end/first.h"

#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/ev/ev.h"
#include "queued/state.h"

static struct {
	uint32_t *sec; /* owned; by recipient's handle, in seconds since 1970; 0: not known */
	uint32_t n;
	bool is_on;
} first;

static void
make_room(uint32_t rcpt)
{
	uint32_t n = PH_MAX(slab_end(&qd.rcpts), rcpt + 1);

	if (rcpt < first.n)
		return;
	n += n / 2;
	first.sec = xreallocarray(first.sec, n, sizeof *first.sec);
	memset(first.sec + first.n, 0, (n - first.n) * sizeof *first.sec);
	first.n = n;
}

void
first_begins(uint32_t rcpt)
{
	if (!first.is_on || rcpt_at(rcpt)->tries > 0)
		return;
	make_room(rcpt);
	if (first.sec[rcpt] == 0)
		first.sec[rcpt] = (uint32_t)wall_sec(ev_wall());
}

void
first_untried(uint32_t rcpt)
{
	if (rcpt < first.n && rcpt_at(rcpt)->tries == 0)
		first.sec[rcpt] = 0;
}

struct wall
first_when(uint32_t rcpt)
{
	return (struct wall){.ns = rcpt < first.n ? first.sec[rcpt] * NS_PER_SEC : 0};
}

void
first_forget(uint32_t rcpt)
{
	if (rcpt < first.n)
		first.sec[rcpt] = 0;
}

void
first_configure(void)
{
	first.is_on = conf_bool(conf_global(daemon_conf()), CONF_GLOBAL_TRACK_TIME_FIRST_ATTEMPT);
	if (first.is_on)
		return;
	xfree(&first.sec);
	first.n = 0;
}
