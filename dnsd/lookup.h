/*
 * One question to the name servers: answered from the cache where it can be, asked at most once at a time
 * otherwise. Every question ends: by an answer, by c-ares giving up, or by the asker's own deadline. Only this
 * module knows c-ares.
 */
#ifndef PH_DNSD_LOOKUP_H
#define PH_DNSD_LOOKUP_H

#include <ares.h>

#include "dnsd/cache.h"
#include "lib/base/why.h"
#include "lib/ev/ev.h"

#define LOOKUP_MAX_SOCKETS 256

/* The answer is borrowed for the call. */
typedef void lookup_cb(void *ctx, uint64_t token, const struct wire_answer *a);

struct lookup_flight;
struct lookup_socket {
	struct ev_io io;
	struct lookup *l;
	bool is_used;
};
struct lookup {
	struct cache cache;
	ares_channel channel;
	struct hmap map;
	struct slab slots; /* struct lookup_flight * */
	TAILQ_HEAD(, lookup_flight) flights;
	struct lookup_socket sockets[LOOKUP_MAX_SOCKETS];
	struct ev_timer timer;
	lookup_cb *cb;
	void *ctx;
	char system_servers[512]; /* of /etc/resolv.conf */
	int edns_bytes;		  /* 0: without EDNS */
	bool is_trusted;	  /* every server is on this machine: its AD bit is believed */
};

/* Before the sandbox: reads the system's configuration. All answers come to cb(ctx, token, …). */
int lookup_init(
    struct lookup *l, lookup_cb *cb, void *ctx, int edns_bytes, struct why *why) PH_MUST_CHECK;
void lookup_clear(struct lookup *l);
/*
 * "IP", "IP:port", "[v6]:port", parted by commas; empty: the system's. What is under way is asked again there, and
 * the cache is emptied. -1 with `why`: the servers are as they were.
 */
int lookup_set_servers(struct lookup *l, struct str servers, struct why *why) PH_MUST_CHECK;
/*
 * Asks; name as wire_name_normal() gives it. True: it was known, and *a is filled. False: the answer comes to the
 * callback, exactly once, with this token; never from within.
 */
bool lookup_ask(
    struct lookup *l, const char *name, enum wire_type type, uint64_t token, struct wire_answer *a);
/*
 * Asks though it may be known, and keeps the answer for so long whatever its time to live; nobody is told. A failure
 * leaves what was known.
 */
void lookup_keep(struct lookup *l, const char *name, enum wire_type type, uint32_t ttl_s);
/* What the cache has; nothing is asked. */
bool lookup_known(struct lookup *l, const char *name, enum wire_type type, struct wire_answer *a);
/* The cache forgets all types of the name (NULL: everything), and answers under way will not be kept. */
void lookup_forget(struct lookup *l, const char *name);

#endif
