/*
 * The commands of the control socket, one function each; see the table in control.c.
 */
#ifndef PH_QUEUED_CONTROL_CONTROL_INT_H
#define PH_QUEUED_CONTROL_CONTROL_INT_H

#include <sys/types.h>

#include "queued/bigrams.h"
#include "queued/control/control.h"
#include "queued/control/memo.h"
#include "queued/queue.h"

typedef void control_fn(struct control *c);

control_fn control_show_status, control_show_queues, control_show_domains, control_show_vmtas,
    control_show_jobs, control_show_settings, control_show_version, control_list, control_cat,
    control_explain, control_delete, control_schedule, control_pause_queue, control_resume_queue,
    control_pause_job, control_resume_job, control_pause_domain, control_resume_domain,
    control_hold, control_release, control_resolve, control_clear_dnscache, control_reload,
    control_rotate_log, control_rotate_acct, control_reset_counters, control_stop, control_ledger,
    control_set_priority, control_show_precache, control_check_spf, control_show_metrics,
    control_show_vmta_settings, control_tail, control_trace, control_show_alerts,
    control_show_rates, control_show_changes;

/* control_rights.c: looks the groups up; before the sandbox */
void control_rights_init(void);
/* enum ctl_rights of the process at the other end, -1: none at all. */
int control_rights_of(int fd, uid_t *uid);

/* control_dry.c: says what the command would do; true: the answer was ended with it */
bool control_dry_run(struct control *c, const struct ctl_row *row);

/* control_stats.c: begins to count */
void control_stats_init(void);

/* why a queue does not move: the directive, for explain */
struct reason {
	const struct conf_set *set;
	enum conf_key key;
	const struct cause_kept *by; /* a reply's line, in place of set and key */
	uint32_t item;		     /* of the directive's lines, from 1; 0: it has one */
	struct wall until;
	const char *wakes; /* what ends the wait, where `until` is not known */
	char detail[200];
};
/* What holds the queue now. */
void control_reason(const struct queue *q, struct reason *k);
/* Its line of the configuration; no file: a default, or nothing that is configured. */
struct conf_origin control_reason_origin(const struct reason *k);
const char *control_reason_directive(const struct reason *k);
void control_cause_of_limit(const struct queue *q, struct reason *k);

/* control_mode.c */
control_fn control_set_queue, control_disable_source, control_enable_source, control_show_sources;
/* what explain and show queues tell of the i-th queue's mode */
void control_mode_explain(struct control *c, const struct queue *q, uint32_t i);
void control_mode_events(struct control *c, const struct queue *q, uint32_t i);

/* "2026-11-21 09:00:00" in local time into text[32]; "" for 0 */
struct str control_time(struct wall w, char text[32]);
/* The selectors of list and delete. Views borrow from the control that goes on. */
struct selection {
	struct str queue, orig, rcpt, job, envid;
	struct tick born_until; /* only what was there then, or as old as asked */
	bool has_age;
	/* what memory tells by itself: the hash of an address without wildcards, its domain, pairs of letters */
	uint32_t rcpt_hash;	/* 0: none */
	struct str rcpt_domain; /* pattern behind the last `@` */
	bool has_domain;	/* there is one */
	bool any_local_part;	/* before it stands but `*` */
	uint32_t own_names[2];	/* handles of the domains that stand for others */
	uint64_t asked_orig, asked_envid;
	struct bigrams_address asked_rcpt;
};
/* false: an argument is wrong, and the answer was ended with that */
bool selection_is_good(struct control *c);
void selection_init(struct selection *s, struct control *c);
/* Recipients that fit this pattern, whatever else was asked for. */
void selection_of_rcpt(struct selection *s, struct str pattern);
bool selection_is_empty(const struct selection *s);

/*
 * A walk over all recipients, a bounded piece a turn, each that is there from begin to end exactly once, whatever
 * happens to queues between two turns. It goes by handle, not by queue. What memory cannot tell of a recipient is read
 * from its envelope; unless the walk is thorough it ends when many were read in vain or that took long, and says so.
 */
struct walk {
	struct selection s;
	struct memo queues, domains; /* does the name fit? */
	uint32_t next, end;	     /* handles; next 0: not begun */
	uint32_t n_read;	     /* envelopes */
	uint32_t n_vain;	     /* of these, those that the owner had no use for */
	struct mono began, told;     /* told: when the client heard last how far it is */
	bool is_thorough;	     /* the owner's */
	bool tells;		     /* the owner's: it needs the addresses of all that fit */
	bool is_cut;		     /* it ended before its end */
	bool is_dry;		     /* the owner's: --dry-run */
	uint32_t n, max;	     /* the owner's */
	int hit_cost;		     /* the owner's: of a hit, in recipients looked at */
};
/* false: no more is wanted. The addresses are empty unless the envelope was read. */
typedef bool walk_hit(
    struct walk *w, struct control *c, uint32_t rcpt, struct str address, struct str sender);
/* Takes --all and --dry-run into account: what is only told need not be thorough. */
void walk_init(struct walk *w, struct control *c);
void walk_clear(struct walk *w);
/* For control_go_on(): of a walk that was allocated. */
void walk_free(void *w);
/* true: the walk is over */
bool walk_step(struct walk *w, struct control *c, walk_hit *hit);
/* what the sentence at its end has then, with walk_per_cent() */
#define WALK_CUT "only %u %% of all were looked through, for envelopes must be read"
#define WALK_ALL "; --all looks through the rest."
/* Of one that was cut, how far it came; and that the answer lacks something. */
uint32_t walk_per_cent(const struct walk *w);
void walk_say_cut(const struct walk *w, struct control *c);

/* The same over queues: `hit` for each. Those that come meanwhile may be left out. */
struct queue_walk {
	uint32_t last; /* 0: not begun */
};
/* false: no more is wanted */
typedef bool queue_hit(struct control *c, const struct queue_brief *b, void *state);
bool queue_walk_step(struct queue_walk *w, struct control *c, queue_hit *hit, void *state);

/* queues.c: which queues the options of show choose, and what their rows are sorted by. Borrows from the control. */
struct queue_filter {
	struct str what, vmta;
	int connected, paused, backoff;				  /* -1: any */
	enum { KEY_NONE, KEY_RCPTS, KEY_BYTES, KEY_BOUNCES } key; /* the last: only domains */
};
/* false: an argument is wrong, and the answer was ended with that */
bool control_are_options_good(struct control *c);
void queue_filter_init(struct queue_filter *f, const struct control *c);
bool queue_filter_fits(const struct queue_filter *f, const struct queue_brief *b);
/* the highest comes first */
uint64_t queue_filter_key(const struct queue_filter *f, uint64_t rcpts, uint64_t bytes);
uint32_t control_rows_wanted(const struct control *c);

#endif
