/*
 * Feeds one command with what its spill holds: the header line first, then records, each at least once and in order.
 * A record was given when the command has taken it out of the pipe. What a command that failed had taken of late is
 * given again, since nobody knows what it made of it: at most the pipe's 64 KB, and nothing that it had a quiet second
 * to deal with. The loop never waits for the command, nor does accounting: what it does not take stays in the spill.
 */
#ifndef PH_ACCTD_FEED_H
#define PH_ACCTD_FEED_H

#include "acctd/spill.h"
#include "lib/command/runner.h"

struct feed;

/* All are borrowed and outlive it. `idle` (ctx): its command has ended after feed_stop(). */
struct feed *feed_new(struct runner *r, struct spill *s, const struct acct_def *def);
/* Lets the command end by itself, unheard. */
void feed_free(struct feed **f);
/* After a reload: another definition of the same command. */
void feed_use(struct feed *f, const struct acct_def *def);
/* There may be more to give, or execd came. */
void feed_kick(struct feed *f);
/* The command gets its end of file and is not started again. */
void feed_stop(struct feed *f);
/* No command of it runs. */
bool feed_is_idle(const struct feed *f);
/* Bytes that wait. */
uint64_t feed_waiting(const struct feed *f);

#endif
