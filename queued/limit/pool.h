/*
 * Pools as limits: what their members use together. A VirtualMTA is held by the limits of every pool that it is a
 * member of, whichever way the mail chose it.
 */
#ifndef PH_QUEUED_LIMIT_POOL_H
#define PH_QUEUED_LIMIT_POOL_H

#include "lib/conf/conf.h"
#include "queued/limit/limit.h"

struct pool {
	struct str name;
	struct limit out;    /* max-smtp-out */
	struct limit msg;    /* max-smtp-msg-rate */
	struct limit volume; /* max-smtp-data-volume-rate */
};

#define POOLS_MAX 8
/* those that one VirtualMTA is held by */
struct pools {
	struct pool *list[POOLS_MAX];
	size_t n;
};
/* The pools that the VirtualMTA is a member of. */
void pools_of_member(const struct conf_vmta *v, struct pools *p);
/* After a reload: the values; then, when all else is configured, whoever waits is woken. */
void pool_reconfigure_all(void);
void pool_wake_all(void);

#endif
