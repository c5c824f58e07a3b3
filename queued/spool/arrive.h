/*
 * A message comes into the queues: by ACCEPTED from an injector, or from the scan of the spool at the start. Both
 * read the envelope from the spool, so there is one way in.
 */
#ifndef PH_QUEUED_SPOOL_ARRIVE_H
#define PH_QUEUED_SPOOL_ARRIVE_H

#include "lib/ipc/ipc.h"
#include "lib/spool/envelope.h"

/*
 * From an injector, its number in place->writer; the envelope is read here. False with `why`: there is no such message,
 * or too many that cannot be read, and whoever says so is not believed. What was taken before stays.
 */
bool arrive_accepted(const struct spool_place *place, struct why *why) PH_MUST_CHECK;
/* How it came: by message; by the scan at the start (the done log is asked); by a scan for what a writer left. */
enum arrive_how { ARRIVE_TOLD, ARRIVE_FIRST_SCAN, ARRIVE_LATE_SCAN };
/* The envelope's lines are at hand. */
void arrive_envelope(const struct spool_place *place, struct str env, enum arrive_how how);
/* A processor's queue has it in flight, and it is no report: it goes to the queue of its domain. */
struct queue;
void arrive_unprocessed(struct queue *from, uint32_t rcpt);

/* What cannot be read is kept for people to look at, or removed (spool-delete-corrupted). */
void arrive_set_aside(const struct spool_place *place, const struct why *why);

#endif
