#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/stats/stats.h"

/* The state letter of proc_pid_stat(5); '?' when it cannot be read. */
static char
process_state(pid_t pid)
{
	char path[32], text[128];
	struct str s;
	size_t end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return '?';
	n = read(fd, text, sizeof text);
	close(fd);
	s = str_from(text, n > 0 ? (size_t)n : 0);
	/* "PID (name) S …": the name may hold anything, but its end is the last parenthesis of these bytes */
	end = str_rfind(s, ')');
	return end != STR_NPOS && end + 2 < s.len ? s.p[end + 2] : '?';
}

static void
end_hung(struct kid *k, char state)
{
	/* it waits for the disk: killing would not help, and what it does is its work; or somebody debugs it */
	if (state == 'D' || state == 't') {
		log_warn("%s does not answer pid=%d state=%c", kid_name(k), (int)k->pid, state);
		watch_heard(&k->watch);
		return;
	}
	log_error(
	    "%s does not answer and is killed pid=%d state=%c", kid_name(k), (int)k->pid, state);
	kid_kill(k);
}

static void
look_at(struct kid *k)
{
	bool is_starting = k->state == KID_STARTING;

	if (!kid_is_running(k) || (k->state != KID_READY && !is_starting))
		return;
	/* what is stopped does not start either */
	if (is_starting && process_state(k->pid) == 'T') {
		k->watch.is_asked = true;
		is_starting = false;
	}
	switch (watch_tick(&k->watch, is_starting)) {
	case WATCH_ASK:
		ipc_send(k->chan, IPC_PING, NULL, NULL, -1);
		break;
	case WATCH_HUNG:
		end_hung(k, process_state(k->pid));
		break;
	case WATCH_FINE:
		break;
	}
}

static void
on_tick(struct ev_timer *t)
{
	/* the order to stop has limits of its own */
	if (master.phase == PHASE_STOPPING)
		return;
	stats_note_use();
	for (size_t i = 0; i < master.n_kids; i++)
		look_at(&master.kids[i]);
	ev_timer_in_ms(t, WATCH_TICK_MS);
}

void
guard_start(void)
{
	ev_timer_init(&master.guard, on_tick);
	ev_timer_in_ms(&master.guard, WATCH_TICK_MS);
}
