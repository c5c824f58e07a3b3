/* What sts.c and sts_file.c share: the table of domains that have a policy, or had none lately. */
#ifndef PH_QUEUED_WAY_STS_INT_H
#define PH_QUEUED_WAY_STS_INT_H

#include "lib/sts/sts.h"
#include "queued/ticks.h"

struct sts_look;
struct sts_domain {
	uint32_t handle;
	uint32_t serial; /* of what is known */
	char *name;	 /* owned */
	char *patterns;	 /* owned, NULL: there is no policy */
	size_t patterns_len;
	uint8_t mode; /* enum sts_mode */
	char id[STS_MAX_ID + 1];
	struct wall expires;
	struct wall renew_at;  /* then it is got again, though its record be the same */
	struct tick look_at;   /* its record is looked at again */
	struct sts_look *look; /* under way, NULL: nothing is; owned */
};

/* Finds or makes. */
struct sts_domain *sts_domain_get(struct str name);
/* The next of all: 0 first; NULL at the end. */
struct sts_domain *sts_domain_next(uint32_t *handle);
/* Its policy is this one from now on, until then. */
void sts_domain_set(
    struct sts_domain *d, const struct sts_policy *p, struct str id, struct wall expires);

/* ---- sts_file.c ---- */
void sts_file_read(int spool_fd);
/* Written soon, unless it is sooner already. */
void sts_file_touch(void);
/* Now, if it is to be written. */
void sts_file_flush(void);

#endif
