/*
 * What a configuration set says of the rates of its queues and of their source addresses, as numbers. Part of
 * struct policy; it decides nothing.
 */
#ifndef PH_QUEUED_LIMIT_RATE_CONF_H
#define PH_QUEUED_LIMIT_RATE_CONF_H

#include "lib/conf/conf.h"

/* what is counted of a queue in a time; those of back-off stand behind the others in the same order */
enum rate_kind {
	RATE_MSG,    /* recipients tried */
	RATE_VOLUME, /* bytes delivered */
	RATE_CONNECT,
	RATE_BACKOFF_MSG,
	RATE_BACKOFF_VOLUME,
	RATE_BACKOFF_CONNECT,
	RATE_RAMPUP, /* one connection an interval */
	RATE_MAX
};
#define RATE_TO_BACKOFF (RATE_BACKOFF_MSG - RATE_MSG)

enum source_kind { SOURCE_MSG, SOURCE_VOLUME, SOURCE_CONNECT, SOURCE_OUT, SOURCE_MAX };
struct source_row {
	struct net_cidr cidr;
	struct conf_rate rate; /* SOURCE_OUT: its count */
	enum source_kind kind;
	uint32_t item; /* of the directive's lines */
};

struct rate_conf {
	struct conf_rate of[RATE_MAX]; /* count CONF_UNLIMITED: none */
	/* which of them a queue needs a meter for: its place, from 1; 0: none, or that of normal mode serves */
	uint8_t at[RATE_MAX];
	uint8_t n_meters;
	struct source_row *sources; /* owned */
	size_t n_sources;
};

void rate_conf_read(struct rate_conf *r, const struct conf_set *set);
void rate_conf_clear(struct rate_conf *r);
/* The row for that address: the longest prefix, the first written of equals; NULL: none. */
const struct source_row *rate_conf_source(
    const struct rate_conf *r, enum source_kind kind, const struct net_addr *a);
enum conf_key rate_key(enum rate_kind kind);
enum conf_key source_key(enum source_kind kind);

#endif
