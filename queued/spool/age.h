/*
 * How old queued mail is, whatever the wall clock did. While queued runs the monotonic clock tells; over a restart
 * only the wall clock does, and it may have been set. So queued leaves a sign of life on disk (state/clock, every 30 s),
 * and time that nobody saw pass is a gap that does not count:
 *
 *	- at the start, when the clock stands more than a day after the last sign of life;
 *	- while it runs, when the wall clock leaves the monotonic one behind by more than a minute.
 *
 * A clock that goes back takes back what it had gained. A wrong guess makes mail younger, never older: mail that
 * the operator does not want any more after a long pause is for pmtactl delete. Must never expire anything itself.
 */
#ifndef PH_QUEUED_SPOOL_AGE_H
#define PH_QUEUED_SPOOL_AGE_H

#include "lib/base/clock.h"
#include "lib/base/str.h"

#define AGE_MAX_GAPS	8
#define AGE_TICK_MS	30000
#define AGE_DAY_NS	(INT64_C(86400) * NS_PER_SEC)
#define AGE_STEP_NS	(INT64_C(60) * NS_PER_SEC)
#define AGE_RECORD_SIZE 512 /* one sector: it is written whole or not at all */

struct age_gap {
	struct wall from; /* what was accepted before this is younger by `ns` */
	int64_t ns;
};
struct age {
	struct age_gap gaps[AGE_MAX_GAPS]; /* by time of their making */
	size_t n;
	struct wall alive; /* the last sign of life */
	struct mono at;	   /* the same moment; unset after age_parse */
};

/* The age of what was accepted at `w`, at least 0. */
int64_t age_ns(const struct age *a, struct wall now, struct wall w);
/* The start, with what age_parse left in *a. Returns the unseen time in ns, negative: the clock went back, 0: all fits. */
int64_t age_begin(struct age *a, struct wall now, struct mono at);
/* A sign of life. The same result: how far the wall clock was set. */
int64_t age_tick(struct age *a, struct wall now, struct mono at);
/* What is on disk, exactly AGE_RECORD_SIZE bytes; false: not of that form, *a is empty. */
bool age_parse(struct age *a, struct str s);
void age_print(const struct age *a, char text[AGE_RECORD_SIZE]);

/* --- age_file.c: the daemon's own, kept in spool/state/clock --- */
/* Reads it, says in the log what does not fit, and arms the timer. A file that cannot be read or written is only logged. */
void age_start(int spool_fd);
/* The age of what was accepted at `w`. Without age_start: by the wall clock alone. */
int64_t age_of_ns(struct wall w);
/* The last sign before the end. */
void age_stop(void);

#endif
