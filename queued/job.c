#include "queued/job.h"

#include "lib/base/xalloc.h"
#include "queued/state.h"

struct job *
job_at(uint32_t handle)
{
	return slab_at(&qd.jobs, handle);
}

static bool
is_job(const void *key, uint32_t handle)
{
	const struct str *name = key;

	return str_eq(*name, str_of(job_at(handle)->name));
}

uint32_t
job_find(struct str name)
{
	return hmap_find(&qd.job_map, str_hash(name), is_job, &name);
}

static uint32_t
job_get(struct str name)
{
	uint32_t h = job_find(name);

	if (h != 0)
		return h;
	h = slab_new(&qd.jobs);
	job_at(h)->name = xstrdup_str(name);
	hmap_add(&qd.job_map, str_hash(name), h);
	return h;
}

uint32_t
job_add_rcpt(struct str name)
{
	uint32_t h;

	if (name.len == 0)
		return 0;
	h = job_get(name);
	job_at(h)->n_rcpts++;
	return h;
}

static void
maybe_forget(uint32_t handle)
{
	struct job *j = job_at(handle);

	if (j->n_rcpts > 0 || j->paused)
		return;
	hmap_remove(&qd.job_map, str_hash(str_of(j->name)), handle);
	free(j->name);
	slab_free(&qd.jobs, handle);
}

void
job_drop_rcpt(uint32_t job)
{
	job_at(job)->n_rcpts--;
	maybe_forget(job);
}

uint32_t
job_next(uint32_t handle)
{
	for (handle++; handle < slab_end(&qd.jobs); handle++) {
		/* a free slot holds a small number in the name's place */
		if ((uintptr_t)job_at(handle)->name > UINT32_MAX)
			return handle;
	}
	return 0;
}

void
job_set_paused(struct str name, bool paused)
{
	uint32_t h = paused ? job_get(name) : job_find(name);

	if (h == 0)
		return;
	job_at(h)->paused = paused;
	maybe_forget(h);
}

bool
job_is_paused(uint32_t job)
{
	return job != 0 && job_at(job)->paused;
}
