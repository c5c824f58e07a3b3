/*
 * bounced: judges failures, owns the suppression database, writes reports (RFC 3464) into a journal of its own, of which
 * it tells queued like any injector, and reads those that others send us. What is to be judged or reported comes from
 * queued.
 */
#ifndef PH_BOUNCED_BOUNCED_H
#define PH_BOUNCED_BOUNCED_H

#include "bounced/compose.h"
#include "bounced/failures.h"
#include "bounced/handle.h"
#include "bounced/segments.h"
#include "bounced/suppressed.h"
#include "lib/conf/conf.h"
#include "lib/ev/ev.h"
#include "lib/processor/processor.h"
#include "lib/spool/journal.h"

#define BOUNCED_WRITER	  15
#define BOUNCED_INJECTORS 15
#define BOUNCED_TROUBLE	  32

/* a message that could not be read: after a few times there is no report about it */
struct trouble {
	uint64_t id;
	unsigned n;
};

struct bounced {
	struct ipc_chan *queue; /* NULL while queued is away */
	struct journal *journal;
	struct ipc_chan *inject[BOUNCED_INJECTORS]; /* by instance; NULL: away */
	struct failures failures;
	struct suppressed suppressed;
	struct buf answer; /* for one look-up */
	struct composer composer;
	struct track track; /* when has_track */
	struct processor *processor;
	struct handlers handlers;
	struct heard *heard; /* of the message that it reads just now */
	struct gather gather;
	struct segments segments;
	struct spool_place *untold; /* became durable while queued was away */
	size_t n_untold, cap_untold;
	struct trouble trouble[BOUNCED_TROUBLE];
	size_t next_trouble;
	struct ev_timer leave;
	uint64_t epoch; /* counts queued's lives */
	size_t n_jobs;	/* REPORTs whose messages are not all durable yet */
	bool has_track, is_held, is_stopping;
	void (*leave_cb)(void);
};

/* What master gave; before bounced_init(). */
void bounced_take_key(struct bounced *b, int fd);
/* spool_fd is borrowed. Opens the journal; fatal when it cannot. */
void bounced_init(struct bounced *b, int spool_fd, uint16_t host_id, void (*leave)(void));
void bounced_clear(struct bounced *b);
/* Copies what it needs of the configuration. */
void bounced_use_conf(struct bounced *b, const struct conf *c);
void bounced_queue_up(struct bounced *b, int fd); /* takes fd */
/* execd; takes fd. */
void bounced_exec_up(struct bounced *b, int fd);
/* The same for a channel that was made already (tests); takes it. Its handlers are bounced_events, its context `b`. */
void bounced_queue_chan(struct bounced *b, struct ipc_chan *c);
extern const struct ipc_events bounced_events;
/* An injectd that may ask who is suppressed; takes fd. */
void bounced_inject_up(struct bounced *b, uint32_t instance, int fd);
void bounced_stop(struct bounced *b, int64_t drain_ms);

#endif
