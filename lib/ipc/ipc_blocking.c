#include "lib/ipc/ipc_int.h"

#include <errno.h>
#include <poll.h>

/* the time left of a limit that began at `start`; -1: no limit */
static int
left_ms(struct mono start, int timeout_ms)
{
	int64_t left;

	if (timeout_ms < 0)
		return -1;
	ev_update_time();
	left = timeout_ms - mono_diff_ms(start, ev_now());
	return left > 0 ? (int)left : 0;
}

/* 0: ready, or interrupted: look again; -1 with why */
static int
wait_for(struct ipc_chan *c, short what, int ms, struct why *why)
{
	struct pollfd p = {.fd = c->fd, .events = what};
	int n = poll(&p, 1, ms);

	if (n == -1 && errno != EINTR)
		return why_errno(why, "poll");
	if (n == 0)
		return why_set(why, "%s did not answer in time", ipc_role_name(c->peer));
	return 0;
}

/* one message: > 0, 0: none yet */
static int
try_read(struct ipc_chan *c, struct ipc_msg *m, struct why *why)
{
	int n = ipc_next_msg(c, m);

	if (n == 0 && !c->is_broken && ipc_fill(c) > 0)
		n = ipc_next_msg(c, m);
	if (n > 0)
		return n;
	if (c->is_broken) {
		*why = c->why;
		return -1;
	}
	return 0;
}

int
ipc_read_blocking(struct ipc_chan *c, struct ipc_msg *m, int timeout_ms, struct why *why)
{
	struct mono start;
	short what;
	int n;

	ev_update_time();
	start = ev_now();
	for (;;) {
		ipc_write_out(c);
		n = try_read(c, m, why);
		if (n > 0) {
			/* what was read beyond this message waits for the loop, should there be one */
			ev_defer_queue(&c->flush);
			return 0;
		}
		what = ipc_backlog(c) > 0 ? POLLIN | POLLOUT : POLLIN;
		if (n == -1 || wait_for(c, what, left_ms(start, timeout_ms), why) == -1)
			return -1;
	}
}

int
ipc_flush_blocking(struct ipc_chan *c, int timeout_ms, struct why *why)
{
	struct mono start;

	ev_update_time();
	start = ev_now();
	for (;;) {
		if (c->is_broken) {
			*why = c->why;
			return -1;
		}
		if (ipc_write_out(c) == -1)
			return why_set(why, "%s is gone", ipc_role_name(c->peer));
		if (ipc_backlog(c) == 0)
			return 0;
		if (wait_for(c, POLLOUT, left_ms(start, timeout_ms), why) == -1)
			return -1;
	}
}
