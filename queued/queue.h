/*
 * A queue: the recipients of one domain over one VirtualMTA, its connections, its route, and why it does not move.
 * A queue without mail costs nothing: it is freed as soon as nothing is left to remember.
 */
#ifndef PH_QUEUED_QUEUE_H
#define PH_QUEUED_QUEUE_H

#include <sys/queue.h>

#include "lib/ev/ev.h"
#include "queued/due.h"
#include "queued/limit/limit.h"
#include "queued/order.h"
#include "queued/policy.h"
#include "queued/limit/rate.h"

/* why a queue does not move: row = name, sentence for a person, and what wakes it where no time is known */
/* clang-format off */
#define QUEUE_HOLDS(X)                                                                             \
	X(EMPTY, "no mail is queued", "when mail comes")                                           \
	X(DELIVERING, "connections are busy with its mail", "when the receiver answers")           \
	X(CONNECTING, "a connection is being opened", "when the connection is up, or failed")      \
	X(MOVING, "its mail goes to another queue", "at once")                                     \
	X(RESOLVING, "the name server was asked for its hosts", "when the name server answers")    \
	X(RETRY, "the last attempt failed; the queue waits for its retry time", "at its time")     \
	X(RCPT_WAIT, "every recipient was deferred and waits for its own retry time",              \
	    "at the time of the first")                                                            \
	X(SCHEDULED, "all its mail is scheduled for later", "at the time of the first")            \
	X(PAUSED, "paused by the operator", "when it is resumed")                                  \
	X(HELD_TYPE, "the configuration names no command, path or URL for its type of delivery",   \
	    "after a reload that names one")                                                       \
	X(HELD_DOMAIN, "hold-domain is set in the configuration", "after a reload without it")     \
	X(HELD_VMTA, "the VirtualMTA is held by the operator", "when it is released")              \
	X(HELD_JOBS, "the jobs of all its mail are paused", "when one of them is resumed")         \
	X(LIMIT, "a limit is reached", "when there is room again")                                 \
	X(NO_PROCESSOR, "the process that reads these messages is away and will be restarted",     \
	    "when it is back")                                                                     \
	X(NO_DELIVERD, "the delivery process is away and will be restarted", "when it is back")    \
	X(ACCOUNTING, "accounting records or reports are not yet on disk, so deliveries wait",     \
	    "when they are on disk")                                                               \
	X(JUDGING, "failures wait for the bounce processor to judge them, and it does not answer", \
	    "when it answers")                                                                     \
	X(BOUNCING, "a reply ordered that all its mail bounces", "at once")                        \
	X(NO_VMTA, "its VirtualMTA does not exist", "at once, when its mail has bounced")          \
	X(NO_SOURCE, "the VirtualMTA has no source address of the destination's family",           \
	    "when the name server gives another address, or after a reload")                       \
	X(SOURCES_DISABLED, "all its source addresses are disabled", "when one is enabled")
/* clang-format on */

enum queue_hold {
#define X(name, text, wakes) HOLD_##name,
	QUEUE_HOLDS(X)
#undef X
	    HOLD_MAX
};
const char *hold_name(enum queue_hold h);
const char *hold_text(enum queue_hold h);
const char *hold_wakes(enum queue_hold h);

struct conn;
TAILQ_HEAD(conn_list, conn);
struct route;
struct move_target;
struct vmta;
struct events;
struct rcpt_events;
struct mode;
struct sources_off;
struct throttle;
struct cause_kept;
struct purge;

/* what each arrival and each turn look at stands in front: with many queues every line of memory counts */
struct queue {
	uint32_t handle;
	uint32_t hash; /* of the name, as much of it as the map has */
	const struct policy *policy;
	struct vmta *vmta;
	struct order ready;
	uint64_t bytes;
	TAILQ_ENTRY(queue) run_link;
	struct tick next_expiry;
	uint16_t domain_len;
	bool in_run_line;
	bool retrying;
	bool expiry_known;
	bool paused;
	bool is_grouped;    /* holds, or held, mail of domains of another name */
	uint8_t processor;  /* enum conf_processor: it is read, not delivered (process.h) */
	bool backoff;	    /* its mode: the backoff-* settings hold */
	uint8_t hold;	    /* enum queue_hold */
	uint8_t retry_hold; /* what to call it while `retrying` */
	bool was_shut;	    /* at the last look (shutoff.h) */
	uint32_t n_flight, n_ending;
	struct cause_kept *ordered; /* the reply that ordered the wait, NULL: none */
	struct due deferred;
	struct rlist held;
	uint32_t n_judging; /* outcomes that bounced has not judged yet (judge.h) */

	struct conn_list conns;
	uint32_t n_conns; /* opening, up or closing */
	uint32_t n_up;
	struct route *route;
	struct route *asking; /* the one that will take its place, while name servers are asked */
	uint32_t n_failed;    /* hosts that failed since the last success */
	uint32_t retry_nth;
	struct tick retry_at; /* the queue waits until then when `retrying` */
	struct tick retry_since;
	uint8_t n_greetings_5xx; /* in a row */
	bool loop_said;		 /* that its re-routing leads back to it */
	struct tick open_after;	 /* no connection is opened before: local trouble */
	struct tick hold_since;
	struct tick keep_until; /* not freed before: somebody waits for its route */
	struct ev_timer timer;
	struct limit *waits_for;
	struct limit *woken_by; /* the line it was called from, until its turn is over */
	struct limit *kept;	/* units of this one were taken for it */
	uint64_t kept_n;
	struct limit *hopes_for; /* the rate that woke it, until it takes of it */
	uint64_t hopes_n;
	struct bound bound;	    /* HOLD_LIMIT without a line: which limit of its own */
	struct rates *rates;	    /* what its own rates counted; NULL: it has none */
	struct sources *from;	    /* the same of its source addresses; NULL: none is limited */
	struct move_target *leaves; /* where its mail goes instead, NULL: it stays (move.c) */
	struct events *events;	    /* the last errors, NULL: none */
	struct rcpt_events *rcpt_events; /* of its recipients (happen.h), NULL: none */
	struct mode *mode;		 /* NULL: it was never in another (mode.h) */
	struct sources_off *sources_off; /* NULL: none is disabled (source.h) */
	struct throttle *throttle;	 /* NULL: no reply took connections away (retry.h) */
	struct purge *purge;		 /* NULL, or: all its mail bounces (react.h) */
	uint64_t n_delivered, n_bounced, n_deferred;

	RB_ENTRY(queue) line_link; /* in a limit's line, ordered by the next two */
	uint64_t line_serial;
	uint64_t line_need;
	uint8_t line_priority;
	uint8_t using_priority;
	bool is_using;		/* stands among those that may be interrupted (preempt.h) */
	bool preempts;		/* asked for a connection to end, in the line that it stands in */
	uint32_t n_interrupted; /* of its connections */
	TAILQ_ENTRY(queue) using_link;
	char name[]; /* domain "/" VirtualMTA */
};

/*
 * What walks over all queues need of each, side by side in memory, for a look at every queue itself costs some hundred
 * nanoseconds. As of its last turn; whatever changes a queue kicks it.
 */
struct queue_brief {
	struct queue *q; /* first: a free slot's number stands in its place */
	uint64_t
	    name_begin; /* the first eight bytes of its name, the first the highest: orders most names */
	uint64_t bytes;
	int64_t last_error_ns; /* wall; 0: none is known */
	uint32_t n_rcpts;
	uint32_t n_conns;
	uint32_t domain; /* handle (domain.h) */
	uint32_t vmta;	 /* index */
	bool paused, backoff;
	uint64_t n_delivered, n_bounced, n_deferred;
};
/* NULL: no queue has this handle. */
const struct queue_brief *queue_brief(uint32_t handle);

/* Finds or makes. Domain in lower case; the VirtualMTA's name may be empty (default). */
struct queue *queue_get(struct str domain, struct str vmta);
struct queue *queue_find(struct str name);
struct queue *queue_at(uint32_t handle);
/* The same for a handle that may be stale; NULL: no queue has it. */
struct queue *queue_try(uint32_t handle);
/* Walks all queues: pass 0 first; 0 at the end. */
uint32_t queue_next(uint32_t handle);
struct str queue_domain(const struct queue *q);
struct str queue_vmta_name(const struct queue *q);
uint32_t queue_n_rcpts(const struct queue *q);
/* max-smtp-out as its mode has it, less what a reply took away. */
uint32_t queue_max_out(const struct queue *q);

/* A recipient comes in (state set here), ready now or due later. */
void queue_add_ready(struct queue *q, uint32_t rcpt, bool in_front);
void queue_add_deferred(struct queue *q, uint32_t rcpt, struct tick due);
void queue_add_held(struct queue *q, uint32_t rcpt);
/* Those in front whose window has closed wait for their next one; false: there are more, and the queue was kicked. */
bool queue_close_windows(struct queue *q);
/* Takes a waiting recipient out of its list. */
void queue_take(struct queue *q, uint32_t rcpt);
/* Walks those that wait in one state (ready, deferred, held): the first, and the one behind; 0 at the end. What was
 * passed may be taken out. */
uint32_t queue_first(const struct queue *q, enum rcpt_state s);
uint32_t queue_after(const struct queue *q, uint32_t rcpt);

/* Its brief is made anew. */
void queue_note(struct queue *q);
/* Something changed: look at the queue before the turn of the loop ends. */
void queue_kick(struct queue *q);
void queue_kick_all(void);
/* Nothing more to remember of it: frees it when it is empty and idle. */
void queue_maybe_free(struct queue *q);
/* Records what holds it (for explain and show). */
void queue_set_hold(struct queue *q, enum queue_hold hold);
/* The queue failed as a whole: waits its retry-after, or `ms` when >= 0. */
void queue_retry_later(struct queue *q, int64_t ms);
/* A delivery went through: the retry interval begins anew. */
void queue_succeeded(struct queue *q);
/* Try now: forgets the queue's retry time; with `rcpts` also those of its recipients. */
void queue_schedule(struct queue *q, bool rcpts);
/* The configuration changed: settings are looked up again. */
void queue_reconfigure_all(void);

#endif
