/*
 * VirtualMTAs as queued sees them: the connections they use, their limit, and the turn of their source addresses;
 * and pools, which choose a member by weight.
 */
#ifndef PH_QUEUED_VMTA_H
#define PH_QUEUED_VMTA_H

#include "lib/conf/conf.h"
#include "queued/limit/limit.h"
#include "queued/limit/pool.h"
#include "queued/way/preempt.h"

struct vmta {
	struct str name;	      /* empty: the default */
	const struct conf_vmta *conf; /* NULL: the default, or it is gone from the configuration */
	struct limit out;	      /* max-smtp-out */
	struct limit msg;	      /* max-smtp-msg-rate */
	struct limit volume;	      /* max-smtp-data-volume-rate */
	struct pools pools;	      /* that it is a member of */
	struct preempt preempt;
	uint32_t next_source;
	uint32_t index; /* vmta_at() gives it for this */
	bool is_held;	/* pmtactl hold */
	bool exists;
};

/* Finds or makes. */
struct vmta *vmta_get(struct str name);
/* NULL: nobody asked for it yet. */
struct vmta *vmta_find(struct str name);
size_t vmta_n(void);
struct vmta *vmta_at(size_t i);
/* After a reload. */
void vmta_reconfigure_all(void);
/* When the queues are configured as well: whoever can go on now is woken. */
void vmta_wake_all(void);
/*
 * The next source of the family, round robin. False: it has sources, but none of this family. A VirtualMTA
 * without sources gives family 0 (any address) and the configured host-name.
 */
bool vmta_next_source(struct vmta *v, uint8_t family, struct conf_source_host *source);
/* Bit 0: IPv4, bit 1: IPv6. */
uint8_t vmta_families(const struct vmta *v);

/* A member of the pool, by weight (smooth round robin); the empty name when there is no such pool. */
struct str pool_choose(struct str pool);
/* The same among the members for which `can` is true, or among all when there is none. */
typedef bool pool_test(struct str member, void *ctx);
struct str pool_choose_if(struct str pool, pool_test *can, void *ctx);

#endif
