/*
 * Precached domains (precached-domains-file of <dns>): their mail exchangers and those hosts' addresses are asked for
 * every refresh interval and kept until the next, whatever their time to live; an answer that fails leaves what was
 * known. It adds nothing to what a RESOLVE may find.
 */
#ifndef PH_DNSD_PRECACHE_H
#define PH_DNSD_PRECACHE_H

#include "dnsd/lookup.h"
#include "lib/base/buf.h"

struct precache {
	struct lookup *lookup;
	char **names; /* as wire_name_normal() gives them; owned */
	uint32_t n, next;
	bool asks_hosts; /* the second half of a round: addresses of the exchangers */
	int64_t interval_ms;
	struct ev_timer timer;
};

/* Before the sandbox: reads the file, at most `max` domains; lines that are none are told in the log. */
void precache_init(
    struct precache *p, struct lookup *l, const char *path, int64_t interval_ms, uint32_t max);
void precache_clear(struct precache *p);
/* Begins a round now: at the start, and when the cache was emptied. */
void precache_refresh(struct precache *p);
/* A line for each domain: its name, exchangers that are known, and for how many seconds yet. */
void precache_show(const struct precache *p, struct buf *b);

#endif
