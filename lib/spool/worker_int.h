/*
 * A thread that does what must not block the loop: jobs run in it one after another, in the order of submission;
 * each then comes back to the loop, in the same order. A job's owner must leave its data alone while it is out. No
 * lock is ever held across a system call that touches a disk.
 */
#ifndef PH_SPOOL_WORKER_INT_H
#define PH_SPOOL_WORKER_INT_H

#include "lib/base/base.h"

/* Embedded in the job's own struct. `run` is called in the thread, `done` from the loop (it may free the job). */
struct spool_work {
	void (*run)(struct spool_work *);
	void (*done)(struct spool_work *);
	struct spool_work *next;
};

struct spool_worker;
/* Starts the thread: before seccomp. Fatal when it cannot. Returns owned. */
struct spool_worker *spool_worker_new(void);
void spool_worker_submit(struct spool_worker *w, struct spool_work *work);
bool spool_worker_is_busy(const struct spool_worker *w);
/* Blocks until nothing is under way, `done` calls included (and what they submit). */
void spool_worker_drain(struct spool_worker *w);
/* Drains, ends the thread and frees. */
void spool_worker_free(struct spool_worker **w);

#endif
