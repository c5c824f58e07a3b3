/*
 * The fake back end: a clock that only the test turns. A test has it by compiling this file into itself
 * (`#include "lib/ev/ev_fake.c"`), or by linking it in place of ev_libevent.c.
 */
#include "lib/ev/ev_int.h"

#include "lib/base/log.h"

/* neither clock begins at zero: zero means "unset" in many places */
#define FAKE_MONO_START (1000 * NS_PER_SEC)
#define FAKE_WALL_START (INT64_C(1767225600) * NS_PER_SEC) /* 2026-01-01 00:00:00 UTC */

static struct {
	struct mono now;
	struct wall wall;
	bool stopped;
} fake = {.now = {FAKE_MONO_START}, .wall = {FAKE_WALL_START}};

void
ev_init(void)
{
	ev_timers_clear();
	ev_deferred_clear();
	fake.now.ns = FAKE_MONO_START;
	fake.wall.ns = FAKE_WALL_START;
	fake.stopped = false;
}

void
ev_fini(void)
{
	ev_init();
}

void
ev_update_time(void)
{
}

struct mono
ev_now(void)
{
	return fake.now;
}

struct wall
ev_wall(void)
{
	return fake.wall;
}

static void
jump_to(struct mono at)
{
	if (!mono_is_before(fake.now, at))
		return;
	fake.wall.ns += at.ns - fake.now.ns;
	fake.now = at;
}

struct mono
ev_fake_next(void)
{
	return ev_timers_next();
}

void
ev_fake_set_wall(struct wall w)
{
	fake.wall = w;
}

static void
run_all_due(void)
{
	do {
		ev_timers_run(fake.now);
		ev_deferred_run();
	} while (ev_deferred_any() || !mono_is_before(fake.now, ev_timers_next()));
}

void
ev_fake_advance_ms(int64_t ms)
{
	struct mono target = mono_add_ms(fake.now, ms);

	run_all_due();
	while (!mono_is_before(target, ev_timers_next())) {
		jump_to(ev_timers_next());
		run_all_due();
	}
	jump_to(target);
}

void
ev_fake_ready(struct ev_io *io, int what)
{
	if (io->want & what)
		io->cb(io, io->want & what);
	ev_deferred_run();
}

/* jumps from timer to timer until ev_stop() or until none is left */
void
ev_run(void)
{
	fake.stopped = false;
	run_all_due();
	while (!fake.stopped && ev_timers_next().ns != MONO_NEVER.ns) {
		jump_to(ev_timers_next());
		run_all_due();
	}
}

void
ev_stop(void)
{
	fake.stopped = true;
}

void
ev_io_init(struct ev_io *io, int fd, ev_io_cb *cb)
{
	*io = (struct ev_io){.fd = fd, .cb = cb};
}

void
ev_io_want(struct ev_io *io, int what)
{
	io->want = what;
}

void
ev_io_stop(struct ev_io *io)
{
	io->want = 0;
}

void
ev_signal(int signo, ev_signal_cb *cb, void *arg)
{
}
