/*
 * Jobs (campaigns): a name, how much of it is queued, and whether the operator paused it. A job is forgotten with
 * its last recipient unless it is paused.
 */
#ifndef PH_QUEUED_JOB_H
#define PH_QUEUED_JOB_H

#include "lib/base/str.h"

struct job {
	char *name; /* NULL: a free slot */
	uint32_t n_rcpts;
	uint64_t bytes; /* of its messages that still have recipients */
	bool paused;
};

/* Finds or makes; 0 for the empty name. Each call must be matched by job_drop_rcpt(). */
uint32_t job_add_rcpt(struct str name);
void job_drop_rcpt(uint32_t job);
struct job *job_at(uint32_t handle);
uint32_t job_find(struct str name);
/* Walks: pass 0 first; 0 at the end. */
uint32_t job_next(uint32_t handle);
/* Pauses or resumes a job by name, also one that has no mail yet. */
void job_set_paused(struct str name, bool paused);
bool job_is_paused(uint32_t job);

#endif
