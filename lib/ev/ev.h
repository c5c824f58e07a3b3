/*
 * The event loop and the only reader of the clocks. One loop a process. Handlers never block and do a bounded
 * amount of work. `ev_libevent.c` is the real back end; `ev_fake.c` implements the same functions over a clock
 * that a test turns (timers and deferred calls only; descriptors are never ready unless the test says so).
 *
 * Watchers are embedded in their owner's struct: `_init` once, then `_start/_stop` at will; a stopped watcher's
 * callback is not called. Stopping or freeing any watcher inside any handler is allowed.
 */
#ifndef PH_EV_EV_H
#define PH_EV_EV_H

#include "lib/base/clock.h"

enum ev_what { EV_IN = 1, EV_OUT = 2 };

struct ev_io;
struct ev_timer;
struct ev_defer;
typedef void ev_io_cb(struct ev_io *io, int what); /* what: EV_IN | EV_OUT bits that are ready */
typedef void ev_timer_cb(struct ev_timer *t);
typedef void ev_defer_cb(struct ev_defer *d);
typedef void ev_signal_cb(int signo, void *arg);

struct ev_io {
	ev_io_cb *cb;
	void *impl;
	int fd;
	int want; /* bits now watched */
};

/* Timers live in the module's own heap: arming, moving and stopping cost O(log n), no system call. */
struct ev_timer {
	ev_timer_cb *cb;
	struct mono at;
	uint32_t heap_index; /* 0: not armed */
	uint32_t pad;
};

/* Runs once at the end of the current turn of the loop (or of the next one when queued from outside a handler). */
struct ev_defer {
	ev_defer_cb *cb;
	struct ev_defer *next;
	struct ev_defer **back; /* what points here */
	bool queued;
};

/* Once a process, before any other call. */
void ev_init(void);
/* For a child after fork and for tests. */
void ev_fini(void);
/* Runs until ev_stop(). */
void ev_run(void);
void ev_stop(void);

/* The time at which this turn began; cheap. */
struct mono ev_now(void);
struct wall ev_wall(void);
/* Re-reads both clocks: after work that took long. */
void ev_update_time(void);

void ev_io_init(struct ev_io *io, int fd, ev_io_cb *cb);
/* Sets the watched bits (0 stops). The descriptor stays the caller's. Level-triggered. */
void ev_io_want(struct ev_io *io, int what);
/* Stops watching; must be called before the descriptor is closed. */
void ev_io_stop(struct ev_io *io);

void ev_timer_init(struct ev_timer *t, ev_timer_cb *cb);
/* Arms, or moves an armed timer. Fires once. */
void ev_timer_at(struct ev_timer *t, struct mono at);
void ev_timer_in_ms(struct ev_timer *t, int64_t ms);
void ev_timer_stop(struct ev_timer *t);
bool ev_timer_is_armed(const struct ev_timer *t);

void ev_defer_init(struct ev_defer *d, ev_defer_cb *cb);
void ev_defer_queue(struct ev_defer *d); /* idempotent while queued */
void ev_defer_cancel(struct ev_defer *d);

/* Delivers the signal as an event. Real back end only. */
void ev_signal(int signo, ev_signal_cb *cb, void *arg);

/* --- fake back end only --- */
/* Sets both clocks and runs what that makes due, in time order, until `at` is reached. */
void ev_fake_advance_ms(int64_t ms);
void ev_fake_set_wall(struct wall w);
/* The time of the earliest armed timer, MONO_NEVER when none. */
struct mono ev_fake_next(void);
/* The descriptor becomes ready: calls the watcher, if it wants one of these bits, and what that defers. */
void ev_fake_ready(struct ev_io *io, int what);

#endif
