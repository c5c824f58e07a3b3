/*
 * A thread that does what must not block the loop (a disk, a costly hash): jobs run in it one after another, in the
 * order of submission; each then comes back to the loop, in the same order. A job's owner must leave its data alone
 * while it is out. No lock is held while a job runs.
 */
#ifndef PH_EV_WORKER_H
#define PH_EV_WORKER_H

#include "lib/base/base.h"

/* Embedded in the job's own struct. `run` is called in the thread, `done` from the loop (it may free the job). */
struct ev_work {
	void (*run)(struct ev_work *);
	void (*done)(struct ev_work *);
	struct ev_work *next;
};

struct ev_worker;
/* Returns owned. The thread itself starts with the first job: behind the walls of the sandbox, for not all of them hold
 * threads that are there already. Fatal when it cannot. `name`: for the message then; borrowed. */
struct ev_worker *ev_worker_new(const char *name);
void ev_worker_submit(struct ev_worker *w, struct ev_work *work);
bool ev_worker_is_busy(const struct ev_worker *w);
/* Blocks until nothing is under way, `done` calls included (and what they submit). */
void ev_worker_drain(struct ev_worker *w);
/* Drains, ends the thread and frees. */
void ev_worker_free(struct ev_worker **w);

#endif
