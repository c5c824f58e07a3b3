/*
 * The beginning and the end of a test that has queued's tables: what it leaves in them goes with them.
 */
#ifndef PH_TEST_QUEUED_TABLES_H
#define PH_TEST_QUEUED_TABLES_H

#include "queued/job.h"
#include "queued/state.h"

static void
tables_clear(void)
{
	struct slab *all[] = {&qd.messages, &qd.rcpts, &qd.queues, &qd.jobs, &qd.segments};

	for (uint32_t h = 0; (h = job_next(h)) != 0;)
		free(job_at(h)->name);
	hmap_clear(&qd.job_map);
	for (size_t i = 0; i < countof(all); i++)
		slab_clear(all[i]);
}

#endif
